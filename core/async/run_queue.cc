// Group selection and the inner loop of a shard. See run_queue.hh for the rules.
#include "run_queue.hh"

#include <algorithm>
#include <limits>
#include <utility>

#include "../base/fault_point.hh"

namespace shale {

namespace detail {
constinit thread_local run_queue* current_run_queue = nullptr;
}  // namespace detail

namespace {
constexpr unsigned fraction_bits = 16;
constexpr std::uint32_t unit_shares = 1000;
}  // namespace

group_queue::group_queue(run_queue& owner, unsigned id, std::string name, std::uint32_t shares)
    : owner_(&owner), shares_(shares), id_(id), name_(std::move(name)) {
    set_shares(shares);
}

void group_queue::set_shares(std::uint32_t shares) noexcept {
    shares_ = std::max<std::uint32_t>(shares, 1);
    const std::uint64_t factor = (std::uint64_t{unit_shares} << fraction_bits) / shares_;
    ns_to_vruntime_ = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(factor, 1, UINT32_MAX));
}

run_queue::run_queue() {
    current_group_ = &add_group(0, "main", unit_shares);
}

run_queue::~run_queue() = default;

group_queue& run_queue::add_group(unsigned id, std::string name, std::uint32_t shares) {
    SHALE_ASSERT(!has_group(id), "scheduling group {} exists: {}", id, groups_[id]->name());
    if (id >= groups_.size()) {
        groups_.resize(id + 1);
    }
    runnable_.reserve(groups_.size());
    groups_[id] = std::make_unique<group_queue>(*this, id, std::move(name), shares);
    return *groups_[id];
}

void run_queue::make_runnable(group_queue& group) noexcept {
    // A group that slept does not get the time it did not ask for: it re-enters beside the one that ran last.
    group.vruntime_ = std::max(group.vruntime_, last_vruntime_);
    group.runnable_ = true;
    runnable_.push_back(&group);
}

group_queue* run_queue::next_group() noexcept {
    if (runnable_.size() <= 1) {
        return runnable_.empty() ? nullptr : runnable_.front();
    }
    return *std::ranges::min_element(runnable_, {}, [](const group_queue* group) { return group->vruntime_; });
}

void run_queue::run_group(group_queue& group, std::uint64_t most) noexcept {
    group_queue* const outer = std::exchange(current_group_, &group);
    last_vruntime_ = std::max(last_vruntime_, group.vruntime_);
    std::uint64_t count = 0;
    do {
        task& t = group.pop_front();
        if (before_task != nullptr) [[unlikely]] {
            before_task(*this);
        }
        current_group_ = &group;
        t.run_(t);
        ++count;
    } while (!group.empty() && count != most && !need_preempt());
    current_group_ = outer;
    group.tasks_run_ += count;
    if (group.empty()) {
        group.runnable_ = false;
        runnable_.erase(std::ranges::find(runnable_, &group));
    } else if (count != most) {
        PROBE("shard.preempted_a_group");
    }
}

void run_queue::charge(group_queue& group, std::uint64_t elapsed_ns) noexcept {
    group.runtime_ns_ += elapsed_ns;
    group.vruntime_ += (elapsed_ns * group.ns_to_vruntime_) >> fraction_bits;
}

std::size_t run_queue::ready_tasks() const noexcept {
    std::size_t sum = 0;
    for (const group_queue* group : runnable_) {
        sum += group->length();
    }
    return sum;
}

}  // namespace shale
