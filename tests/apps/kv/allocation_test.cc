// Memory that runs out: each allocation of the server fails in turn, once, or it and all after it for a while. What is
// answered must be true, nobody may wait for ever, and after a power loss everything acknowledged is there.
//
// A failure inside what cannot fail (noexcept, or the way out of another failure) ends a server by abort(). Here it
// ends a run's process, too, but not before the run has been judged: the handler takes the disk as the dead server left
// it, and recovers from it.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>

#include <shale/core/async/coroutine.hh>

#include <shale/apps/kv/engine.hh>
#include <shale/apps/kv/memory_storage.hh>

#include "exhaustive.hh"
#include "failing_new.hh"

using namespace shale;
using namespace shale::kv::exhaustive;

namespace {

enum sum : unsigned { refused, not_started, ended, waited, aborted_once, aborted_for_ever };

/// For the handler of SIGABRT, which is given nothing: the run that is under way in this process.
struct under_way {
    rig* run;
    tally* count;
    bool for_ever;
};
// check: allow global, a signal handler is given nothing
constinit under_way current{};

void judge_and_end(int) {
    use_allocation_plan(nullptr);
    tally& count = *current.count;
    if (!current.run->machine().runs_now()) {
        count.fail("it was not the server that aborted");
        ::_exit(0);
    }
    count.add(current.for_ever ? aborted_for_ever : aborted_once);
    try {
        check_recovery(current.run->leave_at_once(), true);
    } catch (const std::exception& error) {
        count.fail(fmt::format("after abort(): {}", error.what()));
    }
    ::_exit(0);
}

/// How many allocations there were.
std::uint64_t run_with(const state& first, const sequence& steps, std::uint64_t fail_at, bool for_ever, tally& count) {
    rig one(&first, {});
    current = {&one, &count, for_ever};
    allocation_plan plan{
        .fail_at = fail_at,
        .for_ever = for_ever,
        .counts = [](const void* on) noexcept { return static_cast<const sim::machine*>(on)->runs_now(); },
        .context = &one.machine()};
    one.run([&](rig& r) -> future<> {
        r.may_cut_off = true;
        r.heal = [&] {
            count.add(waited);
            use_allocation_plan(nullptr);
        };
        use_allocation_plan(&plan);
        bool there = co_await r.start();
        const bool started = there;
        if (there) {
            there = co_await r.play(steps);
        }
        use_allocation_plan(nullptr);
        count.add(refused, r.refused());
        if (r.machine().running()) {
            const bool served = co_await r.connect();
            if (!served) {
                throw std::runtime_error("no new client is served: " + r.describe_end());
            }
            co_await r.look();
            co_await r.cut_power();
        } else {
            count.add(started ? ended : not_started);
        }
        co_await r.start_well();
        co_await r.look();
        co_await r.write_on();
    });
    return plan.seen;
}

}  // namespace

// In the suite each 8th. SHALE_ALLOCATION=n fails the n-th alone, once, in the test's own process, for a debugger.
TEST(kv_allocation, answers_or_ends_and_loses_nothing_whichever_allocation_fails) {
    if (!failing_new_works) {
        GTEST_SKIP() << "sanitizers have an operator new of their own";
    }
    const state first = first_state();
    const sequence steps{step::set,   step::overwrite, step::batch, step::expire,
                         step::erase, step::flush,     step::batch, step::compact};
    tally count("each allocation fails");
    std::uint64_t all = 0;
    count.run("no allocation fails", [&] { all = run_with(first, steps, 0, false, count); });
    const std::uint64_t stride = all_of_it() ? 1 : 8;
    const char* const only = std::getenv("SHALE_ALLOCATION");
    if (only != nullptr) {
        count.run("alone", [&] { run_with(first, steps, std::strtoull(only, nullptr, 10), false, count); });
    }
    for (std::uint64_t at = 1; at <= all && only == nullptr; at += stride) {
        for (const bool for_ever : {false, true}) {
            count.in_child([&] {
                (void)std::signal(SIGABRT, &judge_and_end);
                count.run(fmt::format("allocation {} of {} fails{}", at, all, for_ever ? ", and all after it" : ""),
                          [&] { run_with(first, steps, at, for_ever, count); });
            });
        }
    }
    count.finish(
        fmt::format("{} allocations, one in {}, once and for ever ({} refusals, {} starts refused, {} ends, {} "
                    "answers waited, {} and {} by abort())",
                    all, stride, count.count(refused), count.count(not_started), count.count(ended),
                    count.count(waited), count.count(aborted_once), count.count(aborted_for_ever)));
}

TEST(kv_allocation, a_flush_that_fails_has_done_nothing) {
    if (!failing_new_works) {
        GTEST_SKIP() << "sanitizers have an operator new of their own";
    }
    kv::memory_storage store(kv::memory_storage::mode::keep);
    kv::engine keys(store, {.cache_bytes = std::size_t{1} << 20, .hash_seed = 1});
    store.set_client(keys);
    ASSERT_EQ(keys.put(keys.key("a"), nullptr, "1", 0), "");
    unsigned failed = 0;
    for (bool done = false; !done;) {
        allocation_plan plan{.fail_at = failed + 1, .counts = [](const void*) noexcept { return true; }};
        use_allocation_plan(&plan);
        try {
            keys.flush();
            done = true;
        } catch (const std::bad_alloc&) {
            ++failed;
        }
        use_allocation_plan(nullptr);
        const auto found = keys.find(keys.key("a"));
        ASSERT_EQ(found.state, done ? kv::engine::presence::absent : kv::engine::presence::found) << failed;
    }
    EXPECT_GT(failed, 1U);
}
