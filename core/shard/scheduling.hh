// Scheduling groups: who gets how much of a core when there is not enough for all.
//
// A group has a name and shares; where two groups both have tasks to run, their time on each shard is in proportion to
// their shares. Every task belongs to the group that was current when it was made, so a whole request, with all its
// continuations and the calls it makes to other shards, runs in the group it was begun in. Groups are created at run
// time, on all shards at once, in any number. The first, "main" with 1000 shares, always exists.
#pragma once

#include <coroutine>
#include <string>

#include "../async/coroutine.hh"
#include "../async/run_queue.hh"

namespace shale {

/// A group, by value; means the same on every shard of its runtime.
class scheduling_group {
public:
    /// The group "main".
    constexpr scheduling_group() noexcept = default;
    explicit constexpr scheduling_group(unsigned id) noexcept : id_(id) {}

    unsigned id() const noexcept { return id_; }
    const std::string& name() const noexcept { return this_run_queue()->group(id_).name(); }
    std::uint32_t get_shares() const noexcept { return this_run_queue()->group(id_).shares(); }

    /// New shares, on all shards. At least 1.
    future<void> set_shares(std::uint32_t shares) const;

    bool active() const noexcept { return this_run_queue()->current_group().id() == id_; }
    bool operator==(const scheduling_group&) const noexcept = default;

private:
    unsigned id_ = 0;
};

/// The group whose code is running.
inline scheduling_group current_scheduling_group() noexcept {
    return scheduling_group(this_run_queue()->current_group().id());
}

inline scheduling_group default_scheduling_group() noexcept {
    return {};
}

/// A new group on all shards, there for as long as the runtime. The name need not be unique.
future<scheduling_group> create_scheduling_group(std::string name, std::uint32_t shares);

/// `co_await switch_to(group)`: the coroutine goes on, from here to its end, in `group`. Gives the group it was in.
class switch_to {
public:
    explicit switch_to(scheduling_group group, std::source_location site = std::source_location::current()) noexcept
        : group_(group), site_(site) {}

    bool await_ready() noexcept {
        previous_ = current_scheduling_group();
        return previous_ == group_;
    }
    template <class P>
    void await_suspend(std::coroutine_handle<P> waiting) const noexcept {
        task& t = waiting.promise();
        t.set_site(site_);
        t.set_group(this_run_queue()->group(group_.id()));
        this_run_queue()->schedule(t);
    }
    scheduling_group await_resume() const noexcept { return previous_; }

private:
    scheduling_group group_;
    scheduling_group previous_;
    std::source_location site_;
};

namespace detail {

template <class Func>
futurize_t<std::invoke_result_t<Func&>> run_in_group(scheduling_group group, Func func) {
    co_await switch_to(group);
    co_return co_await futurize_invoke(func);
}

}  // namespace detail

/// Runs `func()` in `group`, keeps it until its future is done, and gives the result in the caller's group.
template <class Func>
auto with_scheduling_group(scheduling_group group, Func&& func) {
    return detail::run_in_group<std::decay_t<Func>>(group, std::forward<Func>(func));
}

}  // namespace shale
