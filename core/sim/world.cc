// The step scheduler of the simulation. See world.hh.
#include "world.hh"

#include <algorithm>

#include <fmt/format.h>

#include "detail/disk.hh"
#include "detail/leak_scope.hh"
#include "detail/network_part.hh"
#include "detail/outside_guard.hh"
#include "detail/process.hh"
#include "detail/schedule_policy.hh"
#include "detail/world_core.hh"

namespace shale::sim {

namespace {

/// How far ahead of the world's time a shard's clock may be for it to be chosen all the same: more than a turn usually
/// costs, so that the policies have a choice, and less than a stall, which holds up nobody else.
constexpr std::uint64_t ahead_max_ns = 100'000;

std::uint64_t tasks_run(shard& of) noexcept {
    std::uint64_t sum = 0;
    for (unsigned id = 0; id < of.group_count(); ++id) {
        sum += of.has_group(id) ? of.group(id).tasks_run() : 0;
    }
    return sum;
}

std::uint64_t draw_turn_cost(detail::world_core& core) {
    const world_options& options = core.options;
    std::uint64_t cost = options.turn_cost_ns;
    if (options.turn_cost_max_ns > cost) {
        // Evenly over the orders of magnitude: most turns are short.
        const std::uint64_t most = std::min(options.turn_cost_max_ns, (cost + 1) << core.cost_random.below(12));
        cost = core.cost_random.between(cost, std::max(cost, most));
    }
    if (options.stalls.probability > 0 && core.cost_random.chance(options.stalls.probability)) {
        cost += core.cost_random.between(options.stalls.min_ns, options.stalls.max_ns);
        core.faults.add("stall");
    }
    return cost;
}

}  // namespace

struct world::scheduler {
    struct runner {
        machine* owner;
        unsigned shard;
    };

