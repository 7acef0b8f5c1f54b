// Shard and time for log lines, on any thread: see log_context.hh.
#include "log_context.hh"

#include <time.h>

#include "../../base/context.hh"
#include "../../shard/shard.hh"

namespace shale::detail {

namespace {

execution_context context_anywhere() noexcept {
    execution_context here;
    if (on_shard()) {
        here.shard = static_cast<std::int32_t>(this_shard().id());
        here.now_ns = this_shard().now_ns();
        here.wall_ns = this_shard().wall_ns();
    } else {
        timespec now{};
        clock_gettime(CLOCK_REALTIME, &now);
        here.wall_ns = std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
    }
    return here;
}

}  // namespace

void install_log_context() noexcept {
    assert_context.store(&context_anywhere, std::memory_order_release);  // pairs with the acquire in current_context()
}

}  // namespace shale::detail
