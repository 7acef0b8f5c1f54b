// The seam: everything that leaves the process crosses this interface.
//
// A shard talks to the outside through one `platform` object, once per batch and never once per task: it hands over
// the requests its tasks made in a turn (`submit`), and collects those that finished (`reap`). The real side is
// core/linux; the simulated side is core/sim. Nothing above this file knows which of the two it runs on, and nothing
// above it makes a system call. A request is owned by the operation that made it from `submit` until `complete`,
// is completed exactly once, and neither it nor the memory it points to may be touched in between.
// check: allow test, tests/contract holds its promises against each side, io_test.cc and shard_test.cc those above it
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace shale {

/// What a request asks for. The comment gives its fields; those not named are ignored. `result` is -errno on failure.
enum class io_op : std::uint8_t {
    // Files. Direct I/O where `io_flag::direct` is set: address, size and offset aligned as the file demands.
    read,       ///< fd, data, size, offset: bytes read, 0 at the end of the file
    write,      ///< fd, data, size, offset, rw_flags: bytes written
    readv,      ///< fd, data = const iovec*, size = count, offset: bytes read
    writev,     ///< fd, data = const iovec*, size = count, offset, rw_flags: bytes written
    fsync,      ///< fd: 0
    fdatasync,  ///< fd: 0
    poll,       ///< fd, size = POLLIN and the like: the events that are ready

    // The file system. Paths end in NUL and stay valid until completion. No asynchronous form in Linux AIO.
    open,       ///< data = path, size = O_ flags, offset = mode: the new descriptor
    close,      ///< fd: 0. The descriptor is gone whatever the result; what was pending on a socket is -ECANCELED.
    stat,       ///< fd, or data = path when fd < 0; extra = struct statx*; flags may hold no_follow: 0
    rename,     ///< data = old path, extra = new path, size = RENAME_ flags: 0
    unlink,     ///< data = path, size = AT_REMOVEDIR or 0: 0
    mkdir,      ///< data = path, size = mode: 0; an existing directory is -EEXIST
    readdir,    ///< fd, data = buffer, size: bytes of struct linux_dirent64 put there, 0 at the end
    fallocate,  ///< fd, size = FALLOC_FL_ mode, offset, extra = length as a number: 0
    truncate,   ///< fd, offset = new length: 0
    sync_dir,   ///< data = path of a directory: its entries are durable: 0
    lock,       ///< fd, size = LOCK_SH, LOCK_EX or LOCK_UN, as flock(2): 0, or -EWOULDBLOCK. Never waits: LOCK_NB is
                ///< implied. The lock goes with the last descriptor of the opened file.
    statfs,     ///< data = path, extra = struct statfs*: 0

    // Sockets. Non-blocking descriptors; the shard that submits is the one that owns the descriptor.
    listen,    ///< data = const sockaddr*, size = its length, extra = const listen_parameters*: the descriptor
    accept,    ///< fd, data = sockaddr_storage* or null: the new descriptor, not yet owned by a shard
    connect,   ///< data = const sockaddr*, size = its length, extra = local sockaddr* or null: the connected descriptor
    recv,      ///< fd, data, size: bytes, 0 when the peer has finished sending
    send,      ///< fd, data, size: bytes, possibly fewer than size
    sendmsg,   ///< fd, data = const iovec*, size = count: bytes, possibly fewer
    recvmsg,   ///< fd, data = msghdr*: bytes
    shutdown,  ///< fd, size = SHUT_RD, SHUT_WR or SHUT_RDWR: 0. Pending recv and send of that direction complete.
    resolve,   ///< data = host name, extra = resolve_answer*: 0, or -ENOENT when there is no such name

    // Small things asked of a socket. They never wait, and complete in the turn that submits them.
    set_option,      ///< fd, data = value, size = its length, offset = socket_option(level, name): 0
    get_option,      ///< fd, data = room, size = its length, offset = socket_option(level, name): bytes put there
    local_address,   ///< fd, data = sockaddr_storage*: length of the address
    remote_address,  ///< fd, data = sockaddr_storage*: length of the address

    // Requests about requests.
    cancel,  ///< extra = io_request* still in flight: 0 withdrawn, -EALREADY it will complete by itself, -ENOENT
             ///< unknown
};

/// Bits of io_request::flags.
enum class io_flag : std::uint8_t {
    none = 0,
    direct = 1,     ///< the descriptor was opened with O_DIRECT: may go to the kernel's AIO
    no_follow = 2,  ///< stat: do not follow a final symbolic link
};

/// A socket option whose value is an int.
struct socket_setting {
    int level;
    int name;
    int value;
};

/// What io_op::listen needs beside the address.
struct listen_parameters {
    int backlog = 1024;
    bool reuse_port = false;  ///< several shards listen on one port and the kernel spreads connections
    bool ipv6_only = true;
    /// Set before the first connection can come; accepted ones inherit them.
    std::span<const socket_setting> settings = {};
};

/// io_request::offset of set_option and get_option.
constexpr std::uint64_t socket_option(int level, int name) noexcept {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(level)) << 32 | static_cast<std::uint32_t>(name);
}

