// A semaphore counts units of something limited: memory, requests in flight, one thing at a time.
//
// Whoever wants units that are not there waits, first come first served: a small request stands behind a large one
// even when there is enough for it, so nobody starves. Units that are there cost no allocation; a wait costs one block
// from the shard's pool. get_units() and with_semaphore() give back what they took whatever happens in between.
// Belongs to one shard. Names and meanings are Seastar's; limits on a wait are given as a wait_limit.
#pragma once

#include <cstddef>
#include <utility>

#include "detail/wait_queue.hh"

namespace shale {

/// A wait for units outlasted its limit.
class semaphore_timed_out : public timed_out_error {
public:
    const char* what() const noexcept override { return "timed out waiting for a semaphore"; }
};

/// The semaphore was broken or destroyed.
class broken_semaphore : public std::exception {
public:
    const char* what() const noexcept override { return "semaphore broken"; }
};

/// A wait that was aborted fails with the abort source's reason, which by default is this.
using semaphore_aborted = abort_requested_exception;

class semaphore_units;

class semaphore : private detail::wait_queue {
public:
    explicit semaphore(std::size_t units) noexcept;
    /// Waits still going on fail with broken_semaphore.
    ~semaphore() { settle_all(std::make_exception_ptr(broken_semaphore())); }

    /// Takes `units` once they are there and all that came before have been served. Fails with what it was broken
    /// with; a failed wait has taken nothing.
    future<void> wait(std::size_t units = 1, std::source_location site = std::source_location::current());
    /// As above, but no longer than `limit`: fails with semaphore_timed_out, or with the abort source's reason. Units
    /// that are there are taken whatever the limit says.
    future<void> wait(wait_limit limit, std::size_t units = 1,
                      std::source_location site = std::source_location::current());

    /// Takes `units` if they are there and nobody waits.
    bool try_wait(std::size_t units = 1) noexcept {
        if (!may_proceed(units)) {
            return false;
        }
        count_ -= static_cast<std::ptrdiff_t>(units);
        return true;
    }

    /// Takes `units` without waiting; the count may go below zero, and then others wait until it is back.
    void consume(std::size_t units = 1) noexcept { count_ -= static_cast<std::ptrdiff_t>(units); }

    /// Gives `units` back, or adds new ones.
    void signal(std::size_t units = 1) noexcept {
        count_ += static_cast<std::ptrdiff_t>(units);
        if (!empty()) {
            serve();
        }
    }

    /// Units there are; zero when the count is below.
    std::size_t current() const noexcept { return count_ > 0 ? static_cast<std::size_t>(count_) : 0; }
    std::ptrdiff_t available_units() const noexcept { return count_; }
    std::size_t waiters() const noexcept { return size(); }

    /// All waits, now and from now on, fail with `reason`. Units that are there can still be taken by try_wait().
    void broken(std::exception_ptr reason) noexcept;
    void broken() noexcept { broken(std::make_exception_ptr(broken_semaphore())); }
    template <class E>
    requires(!std::same_as<std::decay_t<E>, std::exception_ptr>) void broken(E&& reason) noexcept {
        broken(std::make_exception_ptr(std::forward<E>(reason)));
    }

private:
    friend future<semaphore_units> get_units(semaphore&, std::size_t, wait_limit, std::source_location);

    bool may_proceed(std::size_t units) const noexcept {
        return empty() && count_ >= static_cast<std::ptrdiff_t>(units) && !broken_with_;
    }
    void serve() noexcept;

    std::ptrdiff_t count_;
    std::exception_ptr broken_with_;
};

/// Units taken from a semaphore, given back when this is destroyed. The semaphore must outlive it.
class [[nodiscard]] semaphore_units {
public:
    semaphore_units() noexcept = default;
    /// Units that have been taken already.
    semaphore_units(semaphore& from, std::size_t units) noexcept : from_(&from), units_(units) {}
    semaphore_units(semaphore_units&& other) noexcept : from_(other.from_), units_(std::exchange(other.units_, 0)) {}
    semaphore_units& operator=(semaphore_units&& other) noexcept {
        if (this != &other) {
            return_all();
            from_ = other.from_;
            units_ = std::exchange(other.units_, 0);
        }
        return *this;
    }
    ~semaphore_units() { return_all(); }

    std::size_t count() const noexcept { return units_; }
    explicit operator bool() const noexcept { return units_ != 0; }

    /// Gives back some of them, and returns how many are left.
    std::size_t return_units(std::size_t units) noexcept {
        SHALE_ASSERT(units <= units_, "{} units returned of {}", units, units_);
        units_ -= units;
        from_->signal(units);
        return units_;
    }
    void return_all() noexcept {
        if (units_ != 0) {
            from_->signal(std::exchange(units_, 0));
        }
    }
    /// Forgets them without giving them back; whoever calls this signals the semaphore later.
    std::size_t release() noexcept { return std::exchange(units_, 0); }

    /// Moves some of them to a new object.
    semaphore_units split(std::size_t units) noexcept {
        SHALE_ASSERT(units <= units_, "{} units split off {}", units, units_);
        units_ -= units;
        return {*from_, units};
    }
    /// Takes over those of `other`, which must be of the same semaphore.
    void adopt(semaphore_units&& other) noexcept {
        SHALE_ASSERT(other.units_ == 0 || units_ == 0 || from_ == other.from_, "units of two semaphores were joined");
        if (other.units_ != 0) {
            from_ = other.from_;
            units_ += std::exchange(other.units_, 0);
        }
    }

private:
    semaphore* from_ = nullptr;
    std::size_t units_ = 0;
};

/// As semaphore::wait(), with the units in an object that gives them back.
future<semaphore_units> get_units(semaphore& from, std::size_t units, wait_limit limit = {},
                                  std::source_location site = std::source_location::current());

/// As semaphore::try_wait().
inline std::optional<semaphore_units> try_get_units(semaphore& from, std::size_t units) noexcept {
    if (!from.try_wait(units)) {
        return std::nullopt;
    }
    return std::optional<semaphore_units>(std::in_place, from, units);
}

/// As semaphore::consume().
inline semaphore_units consume_units(semaphore& from, std::size_t units) noexcept {
    from.consume(units);
    return {from, units};
}

/// Calls `func` holding `units` and gives them back once its future is done. `func` is kept until then.
template <class Func>
futurize_t<std::invoke_result_t<Func&>> with_semaphore(semaphore& from, std::size_t units, wait_limit limit,
                                                       Func func) {
    auto held = co_await get_units(from, units, limit);
    co_return co_await futurize_invoke(func);
}
template <class Func>
futurize_t<std::invoke_result_t<Func&>> with_semaphore(semaphore& from, std::size_t units, Func func) {
    return with_semaphore(from, units, wait_limit(), std::move(func));
}

}  // namespace shale
