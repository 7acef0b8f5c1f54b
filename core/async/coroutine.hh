// Coroutines: any function that returns future<T> may be one.
//
// The body starts at once and runs to its first wait on the caller's stack. The coroutine's promise object is its task:
// waiting for a pending future hands that future's promise a pointer to it, so suspending and resuming allocate
// nothing; the frame comes from the shard's pool. Awaiting a ready future goes on in place unless preemption is due.
// A coroutine lambda with captures must outlive its body. Every function of ours that takes a callable sees to that,
// except `then` and its kin, which refuse such a lambda in its first execution (see detail/invoke.hh).
// GCC 12 miscompiles some expressions around co_await (CONTRIBUTING.md lists them): give co_await a statement of its
// own, never join two by && or ||, and name a lambda with captures by value, or a braced list, before the statement
// that awaits what it is given to. Never co_await in a catch block, and pass arguments by value.
#pragma once

#include <coroutine>
#include <expected>

#include "future.hh"

namespace shale {

namespace detail {

template <class T>
class coroutine_promise;

/// Stops the program: a capturing coroutine lambda was given to `then`.
[[noreturn]] void refuse_coroutine_lambda(std::source_location then_site, std::source_location lambda_site) noexcept;

/// Waits for a future and takes its value, or throws its error, inside the coroutine.
template <class U>
class future_awaiter {
public:
    future_awaiter(future<U>&& f, std::source_location site) noexcept : future_(std::move(f)), site_(site) {}

    bool await_ready() const noexcept { return future_.available() && !need_preempt(); }

    template <class P>
    void await_suspend(std::coroutine_handle<P> waiting) noexcept {
        task& t = waiting.promise();
        t.set_site(site_);
        if (future_.available()) {
            this_run_queue()->schedule(t);
        } else {
            future_access::wait(future_, t);
        }
    }

    U await_resume() { return future_.get(); }

protected:
    future<U> future_;
    std::source_location site_;
};

/// As future_awaiter, with the error as a value.
template <class U>
class result_awaiter : public future_awaiter<U> {
public:
    using future_awaiter<U>::future_awaiter;

    std::expected<U, std::exception_ptr> await_resume() {
        if (this->future_.failed()) {
            return std::unexpected(this->future_.get_exception());
        }
        if constexpr (std::is_void_v<U>) {
            this->future_.get();
            return {};
        } else {
            return this->future_.get();
        }
    }
};

/// Waits until the future is available and leaves it so.
template <class U>
class availability_awaiter {
public:
    availability_awaiter(future<U>& f, std::source_location site) noexcept : future_(f), site_(site) {}
    bool await_ready() const noexcept { return future_.available(); }
    template <class P>
    void await_suspend(std::coroutine_handle<P> waiting) noexcept {
        task& t = waiting.promise();
        t.set_site(site_);
        future_access::wait(future_, t);
    }
    void await_resume() const noexcept {}

private:
    future<U>& future_;
    std::source_location site_;
};

/// Awaits something where it lies, in the frame until the end of the full expression. GCC 12 would copy it, which what
/// links itself into a list while it waits does not survive.
template <class Awaitable>
class in_place_awaiter {
public:
    in_place_awaiter(Awaitable& awaited) noexcept : awaited_(awaited) {}
    decltype(auto) await_ready() { return awaited_.await_ready(); }
    template <class P>
    decltype(auto) await_suspend(std::coroutine_handle<P> waiting) {
        return awaited_.await_suspend(waiting);
    }
    decltype(auto) await_resume() { return awaited_.await_resume(); }

private:
    Awaitable& awaited_;
};

template <class U>
struct result_request {
    future<U> f;
};
template <class U>
struct availability_request {
    future<U>& f;
};

/// Waits for something where it lies. GCC 12 copies or moves what await_transform returns by reference, which must not
/// happen to an awaitable that lies in a list or in the kernel's hands by then.
template <class Awaitable>
struct placed_awaiter {
    Awaitable& awaited;
    bool await_ready() const noexcept(noexcept(awaited.await_ready())) { return awaited.await_ready(); }
    template <class P>
    auto await_suspend(std::coroutine_handle<P> waiting) const {
        return awaited.await_suspend(waiting);
    }
    decltype(auto) await_resume() const { return awaited.await_resume(); }
};

/// Everything of a coroutine's promise but the result.
template <class T>
class coroutine_promise_base : public task {
public:
    coroutine_promise_base() noexcept : task(&resume, {}) {}

