// Cancelling: what can be withdrawn and what cannot, and that every request completes once whatever comes of it.
#include <fcntl.h>

#include <string>

#include <shale/tests/core/linux/temporary.hh>
#include "sockets.hh"

namespace shale::contract {
namespace {

class cancellation_contract : public socket_case {
protected:
    /// After `cancel` gave `said`: the target is done accordingly, once. True: it was withdrawn.
    bool consistent(operation& target, int said, int otherwise) {
        EXPECT_TRUE(said == 0 || said == -EALREADY || said == -ENOENT) << said;
        const int result = finish(target);
        if (said == 0) {
            EXPECT_EQ(result, -ECANCELED);
        } else {
            EXPECT_EQ(result, otherwise);
        }
        return said == 0;
    }
};
INSTANTIATE_TEST_SUITE_P(, cancellation_contract, all_sides(), name_of);

TEST_P(cancellation_contract, a_waiting_recv_is_withdrawn_and_takes_nothing) {
    const auto [a, b] = tcp_pair();
    char into[10];
    operation recv(io_op::recv, b, into, sizeof into);
    submit(recv);
    settle();
    EXPECT_EQ(cancel(recv), 0);
    EXPECT_EQ(finish(recv), -ECANCELED);
    EXPECT_EQ(send(a, "kept"), 4);
    EXPECT_EQ(receive_all(b, 4), "kept");
    EXPECT_EQ(recv.completions, 1);
}

TEST_P(cancellation_contract, a_waiting_accept_is_withdrawn_and_loses_no_connection) {
    const int listener = listen();
    operation accept(io_op::accept, listener);
    submit(accept);
    settle();
    EXPECT_EQ(cancel(accept), 0);
    EXPECT_EQ(finish(accept), -ECANCELED);
    keep(connect_to(address_of(listener)));
    keep(run(io_op::accept, listener));
}

TEST_P(cancellation_contract, a_waiting_poll_is_withdrawn) {
    const auto [a, b] = tcp_pair();
    operation poll(io_op::poll, b, nullptr, POLLIN);
    submit(poll);
    settle();
    EXPECT_EQ(cancel(poll), 0);
    EXPECT_EQ(finish(poll), -ECANCELED);
    EXPECT_EQ(send(a, "x"), 1);
    EXPECT_EQ(receive(b), "x");
}

TEST_P(cancellation_contract, a_waiting_send_is_withdrawn_and_has_sent_nothing) {
    const auto [a, b] = tcp_pair();
    std::string block(1 << 20, 'z');
    operation last(io_op::send);
    const std::size_t expected = fill(a, last, block);
    EXPECT_EQ(cancel(last), 0);
    EXPECT_EQ(finish(last), -ECANCELED);
    EXPECT_EQ(receive_all(b, expected).size(), expected);
    EXPECT_EQ(send(a, "next"), 4);
    EXPECT_EQ(receive_all(b, 4), "next");
}

TEST_P(cancellation_contract, a_waiting_connect_is_withdrawn) {
    // A full queue leaves further connects waiting.
    const int listener = listen({.backlog = 0});
    sockaddr_in there = address_of(listener);
    std::vector<std::unique_ptr<operation>> connects;
    for (int i = 0; i < 8; ++i) {
        connects.push_back(std::make_unique<operation>(io_op::connect, -1, &there, sizeof there));
        submit(*connects.back());
        settle();
    }
    ASSERT_FALSE(connects.back()->done()) << "the queue never filled";
    unsigned withdrawn = 0;
    for (auto& connect : connects) {
        if (connect->done()) {
            keep(connect->result);
        } else if (cancel(*connect) == 0) {
            EXPECT_EQ(finish(*connect), -ECANCELED);
            ++withdrawn;
        } else {
            keep(finish(*connect));
        }
    }
    EXPECT_GE(withdrawn, 1u);
}

TEST_P(cancellation_contract, one_of_two_that_wait_is_withdrawn_alone) {
    const auto [a, b] = tcp_pair();
    char one[1];
    char two[1];
    operation first(io_op::recv, b, one, 1);
    operation second(io_op::recv, b, two, 1);
    submit({&first, &second});
    settle();
    EXPECT_EQ(cancel(first), 0);
    EXPECT_EQ(finish(first), -ECANCELED);
    EXPECT_FALSE(second.done());
    EXPECT_EQ(send(a, "2"), 1);
    EXPECT_EQ(finish(second), 1);
    EXPECT_EQ(two[0], '2');
}

TEST_P(cancellation_contract, a_cancel_in_the_batch_of_its_target_finds_it) {
    const auto [a, b] = tcp_pair();
    char into[10];
    operation recv(io_op::recv, b, into, sizeof into);
    operation stop(io_op::cancel);
    stop.extra = &recv;
    submit({&recv, &stop});
    EXPECT_EQ(finish(stop), 0);
    EXPECT_EQ(finish(recv), -ECANCELED);
}

TEST_P(cancellation_contract, what_was_reaped_is_enoent) {
    const auto [a, b] = tcp_pair();
    char into[10];
    operation recv(io_op::recv, b, into, sizeof into);
    EXPECT_EQ(send(a, "x"), 1);
    EXPECT_EQ(run(recv), 1);
    EXPECT_EQ(cancel(recv), -ENOENT);
    EXPECT_EQ(recv.result, 1);
    EXPECT_EQ(recv.completions, 1);
}

TEST_P(cancellation_contract, what_was_never_submitted_is_enoent) {
    operation recv(io_op::recv, -1);
    EXPECT_EQ(cancel(recv), -ENOENT);
    EXPECT_FALSE(recv.done());
}

TEST_P(cancellation_contract, what_finished_but_was_not_reaped_completes_by_itself) {
    operation refused(io_op::recv, 987'654, nullptr, 1);
    operation stop(io_op::cancel);
    stop.extra = &refused;
    submit({&refused, &stop});
    EXPECT_EQ(finish(stop), -EALREADY);
    EXPECT_EQ(finish(refused), -EBADF);
}

TEST_P(cancellation_contract, a_second_cancel_changes_nothing) {
    const auto [a, b] = tcp_pair();
    char into[10];
    operation recv(io_op::recv, b, into, sizeof into);
    submit(recv);
    settle();
    operation one(io_op::cancel);
    operation two(io_op::cancel);
    one.extra = two.extra = &recv;
    submit({&one, &two});
    EXPECT_EQ(finish(one), 0);
    EXPECT_EQ(finish(two), -EALREADY);
    EXPECT_EQ(finish(recv), -ECANCELED);
    EXPECT_EQ(cancel(recv), -ENOENT);
    EXPECT_EQ(recv.completions, 1);
}

TEST_P(cancellation_contract, a_withdrawn_request_can_be_used_again) {
    const auto [a, b] = tcp_pair();
    char into[10];
    operation recv(io_op::recv, b, into, sizeof into);
    for (int i = 0; i < 5; ++i) {
        recv.completions = 0;
        submit(recv);
        EXPECT_EQ(cancel(recv), 0);
        EXPECT_EQ(finish(recv), -ECANCELED);
    }
    EXPECT_EQ(send(a, "x"), 1);
    EXPECT_EQ(run(recv), 1);
}

TEST_P(cancellation_contract, a_read_is_withdrawn_or_done) {
    put("file", std::string(4096, 'a'));
    const int fd = opened("file", O_RDONLY | O_DIRECT);
    aligned_buffer in(4096);
    for (int i = 0; i < 20; ++i) {
        operation read(io_op::read, fd, in.data(), 4096);
        read.flags = io_flag::direct;
        operation stop(io_op::cancel);
        stop.extra = &read;
        submit({&read, &stop});
        consistent(read, finish(stop), 4096);
    }
}

TEST_P(cancellation_contract, a_write_that_was_withdrawn_has_written_nothing) {
    const int fd = opened("file", O_CREAT | O_RDWR);
    for (int i = 0; i < 20; ++i) {
        std::string data(1, static_cast<char>('a' + i));
        operation write(io_op::write, fd, data.data(), 1);
        write.offset = static_cast<std::uint64_t>(i);
        operation stop(io_op::cancel);
        stop.extra = &write;
        submit({&write, &stop});
        const bool withdrawn = consistent(write, finish(stop), 1);
        const std::string found = read(fd, 1, static_cast<std::uint64_t>(i));
        EXPECT_EQ(found == data, !withdrawn);
    }
}

TEST_P(cancellation_contract, an_open_that_was_withdrawn_has_made_nothing) {
    for (int i = 0; i < 20; ++i) {
        const std::string name = std::to_string(i);
        const std::string where = path(name);
        operation open(io_op::open, -1, text(where), O_CREAT | O_RDWR);
        open.offset = 0600;
        operation stop(io_op::cancel);
        stop.extra = &open;
        submit({&open, &stop});
        const int said = finish(stop);
        const int result = finish(open);
        if (said == 0) {
            EXPECT_EQ(result, -ECANCELED);
            EXPECT_EQ(get(name), error(ENOENT));
        } else {
            EXPECT_EQ(said, -EALREADY);
            EXPECT_EQ(close(keep(result)), 0);
        }
    }
}

TEST_P(cancellation_contract, of_many_more_than_fit_each_completes_once) {
    constexpr unsigned count = 1000;
    put("file", std::string(4096, 'a'));
    const int fd = opened("file", O_RDONLY | O_DIRECT);
    std::vector<std::unique_ptr<operation>> reads;
    std::vector<std::unique_ptr<operation>> stops;
    std::vector<io_request*> batch;
    aligned_buffer in(std::size_t{count} * 4096);
    for (unsigned i = 0; i < count; ++i) {
        reads.push_back(std::make_unique<operation>(io_op::read, fd, in.data() + std::size_t{i} * 4096, 4096));
        reads.back()->flags = io_flag::direct;
        batch.push_back(reads.back().get());
    }
    for (unsigned i = 0; i < count; i += 2) {
        stops.push_back(std::make_unique<operation>(io_op::cancel));
        stops.back()->extra = reads[i].get();
        batch.push_back(stops.back().get());
    }
    submit(batch);
    for (unsigned i = 0; i < count; ++i) {
        if (i % 2 == 0) {
            consistent(*reads[i], finish(*stops[i / 2]), 4096);
        } else {
            EXPECT_EQ(finish(*reads[i]), 4096);
        }
    }
    settle();
    for (auto& read : reads) {
        EXPECT_EQ(read->completions, 1);
    }
}

}  // namespace
}  // namespace shale::contract
