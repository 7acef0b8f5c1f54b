// The mailbox under the explorer: every interleaving and every allowed stale read of the production template, for rings
// of one and two messages, wrap-around, full rings, replies, sleeping and foreign threads. And the counter-proof: each
// weakening of it that we can think of is found, so the search is not blind. Each test prints what it searched.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <shale/core/shard/detail/mailbox.hh>

#include "explorer.hh"
#include "fiber.hh"

namespace {

using namespace shale;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

/// What is broken on purpose. Set by a test before it explores, constant while it does.
struct planted_fault {
    int thread = -1;  ///< the thread whose code is broken
    bool relax_release_stores = false;
    bool relax_acquire_loads = false;
    bool sees_a_message_more_consumed = false;
    bool exchanges_do_not_release = false;
    bool clears_by_store = false;
    bool blind_after_barrier = false;
    bool no_barrier = false;
};
planted_fault fault;
bool blind = false;  ///< the next look finds nothing

bool here() {
    return fault.thread == static_cast<int>(model::running_thread());
}

/// model::atomics with the planted fault.
struct test_atomics : model::atomics {
    template <class T>
    class atomic : public model::atomic<T> {
    public:
        using model::atomic<T>::atomic;
        T load(std::memory_order order) const noexcept {
            const bool acquire = order == memory_order_acquire && here();
            T value = model::atomic<T>::load(acquire && fault.relax_acquire_loads ? memory_order_relaxed : order);
            if constexpr (std::is_same_v<T, std::uint32_t>) {
                value += acquire && fault.sees_a_message_more_consumed;
            }
            return value;
        }
        void store(T value, std::memory_order order) noexcept {
            const bool relax = order == memory_order_release && here() && fault.relax_release_stores;
            model::atomic<T>::store(value, relax ? memory_order_relaxed : order);
        }
        T exchange(T value, std::memory_order order) noexcept {
            if constexpr (std::is_same_v<T, bool>) {
                if (!value && fault.clears_by_store && here()) {
                    store(value, memory_order_relaxed);
                    return true;
                }
            }
            return model::atomic<T>::exchange(value, fault.exchanges_do_not_release ? memory_order_acquire : order);
        }
    };
    static unsigned next_change(const atomic<std::uint32_t>* counters, const std::uint32_t* seen, unsigned begin,
                                unsigned count) noexcept {
        if (std::exchange(blind, false)) {
            return count;
        }
        while (begin < count && counters[begin].load(memory_order_relaxed) == seen[begin]) {
            ++begin;
        }
        return begin;
    }
};

void barrier_hook() noexcept {
    if (!fault.no_barrier) {
        model::heavy_barrier();
    }
    blind = fault.blind_after_barrier;
}

struct message {
    model::plain<message*> next;
    std::uint64_t stamp = 0;
    model::plain<int> value;
    bool is_reply = false;
};
using mailbox = shale::detail::basic_mailbox<test_atomics, message>;

enum class barrier { heavy, exchange };

/// A runtime of `n` shards: mailboxes, what they sleep on, and messages to send.
struct setup {
    setup(unsigned n, unsigned capacity, barrier kind = barrier::heavy) {
        for (unsigned i = 0; i < n; ++i) {
            shale::detail::mailbox_options options;
            options.self = i;
            options.shards = n;
            options.capacity = capacity;
            options.heavy_barrier = kind == barrier::heavy ? &barrier_hook : nullptr;
            options.wake = [](void* context) noexcept { static_cast<model::event*>(context)->signal(); };
            options.wake_context = &woken[i];
            owned.push_back(std::make_unique<mailbox>(options));
            boxes.push_back(owned.back().get());
        }
        for (mailbox* box : boxes) {
            box->connect(boxes);
        }
    }

    void send(unsigned from, unsigned to, message& m, int value) {
        m.value = value;
        boxes[from]->send(to, m, 0);
    }

    /// Publishes all of it, waiting for room.
    void publish(unsigned shard) {
        boxes[shard]->publish();
        while (boxes[shard]->has_unsent()) {
            model::spin();
            boxes[shard]->publish();
        }
    }

    void sleep(unsigned shard) {
        if (boxes[shard]->try_sleep()) {
            woken[shard].wait();
            boxes[shard]->awake();
        }
    }