    std::unique_ptr<detail::schedule_policy> policy;
    std::vector<detail::candidate> candidates;  ///< scratch of step()
    std::vector<runner> runners;                ///< of the candidates
};

/// A future of until() that is not ready.
struct world::barrier {
    unsigned shard;
    promise<> reached;
};

world::world(const world_options& options)
    : limits_before_(std::exchange(shale::detail::limits_in_force, options.limits)),
      core_(std::make_unique<detail::world_core>(options)),
      scheduler_(std::make_unique<scheduler>()) {
    if (options.network) {
        network_ =
            std::make_unique<detail::network>(core_->events, core_->streams.network, *options.network, core_->faults);
    }
    scheduler_->policy = detail::schedule_policy::make(core_->options.order, core_->choice_random);
    add_machine({.name = "test", .shards = options.shards, .mailbox_capacity = options.mailbox_capacity}).start();
}

world::~world() {
    // Who still waits for an event is told that it will not come, as long as there are shards.
    for (auto& [shard, promise] : std::exchange(barriers_, {})) {
        const detail::process_turn turn(tester().process(), shard);
        const auto broken = std::move(promise);
    }
    core_->watchers.clear();
    while (!machines_.empty()) {
        machines_.pop_back();
    }
    shale::detail::limits_in_force = limits_before_;
}

machine& world::add_machine(machine_options options) {
    SHALE_ASSERT(!options.name.empty() && find(options.name) == nullptr, "a machine needs a name of its own, not '{}'",
                 options.name);
    const auto number = static_cast<unsigned>(machines_.size());
    const unsigned shards = options.shards;
    machines_.push_back(
        std::unique_ptr<machine>(new machine(*this, *core_, std::move(options), number, shards_given_)));
    shards_given_ += shards;
    return *machines_.back();
}

// Hooks reach what outlives the disk: the machine that has it, and the platforms of its program.
void world::furnish(machine& m) {
    detail::host& host = *m.host_;
    if (core_->options.disk) {
        disk_profile profile = *core_->options.disk;
        profile.wall_offset_ns += host.wall_offset_ns;
        auto disk = std::make_unique<detail::disk>(core_->events, core_->streams.disk.fork(), profile, core_->faults);
        disk->charge_ns = [](detail::requester& from, std::uint64_t ns) {
            static_cast<detail::sim_platform&>(from).charge(ns);
        };
        disk->power_cut = [&m] { m.power_loss(); };
        m.disk_ = disk.get();
        host.disk = std::move(disk);
    }
    if (network_) {
        host.network = std::make_unique<detail::network_part>(*network_, host);
    }
    if (core_->options.connect) {
        core_->options.connect(host);
    }
}

void world::calm() {
    for (const auto& each : machines_) {
        if (each->disk_ != nullptr) {
            each->disk_->calm();
        }
    }
    if (network_) {
        network_->calm();
    }
    core_->plan.end();
}

machine* world::find(std::string_view name) noexcept {
    const auto at =
        std::ranges::find(machines_, name, [](const auto& each) -> std::string_view { return each->name(); });
    return at != machines_.end() ? at->get() : nullptr;
}

void world::after_turn(std::move_only_function<void()> f) {
    after_turn_.push_back(std::move(f));
    if (!inside_ && core_->stepping == nullptr) {
        end_turn();
    }
}

void world::end_turn() {
    inside_ = true;
    do {
        for (auto& each : std::exchange(after_turn_, {})) {  // they may add more
            each();
        }
        for (std::size_t i = 0; i < machines_.size(); ++i) {
            machines_[i]->look_after();
        }
    } while (!after_turn_.empty());
    inside_ = false;
}

bool world::step() {
    SHALE_ASSERT(!inside_, "a step within a step");
    std::uint64_t earliest = no_deadline;
    for (const auto& each : machines_) {
        for (unsigned id = 0; each->running() && id < each->shard_count(); ++id) {
            earliest = std::min(earliest, each->process_->platform(id).ready_ns());
        }
    }
    const std::uint64_t time = std::max(now_ns(), earliest);
    const std::uint64_t next_event = core_->events.next_ns();
    if (next_event <= time) {
        if (core_->events.empty()) {
            return false;
        }
        run_event();
        return true;
    }
    auto& [policy, candidates, runners] = *scheduler_;
    candidates.clear();
    runners.clear();
    const std::uint64_t last = std::min(time + ahead_max_ns, next_event - 1);
    for (const auto& each : machines_) {
        for (unsigned id = 0; each->running() && id < each->shard_count(); ++id) {
            const detail::sim_platform& outside = each->process_->platform(id);
            if (outside.ready_ns() <= (outside.asleep() ? time : last)) {
                candidates.push_back({outside.number(), outside.ready_ns()});
                runners.push_back({each.get(), id});
            }
        }
    }
    const std::size_t chosen = candidates.size() == 1 ? 0 : policy->choose(candidates);
    run_turn(*runners[chosen].owner, runners[chosen].shard, candidates[chosen].ready_ns);
    return true;
}

void world::run_turn(machine& owner, unsigned id, std::uint64_t ready_ns) {
    inside_ = true;
    core_->events.advance(std::max(now_ns(), ready_ns));
    detail::process& process = *owner.process_;
    detail::sim_platform& outside = process.platform(id);
    outside.begin_turn(now_ns());
    const std::uint64_t tasks_before = tasks_run(process.at(id));
    const std::uint64_t draws_before = core_->draws();
    bool progress = false;
    {
        const detail::leak_scope may_leak(owner.options_.entry != nullptr);
        progress = process.step(id);
    }
    const std::uint64_t tasks = tasks_run(process.at(id)) - tasks_before;
    scheduler_->policy->stepped(outside.number(), progress);
    outside.end_turn(draw_turn_cost(*core_));
    if (progress) {
        core_->past.add_turn(now_ns(), outside.name(), tasks);
    }
    core_->hash.fold(outside.number());
    core_->end_entry(outside.name(), tasks, core_->draws() - draws_before, outside.now());
    end_turn();
}

void world::run_event() {
    inside_ = true;
    core_->events.run_next();
    core_->end_entry("event", 0, 0, now_ns());
    end_turn();
}

bool world::run_until(const std::function<bool()>& done) {
    const detail::outside_guard guard;
    while (!done()) {
        if (!step()) {
            return false;
        }
    }
    return true;
}

bool world::run_until(const std::function<bool()>& done, duration limit) {
    const std::uint64_t end_ns = now_ns() + static_cast<std::uint64_t>(limit.count());
    return run_until([&] { return done() || now_ns() > end_ns; }) && done();
}

void world::run_for(duration time) {
    bool over = false;
    core_->events.after(static_cast<std::uint64_t>(time.count()), [&over] { over = true; });
    run_until([&over] { return over; });
}

void world::settle(std::uint64_t turns_max) {
    const detail::outside_guard guard;
    for (std::uint64_t turn = 0; turn < turns_max && step(); ++turn) {
    }
}

void world::at_event(std::function<bool(const world_event&)> matches, unsigned nth,
                     std::move_only_function<void(const world_event&)> act) {
    SHALE_ASSERT(nth > 0, "the 0th event");
    core_->watchers.push_back({std::move(matches), nth, std::move(act)});
}

future<void> world::until(std::function<bool(const world_event&)> matches, unsigned nth) {
    SHALE_ASSERT(core_->stepping != nullptr && core_->stepping->at().number == 0, "until() is for the tester's shards");
    const auto mine = barriers_.emplace(barriers_.end(), this_shard().id(), promise<>());
    at_event(std::move(matches), nth, [this, mine](const world_event&) {
        after_turn([this, mine] {
            on(mine->shard, [&] { mine->reached.set_value(); });
            barriers_.erase(mine);
        });
    });
    return mine->reached.get_future();
}

std::vector<std::string> world::stuck() const {
    std::vector<std::string> lines;
    for (const auto& each : machines_) {
        if (each->running()) {
            std::ranges::move(each->process_->describe(), std::back_inserter(lines));
        } else {
            lines.push_back(fmt::format("{}: not running", each->name()));
        }
    }
    return lines;
}

std::uint64_t world::now_ns() const noexcept {
    return core_->events.now_ns();
}

std::vector<std::string> world::history(std::size_t turns_max) const {
    return core_->past.lines(turns_max);
}

void world::note(std::string what) {
    core_->past.add(now_ns(), "world", std::move(what));
}

std::uint64_t world::hash() const noexcept {
    return core_->hash.value();
}

const std::vector<std::uint64_t>& world::checkpoints() const noexcept {
    return core_->hash.checkpoints();
}

std::uint64_t world::steps() const noexcept {
    return core_->hash.entries();
}

const std::vector<std::uint32_t>& world::choices() const noexcept {
    return scheduler_->policy->choices();
}

fault_counts& world::faults() noexcept {
    return core_->faults;
}

const fault_counts& world::probes() const noexcept {
    return core_->plan.probes();
}

const std::vector<std::string>& world::dropped_failures() const noexcept {
    return core_->dropped_failures;
}

}  // namespace shale::sim
