// Every short sequence of commands, broken off at every I/O: by a power loss, by an error of the disk, and by further
// power losses while the server recovers. After each the server must know what it acknowledged, and nothing that cannot
// be. What fails prints the sequence and the number of the I/O.
//
//     SHALE_EXHAUSTIVE=1 build/release/tests/apps_kv_test --gtest_filter='kv_exhaustive.*'
//
// leaves nothing out; otherwise the loops are shortened to some seconds, as each test says. One shard only: a command
// on several shards promises nothing as a whole.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <shale/core/async/coroutine.hh>
#include <shale/core/shard/sleep.hh>

#include "exhaustive.hh"

using namespace shale;
using namespace shale::kv::exhaustive;
using namespace std::chrono_literals;

namespace {

/// The I/Os of a run without a fault: those up to `ready` are the start, those up to `end` the sequence.
struct io_range {
    std::uint64_t ready = 0;
    std::uint64_t end = 0;
};

io_range count_io(const state& from, const sequence& steps, std::uint64_t seed) {
    io_range found;
    rig one(&from, {.seed = seed});
    one.run([&](rig& r) -> future<> {
        co_await r.start_well();
        found.ready = r.disk().io_count();
        co_await r.play(steps);
        found.end = r.disk().io_count();
        co_await r.look();
        if (r.disk().in_flight() != 0) {
            throw std::runtime_error(to_string(steps) + ": the server has not come to rest");
        }
    });
    return found;
}

/// The I/Os of a start, and of what the server does by itself after it.
std::uint64_t count_start(const state& from) {
    std::uint64_t found = 0;
    rig one(&from, {});
    one.run([&](rig& r) -> future<> {
        co_await r.start_well();
        co_await sleep(20ms);
        found = r.disk().io_count();
    });
    return found;
}

/// What is left when the power fails after so many I/Os of a start.
state crash_start(const state& from, std::uint64_t at, fate how, std::uint64_t seed) {
    rig one(&from, {.at_power_loss = how, .seed = seed});
    one.run([&](rig& r) -> future<> {
        r.disk().plan.power_loss_after_io = at;
        const bool there = co_await r.start();
        if (there) {
            co_await sleep(20ms);
        }
        if (r.machine().running()) {
            throw std::runtime_error("the power was not lost");
        }
    });
    return one.leave();
}

/// The power fails once in a sequence.
void crash_in_sequence(const state& first, const sequence& steps, std::uint64_t at, const rig_options& options) {
    rig one(&first, options);
    one.run([&](rig& r) -> future<> {
        co_await r.start_well();
        r.disk().plan.power_loss_after_io = at;
        const bool there = co_await r.play(steps);
        if (there) {
            throw std::runtime_error("the power was not lost");
        }
        co_await sleep(1ms);
        co_await r.start_well();
        co_await r.look();
        co_await r.write_on();
    });
}

/// From I/O to I/O: each, or each fifth under sanitizers.
std::uint64_t stride() noexcept {
    return all_of_it() ? 1 : (slowness() + 1) / 2;
}

/// All sequences of 1 to `longest` steps; of the longest ones only each `every`th.
std::vector<sequence> sequences(std::size_t longest, std::size_t every) {
    std::vector<sequence> chosen;
    for (std::size_t length = 1; length <= longest; ++length) {
        const auto all = sequences_of(all_steps, length);
        for (std::size_t i = 0; i < all.size(); i += length == longest ? every : 1) {
            chosen.push_back(all[i]);
        }
    }
    return chosen;
}

enum sum : unsigned { points, refused, ended, not_started, waited };

}  // namespace

// In the suite: all sequences of 1, and each 3rd of 2; one draw for each_its_own.
TEST(kv_exhaustive, keeps_its_promises_wherever_the_power_fails) {
    const state first = first_state();
    tally count("crash after each I/O");
    const auto chosen = sequences(all_of_it() ? 3 : 2, all_of_it() ? 1 : 3 * slowness());
    const std::vector<rig_options> fates{{.at_power_loss = fate::drop_all},
                                         {.at_power_loss = fate::keep_all},
                                         {.at_power_loss = fate::each_its_own},
                                         {.at_power_loss = fate::each_its_own, .seed = 2},
                                         {.at_power_loss = fate::each_its_own, .seed = 3}};
    const std::size_t fates_used = all_of_it() ? fates.size() : 3;
    for (const sequence& steps : chosen) {
        count.in_child([&] {
            for (std::size_t f = 0; f < fates_used; ++f) {
                const io_range io = count_io(first, steps, fates[f].seed);
                for (std::uint64_t at = io.ready + 1; at <= io.end; at += stride()) {
                    count.add(points);
                    count.run(
                        fmt::format("{}; power lost after I/O {} of {}, {}, seed {}", to_string(steps), at - io.ready,
                                    io.end - io.ready, to_string(fates[f].at_power_loss), fates[f].seed),
                        [&] { crash_in_sequence(first, steps, at, fates[f]); });
                }
            }
        });
    }
    count.finish(
        fmt::format("{} sequences, {} fates, {} crash points", chosen.size(), fates_used, count.count(points)));
}

