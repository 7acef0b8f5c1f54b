// Transfers in batches: many connections in one system call, in order on each, and right when the kernel takes only
// some of them. sockets_test and connections_test run with batches, too.
#include "socket_fixture.hh"

#include <pthread.h>

#include <deque>
#include <thread>

#include <shale/core/linux/detail/socket_batch.hh>

#include "fake_aio_kernel.hh"

namespace shale {
namespace {

/// The real kernel, which takes what the test lets it.
class stingy_kernel final : public real_aio_kernel {
public:
    int setup(unsigned capacity, io_context** context) noexcept override {
        ++setups;
        return refuse_setup ? -EAGAIN : real_aio_kernel::setup(capacity, context);
    }
    int submit(io_context* context, long count, iocb** operations) noexcept override {
        if (const auto ended = answers.next(count)) {
            return *ended;
        }
        if (refuse_for_ever) {
            return -EAGAIN;
        }
        return real_aio_kernel::submit(context, count, operations);
    }
    bool refuse_setup = false;
    bool refuse_for_ever = false;
    scripted_answers answers;
    unsigned setups = 0;
};

class socket_batch_test : public sockets_test {
protected:
    socket_batch_test() {
        linux_platform_options o = options_for(pastime::batch);
        o.socket_batching.kernel = &kernel;
        batching.emplace(std::move(o), pastime::batch);
    }

    /// Pairs whose first ends have transferred something through `batching`, so that they are batched.
    std::vector<std::array<int, 2>> pairs(unsigned count) {
        std::vector<std::array<int, 2>> all;
        for (unsigned i = 0; i < count; ++i) {
            all.push_back(tcp_pair());
            EXPECT_EQ(batching->run(io_op::send, all.back()[0], const_cast<char*>("?"), 1), 1);
            char c;
            EXPECT_EQ(d.run(io_op::recv, all.back()[1], &c, 1), 1);
        }
        return all;
    }

    /// Submits all of them at once.
    void submit(std::deque<operation>& operations) {
        std::vector<io_request*> requests;
        for (operation& one : operations) {
            requests.push_back(&one);
        }
        ASSERT_EQ(batching->platform.submit(requests.data(), static_cast<unsigned>(requests.size())), requests.size());
    }
    bool until_done(const std::deque<operation>& operations) {
        return batching->until([&] { return std::ranges::all_of(operations, &operation::done); });
    }

    /// Sends "a", "b" ... on all pairs at once and checks that each arrives.
    void talk(const std::vector<std::array<int, 2>>& all) {
        std::deque<operation> sends;
        std::string texts(all.size(), '?');
        for (std::size_t i = 0; i < all.size(); ++i) {
            texts[i] = static_cast<char>('a' + i % 26);
            sends.emplace_back(io_op::send, all[i][0], &texts[i], 1);
        }
        submit(sends);
        ASSERT_TRUE(until_done(sends));
        for (std::size_t i = 0; i < all.size(); ++i) {
            EXPECT_EQ(sends[i].result, 1);
            EXPECT_EQ(receive(all[i][1]), texts.substr(i, 1));
        }
    }

    linux_counters counters() const { return batching->platform.counters(); }

    stingy_kernel kernel;
    std::optional<driver> batching;
};

INSTANTIATE_TEST_SUITE_P(, socket_batch_test, ::testing::Values(pastime::batch),
                         [](const auto& how) { return to_string(how.param); });

TEST_P(socket_batch_test, sends_on_many_connections_with_one_call) {
    const auto all = pairs(20);
    const linux_counters before = counters();
    talk(all);
    EXPECT_EQ(counters().socket_batches - before.socket_batches, 1u);
    EXPECT_EQ(counters().socket_transfers_batched - before.socket_transfers_batched, 20u);
    EXPECT_EQ(counters().socket_calls, before.socket_calls);
}

TEST_P(socket_batch_test, receives_on_many_connections_in_batches) {
    const auto all = pairs(20);
    std::deque<operation> recvs;
    std::string got(all.size(), '?');
    for (std::size_t i = 0; i < all.size(); ++i) {
        batching->submit(recvs.emplace_back(io_op::recv, all[i][0], &got[i], 1));
    }
    batching->turn();
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_EQ(send(all[i][1], std::string(1, static_cast<char>('a' + i))), 1);
    }
    const linux_counters before = counters();
    ASSERT_TRUE(until_done(recvs));
    EXPECT_EQ(got, "abcdefghijklmnopqrst");
    EXPECT_GE(counters().socket_transfers_batched - before.socket_transfers_batched, all.size());
    EXPECT_EQ(counters().socket_calls, before.socket_calls);
}

TEST_P(socket_batch_test, takes_more_than_fit_into_one) {
    talk(pairs(detail::socket_batch::most + 10));
}

TEST_P(socket_batch_test, does_one_by_one_what_the_kernel_has_no_slot_for) {
    const auto all = pairs(10);
    for (const scripted_answers& answers : {scripted_answers{-EAGAIN}, {3, -EAGAIN}, {0}, {9, -EINTR}, {1, 1, 1, 1}}) {
        kernel.answers = answers;
        talk(all);
    }
    kernel.refuse_for_ever = true;
    for (int i = 0; i < 10; ++i) {
        talk(all);
    }
}

TEST_P(socket_batch_test, goes_on_without_a_context) {
    kernel.refuse_setup = true;
    const auto all = pairs(10);
    talk(all);
    talk(all);
    EXPECT_EQ(counters().socket_batches, 0u);
    EXPECT_EQ(kernel.setups, 1u) << "asked once";
}

TEST_P(socket_batch_test, makes_no_context_where_a_broken_connection_would_be_a_signal) {
    ::signal(SIGPIPE, SIG_DFL);
    talk(pairs(10));
    EXPECT_EQ(counters().socket_batches, 0u);
    ::signal(SIGPIPE, SIG_IGN);
}

TEST_P(socket_batch_test, one_bad_descriptor_fails_alone) {
    const auto all = pairs(6);
    std::string texts(6, 'x');
    std::deque<operation> sends;
    for (std::size_t i = 0; i < all.size(); ++i) {
        sends.emplace_back(io_op::send, all[i][0], &texts[i], 1);
    }
    // Behind the platform's back, as a program with a bug would.
    const int copy = ::dup(all[2][0]);
    ::close(all[2][0]);
    submit(sends);
    ASSERT_TRUE(until_done(sends));
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_EQ(sends[i].result, i == 2 ? -EBADF : 1);
    }
    ::dup2(copy, all[2][0]);
    ::close(copy);
}

