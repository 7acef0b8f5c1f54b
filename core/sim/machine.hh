// A simulated computer that runs one program: started, killed, deprived of its power and started again, as often as
// the test or chaos likes.
//
//     sim::machine& server = world.add_machine({.name = "kv", .shards = 2, .entry = [] { return serve(); }});
//     server.start();
//
// Each start is a new incarnation with nothing in memory; the disk, the name and the address stay. A kill takes the
// process alone, and what the kernel was given reaches the disk; a power loss takes what was not flushed too. Neither
// runs a destructor: the memory of the incarnation is left behind. Called from within a turn or an event, its own or
// another's, a kill stops the program's effects at once, and is carried out at the end of that turn.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../base/time.hh"
#include "world_event.hh"

namespace shale {
template <class T>
class future;
class shard;
}  // namespace shale

namespace shale::sim {

class world;

namespace detail {
class disk;
class process;
struct host;
struct world_core;
}  // namespace detail

struct machine_options {
    std::string name;
    std::string address = {};  ///< as text; drawn up by the world when empty: 10.0.0.2 for the second machine
    unsigned shards = 1;
    unsigned mailbox_capacity = 256;
    /// The program: runs on shard 0 of each incarnation, and gives the exit code. Called on that shard, copied for
    /// each.
    std::function<future<int>()> entry = {};
    double wall_drift = 0;  ///< how much too fast its wall clock runs: 1e-6 is a millionth
};

class machine {
public:
    machine(const machine&) = delete;
    machine& operator=(const machine&) = delete;
    ~machine();

    const std::string& name() const noexcept { return options_.name; }
    const std::string& address() const noexcept { return options_.address; }
    unsigned shard_count() const noexcept { return options_.shards; }

    /// Starts the program, which must not be running. After a kill in this very turn, it starts when that is through.
    void start();
    /// Kills the process, if one runs. What it wrote stays with the kernel, which goes on.
    void kill();
    /// Ends the process at once with this exit code, as _exit() does: a kill by itself.
    void exit_now(int code);
    /// Cuts the power: no program, and on the disk what had been flushed, and of the rest what the disk likes.
    void power_loss();
    /// Ends what runs, by a kill, and starts again.
    void restart();

    bool running() const noexcept;
    /// Whether the code that runs at this moment is its program's: not the tester's, nor the simulator's on its behalf.
    bool runs_now() const noexcept;
    /// Starts so far.
    unsigned incarnation() const noexcept { return incarnation_; }
    /// Of the last incarnation that ended by itself, 1 when its entry function failed; nothing while one runs or after
    /// a kill.
    std::optional<int> exit_code() const noexcept { return exit_code_; }
    /// What the entry function failed with; empty if it did not.
    const std::string& failure() const noexcept { return failure_; }

    /// Moves its wall clock, as an administrator or a time server does.
    void jump_wall_clock(duration by) noexcept;

    /// Runs `f` at once as code of that shard of the program that runs, outside any task and between the turns.
    void on(unsigned id, const std::function<void()>& f);
    /// A shard of the program that runs.
    shard& at(unsigned id);
    detail::process& process() noexcept { return *process_; }
    detail::host& host() noexcept { return *host_; }
    /// Null: it has none of world_options::disk.
    detail::disk* disk() noexcept { return disk_; }

private:
    friend class world;

    machine(world& owner, detail::world_core& core, machine_options options, unsigned number, unsigned first_number);

    void end(world_event::kind how);
    void look_after();
    void carry_out();
    void tell(world_event::kind what, std::int32_t result);

    world& world_;
    detail::world_core& core_;
    const machine_options options_;
    const unsigned first_number_;
    std::unique_ptr<detail::host> host_;
    detail::disk* disk_ = nullptr;
    std::unique_ptr<detail::process> process_;
    std::vector<std::unique_ptr<detail::process>> past_;
    std::optional<world_event::kind> ending_;  ///< ended, killed or power_lost, to be carried out
    int ending_code_ = 0;                      ///< of ended
    bool start_again_ = false;
    unsigned incarnation_ = 0;
    std::optional<int> exit_code_;
    std::string failure_;
};

}  // namespace shale::sim
