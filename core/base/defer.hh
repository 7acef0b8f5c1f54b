// Runs something at the end of a scope, however it is left: for the C-like resources that have no class of their own.
// The action must not throw. In a coroutine it runs when the coroutine ends, not when it suspends.
#pragma once

#include <type_traits>
#include <utility>

namespace shale {

template <class F>
requires std::is_nothrow_move_constructible_v<F> && std::is_invocable_v<F&>
class [[nodiscard]] deferred_action {
public:
    explicit deferred_action(F action) noexcept : action_(std::move(action)) {}
    deferred_action(deferred_action&& other) noexcept
        : action_(std::move(other.action_)), armed_(std::exchange(other.armed_, false)) {}
    deferred_action(const deferred_action&) = delete;
    deferred_action& operator=(const deferred_action&) = delete;
    deferred_action& operator=(deferred_action&&) = delete;
    ~deferred_action() {
        if (armed_) {
            action_();
        }
    }

    /// The action will not run.
    void cancel() noexcept { armed_ = false; }

private:
    F action_;
    bool armed_ = true;
};

/// auto guard = defer([&]() noexcept { ::close(fd); });
template <class F>
deferred_action<std::decay_t<F>> defer(F&& action) noexcept {
    return deferred_action<std::decay_t<F>>(std::forward<F>(action));
}

}  // namespace shale
