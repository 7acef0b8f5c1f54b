// A limit to what a test waits for in a simulated world: `co_await sim::deadline(world, 30s, client.read_back())`.
//
// For the phase after chaos, in which everything must come right: the failure says who still waits for what.
// check: allow closure, only tests include it
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "../async/future.hh"
#include "../async/timed_out.hh"
#include "../shard/timer.hh"
#include "world.hh"

namespace shale::sim {

/// What a missed deadline fails with.
class deadline_missed final : public timed_out_error {
public:
    /// `limit` has passed; the report is the world's stuck().
    deadline_missed(const world& of, duration limit);
    const char* what() const noexcept override { return text_.c_str(); }

private:
    std::string text_;
};

/// What `f` becomes, or after `limit` the failure deadline_missed; then what `f` becomes is of no interest any more. On
/// a shard of the tester; the world outlives the wait.
template <class T>
future<T> deadline(const world& of, duration limit, future<T> f) {
    struct race {
        promise<T> result;
        timer<> expiry;
        bool over = false;
    };
    const auto both = std::make_shared<race>();
    both->expiry.set_callback([both = std::weak_ptr(both), &of, limit] {
        if (const auto late = both.lock(); late != nullptr && !std::exchange(late->over, true)) {
            late->result.set_exception(deadline_missed(of, limit));
        }
    });
    both->expiry.arm(limit);
    auto result = both->result.get_future();
    (void)f.then_wrapped([both](future<T> done) {
        if (std::exchange(both->over, true)) {
            done.ignore_ready_future();
            return;
        }
        both->expiry.cancel();
        if (done.failed()) {
            both->result.set_exception(done.get_exception());
        } else if constexpr (std::is_void_v<T>) {
            both->result.set_value();
        } else {
            both->result.set_value(done.get());
        }
    });
    return result;
}

}  // namespace shale::sim