/// What io_op::resolve found, best first, without ports. Owned by whoever asks.
struct resolve_answer {
    static constexpr unsigned capacity = 16;
    struct alignas(8) address {
        std::byte bytes[128];  ///< a sockaddr_in or sockaddr_in6, in the room of a sockaddr_storage
        std::uint32_t length;
    };
    unsigned count = 0;
    address addresses[capacity];
};

struct io_request;

/// Called by the shard once a request is done, in the turn's reap phase; it may free the request.
using io_complete = void (*)(io_request&) noexcept;

/// One operation in flight: 64 bytes, intrusive, owned by whoever waits for it (usually it lies in a coroutine frame).
struct io_request {
    io_op op;
    io_flag flags = io_flag::none;
    std::uint16_t rw_flags = 0;  ///< RWF_DSYNC, RWF_NOWAIT and the like, for read and write
    std::int32_t fd = -1;        ///< a descriptor, or a handle of the simulation
    void* data = nullptr;
    std::uint64_t offset = 0;
    std::uint32_t size = 0;
    std::int32_t result = 0;     ///< set before complete() is called: >= 0, or -errno
    io_request* next = nullptr;  ///< belongs to the holder: the shard before submit, the platform after it
    io_complete complete = nullptr;
    void* extra = nullptr;
    std::uint64_t impl = 0;  ///< belongs to the platform while the request is in flight
};
static_assert(sizeof(io_request) == 64);

inline constexpr std::uint64_t no_deadline = std::numeric_limits<std::uint64_t>::max();

/// One shard's side of the outside world. All calls come from the shard's own thread, save wake().
class platform {
public:
    platform() = default;
    platform(const platform&) = delete;
    platform& operator=(const platform&) = delete;
    virtual ~platform() = default;

    /// Monotonic nanoseconds from an arbitrary origin that all shards of a runtime share. The shard reads it once a
    /// turn and caches it; it never runs backwards.
    virtual std::uint64_t now() noexcept = 0;

    /// Nanoseconds since 1970-01-01 UTC; may jump.
    virtual std::int64_t wall() noexcept = 0;

    /// Fills `out` with unpredictable bytes (reproducible ones in the simulation).
    virtual void entropy(std::span<std::byte> out) noexcept = 0;

    /// Takes over up to `count` requests, in order, and returns how many it took; the caller offers the rest again
    /// next turn. A request that can be refused at once is taken, and completes with its error through reap().
    virtual unsigned submit(io_request* const* requests, unsigned count) noexcept = 0;

    /// Gives back up to `max` finished requests with `result` set and returns their number. Never blocks, and costs
    /// no system call when nothing has finished and the shard is idle.
    virtual unsigned reap(io_request** done, unsigned max) noexcept = 0;

    /// Blocks until a request finishes, wake() is called, or `deadline` (in now()'s terms) has passed. May return
    /// early for no reason. A wake() that came before the call ends it too.
    virtual void wait(std::uint64_t deadline) noexcept = 0;

    /// Ends the current or next wait() of this shard. The only call that may come from any thread.
    virtual void wake() noexcept = 0;
};

}  // namespace shale