TEST_P(socket_batch_test, keeps_the_order_of_several_requests_of_one_connection) {
    const auto all = pairs(5);
    std::deque<operation> sends;
    const std::string text = "0123456789";
    for (int i = 0; i < 10; ++i) {
        for (const auto& pair : all) {
            sends.emplace_back(io_op::send, pair[0], const_cast<char*>(&text[i]), 1);
        }
    }
    submit(sends);
    ASSERT_TRUE(until_done(sends));
    for (const auto& pair : all) {
        std::string got;
        while (got.size() < text.size()) {
            got += receive(pair[1]);
        }
        EXPECT_EQ(got, text);
    }
}

/// Runs `f` on a thread with this much stack.
template <class F>
void on_small_stack(std::size_t bytes, F f) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, bytes);
    pthread_t thread{};
    const auto body = [](void* of) -> void* {
        (*static_cast<F*>(of))();
        return nullptr;
    };
    ASSERT_EQ(pthread_create(&thread, &attributes, body, &f), 0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
}

// What waits on a connection is worked off in rounds, not by a call within a call.
TEST_P(socket_batch_test, works_off_long_queues_of_as_many_connections_as_fit_into_one) {
    const auto all = pairs(detail::socket_batch::most);
    constexpr std::size_t length = 500;
    std::string text;
    for (std::size_t i = 0; i < length; ++i) {
        text += static_cast<char>('a' + i % 26);
    }
    std::vector<std::string> got(all.size(), std::string(length, '?'));
    std::deque<operation> recvs;
    for (std::size_t i = 0; i < length; ++i) {
        for (std::size_t each = 0; each < all.size(); ++each) {
            recvs.emplace_back(io_op::recv, all[each][0], &got[each][i], 1);
        }
    }
    submit(recvs);
    batching->turn();
    for (const auto& pair : all) {
        EXPECT_EQ(send(pair[1], text), static_cast<int>(length));
    }
    on_small_stack(512 * 1024, [&] { EXPECT_TRUE(until_done(recvs)); });
    EXPECT_EQ(got, std::vector<std::string>(all.size(), text));
}

// As on a shard's thread, where SIGPIPE is blocked and not ignored.
TEST_P(socket_batch_test, a_peer_that_is_gone_is_an_error_and_no_signal) {
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    ::signal(SIGPIPE, SIG_DFL);
    ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr), 0);
    const auto all = pairs(5);
    const linger reset{1, 0};
    for (std::size_t i = 0; i < all.size(); i += 2) {
        ::setsockopt(all[i][1], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        const int gone = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ::dup2(gone, all[i][1]);  // closes it, and keeps its number from being another's
        ::close(gone);
    }
    for (int round = 0; round < 3; ++round) {
        std::deque<operation> sends;
        for (const auto& pair : all) {
            sends.emplace_back(io_op::send, pair[0], const_cast<char*>("x"), 1);
        }
        submit(sends);
        ASSERT_TRUE(until_done(sends));
        for (std::size_t i = 0; i < all.size(); ++i) {
            const int gone = round == 0 ? -ECONNRESET : -EPIPE;
            EXPECT_EQ(sends[i].result, i % 2 == 0 ? gone : 1) << round;
        }
    }
    EXPECT_GE(counters().socket_batches, 3u);
    constexpr timespec no_wait{};
    while (::sigtimedwait(&broken_pipe, nullptr, &no_wait) > 0) {
    }
    ::pthread_sigmask(SIG_UNBLOCK, &broken_pipe, nullptr);
}

