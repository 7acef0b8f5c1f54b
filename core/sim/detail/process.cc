// See process.hh.
#include "process.hh"

#include <algorithm>

#include <fmt/format.h>

#include "../../base/error.hh"
#include "../../base/fault_point.hh"
#include "../../shard/shard_local.hh"
#include "../../sync/gate.hh"
#include "process_turn.hh"

namespace shale::sim::detail {

namespace {

constexpr unsigned grace_max = 150;
constexpr std::size_t dropped_failures_kept = 100;

/// How a shard's hooks, plain functions, find the world.
struct backing {
    sim_platform* platform = nullptr;
};
const shard_local<backing> backing_of_shard;

/// Draws how often a task may ask before preemption is due: from at once, so that loops give way at places that differ
/// from run to run, to never by the standards of a test. It is due at some time, or a busy loop would not end.
void draw_preemption(run_queue& queue, sim_platform& platform) noexcept {
    queue.preempt_grace =
        platform.alive() ? static_cast<std::uint32_t>(platform.world().preempt_random.below(grace_max)) : 0;
    queue.preempt_flag().store(true, std::memory_order_relaxed);  // no partner: one thread
}

}  // namespace

process_turn::process_turn(process& owner, unsigned shard)
    : platform_(owner.platform(shard)), outer_(owner.world().stepping), scope_(&owner.at(shard)) {
    owner.world().stepping = &platform_;
    if (owner.world().options.faults.enabled) {
        outer_plan_ = install_fault_plan(&owner.world().plan);
    }
    if (owner.world().options.preempt_at_random) {
        draw_preemption(owner.at(shard), platform_);
    }
}

process_turn::~process_turn() {
    platform_.world().stepping = outer_;
    if (platform_.world().options.faults.enabled) {
        install_fault_plan(outer_plan_);
    }
}

process::process(world_core& world, host& at, const process_options& options)
    : world_(world), host_(at), alive_(std::make_unique<possessions>()) {
    alive_->entry = options.entry;
    std::vector<shard*> all;
    for (unsigned id = 0; id < options.shards; ++id) {
        platforms_.push_back(std::make_unique<sim_platform>(world, at, handles_, id, options.first_number + id));
        alive_->shards.push_back(
            std::make_unique<shard>(*platforms_.back(), shard_options{.id = id,
                                                                      .count = options.shards,
                                                                      .mailbox_capacity = options.mailbox_capacity,
                                                                      .heavy_barrier = []() noexcept {}}));
        all.push_back(alive_->shards.back().get());
    }
    for (unsigned id = 0; id < options.shards; ++id) {
        const run_queue_scope scope(all[id]);
        all[id]->connect(all);
        backing_of_shard->platform = platforms_[id].get();
        all[id]->on_dropped_failure = &dropped_failure;
        if (world.options.preempt_at_random || world.options.task_cost_max_ns > 0) {
            all[id]->before_task = &before_task;
        }
    }
}

process::~process() {
    SHALE_ASSERT(alive_ == nullptr, "{}: a process is destroyed that has not ended", host_.name);
}

void process::before_task(run_queue& queue) noexcept {
    sim_platform* const platform = backing_of_shard->platform;
    world_core& world = platform->world();
    if (world.options.task_cost_max_ns > 0) {
        platform->charge(world.cost_random.below(world.options.task_cost_max_ns + 1));
    }
    if (world.options.preempt_at_random || !platform->alive()) {
        draw_preemption(queue, *platform);
    }
}

void process::dropped_failure(run_queue*, const char* message) noexcept {
    sim_platform* const platform = backing_of_shard->platform;
    if (platform == nullptr || !platform->alive()) {
        return;  // its shard is being destroyed, or was killed in this turn
    }
    try {
        world_core& world = platform->world();
        world.past.add(world.events.now_ns(), platform->name(), message);
        if (world.dropped_failures.size() < dropped_failures_kept) {
            world.dropped_failures.push_back(fmt::format("{}: {}", platform->name(), message));
        }
        if (world.options.on_dropped_failure) {
            world.options.on_dropped_failure(platform->at().name, platform->shard_id(), message);
        }
    } catch (...) {
        // Out of memory while reporting: the shard has counted it.
    }
}

void process::start() {
    if (alive_->entry) {
        const process_turn scope(*this, 0);
        alive_->main.emplace(futurize_invoke(alive_->entry));
    }
}

bool process::step(unsigned id) {
    const process_turn scope(*this, id);
    shard& here = at(id);
    const bool progress = here.step();
    if (!progress) {
        here.sleep();
    }
    return progress;
}

bool process::look_after() {
    if (state_ == state::running && alive_->main && alive_->main->available()) {
        state_ = state::finishing;
        const process_turn scope(*this, 0);
        if (alive_->main->failed()) {
            failure_ = message_of(alive_->main->get_exception());
            exit_code_ = 1;
        } else {
            exit_code_ = alive_->main->get();
        }
    }
    // Asleep all at once, with no timer due: then there is no message under way either, or it would have woken its
    // receiver.
    const std::uint64_t now_ns = world_.events.now_ns();
    if (state_ != state::finishing || !std::ranges::all_of(platforms_, [now_ns](const auto& each) {
            return each->asleep() && each->ready_ns() > now_ns;
        })) {
        return false;
    }
    state_ = state::ended;
    destroy();
    return true;
}

void process::die() noexcept {
    state_ = state::dead;
    for (const auto& each : platforms_) {
        each->die();
    }
    if (world_.stepping != nullptr && alive_ != nullptr) {
        for (const auto& each : alive_->shards) {  // the turn under way ends with its task
            each->preempt_grace = 0;
            each->preempt_flag().store(true, std::memory_order_relaxed);  // no partner: one thread
        }
    }
}

void process::forget() noexcept {
    (void)alive_.release();
}

void process::destroy() {
    for (const auto& each : platforms_) {
        each->die();
    }
    // What a destructor drops there is nobody to look at.
    for (unsigned id = size(); id-- > 0;) {
        const run_queue_scope scope(alive_->shards[id].get());
        alive_->shards[id]->locals().clear();
    }
    alive_->main.reset();
    for (unsigned id = size(); id-- > 0;) {
        const run_queue_scope scope(alive_->shards[id].get());
        alive_->shards[id].reset();
    }
    alive_.reset();
}

std::vector<std::string> process::describe() {
    std::vector<std::string> lines;
    for (unsigned id = 0; alive_ != nullptr && id < size(); ++id) {
        shard& here = at(id);
        const std::string requests = platforms_[id]->describe_requests();
        lines.push_back(fmt::format(
            "{}: {} tasks ready, {} allocations of tasks and coroutines live, {}, {}", platforms_[id]->name(),
            here.ready_tasks(), std::max<std::ptrdiff_t>(0, here.frames().live()),
            requests.empty() ? "no requests" : "in flight: " + requests,
            here.next_deadline() == no_deadline ? "no timer"
                                                : fmt::format("next timer at {} ns", here.next_deadline())));
        const run_queue_scope scope(&here);
        for (const std::string& gate : describe_closing_gates()) {
            lines.push_back(fmt::format("{}: {}", platforms_[id]->name(), gate));
        }
    }
    return lines;
}

}  // namespace shale::sim::detail
