// See chaos.hh.
#include "chaos.hh"

#include <algorithm>

#include <fmt/format.h>

#include "detail/network.hh"
#include "detail/world_core.hh"
#include "world.hh"

namespace shale::sim {

struct chaos::plan {
    std::vector<detail::event_queue::id> events;  ///< some have run
};

namespace {

/// A minimum that was set above a drawn maximum, as "power_cycles_min=3" may, is the number.
std::uint64_t draw(random_engine& random, bounds of) noexcept {
    return random.between(of.min, std::max(of.min, of.max));
}

std::uint64_t draw_between(random_engine& random, duration low, duration high) noexcept {
    return random.between(static_cast<std::uint64_t>(low.count()),
                          static_cast<std::uint64_t>(std::max(low, high).count()));
}

}  // namespace

chaos::chaos(world& in, chaos_options options)
    : world_(in), options_(std::move(options)), plan_(std::make_unique<plan>()), victims_(options_.machines) {
    for (const auto& each : world_.machines()) {
        if (options_.machines.empty() && each.get() != &world_.tester()) {
            victims_.push_back(each.get());
        }
    }
    if (!victims_.empty()) {
        plan_failures(options_.power_cycles, true);
        plan_failures(options_.kills, false);
    }
    plan_outages();
    if (options_.start_ended) {
        watching_ = std::make_shared<bool>(true);
        watch_ends();
    }
    for (std::size_t which = 0; which < options_.disturbances.size(); ++which) {
        plan_disturbance(which);
    }
}

chaos::~chaos() {
    cancel_all();
}

void chaos::cancel_all() noexcept {
    for (const auto& each : plan_->events) {
        world_.core().events.cancel(each);
    }
    plan_->events.clear();
}

void chaos::at(std::uint64_t when_ns, std::move_only_function<void()> what) {
    plan_->events.push_back(world_.core().events.at(when_ns, std::move(what)));
}

std::uint64_t chaos::draw_moment() noexcept {
    return world_.now_ns() + world_.core().streams.chaos.below(static_cast<std::uint64_t>(options_.span.count()) + 1);
}

void chaos::plan_failures(bounds how_many, bool power) {
    random_engine& random = world_.core().streams.chaos;
    for (std::uint64_t left = draw(random, how_many); left > 0; --left) {
        const std::uint64_t when_ns = draw_moment();
        machine& victim = *victims_[random.below(victims_.size())];
        const std::uint64_t down_ns = draw_between(random, options_.down_min, options_.down_max);
        at(when_ns, [this, &victim, power, down_ns] { fail(victim, power, down_ns); });
    }
}

// What is down already, by another failure or because its program has ended, is left alone.
void chaos::fail(machine& victim, bool power, std::uint64_t down_ns) {
    if (!victim.running()) {
        return;
    }
    ++count_;
    world_.faults().add(power ? "machine.power_cycle" : "machine.kill");
    down_.push_back(&victim);
    if (power) {
        victim.power_loss();
    } else {
        victim.kill();
    }
    at(world_.now_ns() + down_ns, [this, &victim] { start_again(victim); });
}

void chaos::start_again(machine& victim) {
    std::erase(down_, &victim);
    if (!victim.running()) {
        victim.start();
    }
}

void chaos::plan_outages() {
    random_engine& random = world_.core().streams.chaos;
    if (!world_.core().options.network) {
        return;
    }
    for (std::uint64_t left = draw(random, options_.outages); left > 0; --left) {
        at(draw_moment(), [this] {
            ++count_;
            world_.note("outage");
            world_.network().disturb();
        });
    }
}

// An at_event() is for one event: each end that is seen orders the next.
void chaos::watch_ends() {
    world_.at_event([](const world_event& e) { return e.what == world_event::kind::ended; }, 1,
                    [this, alive = std::weak_ptr(watching_)](const world_event& e) {
                        if (alive.expired()) {
                            return;
                        }
                        watch_ends();
                        machine* const ended = world_.find(e.machine);
                        if (std::ranges::find(victims_, ended) == victims_.end()) {
                            return;
                        }
                        const std::uint64_t down_ns =
                            draw_between(world_.core().streams.chaos, options_.down_min, options_.down_max);
                        world_.core().events.after(down_ns, [this, alive, ended] {
                            if (!alive.expired()) {
                                start_again(*ended);
                            }
                        });
                    });
}

void chaos::plan_disturbance(std::size_t which) {
    random_engine& random = world_.core().streams.chaos;
    const disturbance& d = options_.disturbances[which];
    for (std::uint64_t left = draw(random, d.times); left > 0; --left) {
        const std::uint64_t when_ns = draw_moment();
        const std::uint64_t length_ns = draw_between(random, d.length_min, d.length_max);
        at(when_ns, [this, &d] {
            ++count_;
            world_.faults().add(d.name);
            world_.note(fmt::format("{} begins", d.name));
            d.begin(world_.core().streams.chaos);
        });
        at(when_ns + length_ns, [this, &d] {
            world_.note(fmt::format("{} ends", d.name));
            d.end();
        });
    }
}

void chaos::calm() {
    cancel_all();
    world_.note("calm");
    for (const disturbance& each : options_.disturbances) {
        each.end();
    }
    world_.calm();
    for (machine* each : std::exchange(down_, {})) {
        start_again(*each);
    }
}

}  // namespace shale::sim
