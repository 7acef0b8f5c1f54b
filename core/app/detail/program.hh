// A program's life on shard 0: main, the request to stop, the exit functions, the exit code.
//
// It knows neither threads nor signals, only futures, so its tests need no runtime: whoever made it tells it to stop,
// and is told when it is through. Everything here belongs to shard 0.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "../../async/abort_source.hh"
#include "../../async/coroutine.hh"

namespace shale::detail {

class program {
public:
    using main_function = std::move_only_function<future<int>()>;
    using exit_function = std::move_only_function<future<>()>;

    explicit program(main_function main) : main_(std::move(main)) {}
    program(const program&) = delete;
    program& operator=(const program&) = delete;

    /// Runs main, then fires the abort source and calls `when_stopping`, then runs the exit functions from the last to
    /// the first. Gives the exit code; never fails.
    future<int> live(std::move_only_function<void()> when_stopping);

    /// Fires the abort source. A main that never asked for it or for the signal cannot know: it is left behind, with
    /// 128 + `signal` as the exit code, or 0 without a signal. Further calls do nothing.
    void request_stop(int signal);

    future<> stop_signal();
    abort_source& stop_source() {
        watched_ = true;
        return stop_;
    }
    void at_exit(exit_function f) { exit_functions_.push_back(std::move(f)); }

    /// Main was left behind: what it refers to must stay.
    bool left_main_behind() const noexcept { return left_behind_; }

    /// What is under way, in words. Any thread.
    const char* doing() const noexcept { return doing_.load(std::memory_order_relaxed); }

private:
    void leave_unaware_main_behind();
    future<> run_main();
    future<> run_exit_functions();
    void settle(int code);

    main_function main_;
    std::vector<exit_function> exit_functions_;
    abort_source stop_;
    std::vector<promise<>> waiting_for_stop_;
    promise<> settled_promise_;                             ///< main has returned, or was left behind
    std::atomic<const char*> doing_{"main has not begun"};  ///< a literal, complete in itself
    bool begun_ = false;
    bool settled_ = false;
    bool watched_ = false;
    bool left_behind_ = false;
    int signal_ = 0;
    int code_ = 0;
};

/// What an exception says, for a log line; its type where it says nothing.
std::string describe(const std::exception_ptr& error);

}  // namespace shale::detail
