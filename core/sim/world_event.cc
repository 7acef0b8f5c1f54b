// The names of operations and events, for reports.
#include "world_event.hh"

#include <array>

namespace shale::sim {

std::string_view to_string(io_op op) noexcept {
    static constexpr std::array<std::string_view, 34> names{
        "read",       "write",      "readv",         "writev",         "fsync",   "fdatasync", "poll",
        "open",       "close",      "stat",          "rename",         "unlink",  "mkdir",     "readdir",
        "fallocate",  "truncate",   "sync_dir",      "lock",           "statfs",  "listen",    "accept",
        "connect",    "recv",       "send",          "sendmsg",        "recvmsg", "shutdown",  "resolve",
        "set_option", "get_option", "local_address", "remote_address", "cancel",  "?"};
    static_assert(static_cast<std::size_t>(io_op::cancel) == names.size() - 2);
    const auto at = static_cast<std::size_t>(op);
    return at < names.size() ? names[at] : names.back();
}

std::string_view to_string(world_event::kind what) noexcept {
    static constexpr std::array<std::string_view, 6> names{"submitted", "completed", "started",
                                                           "ended",     "killed",    "power lost"};
    return names[static_cast<std::size_t>(what)];
}

}  // namespace shale::sim
