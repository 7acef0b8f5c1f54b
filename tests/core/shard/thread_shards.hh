// Shards on real threads with nothing outside but a clock and a semaphore to sleep on: for tests of what crosses
// threads, on the level that may not know core/linux. Idle shards sleep at once, so the wake-ups are exercised.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <functional>
#include <semaphore>
#include <shale/core/async/coroutine.hh>
#include <shale/core/shard/shard.hh>
#include <shale/core/testing/testing.hh>
#include <thread>
#include <vector>

namespace shale::test {

class semaphore_platform final : public platform {
public:
    std::uint64_t now() noexcept override {
        return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    }
    std::int64_t wall() noexcept override { return 0; }
    void entropy(std::span<std::byte>) noexcept override {}
    unsigned submit(io_request* const*, unsigned) noexcept override { return 0; }
    unsigned reap(io_request**, unsigned) noexcept override { return 0; }
    void wait(std::uint64_t deadline) noexcept override {
        if (deadline == no_deadline) {
            signal_.acquire();
        } else {
            using time = std::chrono::steady_clock::time_point;
            (void)signal_.try_acquire_until(time(std::chrono::nanoseconds(deadline)));
        }
    }
    void wake() noexcept override { signal_.release(); }

private:
    std::counting_semaphore<> signal_{0};
};

/// Runs `body` as a coroutine on every shard of a runtime of `count`, or on shard 0 alone, until all are done.
class thread_shards {
public:
    explicit thread_shards(unsigned count) : all_(count), start_(count), end_(count) {}

    void run_everywhere(const body& f) { run(f, static_cast<unsigned>(all_.size())); }
    void run_on_shard_0(const body& f) { run(f, 1); }

private:
    void run(const body& f, unsigned bodies) {
        open_.store(bodies, std::memory_order_relaxed);
        std::vector<std::thread> threads;
        for (unsigned id = 0; id < all_.size(); ++id) {
            threads.emplace_back([this, id, &f, bodies] { run_thread(id, id < bodies ? &f : nullptr); });
        }
        for (auto& thread : threads) {
            thread.join();
        }
    }

    void run_thread(unsigned id, const body* f) {
        semaphore_platform outside;
        shard here(outside, {.id = id, .count = static_cast<unsigned>(all_.size()), .mailbox_capacity = 16});
        fail_on_dropped_failures(here);
        all_[id] = &here;
        start_.arrive_and_wait();
        here.connect(all_);
        {
            const run_queue_scope scope(&here);
            future<> done = f == nullptr ? make_ready_future<>() : futurize_invoke(*f);
            bool counted = f == nullptr;
            while (open_.load(std::memory_order_acquire) != 0) {
                const bool progress = here.step();
                if (!counted && done.available()) {
                    counted = true;
                    report_outcome(done);
                    if (open_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
                        wake_all();
                    }
                } else if (!progress && here.mail().has_unsent()) {
                    std::this_thread::yield();
                } else if (!progress) {
                    here.sleep();
                }
            }
        }
        end_.arrive_and_wait();
        const run_queue_scope scope(&here);
        here.locals().clear();
    }

    void wake_all() {
        for (shard* each : all_) {
            each->wake();
        }
    }

    std::vector<shard*> all_;
    std::atomic<unsigned> open_{0};  ///< bodies not done yet
    std::barrier<> start_;
    std::barrier<> end_;
};

}  // namespace shale::test
