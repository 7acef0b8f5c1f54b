// A runtime: some shards, the threads they live on, a main that runs on shard 0, and an orderly end of it all.
//
//     shale::runtime runtime({.placement = {.shards = 2}});
//     int code = runtime.run([]() -> shale::future<int> { ... co_return 0; });
//
// It does not own the process: it may be started from any thread, after another one, or beside others; only one of
// them may handle signals. run() blocks its thread, which starts the shards and then waits for signals, for the end
// and for the deadline of the stop. app_template.hh is this with a command line. What happens at the stop, and in which
// order, stands in README.md.
//
// Access: 1. construction, run() and destruction on one thread, which is not a shard; run() once. 2. request_stop()
// from any thread while the object lives. 3. stop_signal(), stop_source() and at_exit() on shard 0, while main or an
// exit function runs.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "../async/abort_source.hh"
#include "../async/future.hh"
#include "../shard/runtime_options.hh"

namespace shale {

class runtime {
public:
    using main_function = std::move_only_function<future<int>()>;
    using exit_function = std::move_only_function<future<>()>;

    /// Reads the machine and decides where the shards go; starts nothing. Throws std::runtime_error with a sentence
    /// for a person when the options ask for what this machine cannot give. `name` is for the log: "kv 0.1.0".
    explicit runtime(runtime_options options = {}, std::string name = "shale");
    runtime(const runtime&) = delete;
    runtime& operator=(const runtime&) = delete;
    ~runtime();

    /// Starts the shards, runs `main` on shard 0 and stops everything once it has returned. Gives main's result, or
    /// one of exit_code.hh: `failed` when main or an exit function threw (one line says what), `environment` when the
    /// shards could not be started, `stop_timed_out` when something was still held at the deadline, 128 and the
    /// signal's number when main never watched for the stop and was left behind.
    int run(main_function main);

    /// Begins the stop, as SIGTERM does. Called before run(), it is there when main starts.
    void request_stop() noexcept;

    /// Resolves when the stop begins; at once when it has begun.
    future<> stop_signal();

    /// Fires when the stop begins.
    abort_source& stop_source();

    /// Runs `f` after main has returned, the last one given first, each after the one before is done. A failure is
    /// logged, makes the exit code `failed`, and does not keep the others from running.
    void at_exit(exit_function f);

    /// After run(): main or something else never ended, so what it refers to must outlive it. A program does best to
    /// leave with _exit() then.
    bool left_something_behind() const noexcept;

    /// Where the shards are, and why.
    const placement_plan& plan() const noexcept;

private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace shale
