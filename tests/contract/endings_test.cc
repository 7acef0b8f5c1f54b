// The ends of connections: half-close, close, reset, and what becomes of data and requests under way.
#include "sockets.hh"

namespace shale::contract {
namespace {

class endings_contract : public socket_case {
protected:
    std::array<int, 2> ends = tcp_pair();
    int a = ends[0];
    int b = ends[1];

    /// Sends single bytes until one fails, and gives that error. The peer's reset is on its way.
    int send_until_it_fails(int fd) {
        int n = 0;
        EXPECT_TRUE(until([&] { return (n = send(fd, "x")) < 0; }));
        return n;
    }
};
INSTANTIATE_TEST_SUITE_P(, endings_contract, all_sides(), name_of);

TEST_P(endings_contract, after_a_half_close_come_the_data_and_then_the_end_for_ever) {
    EXPECT_EQ(send(a, "last words"), 10);
    EXPECT_EQ(shutdown(a, SHUT_WR), 0);
    EXPECT_EQ(receive_all(b, 10), "last words");
    EXPECT_EQ(receive(b), "");
    EXPECT_EQ(receive(b), "");
}

TEST_P(endings_contract, a_half_close_leaves_the_other_direction_open) {
    EXPECT_EQ(shutdown(a, SHUT_WR), 0);
    EXPECT_EQ(receive(b), "");
    EXPECT_EQ(send(b, "answer"), 6);
    EXPECT_EQ(receive_all(a, 6), "answer");
    EXPECT_EQ(shutdown(b, SHUT_WR), 0);
    EXPECT_EQ(receive(a), "");
}

TEST_P(endings_contract, a_half_close_follows_more_data_than_the_buffers_hold) {
    std::string block(1 << 20, 'z');
    operation last(io_op::send);
    std::size_t expected = fill(a, last, block);
    std::size_t received = 0;
    while (!last.done()) {
        received += receive(b, 1 << 20).size();
    }
    expected += static_cast<std::size_t>(last.result);
    EXPECT_EQ(shutdown(a, SHUT_WR), 0);
    for (std::string more = receive(b, 1 << 20); !more.empty(); more = receive(b, 1 << 20)) {
        ASSERT_EQ(more[0], 'z');
        received += more.size();
    }
    EXPECT_EQ(received, expected);
}

TEST_P(endings_contract, nothing_can_be_sent_after_a_half_close) {
    EXPECT_EQ(shutdown(a, SHUT_WR), 0);
    EXPECT_EQ(send(a, "x"), -EPIPE);
    char byte = 'x';
    iovec part{&byte, 1};
    EXPECT_EQ(run(io_op::sendmsg, a, &part, 1), -EPIPE);
}

TEST_P(endings_contract, a_waiting_recv_sees_the_end) {
    char into[10];
    operation recv(io_op::recv, b, into, sizeof into);
    submit(recv);
    settle();
    EXPECT_EQ(shutdown(a, SHUT_WR), 0);
    EXPECT_EQ(finish(recv), 0);
}

TEST_P(endings_contract, shutting_down_ones_own_reading_ends_a_waiting_recv) {
    char into[10];
    operation recv(io_op::recv, a, into, sizeof into);
    submit(recv);
    settle();
    EXPECT_EQ(shutdown(a, SHUT_RD), 0);
    EXPECT_EQ(finish(recv), 0);
    EXPECT_EQ(receive(a), "");
    EXPECT_EQ(send(a, "still sends"), 11);
    EXPECT_EQ(receive_all(b, 11), "still sends");
}

TEST_P(endings_contract, shutting_down_ones_own_sending_ends_a_waiting_send) {
    std::string block(1 << 20, 'z');
    operation last(io_op::send);
    fill(a, last, block);
    EXPECT_EQ(shutdown(a, SHUT_WR), 0);
    EXPECT_EQ(finish(last), -EPIPE);
}

TEST_P(endings_contract, shutting_down_one_direction_leaves_what_waits_in_the_other) {
    char into[10];
    operation recv(io_op::recv, a, into, sizeof into);
    submit(recv);
    settle();
    EXPECT_EQ(shutdown(a, SHUT_WR), 0);
    settle();
    EXPECT_FALSE(recv.done());
    EXPECT_EQ(send(b, "yes"), 3);
    EXPECT_EQ(finish(recv), 3);
}

TEST_P(endings_contract, shutting_down_both_ends_both) {
    EXPECT_EQ(shutdown(a, SHUT_RDWR), 0);
    EXPECT_EQ(receive(a), "");
    EXPECT_EQ(send(a, "x"), -EPIPE);
    EXPECT_EQ(receive(b), "");
}

TEST_P(endings_contract, shutting_down_twice_is_0_while_the_connection_lives) {
    EXPECT_EQ(shutdown(a, SHUT_WR), 0);
    EXPECT_EQ(shutdown(a, SHUT_WR), 0);
}

TEST_P(endings_contract, an_unknown_direction_is_einval) {
    EXPECT_EQ(shutdown(a, 77), -EINVAL);
}

TEST_P(endings_contract, close_delivers_what_was_sent_and_then_the_end) {
    EXPECT_EQ(send(a, "last words"), 10);
    EXPECT_EQ(close(a), 0);
    EXPECT_EQ(receive_all(b, 10), "last words");
    EXPECT_EQ(receive(b), "");
    EXPECT_EQ(receive(b), "");
}

TEST_P(endings_contract, close_delivers_all_that_was_taken_over) {
    std::string block(1 << 20, 'z');
    operation last(io_op::send);
    const std::size_t expected = fill(a, last, block);
    EXPECT_EQ(cancel(last), 0);
    EXPECT_EQ(finish(last), -ECANCELED);
    EXPECT_EQ(close(a), 0);
    std::size_t received = 0;
    for (std::string more = receive(b, 1 << 20); !more.empty(); more = receive(b, 1 << 20)) {
        ASSERT_EQ(more[0], 'z') << more.substr(0, 100);
        received += more.size();
    }
    EXPECT_EQ(received, expected);
}

TEST_P(endings_contract, close_with_unread_data_resets_the_peer) {
    EXPECT_EQ(send(b, "unread"), 6);
    EXPECT_EQ(poll(a, POLLIN), POLLIN);
    EXPECT_EQ(close(a), 0);
    EXPECT_EQ(receive(b), error(ECONNRESET));
    EXPECT_EQ(receive(b), "") << "the error is told once";
    EXPECT_EQ(send(b, "x"), -EPIPE);
}

TEST_P(endings_contract, a_waiting_recv_sees_the_reset) {
    EXPECT_EQ(send(b, "unread"), 6);
    EXPECT_EQ(poll(a, POLLIN), POLLIN);
    char into[10];
    operation recv(io_op::recv, b, into, sizeof into);
    submit(recv);
    settle();
    EXPECT_EQ(close(a), 0);
    EXPECT_EQ(finish(recv), -ECONNRESET);
}

TEST_P(endings_contract, a_close_that_may_not_linger_resets_the_peer) {
    const linger none{1, 0};
    linger value = none;
    EXPECT_EQ(run(io_op::set_option, a, &value, sizeof value, socket_option(SOL_SOCKET, SO_LINGER)), 0);
    EXPECT_EQ(close(a), 0);
    EXPECT_EQ(receive(b), error(ECONNRESET));
}

TEST_P(endings_contract, a_reset_ends_a_waiting_send) {
    std::string block(1 << 20, 'z');
    operation last(io_op::send);
    fill(a, last, block);
    EXPECT_EQ(close(b), 0);
    EXPECT_EQ(finish(last), -ECONNRESET);
}

TEST_P(endings_contract, sending_to_a_closed_peer_fails_in_the_end) {
    EXPECT_EQ(close(b), 0);
    const int first = send_until_it_fails(a);
    EXPECT_TRUE(first == -EPIPE || first == -ECONNRESET) << first;
    EXPECT_EQ(send(a, "x"), -EPIPE);
    EXPECT_EQ(receive(a), "");
}

TEST_P(endings_contract, poll_tells_of_a_reset_without_being_asked) {
    EXPECT_EQ(send(b, "unread"), 6);
    EXPECT_EQ(poll(a, POLLIN), POLLIN);
    operation poll(io_op::poll, b, nullptr, POLLPRI);
    submit(poll);
    settle();
    EXPECT_FALSE(poll.done());
    EXPECT_EQ(close(a), 0);
    EXPECT_EQ(finish(poll), POLLERR | POLLHUP);
}

TEST_P(endings_contract, close_cancels_what_waits_there_each_once) {
    char one[10];
    char two[10];
    operation first(io_op::recv, a, one, sizeof one);
    operation second(io_op::recv, a, two, sizeof two);
    operation poll(io_op::poll, a, nullptr, POLLIN);
    submit({&first, &second, &poll});
    settle();
    EXPECT_EQ(close(a), 0);
    EXPECT_EQ(finish(first), -ECANCELED);
    EXPECT_EQ(finish(second), -ECANCELED);
    EXPECT_EQ(finish(poll), -ECANCELED);
    settle();
    EXPECT_EQ(first.completions + second.completions + poll.completions, 3);
}

TEST_P(endings_contract, close_cancels_a_waiting_send) {
    std::string block(1 << 20, 'z');
    operation last(io_op::send);
    fill(a, last, block);
    EXPECT_EQ(close(a), 0);
    EXPECT_EQ(finish(last), -ECANCELED);
}

TEST_P(endings_contract, close_in_the_batch_of_a_recv_cancels_it) {
    char into[10];
    operation recv(io_op::recv, a, into, sizeof into);
    operation end(io_op::close, a);
    submit({&recv, &end});
    EXPECT_EQ(finish(end), 0);
    EXPECT_EQ(finish(recv), -ECANCELED);
}

TEST_P(endings_contract, a_closed_descriptor_is_ebadf) {
    EXPECT_EQ(close(a), 0);
    EXPECT_EQ(receive(a), error(EBADF));
    EXPECT_EQ(send(a, "x"), -EBADF);
    EXPECT_EQ(shutdown(a, SHUT_RDWR), -EBADF);
    EXPECT_EQ(run(io_op::close, a), -EBADF);
}

TEST_P(endings_contract, a_number_that_comes_back_has_no_past) {
    for (int round = 0; round < 10; ++round) {
        auto [one, two] = tcp_pair();
        char into[10];
        operation recv(io_op::recv, one, into, sizeof into);
        submit(recv);
        settle();
        EXPECT_EQ(close(one), 0);
        EXPECT_EQ(finish(recv), -ECANCELED);
        auto [three, four] = tcp_pair();
        EXPECT_EQ(send(four, "new"), 3);
        EXPECT_EQ(receive(three), "new");
        EXPECT_EQ(close(two), 0);
    }
}

TEST_P(endings_contract, both_ends_may_close_at_once) {
    operation one(io_op::close, a);
    operation two(io_op::close, b);
    submit({&one, &two});
    EXPECT_EQ(finish(one), 0);
    EXPECT_EQ(finish(two), 0);
}

}  // namespace
}  // namespace shale::contract
