// A program's start: command line, runtime, exit code. See app_template.hh.
#include "app_template.hh"

#include <unistd.h>

#include <csignal>
#include <cstdio>

#include <fmt/format.h>

#include "../base/assert.hh"
#include "../base/log.hh"
#include "detail/runtime_flags.hh"
#include "detail/simulator.hh"

namespace shale {

namespace {

int refuse(const std::string& program, std::string_view sentence, int code) {
    fmt::print(stderr, "{}: {}\n", program, sentence);
    return code;
}

// The last words before exit may be what a script waits for; a full disk or a closed pipe is a failure like any other.
int print_and_exit(const std::string& text) {
    const bool written = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
    return written ? exit_code::ok : exit_code::failed;
}

}  // namespace

app_template::app_template(app_config c)
    : option_set(std::move(c.name), std::move(c.description), std::move(c.version)),
      runtime_options_(std::move(c.runtime)),
      simulation_(std::make_unique<detail::simulation_options>()) {}

app_template::~app_template() = default;

runtime& app_template::running() {
    SHALE_ASSERT(runtime_, "app_template: nothing is running; call this from main, not before run()");
    return *runtime_;
}

int app_template::run_erased(int argc, const char* const* argv, runtime::main_function main) {
    detail::add_runtime_flags(*this, runtime_options_, log_levels_);
    detail::add_simulation_flags(*this, *simulation_);
    const auto asked = parse(argc, argv);
    if (!asked) {
        return refuse(program(), asked.error(), exit_code::usage);
    }
    if (*asked == outcome::show_help) {
        return print_and_exit(help());
    }
    if (*asked == outcome::show_version) {
        return print_and_exit(version() + "\n");
    }
    if (const std::string stray = detail::stray_simulation_flag(*simulation_); !stray.empty()) {
        return refuse(program(), stray, exit_code::usage);
    }
    // A reader of our output that goes away must not take the server with it.
    std::signal(SIGPIPE, SIG_IGN);
    if (simulation_->enabled) {
        return run_simulated(argc, argv, std::move(main));
    }
    runtime_options_.handle_signals = true;
    try {
        runtime_.emplace(runtime_options_, version());
    } catch (const std::exception& error) {
        return refuse(program(), error.what(), exit_code::environment);
    }
    const int code = runtime_->run(std::move(main));
    if (runtime_->left_something_behind()) {  // and may still use what main()'s end and static destructors destroy
        std::fflush(nullptr);
        _exit(code);
    }
    runtime_.reset();
    return code;
}

int app_template::run_simulated(int argc, const char* const* argv, runtime::main_function main) {
    if (log_levels_.empty()) {
        // What goes wrong is meant to, and is told by the run itself.
        (void)set_log_levels("error");
    }
    simulated_ = std::make_unique<detail::simulated_run>(
        program(), std::make_shared<runtime::main_function>(std::move(main)), std::move(workload_));
    const int code = detail::simulate(*simulated_, program(), runtime_options_.placement.shards, *simulation_,
                                      [&](std::uint64_t seed) { return detail::replay_line(argc, argv, seed); });
    simulated_.reset();
    return code;
}

void app_template::simulate(simulated_workload workload, std::string drawn) {
    workload_ = std::move(workload);
    simulation_->program_defaults = std::move(drawn);
}

std::uint64_t app_template::simulation_seed() const noexcept {
    return simulated_ ? simulated_->seed() : 0;
}

future<> app_template::stop_signal() {
    return simulated_ ? simulated_->life().stop_signal() : running().stop_signal();
}

abort_source& app_template::stop_source() {
    return simulated_ ? simulated_->life().stop_source() : running().stop_source();
}

void app_template::at_exit(runtime::exit_function f) {
    if (simulated_) {
        simulated_->life().at_exit(std::move(f));
    } else {
        running().at_exit(std::move(f));
    }
}

void app_template::request_stop() noexcept {
    if (simulated_) {
        simulated_->request_stop();
    } else {
        running().request_stop();
    }
}

void app_template::exit_now(int code) noexcept {
    if (simulated_) {
        simulated_->exit_now(code);
    } else {
        std::fflush(nullptr);
        _exit(code);
    }
}

}  // namespace shale
