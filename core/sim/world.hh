// A simulated world: machines, all their shards on the calling thread, under virtual time, in an order drawn from a
// seed. The same seed gives the same run, and hash() says whether it did.
//
// Each shard has a clock of its own; the world's is that of the turn or event that runs now, and never runs backwards.
// The world picks one of the shards that have something to do, lets it take one turn, adds what the turn cost to the
// shard's clock, and goes on; what happens outside, on disks and in networks, are events between the turns. When
// nothing is left that could ever happen, it says so instead of hanging, and stuck() explains who waits for what.
// The first machine is the tester's, where a test's own code runs, and never fails; this is how the unit tests of the
// core run too: no threads, no waiting. Further ones: machine.hh.
// check: allow closure, tests and core/app alone include it
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "../shard/smp.hh"
#include "detail/process_turn.hh"
#include "fault_counts.hh"
#include "machine.hh"
#include "world_options.hh"

namespace shale::sim {

namespace detail {
class network;
}

class world {
public:
    explicit world(const world_options& options);
    world(const world&) = delete;
    world& operator=(const world&) = delete;
    ~world();

    // -- Machines ----------------------------------------------------------------------------------------------------

    /// A further machine, not started yet. It lives as long as the world. Names are unique.
    machine& add_machine(machine_options options);
    /// Null: there is no such machine.
    machine* find(std::string_view name) noexcept;
    const std::vector<std::unique_ptr<machine>>& machines() const noexcept { return machines_; }

    // -- The tester's shards -----------------------------------------------------------------------------------------

    machine& tester() noexcept { return *machines_.front(); }
    unsigned shard_count() const noexcept { return machines_.front()->shard_count(); }
    shard& at(unsigned id) { return tester().at(id); }

    /// Runs `f` at once as code of shard `id` of the tester, outside any task. If it gives a future, `f` is kept until
    /// that is done: it may be a coroutine lambda with captures.
    template <class Func>
    decltype(auto) on(unsigned id, Func&& f) {
        const detail::process_turn turn(tester().process(), id);
        struct waker {
            ~waker() { here.wake(); }
            shard& here;
        } then_wake{at(id)};  // it may have got something to do
        if constexpr (is_future_v<std::remove_cvref_t<std::invoke_result_t<Func&>>>) {
            return smp::submit_to(id, std::forward<Func>(f));
        } else {
            return std::forward<Func>(f)();
        }
    }

    // -- Running -----------------------------------------------------------------------------------------------------

    std::uint64_t now_ns() const noexcept;

    /// One turn of one shard, or one event. False: nothing will ever happen again.
    bool step();

    /// Steps until `done()`. False: nothing will ever happen again and it is not done.
    bool run_until(const std::function<bool()>& done);
    /// The same, for `limit` of virtual time at most. False also: it has passed.
    bool run_until(const std::function<bool()>& done, duration limit);

    /// Steps until `time` has passed, though nothing else happen.
    void run_for(duration time);

    /// Steps until nothing is left to do now or later, or `turns_max` turns have passed.
    void settle(std::uint64_t turns_max = 1'000'000);

    /// Runs `f` between the turns: now, or when the turn or event that runs has ended.
    void after_turn(std::move_only_function<void()> f);

    // -- Acting at a certain point of the run ------------------------------------------------------------------------

    /// Calls `act` at the `nth` event that `matches`, in the middle of the turn or event in which it happens: there it
    /// may kill and cut the power, which is carried out when that turn is over. What it does is part of the run.
    void at_event(std::function<bool(const world_event&)> matches, unsigned nth,
                  std::move_only_function<void(const world_event&)> act);

    /// On a shard of the tester: ready in a turn after the `nth` event that `matches`. Fails with broken_promise when
    /// the world ends before.
    future<void> until(std::function<bool(const world_event&)> matches, unsigned nth = 1);

    // -- Looking -----------------------------------------------------------------------------------------------------

    /// Who waits for what, a line or more a shard of each machine that runs. Nothing else needs to be wrong.
    std::vector<std::string> stuck() const;
    /// The last 200 things that happened, oldest first, and among them the last turns, at most 200.
    std::vector<std::string> history(std::size_t turns_max = 200) const;
    /// Adds to the history.
    void note(std::string what);
    /// Everything that has happened in one number.
    std::uint64_t hash() const noexcept;
    /// Its value after every 1,024 turns and events.
    const std::vector<std::uint64_t>& checkpoints() const noexcept;
    /// Turns and events so far.
    std::uint64_t steps() const noexcept;
    /// Who stepped where there was a choice, if options.order.record_choices: for schedule::replay.
    const std::vector<std::uint32_t>& choices() const noexcept;
    /// What was injected so far.
    fault_counts& faults() noexcept;
    /// Which PROBE points control came to, and how often, if options.faults.enabled.
    const fault_counts& probes() const noexcept;
    /// Failed futures that programs dropped unseen, and promises given up; the first 100.
    const std::vector<std::string>& dropped_failures() const noexcept;

    /// The network of all machines; there must be one.
    detail::network& network() noexcept { return *network_; }
    /// No more faults of disks, networks and FAULT points, now and later; what broke stays broken, damaged media too.
    void calm();

    /// For disks, networks and chaos.
    detail::world_core& core() noexcept { return *core_; }

private:
    friend class machine;
    struct scheduler;
    struct barrier;

    void furnish(machine& m);

    void run_turn(machine& owner, unsigned shard, std::uint64_t ready_ns);
    void run_event();
    void end_turn();

    const limits limits_before_;
    std::unique_ptr<detail::world_core> core_;
    std::unique_ptr<detail::network> network_;
    std::unique_ptr<scheduler> scheduler_;
    std::vector<std::unique_ptr<machine>> machines_;
    std::list<barrier> barriers_;
    std::vector<std::move_only_function<void()>> after_turn_;
    unsigned shards_given_ = 0;  ///< numbers of shards
    bool inside_ = false;        ///< a turn or an event runs
};

}  // namespace shale::sim
