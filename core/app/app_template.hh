// What a program on Shale is made of: its options, its main, its stop.
//
//     int main(int argc, char** argv) {
//         std::uint16_t port = 6379;
//         shale::app_template app({.name = "kv", .description = "a durable key-value server", .version = "0.1.0"});
//         app.add_option("port,p", &port, "TCP port to listen on");
//         return app.run(argc, argv, [&]() -> shale::future<int> {
//             co_await start_serving(port);
//             co_await app.stop_signal();  // SIGINT, SIGTERM
//             co_return 0;
//         });
//     }
//
// run() reads the command line, starts a runtime (runtime.hh) with one shard a CPU, runs main as a coroutine on shard 0
// and stops in order. Everything a person can get wrong ends in one sentence on stderr and an exit code of
// exit_code.hh. The object must outlive run(); run() may be called once. A program that embeds shards uses runtime.hh
// instead.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "../async/coroutine.hh"
#include "exit_code.hh"
#include "options.hh"
#include "runtime.hh"
#include "simulation.hh"

namespace shale {

namespace detail {
class simulated_run;
struct simulation_options;
}  // namespace detail

struct app_config {
    std::string name = "app";
    std::string description = {};
    std::string version = "0";
    runtime_options runtime = {};  ///< defaults that the command line overrides
};

class app_template : private option_set {
public:
    using config = app_config;

    explicit app_template(app_config c);
    ~app_template();

    // The options of the program; see options.hh.
    using option_set::add_choice;
    using option_set::add_option;
    using option_set::add_positional;
    using option_set::add_size;
    using option_set::add_value;
    using option_set::begin_group;

    /// Runs `main` on shard 0 and returns the exit code for the process. `main` returns int, nothing, or a future of
    /// either; nothing counts as 0. It is kept alive until what it returned is done, so it may be a coroutine lambda
    /// with captures.
    template <class Main>
    int run(int argc, const char* const* argv, Main main) {
        using result = futurize_t<std::invoke_result_t<Main&>>;
        static_assert(std::is_same_v<result, future<int>> || std::is_same_v<result, future<void>>,
                      "main returns int, void, future<int> or future<>");
        return run_erased(argc, argv, [main = std::move(main)]() mutable -> future<int> {
            if constexpr (std::is_same_v<result, future<int>>) {
                return futurize_invoke(main);
            } else {
                return futurize_invoke(main).then([] { return exit_code::ok; });
            }
        });
    }

    /// What `--sim` does beside the program, and what it draws unless told otherwise: "power_cycles_min=3". Before
    /// run(). Every program takes --sim; without a workload it runs for a while, and is told to stop. In a simulated
    /// run main is called for each start of the program; what it refers to outside itself is shared by all of them.
    void simulate(simulated_workload workload, std::string drawn = {});

    // While main runs, on shard 0. See runtime.hh.

    /// Resolves when the program is to stop: SIGINT, SIGTERM, request_stop().
    future<> stop_signal();

    /// Fires at the same moment; for everything that takes an abort source.
    abort_source& stop_source();

    /// Functions to run, last first, after main has returned.
    void at_exit(runtime::exit_function f);

    /// As if SIGTERM had come. Any thread, while run() is running.
    void request_stop() noexcept;

    /// Ends the program at once, without a destructor, once stdout and stderr are flushed: for what cannot go on. Any
    /// thread. In a simulated run it returns, and nothing that is done afterwards has an effect.
    void exit_now(int code) noexcept;

    /// Whether the run is a simulated one: there is no terminal to talk to, for example.
    bool simulated() const noexcept { return simulated_ != nullptr; }

    /// In a simulated run, what it is drawn from: for draws of the program's own, such as sizes that differ from run to
    /// run, the same at each of its starts. Else 0.
    std::uint64_t simulation_seed() const noexcept;

    runtime& running();

private:
    int run_erased(int argc, const char* const* argv, runtime::main_function main);
    int run_simulated(int argc, const char* const* argv, runtime::main_function main);

    runtime_options runtime_options_;
    std::string log_levels_;
    std::optional<runtime> runtime_;
    simulated_workload workload_;
    std::unique_ptr<detail::simulation_options> simulation_;
    std::unique_ptr<detail::simulated_run> simulated_;
};

}  // namespace shale