// No further edge comes after the end, so the second must not be left to wait for one.
TEST_P(socket_batch_test, second_of_two_receives_sees_the_end) {
    const auto all = pairs(4);
    char text[10];
    std::deque<operation> recvs;
    for (const auto& pair : all) {
        batching->submit(recvs.emplace_back(io_op::recv, pair[0], text, sizeof text));
    }
    batching->turn();
    for (const auto& pair : all) {
        EXPECT_EQ(send(pair[1], "x"), 1);
        EXPECT_EQ(d.run(io_op::shutdown, pair[1], nullptr, SHUT_WR), 0);
    }
    ASSERT_TRUE(until_done(recvs));
    for (int i = 0; i < 100; ++i) {
        batching->turn();
    }
    std::deque<operation> ends;
    for (int round = 0; round < 3; ++round) {
        for (const auto& pair : all) {
            ends.emplace_back(io_op::recv, pair[0], text, sizeof text);
        }
    }
    submit(ends);
    ASSERT_TRUE(until_done(ends));
    EXPECT_TRUE(std::ranges::all_of(ends, [](const operation& end) { return end.result == 0; }));
}

TEST_P(socket_batch_test, cancel_and_close_after_a_request_of_the_same_turn) {
    const auto all = pairs(4);
    char text[10];
    operation sent(io_op::send, all[0][0], const_cast<char*>("x"), 1);
    operation shut(io_op::shutdown, all[0][0], nullptr, SHUT_WR);
    operation waiting(io_op::recv, all[1][0], text, sizeof text);
    operation cancel(io_op::cancel);
    cancel.extra = &waiting;
    operation last_words(io_op::send, all[2][0], const_cast<char*>("bye"), 3);
    operation parked(io_op::recv, all[2][0], text, sizeof text);
    operation close(io_op::close, ::dup(all[2][0]));
    operation gone(io_op::recv, close.fd, text, sizeof text);
    batching->submit({&sent, &shut, &waiting, &cancel, &last_words, &parked, &gone, &close});
    ASSERT_TRUE(batching->until([&] { return close.done() && cancel.done() && gone.done(); }));
    EXPECT_EQ(sent.result, 1);
    EXPECT_EQ(shut.result, 0);
    EXPECT_EQ(receive(all[0][1]), "x");
    EXPECT_EQ(receive(all[0][1]), "");
    EXPECT_EQ(waiting.result, -ECANCELED);
    EXPECT_EQ(waiting.completions, 1);
    EXPECT_EQ(cancel.result, 0);
    EXPECT_EQ(last_words.result, 3);
    EXPECT_EQ(receive(all[2][1]), "bye");
    EXPECT_EQ(gone.result, -ECANCELED);
    EXPECT_EQ(close.result, 0);
    EXPECT_FALSE(parked.done());
    EXPECT_EQ(send(all[2][1], "y"), 1);
    ASSERT_TRUE(batching->until([&] { return parked.done(); }));
    EXPECT_EQ(parked.result, 1);
}

TEST_P(socket_batch_test, loses_nothing_between_many_connections_and_a_slow_reader) {
    const auto all = pairs(8);
    constexpr std::size_t bytes = std::size_t{1} << 20;
    std::string text(bytes, 'x');
    for (std::size_t i = 0; i < bytes; ++i) {
        text[i] = static_cast<char>(i * 2654435761u >> 13);
    }
    std::thread reader([&] {
        std::vector<std::string> got(all.size());
        std::array<char, 3000> room{};
        for (bool done = false; !done;) {
            done = true;
            for (std::size_t i = 0; i < all.size(); ++i) {
                if (got[i].size() == bytes) {
                    continue;
                }
                done = false;
                const ssize_t n = ::recv(all[i][1], room.data(), room.size(), MSG_DONTWAIT);
                if (n > 0) {
                    got[i].append(room.data(), static_cast<std::size_t>(n));
                }
            }
        }
        for (const std::string& one : got) {
            EXPECT_TRUE(one == text);
        }
    });
    std::vector<std::size_t> sent(all.size());
    std::deque<operation> sends;
    for (std::size_t i = 0; i < all.size(); ++i) {
        sends.emplace_back(io_op::send, all[i][0], text.data(), bytes);
        batching->submit(sends.back());
    }
    EXPECT_TRUE(batching->until([&] {
        bool done = true;
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (sends[i].completions == 1) {
                EXPECT_GT(sends[i].result, 0);
                sent[i] += static_cast<std::size_t>(std::max(sends[i].result, 0));
                sends[i].completions = 0;
                if (sent[i] < bytes) {
                    sends[i].data = text.data() + sent[i];
                    sends[i].size = static_cast<std::uint32_t>(bytes - sent[i]);
                    batching->submit(sends[i]);
                }
            }
            done &= sent[i] == bytes;
        }
        return done;
    }));
    reader.join();
}

}  // namespace
}  // namespace shale
