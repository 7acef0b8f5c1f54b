// A function on its way to another shard and back, and one that runs here: what submit_to() allocates.
//
// The object is the message and the task in one. It goes out as a request, becomes a task of the submitter's scheduling
// group where it arrives, holds the callable until the future that the callable returned is done, and comes back with
// the result. It is allocated, completed and freed on the submitting shard; in between it belongs to the target.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include "../../async/abort_source.hh"
#include "../../async/future.hh"
#include "../shard.hh"
#include "../timer.hh"

namespace shale {

/// Limits of how long a call may wait to be *sent*, when the ring to its shard is full. Once sent it is executed. A
/// call given up this way had no effect; it fails with timed_out_error, or with the abort source's reason.
struct submit_options {
    clock::time_point send_by = clock::time_point::max();
    abort_source* abort = nullptr;
};

namespace detail {

template <class Func>
using call_result = futurize_t<std::invoke_result_t<std::decay_t<Func>&>>;

/// What does not depend on the callable.
class remote_call_base : public message, public task {
public:
    remote_call_base(const remote_call_base&) = delete;
    remote_call_base& operator=(const remote_call_base&) = delete;

    /// As mailbox::send().
    bool submit(unsigned target) noexcept;

protected:
    using arrive_function = void (*)(message&) noexcept;

    remote_call_base(run_function run, std::source_location site) noexcept;
    ~remote_call_base() = default;

    /// On the target: sends it back, for `finish` on the source.
    void reply(arrive_function finish) noexcept;

    bool called_ = false;  ///< the callable has returned its future

private:
    static void arrived(message& m) noexcept;

    std::uint16_t source_;
    std::uint16_t group_id_;
};

/// Gives up a call that waits for room in the ring.
class send_limit {
public:
    template <class GiveUp>
    void arm(const submit_options& options, GiveUp give_up) {
        if (options.abort != nullptr) {
            subscription_ = options.abort->subscribe(give_up);
        }
        if (options.send_by != clock::time_point::max()) {
            timer_.set_callback([give_up]() mutable { give_up(timed_out()); });
            timer_.arm(options.send_by);
        }
    }

private:
    static std::exception_ptr timed_out() noexcept;

    std::optional<abort_source::subscription> subscription_;
    timer<> timer_;
};

struct no_send_limit {};

template <class Func, class Limit = no_send_limit>
class remote_call final : public remote_call_base {
    using result = typename call_result<Func>::value_type;

public:
    template <class F>
    remote_call(F&& func, std::source_location site) : remote_call_base(&run, site), func_(std::forward<F>(func)) {}

    future<result> get_future() noexcept { return future_access::make<result>(promise_); }

    /// From now on options may end the call while it still waits to be sent.
    void limit(unsigned target, const submit_options& options) {
        limit_.arm(options, [this, target](const std::exception_ptr& reason) noexcept {
            if (this_shard().mail().withdraw(target, *this)) {
                promise_.set_error({reason, site()});
                delete this;
            }
        });
    }

private:
    static void run(task& t) noexcept {
        auto& self = static_cast<remote_call&>(t);
        if (self.called_) {
            self.reply(&finish);
            return;
        }
        self.called_ = true;
        future<result> f = invoke_for<future<result>>(self.func_, self.site());
        if (f.available()) [[likely]] {
            self.result_ = std::move(future_access::state(f));
            self.reply(&finish);
        } else {
            linked_promise<result> bridge;
            bridge.set_target(self.result_, self);
            f.forward_to(std::move(bridge));
        }
    }
    static void finish(message& m) noexcept {
        auto& self = static_cast<remote_call&>(m);
        self.promise_.set_state(std::move(self.result_));
        delete &self;
    }

    Func func_;
    future_state<result> result_;
    linked_promise<result> promise_;
    [[no_unique_address]] Limit limit_;
};

/// A callable that runs here and now, and is kept until its future is done.
template <class Func>
class local_call final : public task {
    using result = typename call_result<Func>::value_type;

public:
    template <class F>
    static future<result> start(F&& func, std::source_location site) {
        auto* call = new local_call(std::forward<F>(func), site);
        future<result> f = invoke_for<future<result>>(call->func_, site);
        if (f.available()) {
            delete call;
            return f;
        }
        linked_promise<result> bridge;
        bridge.set_target(call->result_, *call);
        f.forward_to(std::move(bridge));
        return future_access::make<result>(call->promise_);
    }

private:
    template <class F>
    local_call(F&& func, std::source_location site) : task(&run, site), func_(std::forward<F>(func)) {}

    static void run(task& t) noexcept {
        auto& self = static_cast<local_call&>(t);
        self.promise_.set_state(std::move(self.result_));
        delete &self;
    }

    Func func_;
    future_state<result> result_;
    linked_promise<result> promise_;
};

/// Runs `func`, or a copy where it stays the caller's, on this shard; allocates only where it must outlive the call.
template <class Func>
call_result<Func> call_here(Func&& func, std::source_location site) {
    using callable = std::decay_t<Func>;
    constexpr bool may_outlive_call = is_future_v<std::remove_cvref_t<std::invoke_result_t<callable&>>>;
    if constexpr (may_outlive_call && std::is_class_v<callable> && !std::is_empty_v<callable>) {
        return local_call<callable>::start(std::forward<Func>(func), site);
    } else {
        std::conditional_t<std::is_lvalue_reference_v<Func>, callable, Func&&> mine(std::forward<Func>(func));
        return invoke_for<call_result<Func>>(mine, site);
    }
}

}  // namespace detail
}  // namespace shale
