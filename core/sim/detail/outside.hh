// What the parts of the simulated outside (disk, network) share with the platforms that hand them requests.
//
// A request comes from one shard of one incarnation of a program, its `requester`. It is finished there exactly once,
// by whoever holds it, unless the incarnation has died: then nobody touches the request or its memory again. The
// descriptors of an incarnation stand in one table that all its shards share, as those of a process do.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "../../base/random.hh"
#include "../../shard/platform.hh"
#include "event_queue.hh"

namespace shale::sim::detail {

/// What a descriptor stands for. The disk and the network derive from it, each for its own.
class open_handle {
public:
    enum class kind : std::uint8_t { file, socket };

    explicit open_handle(kind k) noexcept : what(k) {}
    open_handle(const open_handle&) = delete;
    open_handle& operator=(const open_handle&) = delete;
    virtual ~open_handle() = default;

    const kind what;
};

/// The descriptors of one incarnation. They begin far above any real one, and the lowest free one is taken, as in
/// POSIX.
class handle_table {
public:
    static constexpr std::int32_t first = 1 << 30;

    std::int32_t add(std::shared_ptr<open_handle> handle);
    /// Null: there is no such descriptor.
    std::shared_ptr<open_handle> find(std::int32_t fd) const noexcept;
    /// Null: there was none.
    std::shared_ptr<open_handle> remove(std::int32_t fd) noexcept;
    /// Removes all of one kind, as the death of a process does, and returns them.
    std::vector<std::shared_ptr<open_handle>> remove_all(open_handle::kind what);
    std::size_t size() const noexcept { return handles_.size(); }
    /// Most descriptors at a time, as RLIMIT_NOFILE: beyond, open and accept give -EMFILE. Whoever adds asks.
    bool full() const noexcept { return handles_.size() >= limit; }

    std::size_t limit = 4096;

private:
    std::map<std::int32_t, std::shared_ptr<open_handle>> handles_;
};

/// Whom a request comes from: one shard of one incarnation. Implemented by sim_platform; it outlives its requests,
/// dead or alive.
class requester {
public:
    /// Gives a request back with its result, now, in an event or in the shard's own submit. Once for each request;
    /// never after the incarnation has died.
    virtual void finish(io_request& request, std::int32_t result) = 0;
    /// False once the program was killed or lost its power: its requests are to be forgotten, its memory left alone.
    virtual bool alive() const noexcept = 0;
    virtual handle_table& handles() noexcept = 0;

protected:
    ~requester() = default;
};

/// What each part of the world draws from: streams of their own, so that one more draw here changes nothing there.
struct random_streams {
    explicit random_streams(std::uint64_t seed) noexcept : root(seed) {}

    random_engine root;
    random_engine schedule = root.fork();  ///< who steps next, what turns cost, preemption
    random_engine disk = root.fork();
    random_engine network = root.fork();
    random_engine chaos = root.fork();    ///< when machines fail
    random_engine program = root.fork();  ///< the entropy that programs ask for
    random_engine faults = root.fork();   ///< FAULT points
};

}  // namespace shale::sim::detail
