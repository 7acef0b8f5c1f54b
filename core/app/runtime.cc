// A runtime's life as its waiting thread sees it: see runtime.hh.
#include "runtime.hh"

#include <unistd.h>

#include <cstring>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

#include "../base/assert.hh"
#include "../base/log.hh"
#include "detail/crew.hh"
#include "detail/log_context.hh"
#include "detail/program.hh"
#include "detail/supervisor.hh"
#include "exit_code.hh"
#include "machine.hh"

namespace shale {

namespace {

inline constinit logger log_app{"app"};

/// How long abandoned threads may take to end, before they are left to themselves.
constexpr std::uint64_t abandoned_end_ns = 1'000'000'000;

placement_plan plan_for_this_machine(const runtime_options& options) {
    auto plan = plan_placement(machine_topology::discover(), read_allowance(), options.placement);
    if (!plan) {
        throw std::runtime_error(plan.error());
    }
    return std::move(*plan);
}

std::string signal_name(int signal) {
    return fmt::format("SIG{}", sigabbrev_np(signal));
}

}  // namespace

struct runtime::state {
    state(runtime_options o, std::string n)
        : options(std::move(o)),
          name(std::move(n)),
          plan(plan_for_this_machine(options)),
          waiting(options.handle_signals) {}

    future<> live();
    int supervise();
    void begin_stop(int signal);
    int give_up();
    bool ends_by(std::uint64_t end_ns);
    [[noreturn]] void stop_at_once();

    const runtime_options options;
    const std::string name;
    const placement_plan plan;
    detail::supervisor waiting;
    std::optional<detail::program> program;  ///< shard 0's
    std::optional<detail::crew> crew;
    std::optional<std::uint64_t> deadline_ns;
    int code = exit_code::failed;  ///< written on shard 0, before notify_finished()
    bool ran = false;
    bool unfinished = false;  ///< as code
};

runtime::runtime(runtime_options options, std::string name)
    : state_(std::make_unique<state>(std::move(options), std::move(name))) {}

runtime::~runtime() {
    if (state_->crew) {  // threads that would not end still use it
        (void)state_.release();
    }
}

const placement_plan& runtime::plan() const noexcept {
    return state_->plan;
}

void runtime::request_stop() noexcept {
    state_->waiting.notify_stop_requested();
}

future<> runtime::stop_signal() {
    return state_->program->stop_signal();
}

abort_source& runtime::stop_source() {
    return state_->program->stop_source();
}

void runtime::at_exit(exit_function f) {
    state_->program->at_exit(std::move(f));
}

bool runtime::left_something_behind() const noexcept {
    return state_->unfinished;
}

int runtime::run(main_function main) {
    state& s = *state_;
    SHALE_ASSERT(!s.ran, "runtime: run() was called twice; make another runtime");
    s.ran = true;
    detail::install_log_context();
    for (std::size_t i = 0; i < s.plan.why.size(); ++i) {
        log_app.info("{}: {}", s.name, s.plan.why[i]);
    }
    s.program.emplace(std::move(main));
    s.crew.emplace(s.plan, s.options);
    try {
        s.crew->start([&s] { (void)s.live(); }, [&s] { s.waiting.notify_finished(); },
                      [&s](const std::string& notice) { log_app.warn("{}: {}", s.name, notice); });
    } catch (const std::exception& error) {
        s.crew.reset();
        log_app.error("{}: the shards could not be started: {}", s.name, error.what());
        return exit_code::environment;
    }
    detail::install_log_context();
    return s.supervise();
}

future<> runtime::state::live() {
    co_await yield_now();  // main begins in a turn, as a task
    code = co_await program->live([this] { waiting.notify_stop_requested(); });
    unfinished = program->left_main_behind();
    waiting.notify_finished();
}

// First the program finishes, then the crew; a signal or a request only begins what main's return begins otherwise.
int runtime::state::supervise() {
    using event = detail::supervisor::event;
    bool signalled = false;
    while (true) {
        switch (waiting.wait(deadline_ns)) {
            case event::signal:
                if (signalled) {
                    stop_at_once();
                }
                signalled = true;
                log_app.info("{}: {}: stopping; once more stops at once", name, signal_name(waiting.signal_number()));
                begin_stop(waiting.signal_number());
                break;
            case event::stop_requested:
                begin_stop(0);
                break;
            case event::finished:
                if (crew->ended()) {
                    crew.reset();
                    return code;
                }
                begin_stop(0);
                crew->leave();
                break;
            case event::deadline:
                return give_up();
        }
    }
}

void runtime::state::begin_stop(int signal) {
    if (!deadline_ns && options.stop_timeout > duration::zero()) {
        deadline_ns = detail::supervisor::now_ns() + static_cast<std::uint64_t>(options.stop_timeout.count());
    }
    crew->post(0, [this, signal] { program->request_stop(signal); });
}

int runtime::state::give_up() {
    log_app.error("{}: not stopped within {} ms (--stop-timeout); still held:", name,
                  std::chrono::duration_cast<std::chrono::milliseconds>(options.stop_timeout).count());
    log_app.error("{}:   {}", name, program->doing());
    for (const std::string& line : crew->describe_held()) {
        log_app.error("{}:   {}", name, line);
    }
    unfinished = true;
    crew->abandon();
    if (ends_by(detail::supervisor::now_ns() + abandoned_end_ns)) {
        crew.reset();
    }
    return exit_code::stop_timed_out;
}

bool runtime::state::ends_by(std::uint64_t end_ns) {
    using event = detail::supervisor::event;
    while (true) {
        const event what = waiting.wait(end_ns);
        if (what == event::signal) {
            stop_at_once();
        }
        if (crew->ended() || what == event::deadline) {
            return crew->ended();
        }
    }
}

void runtime::state::stop_at_once() {
    log_app.warn("{}: {} again: stopped at once", name, signal_name(waiting.signal_number()));
    _exit(exit_code::by_signal + waiting.signal_number());
}

}  // namespace shale