    model::event woken[3];
    std::vector<std::unique_ptr<mailbox>> owned;
    std::vector<mailbox*> boxes;
    message messages[4];
};

enum class idle { spins, sleeps };

/// `count` messages from shard 0 to shard 1 through a ring of `capacity`, each received once and in order.
void one_way(model::run& run, unsigned capacity, int count, idle when_idle, barrier kind = barrier::heavy) {
    auto& s = run.make<setup>(2u, capacity, kind);
    run.thread("sender", [&s, count] {
        for (int i = 0; i < count; ++i) {
            s.send(0, 1, s.messages[i], i + 1);
            s.publish(0);
        }
    });
    run.thread("receiver", [&s, count, when_idle] {
        int expected = 1;
        while (expected <= count) {
            s.boxes[1]->receive(0, [&expected](message& m) { model::require(m.value == expected++, "order"); });
            if (expected <= count) {
                when_idle == idle::sleeps ? s.sleep(1) : model::spin();
            }
        }
    });
}

/// As one_way, all in one batch.
void one_batch(model::run& run, unsigned capacity, int count) {
    auto& s = run.make<setup>(2u, capacity);
    run.thread("sender", [&s, count] {
        for (int i = 0; i < count; ++i) {
            s.send(0, 1, s.messages[i], i + 1);
        }
        s.publish(0);
    });
    run.thread("receiver", [&s, count] {
        int expected = 1;
        while (expected <= count) {
            s.boxes[1]->receive(0, [&expected](message& m) { model::require(m.value == expected++, "order"); });
            if (expected <= count) {
                model::spin();
            }
        }
    });
}

/// Shard 0 sends a request, shard 1 answers in the same message, and shard 0 uses the message again.
void requests(model::run& run, unsigned capacity, int count, idle when_idle, barrier kind = barrier::heavy) {
    auto& s = run.make<setup>(2u, capacity, kind);
    const auto rest = [&s, when_idle](unsigned shard) { when_idle == idle::sleeps ? s.sleep(shard) : model::spin(); };
    run.thread("client", [&s, count, rest] {
        for (int i = 0; i < count; ++i) {
            s.send(0, 1, s.messages[0], 10 * i);
            s.publish(0);
            bool answered = false;
            while (!answered) {
                s.boxes[0]->receive(0, [&](message& m) {
                    model::require(m.value == 10 * i + 1, "the answer belongs to the request");
                    answered = true;
                });
                if (!answered) {
                    rest(0);
                }
            }
        }
    });
    run.thread("server", [&s, count, rest] {
        for (int served = 0; served < count;) {
            const unsigned got = s.boxes[1]->receive(0, [&s](message& m) {
                m.value = m.value + 1;
                s.boxes[1]->send(0, m, 0);
            });
            served += static_cast<int>(got);
            s.publish(1);
            if (served < count && got == 0) {
                rest(1);
            }
        }
    });
}

/// Each of `n` shards sends `count` requests to the next, all at once, and answers those it gets: rings fill up with
/// requests and replies both ways.
void flood(model::run& run, unsigned n, unsigned capacity, int count) {
    auto& s = run.make<setup>(n, capacity);
    auto& own = run.make<std::vector<std::unique_ptr<message>>>();
    for (unsigned shard = 0; shard < n; ++shard) {
        for (int i = 0; i < count; ++i) {
            own.push_back(std::make_unique<message>());
        }
        run.thread("shard " + std::to_string(shard), [&s, &own, shard, n, count] {
            mailbox& box = *s.boxes[shard];
            const unsigned next = (shard + 1) % n;
            const unsigned previous = (shard + n - 1) % n;
            for (int i = 0; i < count; ++i) {
                s.send(shard, next, *own[shard * static_cast<unsigned>(count) + static_cast<unsigned>(i)], 1);
            }
            int open = 2 * count;
            while (open != 0 || box.has_unsent()) {
                bool moved = box.publish();
                moved |= 0 != box.receive(0, [&](message& m) {
                    --open;
                    if (m.is_reply) {
                        model::require(m.value == 2, "answered");
                        return;
                    }
                    m.is_reply = true;
                    m.value = 2;
                    box.send(previous, m, 0);
                });
                if (!moved) {
                    model::spin();
                }
            }
        });
    }
}

/// Two senders, shards or foreign threads, wake one sleeper; `once_more` has the sleeper change its mind first.
void two_senders(model::run& run, barrier kind, bool foreign, int rounds) {
    auto& s = run.make<setup>(3u, 1u, kind);
    run.thread("receiver", [&s, rounds] {
        for (int got = 0; got < 2 * rounds;) {
            got += static_cast<int>(s.boxes[0]->receive(0, [](message& m) { model::require(m.value == 1, "value"); }));
            if (got < 2 * rounds) {
                s.sleep(0);
            }
        }
    });
    for (unsigned sender = 1; sender <= 2; ++sender) {
        run.thread("sender", [&s, sender, foreign, rounds] {
            for (int i = 0; i < rounds; ++i) {
                message& m = s.messages[sender * 2 - 2 + static_cast<unsigned>(i)];
                if (foreign) {
                    m.value = 1;
                    s.boxes[0]->push_foreign(m);
                } else {
                    s.send(sender, 0, m, 1);
                    s.publish(sender);
                }
            }
        });
    }
}

class mailbox_model : public testing::Test {
protected:
    void SetUp() override {
        fault = {};
        if (model::under_thread_sanitizer) {
            GTEST_SKIP() << "one thread: nothing for ThreadSanitizer";
        }
    }
    void TearDown() override { fault = {}; }