namespace {

/// What one failing I/O, or all from one on, do to a run. The server answers, with errors if need be, or ends with 74,
/// or does not start, in words; on a good disk everything is there again.
void fail_io(const state& first, const sequence& steps, const sim::detail::disk_plan& plan, tally& count) {
    rig one(&first, {});
    one.run([&](rig& r) -> future<> {
        r.heal = [&] {
            count.add(waited);
            r.disk().plan = {};
        };
        r.disk().plan = plan;
        bool there = co_await r.start();
        const bool started = there;
        if (there) {
            there = co_await r.play(steps);
        }
        r.disk().plan = {};
        count.add(refused, r.refused());
        if (there) {
            co_await r.look();
            co_await r.write_on();
            co_return;
        }
        count.add(started ? ended : not_started);
        const std::string how = r.describe_end();
        const bool in_order = started ? r.machine().exit_code() == 74 : r.machine().exit_code().value_or(0) != 0;
        if (!in_order) {
            throw std::runtime_error("the server was to end with 74, or not to start: " + how);
        }
        co_await r.start_well();
        co_await r.look();
        co_await r.write_on();
    });
}

}  // namespace

// In the suite: all sequences of 1, and each 8th of 2; once and for ever, EIO and ENOSPC, the start included.
TEST(kv_exhaustive, answers_or_ends_in_order_whichever_io_fails) {
    const state first = first_state();
    tally count("each I/O fails");
    const auto chosen = sequences(2, all_of_it() ? 1 : 8 * slowness());
    for (const sequence& steps : chosen) {
        count.in_child([&] {
            const io_range io = count_io(first, steps, 1);
            // The starts of all sequences are the same.
            for (std::uint64_t at = steps == chosen.front() ? 1 : io.ready + 1; at <= io.end; at += stride()) {
                count.add(points);
                for (const int error : {EIO, ENOSPC}) {
                    for (const bool for_ever : {false, true}) {
                        count.run(fmt::format("{}; I/O {} of {} + {} fails with {}{}", to_string(steps), at, io.ready,
                                              io.end - io.ready, error == EIO ? "EIO" : "ENOSPC",
                                              for_ever ? ", and all after it" : ""),
                                  [&] {
                                      fail_io(first, steps, {at, for_ever, -error}, count);
                                  });
                    }
                }
            }
        });
    }
    count.finish(
        fmt::format("{} sequences, {} I/Os x 2 errors x once and for ever ({} refusals, {} ends with 74, {} "
                    "starts refused, {} answers waited for the disk to be well)",
                    chosen.size(), count.count(points), count.count(refused), count.count(ended),
                    count.count(not_started), count.count(waited)));
    if (stride() == 1) {
        EXPECT_GT(count.count(refused), 0U);
        EXPECT_GT(count.count(ended), 0U);
        EXPECT_GT(count.count(not_started), 0U);
    }
}

// In the suite: from one crash, each 4th I/O of the first recovery, each 3rd of the second, and one draw of a third.
TEST(kv_exhaustive, recovers_from_crashes_in_recovery) {
    const state first = first_state();
    tally count("crashes in recovery");
    const std::vector<sequence> chosen{{step::batch, step::overwrite, step::compact}, {step::erase, step::flush}};
    const std::uint64_t share = all_of_it() ? 1 : slowness();
    const std::uint64_t stride = all_of_it() ? 1 : 3;
    random_engine random(7);
    for (std::size_t s = 0; s < (all_of_it() ? chosen.size() : 1); ++s) {
        const io_range io = count_io(first, chosen[s], 1);
        const std::uint64_t broken = io.ready + (io.end - io.ready) / 2;
        rig crashed(&first, {.at_power_loss = fate::each_its_own});
        crashed.run([&](rig& r) -> future<> {
            co_await r.start_well();
            r.disk().plan.power_loss_after_io = broken;
            (void)co_await r.play(chosen[s]);
        });
        const state zero = crashed.leave();
        const std::uint64_t ios = count_start(zero);
        for (std::uint64_t i = 1; i <= ios; i += (stride + 1) * share) {
            const std::uint64_t seed = random();
            const fate how = std::array{fate::drop_all, fate::keep_all, fate::each_its_own}[seed % 3];
            count.in_child([&] {
                random_engine draws(seed);
                state one;
                count.run(fmt::format("{}; power lost after I/O {} of {} of the recovery, {}", to_string(chosen[s]), i,
                                      ios, to_string(how)),
                          [&] {
                              one = crash_start(zero, i, how, seed);
                              check_recovery(one, true);
                          });
                const std::uint64_t more = count.go_on() ? count_start(one) : 0;
                for (std::uint64_t j = 1; j <= more; j += stride * share) {
                    count.add(points);
                    const std::uint64_t third = draws();
                    count.run(
                        fmt::format("{}; power lost after I/O {} of {} of the recovery, {}, and {} of {} of that, "
                                    "seed {}",
                                    to_string(chosen[s]), i, ios, to_string(how), j, more, third),
                        [&] {
                            const state two = crash_start(one, j, fate::each_its_own, third);
                            check_recovery(two, false);
                            if (third % 4 == 0) {
                                const std::uint64_t at = 1 + draws.below(count_start(two));
                                check_recovery(crash_start(two, at, fate::each_its_own, third), true);
                            }
                        });
                }
            });
        }
    }
    count.finish(fmt::format("{} pairs of I/Os, a third for a quarter of them", count.count(points)));
}
