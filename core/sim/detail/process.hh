// One incarnation of a program on a simulated machine: its shards, from start to end.
//
// It ends in one of two ways. In order, once its entry function has returned and no shard has anything left to do: then
// the shards are destroyed, as those of a real runtime are. Or it is killed: then nothing of it runs any more, no
// destructor either; its memory is left as it is, and nobody touches it again. The platforms stay until the world ends,
// because a disk or a network may still hold their requests.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "../../async/future.hh"
#include "../../shard/shard.hh"
#include "sim_platform.hh"

namespace shale::sim::detail {

struct process_options {
    unsigned shards = 1;
    unsigned mailbox_capacity = 256;
    unsigned first_number = 0;  ///< of its shards in the world
    /// Runs on shard 0; its result is the exit code. Null: the process takes what it is given, and never ends.
    std::function<future<int>()> entry = {};
};

class process {
public:
    enum class state { running, finishing, ended, dead };

    process(world_core& world, host& at, const process_options& options);
    process(const process&) = delete;
    process& operator=(const process&) = delete;
    ~process();

    /// Runs the entry function, if there is one, up to its first wait.
    void start();

    state now() const noexcept { return state_; }
    /// It has shards that may step.
    bool lives() const noexcept { return state_ == state::running || state_ == state::finishing; }
    unsigned size() const noexcept { return static_cast<unsigned>(platforms_.size()); }
    shard& at(unsigned id) noexcept { return *alive_->shards[id]; }
    sim_platform& platform(unsigned id) noexcept { return *platforms_[id]; }
    handle_table& handles() noexcept { return handles_; }

    /// A turn of shard `id`. True if there was something to do.
    bool step(unsigned id);

    /// After a turn: looks whether the entry function has returned, and whether all is done then. True once: it has
    /// ended in order, and its shards are gone.
    bool look_after();

    /// The result of the entry function; 1 when it failed. After it has returned.
    int exit_code() const noexcept { return exit_code_; }
    /// What the entry function failed with, or empty.
    const std::string& failure() const noexcept { return failure_; }

    /// Kills it. From within one of its own turns, that turn goes on to its end, without effect on the outside.
    void die() noexcept;
    /// After die(), outside all turns: leaves behind what it had.
    void forget() noexcept;
    /// Destroys the shards in order, whatever they still hold.
    void destroy();

    /// Who waits for what, a line or more a shard.
    std::vector<std::string> describe();

    world_core& world() noexcept { return world_; }

private:
    /// What a killed process leaves behind.
    struct possessions {
        std::function<future<int>()> entry;
        std::vector<std::unique_ptr<shard>> shards;
        std::optional<future<int>> main;
    };

    static void before_task(run_queue& queue) noexcept;
    static void dropped_failure(run_queue* queue, const char* message) noexcept;

    world_core& world_;
    host& host_;
    handle_table handles_;
    std::vector<std::unique_ptr<sim_platform>> platforms_;
    std::unique_ptr<possessions> alive_;
    state state_ = state::running;
    int exit_code_ = 0;
    std::string failure_;
};

}  // namespace shale::sim::detail