    future<T> get_return_object(std::source_location site = std::source_location::current()) noexcept {
        set_site(site);
        return future_access::make<T>(result_);
    }
    static future<T> get_return_object_on_allocation_failure() noexcept {
        return future_access::make_failed<T>(std::make_exception_ptr(std::bad_alloc()), {});
    }

    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { result_.set_error({std::current_exception(), site()}); }

    template <class U>
    future_awaiter<U> await_transform(future<U>&& f,
                                      std::source_location site = std::source_location::current()) noexcept {
        return {std::move(f), site};
    }
    template <class U>
    result_awaiter<U> await_transform(result_request<U>&& r,
                                      std::source_location site = std::source_location::current()) noexcept {
        return {std::move(r.f), site};
    }
    template <class U>
    availability_awaiter<U> await_transform(availability_request<U> r,
                                            std::source_location site = std::source_location::current()) noexcept {
        return {r.f, site};
    }
    /// Anything else that can be awaited; its await_suspend gets a handle whose promise is a task.
    template <class Awaitable>
    requires requires(Awaitable a) { a.await_ready(); }
    in_place_awaiter<std::remove_reference_t<Awaitable>> await_transform(Awaitable&& a) const noexcept { return {a}; }

    static void* operator new(std::size_t size) noexcept { return allocate_frame(size); }
    static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }

protected:
    linked_promise<T> result_;

private:
    static void resume(task& self) noexcept {
        auto& promise = static_cast<coroutine_promise<T>&>(self);
        std::coroutine_handle<coroutine_promise<T>>::from_promise(promise).resume();
    }
};

template <class T>
class coroutine_promise : public coroutine_promise_base<T> {
public:
    template <class U = T>
    requires std::convertible_to<U&&, T>
    void return_value(U&& value) {
        if constexpr (std::is_reference_v<T>) {
            this->result_.set_value(std::addressof(value));
        } else {
            this->result_.set_value(std::forward<U>(value));
        }
    }
};

template <>
class coroutine_promise<void> : public coroutine_promise_base<void> {
public:
    void return_void() noexcept { result_.set_value(); }
};

/// For a coroutine whose first parameter is a class, which a lambda's implicit object is: refuses to begin when `then`
/// is running that very lambda and it has captures.
template <class T, class First>
class member_coroutine_promise : public coroutine_promise<T> {
public:
    member_coroutine_promise(std::source_location site = std::source_location::current()) noexcept {
        const run_queue* queue = this_run_queue();
        if (queue->invoked.closure == &closure_tag<First>) [[unlikely]] {
            refuse_coroutine_lambda(queue->invoked.site, site);
        }
    }
};

}  // namespace detail

/// `co_await as_result(f)`: the value, or the error as std::exception_ptr, without a throw.
template <class U>
detail::result_request<U> as_result(future<U>&& f) noexcept {
    return {std::move(f)};
}

/// `co_await when_available(f)`: waits until `f` has its value or error, and takes neither. `f` stays the caller's.
template <class U>
detail::availability_request<U> when_available(future<U>& f) noexcept {
    return {f};
}

/// `co_await maybe_yield()`: goes to the back of the group's queue if preemption is due, else costs one load.
class maybe_yield {
public:
    explicit maybe_yield(std::source_location site = std::source_location::current()) noexcept : site_(site) {}
    bool await_ready() const noexcept { return !need_preempt(); }
    template <class P>
    void await_suspend(std::coroutine_handle<P> waiting) const noexcept {
        task& t = waiting.promise();
        t.set_site(site_);
        this_run_queue()->schedule(t);
    }
    void await_resume() const noexcept {}

private:
    std::source_location site_;
};

/// `co_await yield_now()`: goes to the back of the group's queue, without an allocation.
class yield_now : public maybe_yield {
public:
    using maybe_yield::maybe_yield;
    bool await_ready() const noexcept { return false; }
};

/// Ready once every task now in this group's queue has run. In a coroutine `co_await yield_now()` is cheaper.
future<void> yield(std::source_location site = std::source_location::current()) noexcept;

}  // namespace shale

template <class T, class... Args>
struct std::coroutine_traits<shale::future<T>, Args...> {
    using promise_type = shale::detail::coroutine_promise<T>;
};

template <class T, class First, class... Rest>
requires std::is_class_v<std::remove_cvref_t<First>>
struct std::coroutine_traits<shale::future<T>, First, Rest...> {
    using promise_type = shale::detail::member_coroutine_promise<T, std::remove_cvref_t<First>>;
};
