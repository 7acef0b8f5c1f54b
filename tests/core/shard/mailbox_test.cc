// The mailbox on real threads and in single steps; every interleaving of it is explored by tests/model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <cstdlib>
#include <memory>
#include <semaphore>
#include <shale/core/shard/detail/mailbox.hh>
#include <thread>
#include <vector>

namespace {

using namespace shale;

struct message {
    message* next = nullptr;
    std::uint64_t stamp = 0;
    unsigned from = 0;
    unsigned to = 0;
    std::uint64_t number = 0;
    bool is_reply = false;
};
using mailbox = shale::detail::basic_mailbox<std_atomics, message>;

using semaphore = std::counting_semaphore<>;

/// Mailboxes used from one thread.
struct network {
    explicit network(unsigned shards, unsigned capacity) {
        for (unsigned i = 0; i < shards; ++i) {
            owned.push_back(std::make_unique<mailbox>(
                shale::detail::mailbox_options{.self = i,
                                               .shards = shards,
                                               .capacity = capacity,
                                               .heavy_barrier = []() noexcept {},
                                               .wake = [](void* count) noexcept { ++*static_cast<int*>(count); },
                                               .wake_context = &wakes[i]}));
            boxes.push_back(owned.back().get());
        }
        for (mailbox* box : boxes) {
            box->connect(boxes);
        }
    }
    mailbox& operator[](unsigned i) { return *boxes[i]; }
    std::vector<std::uint64_t> receive(unsigned at, std::uint64_t now_ns = 0) {
        std::vector<std::uint64_t> numbers;
        boxes[at]->receive(now_ns, [&](message& m) { numbers.push_back(m.number); });
        return numbers;
    }
    std::vector<int> wakes = std::vector<int>(300);
    std::vector<std::unique_ptr<mailbox>> owned;
    std::vector<mailbox*> boxes;
};

std::vector<message> numbered(unsigned count) {
    std::vector<message> messages(count);
    for (unsigned i = 0; i < count; ++i) {
        messages[i].number = i;
    }
    return messages;
}

TEST(mailbox, delivers_in_order_what_was_published_and_nothing_else) {
    network net(2, 8);
    auto messages = numbered(3);
    net[0].send(1, messages[0], 0);
    net[0].send(1, messages[1], 0);
    EXPECT_FALSE(net[1].has_arrived());
    EXPECT_TRUE(net[0].has_unsent());
    EXPECT_TRUE(net[0].publish());
    EXPECT_FALSE(net[0].has_unsent());
    EXPECT_TRUE(net[1].has_arrived());
    net[0].send(1, messages[2], 0);
    EXPECT_THAT(net.receive(1), testing::ElementsAre(0, 1));
    EXPECT_FALSE(net[1].has_arrived());
    net[0].publish();
    EXPECT_THAT(net.receive(1), testing::ElementsAre(2));
    EXPECT_FALSE(net[0].publish());
    EXPECT_EQ(net[0].sent_to(1).messages, 3U);
    EXPECT_EQ(net[0].sent_to(1).batches, 2U);
    EXPECT_EQ(net[1].received_from(0).messages, 3U);
}

TEST(mailbox, keeps_what_does_not_fit_until_there_is_room) {
    network net(2, 4);
    auto messages = numbered(11);
    for (unsigned i = 0; i < 11; ++i) {
        EXPECT_EQ(net[0].send(1, messages[i], 0), i < 4);
    }
    EXPECT_TRUE(net[0].publish());
    EXPECT_TRUE(net[0].has_unsent());
    EXPECT_FALSE(net[0].publish()) << "no room yet";
    EXPECT_THAT(net.receive(1), testing::ElementsAre(0, 1, 2, 3));
    EXPECT_TRUE(net[0].publish());
    EXPECT_THAT(net.receive(1), testing::ElementsAre(4, 5, 6, 7));
    EXPECT_TRUE(net[0].publish());
    EXPECT_FALSE(net[0].has_unsent());
    EXPECT_THAT(net.receive(1), testing::ElementsAre(8, 9, 10));
    EXPECT_EQ(net[0].sent_to(1).full_waits, 7U);
}

TEST(mailbox, takes_back_only_what_waits) {
    network net(2, 1);
    auto messages = numbered(5);
    for (message& m : messages) {
        net[0].send(1, m, 0);
    }
    EXPECT_FALSE(net[0].withdraw(1, messages[0])) << "in the ring";
    EXPECT_TRUE(net[0].withdraw(1, messages[2]));
    EXPECT_FALSE(net[0].withdraw(1, messages[2]));
    EXPECT_TRUE(net[0].withdraw(1, messages[4])) << "the last";
    net[0].send(1, messages[2], 0);
    EXPECT_TRUE(net[0].withdraw(1, messages[1])) << "the first";
    std::vector<std::uint64_t> got;
    for (int turn = 0; turn < 5; ++turn) {
        net[0].publish();
        for (const std::uint64_t number : net.receive(1)) {
            got.push_back(number);
        }
    }
    EXPECT_THAT(got, testing::ElementsAre(0, 3, 2));
    EXPECT_FALSE(net[0].has_unsent());
}

TEST(mailbox, keeps_the_order_when_what_waits_is_taken_back) {
    network net(2, 1);
    auto messages = numbered(140);
    for (message& m : messages) {
        net[0].send(1, m, 1000);
    }
    for (unsigned i = 3; i < 140; i += 7) {
        EXPECT_TRUE(net[0].withdraw(1, messages[i]));
    }
    std::vector<std::uint64_t> got;
    while (net[0].has_unsent()) {
        net[0].publish();
        for (const std::uint64_t number : net.receive(1)) {
            EXPECT_TRUE(got.empty() || got.back() < number);
            got.push_back(number);
        }
    }
    EXPECT_EQ(got.size(), 120U);
    EXPECT_EQ(net[1].received_from(0).samples, 2U);
}

TEST(mailbox, stops_the_program_when_a_message_is_lost_or_overtaken) {
    network net(2, 8);
    auto messages = numbered(3);
    for (message& m : messages) {
        net[0].send(1, m, 0);
    }
    std::swap(messages[1].stamp, messages[2].stamp);
    net[0].publish();
    EXPECT_DEATH(net.receive(1), "message 1 of shard 0 to 1 .* lost or overtaken");
    messages[1].stamp = messages[0].stamp;
    EXPECT_DEATH(net.receive(1), "lost or overtaken");
}

TEST(mailbox, times_one_message_in_64) {
    network net(2, 256);
    auto messages = numbered(130);
    for (message& m : messages) {
        net[0].send(1, m, 1000);
    }
    net[0].publish();
    net.receive(1, 1500);
    const auto& counters = net[1].received_from(0);
    EXPECT_EQ(counters.samples, 3U);
    EXPECT_EQ(counters.latency_total_ns, 1500U);
    EXPECT_EQ(counters.latency_max_ns, 500U);
}

TEST(mailbox, finds_any_sender_among_many) {
    for (unsigned shards : {2U, 15U, 16U, 17U, 40U, 257U}) {
        network net(shards, 1);
        std::vector<message> messages(shards);
        const unsigned receiver = shards / 2;
        for (unsigned sender = 0; sender < shards; ++sender) {
            if (sender == receiver) {
                continue;
            }
            EXPECT_FALSE(net[receiver].has_arrived());
            messages[sender].number = sender;
            net[sender].send(receiver, messages[sender], 0);
            net[sender].publish();
            EXPECT_TRUE(net[receiver].has_arrived());
            EXPECT_THAT(net.receive(receiver), testing::ElementsAre(sender));
        }
        for (unsigned sender = 0; sender < shards; ++sender) {
            if (sender != receiver) {
                net[sender].send(receiver, messages[sender], 0);
                net[sender].publish();
            }
        }
        EXPECT_EQ(net.receive(receiver).size(), shards - 1);
    }
}

TEST(mailbox, wakes_a_sleeper_once) {
    network net(3, 8);
    auto messages = numbered(3);
    EXPECT_TRUE(net[0].try_sleep());
    net[1].send(0, messages[0], 0);
    net[1].publish();
    EXPECT_EQ(net.wakes[0], 1);
    net[2].send(0, messages[1], 0);
    net[2].publish();
    EXPECT_EQ(net.wakes[0], 1);
    net[0].awake();
    EXPECT_FALSE(net[0].try_sleep()) << "something has arrived";
    EXPECT_EQ(net.receive(0).size(), 2U);
    EXPECT_TRUE(net[0].try_sleep());
    net[0].awake();
    net[1].send(0, messages[2], 0);
    EXPECT_FALSE(net[1].try_sleep()) << "something is unsent";
    net[1].publish();
    EXPECT_EQ(net.wakes[0], 1) << "it is awake";
    EXPECT_EQ(net[1].sent_to(0).wakes, 1U);
}

TEST(mailbox, takes_messages_of_foreign_threads_in_their_order) {
    network net(1, 8);
    auto messages = numbered(3);
    EXPECT_TRUE(net[0].try_sleep());
    for (message& m : messages) {
        net[0].push_foreign(m);
    }
    EXPECT_EQ(net.wakes[0], 1);
    EXPECT_FALSE(net[0].try_sleep());
    EXPECT_THAT(net.receive(0), testing::ElementsAre(0, 1, 2));
}

// Real threads. Bounded by counts; whoever has nothing to do sleeps, so it also passes on a machine with one CPU.

void membarrier() noexcept {
    ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

bool membarrier_works() {
    return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

struct stress {
    unsigned shards;
    unsigned capacity;
    std::uint64_t requests;  ///< of each shard to each other
    bool heavy;
    unsigned foreign_threads = 0;
    std::uint64_t foreign_messages = 0;
};

/// Every shard sends requests to every other and answers theirs; checks order, counts and that nobody sleeps for ever.
class stress_run {
public:
    explicit stress_run(const stress& s)
        : s_(s), boxes_(s.shards), owned_(s.shards), foreign_(s.foreign_threads), start_(s.shards + s.foreign_threads) {
        for (unsigned i = 0; i < s.shards; ++i) {
            signals_.push_back(std::make_unique<semaphore>(0));
        }
    }

    void run() {
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < s_.shards; ++i) {
            threads.emplace_back([this, i] { run_shard(i); });
        }
        for (unsigned i = 0; i < s_.foreign_threads; ++i) {
            threads.emplace_back([this, i] { run_foreign(i); });
        }
        for (auto& thread : threads) {
            thread.join();
        }
    }

private:
    static constexpr unsigned window = 64;  ///< requests under way from one shard to another

    struct peer_state {
        std::vector<message> messages = std::vector<message>(window);
        std::uint64_t sent = 0, answered = 0, served = 0;
    };
    struct shard_state {
        unsigned self;
        mailbox& box;
        std::vector<peer_state> peers;
        std::vector<std::uint64_t> foreign;
    };

    void run_shard(unsigned self) {
        owned_[self] = std::make_unique<mailbox>(shale::detail::mailbox_options{
            .self = self,
            .shards = s_.shards,
            .capacity = s_.capacity,
            .heavy_barrier = s_.heavy ? &membarrier : nullptr,
            .wake = [](void* signal) noexcept { static_cast<semaphore*>(signal)->release(); },
            .wake_context = signals_[self].get()});
        mailbox& box = *owned_[self];
        boxes_[self] = &box;
        start_.arrive_and_wait();
        box.connect(boxes_);
        shard_state state{self, box, std::vector<peer_state>(s_.shards),
                          std::vector<std::uint64_t>(s_.foreign_threads)};
        while (!finished(state) || box.has_unsent()) {
            bool worked = send_requests(state);
            worked |= box.receive(0, [&](message& m) { take(state, m); }) != 0;
            worked |= box.publish();
            if (worked || finished(state)) {
                continue;
            }
            if (box.has_unsent()) {
                std::this_thread::yield();
            } else if (box.try_sleep()) {
                signals_[self]->acquire();
                box.awake();
            }
        }
    }

    bool finished(const shard_state& state) const {
        for (unsigned other = 0; other < s_.shards; ++other) {
            const peer_state& peer = state.peers[other];
            if (other != state.self && (peer.answered < s_.requests || peer.served < s_.requests)) {
                return false;
            }
        }
        return std::ranges::all_of(state.foreign, [this](std::uint64_t n) { return n == s_.foreign_messages; });
    }

    bool send_requests(shard_state& state) const {
        bool any = false;
        for (unsigned other = 0; other < s_.shards; ++other) {
            peer_state& peer = state.peers[other];
            while (other != state.self && peer.sent < s_.requests && peer.sent - peer.answered < window) {
                message& m = peer.messages[peer.sent % window];
                m.from = state.self;
                m.to = other;
                m.number = peer.sent++;
                m.is_reply = false;
                state.box.send(other, m, 0);
                any = true;
            }
        }
        return any;
    }

    void take(shard_state& state, message& m) const {
        if (m.from >= s_.shards) {
            ASSERT_EQ(m.number, state.foreign[m.from - s_.shards]++);
        } else if (m.is_reply) {
            ASSERT_EQ(m.number, state.peers[m.to].answered++);
        } else {
            ASSERT_EQ(m.number, state.peers[m.from].served++);
            m.is_reply = true;
            state.box.send(m.from, m, 0);
        }
    }

    // Each foreign thread sends to all shards in turn.
    void run_foreign(unsigned index) {
        std::vector<message>& messages = foreign_[index];
        messages.resize(s_.foreign_messages * s_.shards);
        start_.arrive_and_wait();
        for (std::uint64_t i = 0; i < messages.size(); ++i) {
            messages[i].from = s_.shards + index;
            messages[i].number = i / s_.shards;
            boxes_[i % s_.shards]->push_foreign(messages[i]);
        }
    }

    const stress s_;
    std::vector<mailbox*> boxes_;
    std::vector<std::unique_ptr<mailbox>> owned_;
    std::vector<std::unique_ptr<semaphore>> signals_;
    std::vector<std::vector<message>> foreign_;
    std::barrier<> start_;
};

/// Thousands of requests by default, for busy machines, where each may cost a switch of threads. SHALE_STRESS=100 makes
/// it the millions that are fit for a quiet one.
std::uint64_t many(std::uint64_t thousands) {
    const char* factor = std::getenv("SHALE_STRESS");
    return thousands * 1000 * (factor != nullptr ? std::strtoull(factor, nullptr, 10) : 1);
}

TEST(mailbox_stress, loses_nothing_between_two_threads) {
    stress_run({.shards = 2, .capacity = 256, .requests = many(20), .heavy = membarrier_works()}).run();
}

TEST(mailbox_stress, loses_nothing_without_membarrier) {
    stress_run({.shards = 2, .capacity = 256, .requests = many(20), .heavy = false}).run();
}

TEST(mailbox_stress, loses_nothing_through_rings_of_one) {
    stress_run({.shards = 2, .capacity = 1, .requests = many(1), .heavy = membarrier_works()}).run();
    stress_run({.shards = 3, .capacity = 1, .requests = many(1), .heavy = false}).run();
}

TEST(mailbox_stress, loses_nothing_among_four_and_foreign_threads) {
    for (const bool heavy : {membarrier_works(), false}) {
        stress_run({.shards = 4,
                    .capacity = 64,
                    .requests = many(2),
                    .heavy = heavy,
                    .foreign_threads = 2,
                    .foreign_messages = many(1)})
            .run();
    }
}

}  // namespace
