// See simulated_run.hh.
#include "simulated_run.hh"

#include <fmt/format.h>

#include "../../shard/sleep.hh"
#include "../../shard/smp.hh"
#include "../../sim/chaos.hh"
#include "../../sim/deadline.hh"
#include "../../sim/machine.hh"
#include "../../sim/swarm.hh"
#include "../../sim/world.hh"
#include "../exit_code.hh"

namespace shale::detail {

namespace {

using namespace std::chrono_literals;

constexpr unsigned drawn_shards_max = 8;
constexpr std::uint64_t seed_of_shards = 0x5ba4d5;
constexpr std::uint64_t seed_of_workload = 0xc11e475;
constexpr duration patience = 600s;      ///< virtual, beyond the storm: what takes longer will never end
constexpr duration stop_patience = 60s;  ///< for the orderly stop at the end

}  // namespace

struct simulated_run::stage {
    stage(simulated_run& owner, const sim::swarm_options& o, unsigned shards)
        : drawn(o),
          world(drawn.world),
          machine(world.add_machine({.name = owner.name_,
                                     .shards = shards,
                                     .mailbox_capacity = drawn.world.mailbox_capacity,
                                     .entry = [&owner] { return owner.live(); }})) {}

    const sim::swarm_options drawn;
    sim::world world;
    sim::machine& machine;
    const std::uint64_t begin_ns = world.now_ns();
    std::optional<sim::chaos> storm;
};

simulated_run::simulated_run(std::string name, std::shared_ptr<program::main_function> main,
                             simulated_workload workload)
    : name_(std::move(name)), main_(std::move(main)), workload_(std::move(workload)) {}

simulated_run::~simulated_run() = default;

std::expected<simulation_outcome, std::string> simulated_run::run(std::uint64_t seed, std::optional<unsigned> shards,
                                                                  const simulation_options& options,
                                                                  sim::trace* record) {
    auto drawn = sim::swarm_options::draw(seed);
    for (const std::string& line : {options.program_defaults, options.overrides}) {
        if (auto set = drawn.set(line); !set) {
            return std::unexpected(set.error());
        }
    }
    drawn.world.record = record;
    drawn.storm.start_ended = true;
    if (!workload_) {
        drawn.storm.power_cycles = drawn.storm.kills = {};
        drawn.storm.start_ended = false;
    }
    random_ = random_engine(seed ^ seed_of_workload);
    figures_.clear();
    simulation_outcome outcome;
    outcome.seed = seed;
    outcome.drawn = drawn.to_string();
    outcome.shards =
        shards.value_or(static_cast<unsigned>(random_engine(seed ^ seed_of_shards).between(1, drawn_shards_max)));
    stage_ = std::make_unique<stage>(*this, drawn, outcome.shards);
    play(outcome);
    judge(outcome);
    stage_.reset();
    life_ = nullptr;
    return outcome;
}

// The incarnation's main, its stop and its exit functions, as runtime::state::live() has them.
future<int> simulated_run::live() {
    co_await yield_now();  // main begins in a turn, as a task
    program mine([main = main_] { return (*main)(); });
    life_ = &mine;
    const int code = co_await mine.live([] {});
    if (life_ == &mine) {
        life_ = nullptr;
    }
    co_return code;
}

void simulated_run::play(simulation_outcome& outcome) {
    stage& on = *stage_;
    on.machine.start();
    on.storm.emplace(on.world, on.drawn.storm);
    auto played = on.world.on(0, [this] { return workload_ ? workload_(*this) : wait_for_the_end(); });
    const bool over = on.world.run_until([&] { return played.available(); }, on.drawn.storm.span + patience);
    on.storm.reset();
    if (!over) {
        outcome.failure =
            fmt::format("the workload is not done after {} s of virtual time", on.world.now_ns() / 1'000'000'000);
        // The workload's coroutine stays where it is; its future is dropped on its own shard.
        on.world.on(0, [&] { const auto dropped = std::move(played); });
        return;
    }
    on.world.on(0, [&] {
        if (played.failed()) {
            outcome.failure = describe(played.get_exception());
        } else {
            played.get();
        }
    });
    if (outcome.failure.empty()) {
        stop(outcome);
    }
}

future<> simulated_run::wait_for_the_end() {
    const std::uint64_t end_ns = stage_->world.now_ns() + static_cast<std::uint64_t>(storm().count());
    while (stage_->machine.running() && stage_->world.now_ns() < end_ns) {
        co_await sleep(10ms);
    }
}

void simulated_run::stop(simulation_outcome& outcome) {
    stage& on = *stage_;
    if (on.machine.running()) {
        on.machine.on(0, [this] {
            if (life_ != nullptr) {
                life_->request_stop(0);
            }
        });
    }
    if (!on.world.run_until([&] { return !on.machine.running(); }, stop_patience)) {
        outcome.failure = fmt::format("not stopped after {} s of virtual time", stop_patience / 1s);
    } else if (on.machine.exit_code() != exit_code::ok) {
        outcome.failure = fmt::format("the program ended with {}{}{}", on.machine.exit_code().value_or(-1),
                                      on.machine.failure().empty() ? "" : ": ", on.machine.failure());
    }
}

void simulated_run::judge(simulation_outcome& outcome) {
    outcome.incarnations = stage_->machine.incarnation();
    outcome.figures = figures_;
    outcome.take(stage_->world, stage_->begin_ns);
}

void simulated_run::request_stop() {
    (void)smp::submit_to(0, [this] {
        if (life_ != nullptr) {
            life_->request_stop(0);
        }
    });
}

void simulated_run::exit_now(int code) {
    stage_->machine.exit_now(code);
}

std::uint64_t simulated_run::seed() const noexcept {
    return stage_->drawn.world.seed;
}

const std::string& simulated_run::address() const noexcept {
    return stage_->machine.address();
}

unsigned simulated_run::shard_count() const noexcept {
    return stage_->machine.shard_count();
}

duration simulated_run::storm() const noexcept {
    return stage_->drawn.storm.span;
}

void simulated_run::calm() {
    stage_->storm->calm();
}

future<> simulated_run::power_cycle() {
    stage_->machine.power_loss();
    co_await sleep(1ms);
    if (!stage_->machine.running()) {
        stage_->machine.start();
    }
}

future<> simulated_run::within(duration limit, future<> f) {
    return sim::deadline(stage_->world, limit, std::move(f));
}

void simulated_run::note(std::string what) {
    stage_->world.note(std::move(what));
}

void simulated_run::count(std::string_view what, std::uint64_t by) {
    figures_[std::string(what)] += by;
}

}  // namespace shale::detail
