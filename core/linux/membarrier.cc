// membarrier(2), private and expedited: the only kind that is both quick and complete.
#include "membarrier.hh"

#include <linux/membarrier.h>

#include "../base/assert.hh"
#include "detail/raw_syscall.hh"

namespace shale {

namespace {

void heavy_barrier() noexcept {
    const long result = detail::system_call(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    SHALE_ASSERT(result == 0, "membarrier, once granted, gave {}", result);
}

}  // namespace

heavy_barrier_function register_heavy_barrier() noexcept {
    const long result = detail::system_call(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
    return result == 0 ? &heavy_barrier : nullptr;
}

}  // namespace shale
