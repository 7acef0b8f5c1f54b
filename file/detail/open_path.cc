// Opening a file and learning what its file system demands of direct I/O.
//
// O_DIRECT is tried first; a file system that refuses it (EINVAL), or says through statx that it has none, is used by
// way of the page cache and helper threads, which is slower and is said once a mount and shard. The alignments are what
// statx says since Linux 6.1; where it says nothing, 4096 fits every file system and device there is.
#include <algorithm>
#include <cerrno>

#include "../../core/base/align.hh"
#include "../../core/base/error.hh"
#include "../../core/base/log.hh"
#include "../../core/shard/shard_local.hh"
#include "open_file.hh"
#include "stat_format.hh"

namespace shale::detail {

namespace {

inline constinit logger log{"file"};

constexpr std::uint32_t default_alignment = 4096;

/// The mounts this shard has spoken of.
struct mentioned_mounts {
    std::vector<std::uint64_t> devices;
};
const shard_local<mentioned_mounts> mentioned;

void mention_once(const std::string& path, std::uint64_t device) {
    auto& seen = mentioned->devices;
    if (std::ranges::find(seen, device) == seen.end()) {
        seen.push_back(device);
        log.warn(
            "{}: this file system has no direct I/O; its files go through the page cache and helper threads, "
            "which is slower",
            path);
    }
}

std::int32_t system_flags(open_flags flags, bool direct) noexcept {
    return static_cast<std::int32_t>(static_cast<unsigned>(flags) | (direct ? O_DIRECT : 0U));
}

future<std::int32_t> open_descriptor(const std::string& path, std::int32_t flags, std::uint32_t permissions,
                                     abort_source* abort) {
    io_request r{.op = io_op::open};
    r.data = const_cast<char*>(path.c_str());
    r.size = static_cast<std::uint32_t>(flags);
    r.offset = permissions;
    const std::int32_t result = co_await submit_io(r, abort);
    co_return result;
}

const char* advice(int error) noexcept {
    switch (error) {
        case EACCES:
        case EPERM:
            return "Run as the owner, or change the permissions.";
        case ENOENT:
            return "Is the path right, and does the directory exist?";
        case EMFILE:
            return "Raise the limit on open files (ulimit -n).";
        default:
            return "";
    }
}

[[noreturn]] void fail_open(std::int32_t result, const std::string& path, abort_source* abort) {
    if (result == -ECANCELED && abort != nullptr) {
        abort->check();
    }
    auto failure = shale::make_system_error(result, "open of {}", path);
    const char* what_to_do = advice(-result);
    throw *what_to_do != '\0' ? failure.advise(what_to_do) : failure;
}

transfer_rules rules_from(const struct statx& found) noexcept {
    transfer_rules rules;
    if ((found.stx_mask & STATX_DIOALIGN) != 0) {
        rules.direct = found.stx_dio_offset_align != 0;
        rules.offset_alignment = rules.direct ? found.stx_dio_offset_align : 1;
        rules.memory_alignment = rules.direct ? std::max<std::uint32_t>(found.stx_dio_mem_align, 1) : 1;
    } else {
        rules = {true, default_alignment, default_alignment, default_alignment};
    }
    const bool usable = is_power_of_two(rules.offset_alignment) && is_power_of_two(rules.memory_alignment);
    if (!usable) {
        rules = {true, default_alignment, default_alignment, default_alignment};
    }
    rules.preferred_write = rules.direct ? std::max(rules.offset_alignment, default_alignment) : 1;
    return rules;
}

/// O_DIRECT files that have none after all: the same again without it.
future<std::int32_t> reopen_buffered(int direct, const std::string& path, open_flags flags, abort_source* abort) {
    io_request r{.op = io_op::close};
    r.fd = direct;
    co_await submit_io(r);
    // It exists now, and has been cut if it was to be.
    const auto again = static_cast<open_flags>(static_cast<unsigned>(flags) & ~unsigned{O_EXCL | O_TRUNC | O_CREAT});
    co_return co_await open_descriptor(path, system_flags(again, false), 0, abort);
}

}  // namespace

future<std::shared_ptr<open_file>> open_path(std::string path, open_flags flags, file_open_options options,
                                             abort_source* abort) {
    bool direct = options.direct;
    std::int32_t fd = co_await open_descriptor(path, system_flags(flags, direct), options.create_permissions, abort);
    if (fd == -EINVAL && direct) {
        // The kernel refuses after it has made the file, so the second attempt must not insist on making it.
        direct = false;
        const auto again = static_cast<open_flags>(static_cast<unsigned>(flags) & ~unsigned{O_EXCL});
        fd = co_await open_descriptor(path, system_flags(again, false), options.create_permissions, abort);
    }
    if (fd < 0) {
        fail_open(fd, path, abort);
    }
    struct statx found {};
    io_request r{.op = io_op::stat};
    r.fd = fd;
    r.extra = &found;
    const std::int32_t result = co_await submit_io(r);
    transfer_rules rules;
    if (direct) {
        rules = result == 0 ? rules_from(found)
                            : transfer_rules{true, default_alignment, default_alignment, default_alignment};
        if (!rules.direct) {
            fd = co_await reopen_buffered(fd, path, flags, abort);
            if (fd < 0) {
                fail_open(fd, path, abort);
            }
        }
    }
    auto opened = std::make_shared<open_file>(std::move(path), fd, rules, options);
    if (options.direct && !rules.direct) {
        mention_once(opened->path(), to_stat_data(found).device_id);
    }
    co_return opened;
}

}  // namespace shale::detail