    static void holds(const std::function<void(model::run&)>& program) {
        const auto report = model::explore(program);
        EXPECT_TRUE(report.ok()) << report;
        std::cout << "    " << report << '\n';
    }
    static void finds(const char* what, const std::function<void(model::run&)>& program) {
        const auto report = model::explore(program);
        EXPECT_THAT(report.failure, testing::HasSubstr(what)) << report;
        std::cout << "    found after " << report.executions << " executions\n";
    }
};

TEST_F(mailbox_model, keeps_order_in_a_ring_of_one) {
    holds([](model::run& run) { one_way(run, 1, 3, idle::spins); });
}

TEST_F(mailbox_model, keeps_order_in_a_ring_of_two_that_wraps) {
    holds([](model::run& run) { one_way(run, 2, 4, idle::spins); });
}

TEST_F(mailbox_model, publishes_a_batch_as_a_whole) {
    holds([](model::run& run) { one_batch(run, 2, 2); });
}

TEST_F(mailbox_model, hands_a_message_back_with_its_reply) {
    holds([](model::run& run) { requests(run, 1, 3, idle::spins); });
}

TEST_F(mailbox_model, completes_a_flood_both_ways_through_rings_of_one) {
    holds([](model::run& run) { flood(run, 2, 1, 1); });
}

TEST_F(mailbox_model, completes_a_flood_around_a_ring_of_three_shards) {
    if (model::under_address_sanitizer) {
        GTEST_SKIP() << "half a million states take a minute with AddressSanitizer";
    }
    holds([](model::run& run) { flood(run, 3, 1, 1); });
}

TEST_F(mailbox_model, wakes_a_sleeper_by_heavy_barrier) {
    holds([](model::run& run) { one_way(run, 2, 2, idle::sleeps); });
}

TEST_F(mailbox_model, wakes_a_sleeper_by_exchange) {
    holds([](model::run& run) { one_way(run, 2, 2, idle::sleeps, barrier::exchange); });
}

TEST_F(mailbox_model, wakes_both_sides_of_requests_by_heavy_barrier) {
    holds([](model::run& run) { requests(run, 1, 1, idle::sleeps); });
}

TEST_F(mailbox_model, wakes_both_sides_of_requests_by_exchange) {
    holds([](model::run& run) { requests(run, 1, 1, idle::sleeps, barrier::exchange); });
}

TEST_F(mailbox_model, wakes_a_sleeper_for_two_senders_by_heavy_barrier) {
    holds([](model::run& run) { two_senders(run, barrier::heavy, false, 1); });
}

TEST_F(mailbox_model, wakes_a_sleeper_for_two_senders_by_exchange) {
    holds([](model::run& run) { two_senders(run, barrier::exchange, false, 1); });
}

TEST_F(mailbox_model, wakes_a_sleeper_for_foreign_threads_by_heavy_barrier) {
    holds([](model::run& run) { two_senders(run, barrier::heavy, true, 1); });
}

TEST_F(mailbox_model, wakes_a_sleeper_for_foreign_threads_by_exchange) {
    holds([](model::run& run) { two_senders(run, barrier::exchange, true, 1); });
}

// The planted faults.

TEST_F(mailbox_model, finds_a_missing_release_of_the_tail) {
    fault = {.thread = 0, .relax_release_stores = true};
    finds("data race", [](model::run& run) { one_way(run, 2, 1, idle::spins); });
}

TEST_F(mailbox_model, finds_a_missing_acquire_of_the_tail) {
    fault = {.thread = 1, .relax_acquire_loads = true};
    finds("data race", [](model::run& run) { one_way(run, 2, 1, idle::spins); });
}

TEST_F(mailbox_model, finds_a_missing_release_of_the_consumed_count) {
    fault = {.thread = 1, .relax_release_stores = true};
    finds("data race", [](model::run& run) { one_way(run, 1, 2, idle::spins); });
}

TEST_F(mailbox_model, finds_a_missing_acquire_of_the_consumed_count) {
    fault = {.thread = 0, .relax_acquire_loads = true};
    finds("data race", [](model::run& run) { one_way(run, 1, 2, idle::spins); });
}

// The mailbox itself notices, before the model does: a message takes the place of another that nobody has read.
TEST_F(mailbox_model, stops_at_a_capacity_off_by_one) {
    fault = {.thread = 0, .sees_a_message_more_consumed = true};
    EXPECT_DEATH(finds("order", [](model::run& run) { one_way(run, 2, 4, idle::spins); }), "lost or overtaken");
}

TEST_F(mailbox_model, finds_a_missing_barrier_before_sleep) {
    fault = {.no_barrier = true};
    finds("wait for ever", [](model::run& run) { one_way(run, 2, 1, idle::sleeps); });
}

TEST_F(mailbox_model, finds_a_missing_second_look_before_sleep) {
    fault = {.blind_after_barrier = true};
    finds("wait for ever", [](model::run& run) { one_way(run, 2, 1, idle::sleeps); });
}

TEST_F(mailbox_model, finds_an_exchange_that_does_not_release) {
    fault = {.exchanges_do_not_release = true};
    finds("wait for ever", [](model::run& run) { one_way(run, 2, 1, idle::sleeps, barrier::exchange); });
}

// Clearing the flag by a store looks harmless, and is, with one sender. Two show why it is an exchange.
TEST_F(mailbox_model, finds_a_flag_cleared_by_a_store) {
    fault = {.thread = 0, .clears_by_store = true};
    finds("wait for ever", [](model::run& run) { two_senders(run, barrier::exchange, false, 1); });
}

}  // namespace
