// Transfers and the other calls on an open descriptor; unaligned writes stand in unaligned_write.cc.
#include "open_file.hh"

#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "../../core/base/align.hh"
#include "../../core/base/error.hh"
#include "../../core/base/fault_point.hh"
#include "../../core/base/log.hh"
#include "../../core/shard/shard.hh"
#include "stat_format.hh"

namespace shale::detail {

namespace {

inline constinit logger log{"file"};

// The kernel takes no more in one vectored request.
constexpr std::size_t parts_max = 1024;

/// Closes a descriptor that nobody waits for.
struct close_request final : io_request {
    explicit close_request(int descriptor) noexcept : io_request{.op = io_op::close, .fd = descriptor} {
        complete = [](io_request& self) noexcept { delete static_cast<close_request*>(&self); };
    }
};

std::size_t total(const std::vector<iovec>& parts) noexcept {
    std::size_t sum = 0;
    for (const iovec& part : parts) {
        sum += part.iov_len;
    }
    return sum;
}

const char* advice(int error) noexcept {
    switch (error) {
        case ENOSPC:
        case EDQUOT:
            return "Free some space, or raise the quota.";
        case EIO:
            return "The disk reports damage: see the kernel's log.";
        case EFBIG:
            return "Raise the limit on file sizes (ulimit -f).";
        case EINVAL:
            return "The file system refuses this alignment for direct I/O.";
        default:
            return "";
    }
}

}  // namespace

open_file::open_file(std::string path, int fd, transfer_rules rules, const file_open_options& options)
    : path_(std::move(path)),
      fd_(fd),
      rules_(rules),
      request_bytes_max_(std::max<std::uint32_t>(options.request_bytes_max & ~4095U, 4096)) {}

open_file::~open_file() {
    if (fd_ >= 0 && on_shard()) {
        this_shard().submit(*new close_request(fd_));
    }
}

gate::holder open_file::use(const char* verb) {
    auto held = users_.try_hold();
    if (!held) {
        shale::throw_system_error(EBADF, "{} {}: it has been closed", verb, path_);
    }
    return std::move(*held);
}

io_request open_file::request(io_op op) const noexcept {
    io_request r{.op = op};
    r.flags = rules_.direct ? io_flag::direct : io_flag::none;
    r.fd = fd_;
    return r;
}

void open_file::fail(std::int32_t result, const char* verb, std::uint64_t position, std::uint64_t length,
                     abort_source* abort) const {
    if (result == -ECANCELED && abort != nullptr) {
        abort->check();
    }
    auto failure = shale::make_system_error(result, "{} of {} bytes at {} of {}", verb, length, position, path_);
    const char* what_to_do = advice(-result);
    throw *what_to_do != '\0' ? failure.advise(what_to_do) : failure;
}

std::uint32_t open_file::request_size(std::size_t left, bool in_pieces) const noexcept {
    const std::size_t most = std::min<std::size_t>(left, request_bytes_max_);
    return static_cast<std::uint32_t>(
        in_pieces ? std::min<std::size_t>(most, align_up(most / 2 + 1, std::size_t{rules_.offset_alignment})) : most);
}

bool open_file::fits_disk(std::uint64_t position, const void* memory, std::size_t length) const noexcept {
    return fits_offset(position) && fits_offset(length) && is_aligned(memory, rules_.memory_alignment);
}

bool open_file::fits_disk(std::uint64_t position, const std::vector<iovec>& parts) const noexcept {
    return !parts.empty() && parts.size() <= parts_max && total(parts) <= request_bytes_max_ &&
           std::ranges::all_of(parts, [&](const iovec& p) { return fits_disk(position, p.iov_base, p.iov_len); });
}

// Reading -------------------------------------------------------------------------------------------------------------

future<std::size_t> open_file::read_whole(std::uint64_t position, std::byte* to, std::size_t length,
                                          abort_source* abort) {
    std::size_t done = 0;
    while (done < length) {
        io_request r = request(io_op::read);
        r.data = to + done;
        r.size = request_size(length - done, FAULT("file.read_in_pieces"));
        r.offset = position + done;
        const std::int32_t result = co_await submit_io(r, abort);
        if (result == -EINTR) {
            continue;
        }
        if (result < 0) {
            fail(result, "read", position + done, length - done, abort);
        }
        done += static_cast<std::size_t>(result);
        // A direct read that ends between two blocks has met the end of the file; a shorter one may just be short.
        const bool odd = rules_.direct && !fits_offset(static_cast<std::uint64_t>(result));
        if (result == 0 || odd) {
            break;
        }
        if (static_cast<std::uint32_t>(result) < r.size) [[unlikely]] {
            PROBE("file.short_read_continued");
        }
    }
    co_return done;
}

future<open_file::piece> open_file::read_piece_now(std::uint64_t position, std::size_t length, abort_source* abort) {
    const std::uint64_t first = align_down(position, rules_.offset_alignment);
    const std::uint64_t end = align_up(position + length, rules_.offset_alignment);
    piece found;
    if (length == 0) {
        co_return found;
    }
    found.block = io_buffer(end - first);
    found.begin = position - first;
    const std::size_t size = co_await read_whole(first, found.block.data(), end - first, abort);
    found.size = size > found.begin ? size - found.begin : 0;
    co_return found;
}

future<open_file::piece> open_file::read_piece(std::uint64_t position, std::size_t length, abort_source* abort) {
    const auto self = shared_from_this();
    const gate::holder inside = use("read of");
    co_return co_await read_piece_now(position, length, abort);
}

future<std::size_t> open_file::read_now(std::uint64_t position, std::byte* to, std::size_t length,
                                        abort_source* abort) {
    if (fits_disk(position, to, length)) {
        co_return co_await read_whole(position, to, length, abort);
    }
    std::size_t done = 0;
    while (done < length) {
        const std::size_t wanted = std::min<std::size_t>(length - done, request_bytes_max_);
        const piece found = co_await read_piece_now(position + done, wanted, abort);
        const std::size_t size = std::min(found.size, wanted);
        std::memcpy(to + done, found.block.data() + found.begin, size);
        done += size;
        if (size < wanted) {
            break;
        }
    }
    co_return done;
}

future<std::size_t> open_file::read(std::uint64_t position, void* to, std::size_t length, abort_source* abort) {
    const auto self = shared_from_this();
    const gate::holder inside = use("read of");
    co_return co_await read_now(position, static_cast<std::byte*>(to), length, abort);
}

future<std::size_t> open_file::read_parts(std::uint64_t position, std::vector<iovec> to, abort_source* abort) {
    const auto self = shared_from_this();
    const gate::holder inside = use("read of");
    std::size_t done = 0;
    if (fits_disk(position, to)) {
        io_request r = request(io_op::readv);
        r.data = to.data();
        r.size = static_cast<std::uint32_t>(to.size());
        r.offset = position;
        const std::int32_t result = co_await submit_io(r, abort);
        if (result < 0 && result != -EINTR) {
            fail(result, "read", position, total(to), abort);
        }
        done = result > 0 ? static_cast<std::size_t>(result) : 0;
    }
    // What is left, if anything: part by part.
    std::size_t before = 0;
    for (const iovec& part : to) {
        const std::size_t skip = std::min(part.iov_len, done - std::min(done, before));
        before += part.iov_len;
        if (skip == part.iov_len) {
            continue;
        }
        const std::size_t wanted = part.iov_len - skip;
        auto* at = static_cast<std::byte*>(part.iov_base) + skip;
        const std::size_t size = co_await read_now(position + done, at, wanted, abort);
        done += size;
        if (size < wanted) {
            break;
        }
    }
    co_return done;
}

// Writing -------------------------------------------------------------------------------------------------------------

future<void> open_file::write_whole(std::uint64_t position, const std::byte* from, std::size_t length,
                                    write_options options, abort_source* abort) {
    std::size_t done = 0;
    while (done < length) {
        io_request r = request(io_op::write);
        r.data = const_cast<std::byte*>(from) + done;
        r.size = request_size(length - done, FAULT("file.write_in_pieces"));
        r.offset = position + done;
        r.rw_flags = options.dsync ? RWF_DSYNC : 0;
        const std::int32_t result = co_await submit_io(r, abort);
        if (result == -EINTR) {
            continue;
        }
        if (result <= 0) {
            fail(result == 0 ? -EIO : result, "write", position + done, length - done, abort);
        }
        // What is short of a block cannot be continued directly; its block is written again.
        const std::size_t whole = align_down(static_cast<std::size_t>(result), std::size_t{rules_.offset_alignment});
        if (whole == 0) {
            fail(-EIO, "write", position + done, length - done, abort);
        }
        if (whole < r.size) [[unlikely]] {
            PROBE("file.short_write_continued");
        }
        done += whole;
    }
}

future<void> open_file::write_now(std::uint64_t position, const std::byte* from, std::size_t length,
                                  write_options options, abort_source* abort) {
    if (fits_disk(position, from, length)) {
        return write_whole(position, from, length, options, abort);
    }
    if (fits_offset(position) && fits_offset(length)) {
        return write_copied(position, from, length, options, abort);
    }
    return write_edges(position, from, length, options, abort);
}

future<std::size_t> open_file::write(std::uint64_t position, const void* from, std::size_t length,
                                     write_options options, abort_source* abort) {
    const auto self = shared_from_this();
    const gate::holder inside = use("write to");
    co_await write_now(position, static_cast<const std::byte*>(from), length, options, abort);
    co_return length;
}

future<std::size_t> open_file::write_parts(std::uint64_t position, std::vector<iovec> from, write_options options,
                                           abort_source* abort) {
    const auto self = shared_from_this();
    const gate::holder inside = use("write to");
    std::size_t done = 0;
    if (fits_disk(position, from)) {
        io_request r = request(io_op::writev);
        r.data = from.data();
        r.size = static_cast<std::uint32_t>(from.size());
        r.offset = position;
        r.rw_flags = options.dsync ? RWF_DSYNC : 0;
        const std::int32_t result = co_await submit_io(r, abort);
        if (result < 0 && result != -EINTR) {
            fail(result, "write", position, total(from), abort);
        }
        done = result > 0 ? align_down(static_cast<std::size_t>(result), std::size_t{rules_.offset_alignment}) : 0;
    }
    std::size_t before = 0;
    for (const iovec& part : from) {
        const std::size_t skip = std::min(part.iov_len, done - std::min(done, before));
        before += part.iov_len;
        if (skip == part.iov_len) {
            continue;
        }
        const std::size_t left = part.iov_len - skip;
        const auto* at = static_cast<const std::byte*>(part.iov_base) + skip;
        co_await write_now(position + done, at, left, options, abort);
        done += left;
    }
    co_return done;
}

future<void> open_file::flush_now(abort_source* abort) {
    if (flush_failure_) {
        PROBE("file.flush_after_a_failed_one");
        std::rethrow_exception(flush_failure_);
    }
    const std::int32_t result = co_await submit_io(request(io_op::fdatasync), abort);
    if (result == -ECANCELED && abort != nullptr) {
        abort->check();
    }
    if (result < 0) {
        auto failure = shale::make_system_error(result, "flush of {}", path_)
                           .advise("What was not durable before must be taken as lost: stop, and look at the disk.");
        flush_failure_ = std::make_exception_ptr(failure);
        throw failure;
    }
}

future<void> open_file::flush(abort_source* abort) {
    const auto self = shared_from_this();
    const gate::holder inside = use("flush of");
    co_await flush_now(abort);
}

// The file itself -----------------------------------------------------------------------------------------------------

future<void> open_file::allocate(std::uint64_t position, std::uint64_t length, abort_source* abort) {
    const auto self = shared_from_this();
    const gate::holder inside = use("allocation in");
    io_request r = request(io_op::fallocate);
    r.offset = position;
    r.extra = reinterpret_cast<void*>(static_cast<std::uintptr_t>(length));
    const std::int32_t result = co_await submit_io(r, abort);
    if (result == -EOPNOTSUPP) {
        // A file system without reservations: the size at least is as promised.
        const stat_data found = co_await stat_now(abort);
        if (found.size < position + length) {
            co_await truncate_now(position + length, abort);
        }
    } else if (result < 0) {
        fail(result, "allocation", position, length, abort);
    }
}

future<void> open_file::truncate_now(std::uint64_t length, abort_source* abort) {
    io_request r = request(io_op::truncate);
    r.offset = length;
    const std::int32_t result = co_await submit_io(r, abort);
    if (result < 0) {
        fail(result, "truncation", 0, length, abort);
    }
}

future<void> open_file::truncate(std::uint64_t length, abort_source* abort) {
    const auto self = shared_from_this();
    const gate::holder inside = use("truncation of");
    co_await truncate_now(length, abort);
}

future<stat_data> open_file::stat_now(abort_source* abort) {
    struct statx found {};
    io_request r = request(io_op::stat);
    r.extra = &found;
    const std::int32_t result = co_await submit_io(r, abort);
    if (result < 0) {
        fail(result, "stat", 0, 0, abort);
    }
    co_return to_stat_data(found);
}

future<stat_data> open_file::stat(abort_source* abort) {
    const auto self = shared_from_this();
    const gate::holder inside = use("stat of");
    co_return co_await stat_now(abort);
}

future<bool> open_file::try_lock(abort_source* abort) {
    const auto self = shared_from_this();
    const gate::holder inside = use("lock of");
    io_request r = request(io_op::lock);
    r.size = LOCK_EX;
    const std::int32_t result = co_await submit_io(r, abort);
    if (result == -ECANCELED && abort != nullptr) {
        abort->check();
    }
    if (result < 0 && result != -EWOULDBLOCK) {
        shale::throw_system_error(result, "lock of {}", path_);
    }
    co_return result == 0;
}

future<void> open_file::close() {
    const auto self = shared_from_this();
    SHALE_ASSERT(fd_ >= 0 && !users_.is_closed(), "{} is closed twice", path_);
    co_await users_.close();
    io_request r = request(io_op::close);
    fd_ = -1;
    const std::int32_t result = co_await submit_io(r);
    if (result < 0) {
        log.error("{}", shale::make_system_error(result, "close of {}", path_).what());
    }
}

}  // namespace shale::detail
