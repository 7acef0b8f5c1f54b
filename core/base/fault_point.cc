// The one pointer to the installed plan, and the calls through it.
#include "fault_point.hh"

namespace shale {

constinit std::atomic<fault_plan*> detail::active_fault_plan{nullptr};

fault_plan* install_fault_plan(fault_plan* plan) noexcept {
    // The release pairs with the acquires below: who sees the pointer sees the plan it points to.
    return detail::active_fault_plan.exchange(plan, std::memory_order_acq_rel);
}

bool detail::fault_fires(std::string_view name, std::uint64_t name_hash) noexcept {
    fault_plan* plan = active_fault_plan.load(std::memory_order_acquire);  // pairs with install_fault_plan
    return plan != nullptr && plan->fire(name, name_hash);
}

void detail::probe_hit(std::string_view name, std::uint64_t name_hash) noexcept {
    fault_plan* plan = active_fault_plan.load(std::memory_order_acquire);  // pairs with install_fault_plan
    if (plan != nullptr) {
        plan->hit(name, name_hash);
    }
}

}  // namespace shale
