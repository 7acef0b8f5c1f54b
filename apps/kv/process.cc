// The system's numbers of this process; two calls that do not block.
#include "process.hh"

#include <sys/resource.h>
#include <unistd.h>

namespace shale::kv {

namespace {

std::int64_t microseconds(const timeval& t) noexcept {
    return std::int64_t{t.tv_sec} * 1'000'000 + t.tv_usec;
}

process_usage usage_so_far() noexcept {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return {.resident_bytes = used.ru_maxrss * 1024,
            .system_us = microseconds(used.ru_stime),
            .user_us = microseconds(used.ru_utime)};
}

}  // namespace

process_facts real_process() noexcept {
    return {.id = ::getpid(), .usage = &usage_so_far};
}

}  // namespace shale::kv
