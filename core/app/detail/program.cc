// Main, stop, exit functions: see program.hh.
#include "program.hh"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <utility>

#include "../../base/log.hh"
#include "../exit_code.hh"

namespace shale::detail {

namespace {

inline constinit logger log_app{"app"};

}  // namespace

future<int> program::live(std::move_only_function<void()> when_stopping) {
    // Not awaited: a main that is left behind never ends. It keeps itself alive, and settles the promise if it does
    // end.
    future<> settled = settled_promise_.get_future();
    doing_.store("main has not returned", std::memory_order_relaxed);
    (void)run_main();
    begun_ = true;
    leave_unaware_main_behind();
    co_await std::move(settled);
    request_stop(signal_);
    when_stopping();
    doing_.store("an exit function has not returned", std::memory_order_relaxed);
    co_await run_exit_functions();
    doing_.store("main and the exit functions have returned", std::memory_order_relaxed);
    co_return code_;
}

future<> program::run_main() {
    int code = exit_code::failed;
    try {
        code = co_await main_();
    } catch (...) {
        log_app.error("main failed: {}", describe(std::current_exception()));
    }
    settle(code);
}

void program::settle(int code) {
    if (!std::exchange(settled_, true)) {
        code_ = code;
        settled_promise_.set_value();
    }
}

future<> program::run_exit_functions() {
    while (!exit_functions_.empty()) {
        exit_function last = std::move(exit_functions_.back());
        exit_functions_.pop_back();
        try {
            co_await last();
        } catch (...) {
            log_app.error("an exit function failed: {}", describe(std::current_exception()));
            code_ = code_ == exit_code::ok ? exit_code::failed : code_;
        }
    }
}

void program::request_stop(int signal) {
    if (stop_.abort_requested()) {
        return;
    }
    signal_ = signal;
    stop_.request_abort();
    for (promise<>& each : std::exchange(waiting_for_stop_, {})) {
        each.set_value();
    }
    leave_unaware_main_behind();
}

// Main's first part, up to its first wait, is its chance to ask.
void program::leave_unaware_main_behind() {
    if (begun_ && stop_.abort_requested() && !watched_ && !settled_) {
        log_app.warn("main does not watch for the stop (stop_signal(), stop_source()) and is left behind");
        left_behind_ = true;
        settle(signal_ == 0 ? exit_code::ok : exit_code::by_signal + signal_);
    }
}

future<> program::stop_signal() {
    watched_ = true;
    if (stop_.abort_requested()) {
        return make_ready_future<>();
    }
    return waiting_for_stop_.emplace_back().get_future();
}

std::string describe(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        const std::type_info* type = abi::__cxa_current_exception_type();
        int status = 0;
        const std::unique_ptr<char, decltype(&std::free)> name(
            abi::__cxa_demangle(type != nullptr ? type->name() : "unknown", nullptr, nullptr, &status), &std::free);
        return std::string("an exception of type ") + (name ? name.get() : "unknown");
    }
}

}  // namespace shale::detail
