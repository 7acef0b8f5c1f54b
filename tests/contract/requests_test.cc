// What holds for all requests: they complete once, in the reap after they are done, however many there are.
#include <fcntl.h>

#include <vector>

#include "sockets.hh"

namespace shale::contract {
namespace {

class requests_contract : public socket_case {};
INSTANTIATE_TEST_SUITE_P(, requests_contract, all_sides(), name_of);

TEST_P(requests_contract, nothing_submitted_is_nothing_done) {
    platform& here = outside().at(0);
    io_request* done[4];
    EXPECT_EQ(here.reap(done, 4), 0u);
    EXPECT_EQ(here.submit(nullptr, 0), 0u);
    EXPECT_EQ(here.reap(done, 4), 0u);
}

TEST_P(requests_contract, nothing_completes_before_a_reap_gives_it_back) {
    const std::string where = path("file");
    put("file", "content");
    operation open(io_op::open, -1, text(where), O_RDONLY);
    io_request* one = &open;
    ASSERT_EQ(outside().at(0).submit(&one, 1), 1u);
    EXPECT_FALSE(open.done()) << "submit completes nothing by itself";
    keep(finish(open));
    EXPECT_EQ(open.completions, 1);
}

TEST_P(requests_contract, what_is_refused_at_once_is_taken_and_completes_with_its_error) {
    operation refused(io_op::recv, -1, nullptr, 10);
    io_request* one = &refused;
    EXPECT_EQ(outside().at(0).submit(&one, 1), 1u);
    EXPECT_FALSE(refused.done());
    EXPECT_EQ(finish(refused), -EBADF);
}

TEST_P(requests_contract, a_reap_gives_at_most_as_many_as_asked) {
    std::vector<std::unique_ptr<operation>> all;
    for (int i = 0; i < 10; ++i) {
        all.push_back(std::make_unique<operation>(io_op::recv, -1, nullptr, 10));
        submit(*all.back());
    }
    platform& here = outside().at(0);
    unsigned sum = 0;
    EXPECT_TRUE(until([&] {
        io_request* done[3];
        const unsigned n = here.reap(done, 3);
        EXPECT_LE(n, 3u);
        for (unsigned i = 0; i < n; ++i) {
            done[i]->complete(*done[i]);
        }
        for (sum = 0; const auto& one : all) {
            sum += one->done() ? 1 : 0;
        }
        return sum == 10;
    }));
}

TEST_P(requests_contract, a_thousand_in_one_batch_complete_once_each) {
    constexpr unsigned count = 1000;
    const int fd = opened("file", O_CREAT | O_RDWR);
    std::string data(count, ' ');
    std::vector<std::unique_ptr<operation>> all;
    std::vector<io_request*> batch;
    for (unsigned i = 0; i < count; ++i) {
        data[i] = static_cast<char>('a' + i % 26);
        all.push_back(std::make_unique<operation>(io_op::write, fd, &data[i], 1));
        all.back()->offset = i;
        batch.push_back(all.back().get());
    }
    submit(batch);
    for (auto& one : all) {
        ASSERT_EQ(finish(*one), 1);
    }
    settle();
    for (auto& one : all) {
        EXPECT_EQ(one->completions, 1);
    }
    EXPECT_EQ(read(fd, 2000), data);
}

TEST_P(requests_contract, all_kinds_mix_in_one_batch) {
    const int listener = listen();
    sockaddr_in there = address_of(listener);
    put("file", "content");
    const std::string where = path("file");
    const std::string folder = path("folder");
    const std::string missing = path("missing");
    operation accept(io_op::accept, listener);
    operation connect(io_op::connect, -1, &there, sizeof there);
    operation open(io_op::open, -1, text(where), O_RDONLY);
    operation absent(io_op::open, -1, text(missing), O_RDONLY);
    operation mkdir(io_op::mkdir, -1, text(folder), 0700);
    operation bad(io_op::fsync, 987'654);
    submit({&accept, &bad, &connect, &open, &mkdir, &absent});
    keep(finish(accept));
    keep(finish(connect));
    keep(finish(open));
    EXPECT_EQ(finish(absent), -ENOENT);
    EXPECT_EQ(finish(mkdir), 0);
    EXPECT_EQ(finish(bad), -EBADF);
}

TEST_P(requests_contract, a_completed_request_can_be_submitted_again) {
    const int fd = opened("file", O_CREAT | O_RDWR);
    char byte = 'x';
    operation write(io_op::write, fd, &byte, 1);
    for (unsigned i = 0; i < 50; ++i) {
        write.offset = i;
        EXPECT_EQ(run(write), 1);
    }
    EXPECT_EQ(read(fd, 100), std::string(50, 'x'));
}

TEST_P(requests_contract, a_request_that_waits_holds_up_no_other) {
    const auto [a, b] = tcp_pair();
    char into[10];
    operation recv(io_op::recv, b, into, sizeof into);
    submit(recv);
    for (int i = 0; i < 20; ++i) {
        put("file", std::to_string(i));
        EXPECT_EQ(get("file"), std::to_string(i));
        EXPECT_EQ(send(b, "x"), 1);
        EXPECT_EQ(receive(a), "x");
    }
    EXPECT_FALSE(recv.done());
    EXPECT_EQ(send(a, "now"), 3);
    EXPECT_EQ(finish(recv), 3);
}

TEST_P(requests_contract, what_depends_on_nothing_may_overtake_but_completes) {
    put("file", std::string(10'000, 'a'));
    const int fd = opened("file", O_RDWR);
    std::string into(10'000, ' ');
    operation slow(io_op::fsync, fd);
    operation quick(io_op::read, fd, into.data(), into.size());
    operation unknown(io_op::recv, 987'654, into.data(), 1);
    submit({&slow, &quick, &unknown});
    EXPECT_EQ(finish(slow), 0);
    EXPECT_EQ(finish(quick), 10'000);
    EXPECT_EQ(finish(unknown), -EBADF);
}

TEST_P(requests_contract, each_shard_gets_back_its_own) {
    put("file", "content");
    const int fd = opened("file", O_RDONLY);
    std::string one(7, ' ');
    std::string two(7, ' ');
    operation first(io_op::read, fd, one.data(), 7);
    operation second(io_op::read, fd, two.data(), 7);
    submit(first, 0);
    submit(second, 1);
    io_request* done[8];
    unsigned n = 0;
    EXPECT_TRUE(until([&] {
        n = second.done() ? n : outside().at(1).reap(done, 8);
        for (unsigned i = 0; i < n && !second.done(); ++i) {
            EXPECT_EQ(done[i], &second);
            done[i]->complete(*done[i]);
        }
        return second.done();
    }));
    EXPECT_EQ(finish(first), 7);
    EXPECT_EQ(one + two, "contentcontent");
}

}  // namespace
}  // namespace shale::contract
