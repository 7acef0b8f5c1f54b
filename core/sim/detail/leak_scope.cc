// See leak_scope.hh.
#include "leak_scope.hh"

#include <atomic>

namespace {

constinit std::atomic<bool> left_behind{false};

}  // namespace

/// The leak sanitizer asks it, where there is one.
extern "C" int __lsan_is_turned_off() {
    return left_behind.load(std::memory_order_relaxed) ? 1 : 0;  // no partner: a flag alone
}

namespace shale::sim::detail {

void leave_memory_behind() noexcept {
    left_behind.store(true, std::memory_order_relaxed);  // no partner: a flag alone
}

}  // namespace shale::sim::detail
