// A simulated run of a program (--sim), as its workload sees it: who plays the clients, and judges what they saw.
//
//     app.simulate([](shale::simulation& sim) -> shale::future<> {
//         my_clients clients(sim.address(), sim.random());
//         co_await clients.run(sim.storm());                       // machines fail, disks and networks misbehave
//         sim.calm();                                              // from here on everything must come right
//         co_await sim.within(30s, clients.read_everything_back());
//     });
//
// The workload is a coroutine on a machine of its own, which never fails, in the same world and on the same network as
// the machine that runs the program. It uses the same calls as any program: net::connect(), sleep(), smp. When it fails
// the run has failed, and the seed, what was drawn, and the last events are told. It must draw from random() alone.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "../async/future.hh"
#include "../base/random.hh"
#include "../base/time.hh"

namespace shale {

class simulation {
public:
    /// Where the program is: an IPv4 address as text.
    virtual const std::string& address() const noexcept = 0;
    virtual unsigned shard_count() const noexcept = 0;
    virtual std::uint64_t seed() const noexcept = 0;
    /// A stream of the run's seed.
    virtual random_engine& random() noexcept = 0;
    /// How long things go wrong, in virtual time from the start of the run.
    virtual duration storm() const noexcept = 0;
    /// Ends what goes wrong: what is down is started again, faults of disks and networks end.
    virtual void calm() = 0;
    /// Cuts the power of the program's machine now and gives it back a millisecond later; ready then.
    virtual future<> power_cycle() = 0;
    /// `f`, or a failure when it is not done by then, which tells who waits for what.
    virtual future<> within(duration limit, future<> f) = 0;
    /// Adds a line to the history of the run, which is shown when it fails.
    virtual void note(std::string what) = 0;
    /// Adds to a figure of the run's summary, such as "acknowledged writes".
    virtual void count(std::string_view what, std::uint64_t by) = 0;

protected:
    ~simulation() = default;
};

using simulated_workload = std::function<future<>(simulation&)>;

}  // namespace shale
