// Nothing real reaches a simulated run: what tries stops the process and is named.
#include <shale/core/sim/detail/outside_guard.hh>

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include <shale/core/async/coroutine.hh>
#include <shale/core/sim/world.hh>

using namespace shale;

namespace {

struct outside_guard : ::testing::Test {
    void SetUp() override {
        if (!sim::detail::outside_guard::works()) {
            GTEST_SKIP() << "this build or kernel cannot guard a thread";
        }
    }
};

void within_a_run(const std::function<void()>& act) {
    sim::world world({});
    world.on(0, [&] {
        (void)[](std::function<void()> f)->future<> {
            co_await yield_now();
            f();
        }
        (act);
    });
    world.settle();
}

std::int64_t read_clock() {
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

}  // namespace

using outside_guard_death = outside_guard;

TEST_F(outside_guard_death, stops_what_reads_a_clock) {
    EXPECT_DEATH(within_a_run([] { (void)read_clock(); }), "nothing real in a simulated run.*a real clock");
}

TEST_F(outside_guard_death, stops_what_draws_entropy) {
    EXPECT_DEATH(within_a_run([] {
                     char byte = 0;
                     (void)!::getentropy(&byte, 1);
                 }),
                 "called getrandom: real entropy must not reach it");
}

TEST_F(outside_guard_death, stops_what_starts_a_thread) {
    EXPECT_DEATH(within_a_run([] { std::thread([] {}).join(); }), "called clone.*: a thread or process");
}

TEST_F(outside_guard_death, stops_what_sleeps) {
    EXPECT_DEATH(within_a_run([] { ::usleep(1); }), "real waiting");
}

TEST_F(outside_guard_death, stops_what_touches_a_file) {
    EXPECT_DEATH(within_a_run([] { (void)std::fopen("/etc/hostname", "r"); }), "called openat: a real file");
}

TEST_F(outside_guard, lets_programs_allocate_print_and_throw) {
    std::size_t sum = 0;
    within_a_run([&] {
        for (std::size_t mib = 1; mib <= 16; mib *= 2) {
            std::vector<char> block(mib << 20, 'x');  // large enough for mmap
            sum += block.size();
        }
        std::fputs("printed within a simulated run\n", stderr);
        try {
            throw std::runtime_error("thrown within a simulated run");
        } catch (const std::exception&) {
            ++sum;
        }
    });
    EXPECT_EQ(sum, (31U << 20) + 1);
}

TEST_F(outside_guard, is_gone_after_the_run) {
    within_a_run([] {});
    EXPECT_GT(read_clock(), 0);
    struct stat about {};
    EXPECT_EQ(::stat("/", &about), 0);
    std::thread([] {}).join();
}

TEST_F(outside_guard_death, leaves_other_faults_to_who_handles_them) {
    EXPECT_EXIT(within_a_run([] { ::raise(SIGSEGV); }), testing::KilledBySignal(SIGSEGV), "");
    EXPECT_EXIT(within_a_run([] {
                    volatile int* const nowhere = nullptr;
                    *nowhere = 1;
                }),
                testing::KilledBySignal(SIGSEGV), "");
}
