// The AIO context against a kernel that misbehaves on demand: nothing lost, nothing twice, nothing spun on.
#include <shale/core/linux/aio_context.hh>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/uio.h>
#include <shale/core/testing/chosen_faults.hh>

#include <set>
#include <system_error>

#include "fake_aio_kernel.hh"

namespace shale {
namespace {

aio_context_options with(aio_kernel& kernel, unsigned capacity = 8) {
    return {.capacity = capacity, .capacity_min = 1, .kernel = &kernel};
}

aio_operation read_op(std::uint64_t tag, int fd = 3) {
    return {.opcode = aio_opcode::read, .fd = fd, .data = nullptr, .size = 4096, .offset = 0, .tag = tag};
}

std::vector<aio_completion> reap_all(aio_context& context) {
    std::vector<aio_completion> all;
    aio_completion some[4];
    while (const unsigned n = context.reap(some)) {
        all.insert(all.end(), some, some + n);
    }
    return all;
}

std::vector<std::uint64_t> tags(const std::vector<aio_completion>& completions) {
    std::vector<std::uint64_t> all;
    for (const aio_completion& c : completions) {
        all.push_back(c.tag);
    }
    return all;
}

using tag_list = std::vector<std::uint64_t>;

TEST(aio_context, gives_the_whole_batch_to_the_kernel_in_one_call) {
    fake_aio_kernel kernel;
    aio_context context(with(kernel));
    for (std::uint64_t tag = 1; tag <= 5; ++tag) {
        ASSERT_TRUE(context.add(read_op(tag)));
    }
    EXPECT_EQ(kernel.submits, 0u);
    EXPECT_TRUE(context.submit());
    EXPECT_EQ(kernel.submits, 1u);
    EXPECT_EQ(context.in_flight(), 5u);
    EXPECT_TRUE(context.submit());
    EXPECT_EQ(kernel.submits, 1u) << "an empty batch needs no call";
    EXPECT_EQ(context.counters().batch_largest, 5u);
}

TEST(aio_context, puts_the_sync_level_into_rw_flags_and_never_into_flags) {
    fake_aio_kernel kernel;
    aio_context context(with(kernel));
    context.add({.opcode = aio_opcode::write, .fd = 7, .size = 4096, .offset = 8192, .rw_flags = RWF_DSYNC, .tag = 1});
    context.submit();
    const iocb& cb = kernel.held.front();
    EXPECT_EQ(cb.aio_lio_opcode, 1);
    EXPECT_EQ(cb.aio_rw_flags, 2u);
    EXPECT_EQ(cb.u.c.flags, 0u);
    EXPECT_EQ(cb.u.c.offset, 8192);
    EXPECT_EQ(cb.u.c.nbytes, 4096u);
}

TEST(aio_context, flushes_with_two_opcodes_and_every_other_field_zero) {
    fake_aio_kernel kernel;
    aio_context context(with(kernel));
    context.add(
        {.opcode = aio_opcode::fsync, .fd = 7, .data = &kernel, .size = 9, .offset = 9, .rw_flags = 9, .priority = 9});
    context.add({.opcode = aio_opcode::fdsync, .fd = 7, .data = &kernel, .size = 9, .offset = 9, .rw_flags = 9});
    context.submit();
    EXPECT_EQ(kernel.held[0].aio_lio_opcode, 2);
    EXPECT_EQ(kernel.held[1].aio_lio_opcode, 3);
    for (const iocb& cb : kernel.held) {
        EXPECT_EQ(cb.u.c.buf, nullptr);
        EXPECT_EQ(cb.u.c.nbytes, 0u);
        EXPECT_EQ(cb.u.c.offset, 0);
        EXPECT_EQ(cb.aio_rw_flags, 0u);
        EXPECT_EQ(cb.aio_reqprio, 0);
        EXPECT_EQ(cb.u.c.flags, 0u);
    }
}

TEST(aio_context, marks_priority_and_eventfd_in_flags) {
    fake_aio_kernel kernel;
    aio_context context(with(kernel));
    context.set_event_fd(55);
    context.add({.opcode = aio_opcode::read, .fd = 7, .size = 512, .priority = 0x4003});
    context.submit();
    EXPECT_EQ(kernel.held[0].aio_reqprio, 0x4003);
    EXPECT_EQ(kernel.held[0].u.c.flags, 3u);
    EXPECT_EQ(kernel.held[0].u.c.resfd, 55u);
}

TEST(aio_context, keeps_what_a_short_submit_left_behind) {
    fake_aio_kernel kernel;
    kernel.answers = {2, 1};
    aio_context context(with(kernel));
    for (std::uint64_t tag = 1; tag <= 5; ++tag) {
        context.add(read_op(tag));
    }
    EXPECT_TRUE(context.submit());
    EXPECT_EQ(kernel.submits, 3u);
    kernel.complete_all(4096);
    EXPECT_EQ(tags(reap_all(context)), (tag_list{1, 2, 3, 4, 5}));
}

TEST(aio_context, gives_the_whole_batch_though_each_call_is_offered_one) {
    for (const double chance : {1.0, 0.5}) {
        const test::chosen_faults plan({"aio.offer_one"}, chance);
        fake_aio_kernel kernel;
        kernel.answers = {1, -EAGAIN};
        aio_context context(with(kernel));
        for (std::uint64_t tag = 1; tag <= 5; ++tag) {
            context.add(read_op(tag));
        }
        EXPECT_FALSE(context.submit());
        EXPECT_TRUE(context.submit());
        kernel.complete_all(4096);
        EXPECT_EQ(tags(reap_all(context)), (tag_list{1, 2, 3, 4, 5}));
        EXPECT_GT(plan.fired("aio.offer_one"), 0u);
        EXPECT_EQ(plan.probed("aio.submit_refused"), 1u);
    }
}

TEST(aio_context, waits_out_a_kernel_without_slots_and_loses_nothing) {
    fake_aio_kernel kernel;
    kernel.answers = {2, -EAGAIN, -EAGAIN, 1, -EAGAIN};
    aio_context context(with(kernel));
    for (std::uint64_t tag = 1; tag <= 5; ++tag) {
        context.add(read_op(tag));
    }
    EXPECT_FALSE(context.submit());
    EXPECT_EQ(context.in_flight(), 2u);
    EXPECT_EQ(context.unsubmitted(), 3u);
    kernel.complete_all(1);
    EXPECT_EQ(tags(reap_all(context)), (tag_list{1, 2}));
    EXPECT_FALSE(context.submit());
    EXPECT_FALSE(context.submit());
    EXPECT_TRUE(context.submit());
    kernel.complete_all(2);
    EXPECT_EQ(tags(reap_all(context)), (tag_list{3, 4, 5}));
    EXPECT_EQ(context.counters().refused, 3u);
}

TEST(aio_context, asks_a_kernel_that_refuses_for_ever_once_a_submit) {
    fake_aio_kernel kernel;
    aio_context context(with(kernel));
    context.add(read_op(1));
    for (unsigned turn = 1; turn <= 100; ++turn) {
        kernel.answers = {-EAGAIN};
        EXPECT_FALSE(context.submit());
        EXPECT_EQ(kernel.submits, turn);
    }
    context.withdraw_unsubmitted(-ECANCELED);
    const auto done = reap_all(context);
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].result, -ECANCELED);
    EXPECT_EQ(context.free_slots(), context.capacity());
}

TEST(aio_context, moves_the_batch_up_when_refusals_filled_its_end) {
    fake_aio_kernel kernel;
    aio_context context(with(kernel, 4));
    std::uint64_t next = 1;
    tag_list seen;
    for (int round = 0; round < 50; ++round) {
        while (context.add(read_op(next))) {
            ++next;
        }
        kernel.answers = {1, -EAGAIN};
        context.submit();
        kernel.complete_all(0);
        for (const std::uint64_t tag : tags(reap_all(context))) {
            seen.push_back(tag);
        }
    }
    ASSERT_GE(seen.size(), 50u);
    for (std::size_t i = 0; i < seen.size(); ++i) {
        ASSERT_EQ(seen[i], i + 1) << "in order, none lost, none twice";
    }
}

TEST(aio_context, fails_a_bad_first_operation_alone) {
    fake_aio_kernel kernel;
    kernel.bad[99] = -EBADF;
    aio_context context(with(kernel));
    context.add(read_op(1, 99));
    context.add(read_op(2));
    EXPECT_TRUE(context.submit());
    kernel.complete_all(4096);
    const auto done = reap_all(context);
    ASSERT_EQ(done.size(), 2u);
    EXPECT_EQ(done[0].tag, 1u);
    EXPECT_EQ(done[0].result, -EBADF);
    EXPECT_EQ(done[1].tag, 2u);
    EXPECT_EQ(done[1].result, 4096);
}

TEST(aio_context, fails_bad_ones_in_the_middle_alone) {
    fake_aio_kernel kernel;
    kernel.bad[98] = -EINVAL;
    kernel.bad[99] = -EBADF;
    aio_context context(with(kernel));
    const int fds[] = {3, 99, 98, 3, 99};
    for (std::uint64_t tag = 0; tag < 5; ++tag) {
        context.add(read_op(tag, fds[tag]));
    }
    EXPECT_TRUE(context.submit());
    EXPECT_EQ(context.in_flight(), 2u);
    kernel.complete_all(4096);
    std::map<std::uint64_t, std::int64_t> results;
    for (const aio_completion& c : reap_all(context)) {
        EXPECT_TRUE(results.emplace(c.tag, c.result).second) << "completed twice";
    }
    EXPECT_EQ(results,
              (std::map<std::uint64_t, std::int64_t>{{0, 4096}, {1, -EBADF}, {2, -EINVAL}, {3, 4096}, {4, -EBADF}}));
    EXPECT_EQ(context.counters().failed, 3u);
}

TEST(aio_context, takes_an_interrupted_submit_for_a_delay) {
    fake_aio_kernel kernel;
    kernel.answers = {-EINTR};
    aio_context context(with(kernel));
    context.add(read_op(1));
    EXPECT_FALSE(context.submit());
    EXPECT_TRUE(context.submit());
    kernel.complete(5);
    EXPECT_EQ(reap_all(context).size(), 1u);
}

TEST(aio_context, says_when_all_slots_are_taken_and_gets_them_back) {
    fake_aio_kernel kernel;
    aio_context context(with(kernel, 7));
    for (int wave = 0; wave < 50; ++wave) {
        for (std::uint64_t tag = 0; tag < 7; ++tag) {
            ASSERT_TRUE(context.add(read_op(tag)));
        }
        EXPECT_FALSE(context.add(read_op(7)));
        context.submit();
        kernel.complete_all(0);
        ASSERT_EQ(reap_all(context).size(), 7u);
        ASSERT_EQ(context.free_slots(), 7u);
    }
}

TEST(aio_context, reads_the_ring_without_a_call_and_round_its_end) {
    fake_aio_kernel kernel(5);
    aio_context context(with(kernel, 4));
    ASSERT_TRUE(context.reads_ring());
    std::uint64_t next = 0;
    for (int round = 0; round < 40; ++round) {
        tag_list expected;
        for (int i = 0; i < round % 4 + 1; ++i) {
            expected.push_back(next);
            context.add(read_op(next++));
        }
        context.submit();
        EXPECT_FALSE(context.ready());
        kernel.complete_all(1);
        EXPECT_TRUE(context.ready());
        EXPECT_EQ(tags(reap_all(context)), expected);
    }
    EXPECT_EQ(kernel.get_events_calls, 0u);
}

TEST(aio_context, reaps_no_more_than_asked) {
    fake_aio_kernel kernel(9);
    aio_context context(with(kernel));
    for (std::uint64_t tag = 0; tag < 5; ++tag) {
        context.add(read_op(tag));
    }
    context.submit();
    kernel.complete_all(1);
    aio_completion three[3];
    EXPECT_EQ(context.reap(three), 3u);
    EXPECT_EQ(context.reap(three), 2u);
    EXPECT_EQ(context.reap(three), 0u);
}

TEST(aio_context, does_not_believe_a_ring_it_does_not_know) {
    const auto reads_ring = [](auto change) {
        fake_aio_kernel kernel(9);
        change(kernel.header());
        aio_context context(with(kernel));
        context.add(read_op(1));
        context.submit();
        EXPECT_EQ(reap_all(context).size(), 0u);
        kernel.complete(4096);
        EXPECT_EQ(reap_all(context).size(), 1u);
        return context.reads_ring();
    };
    EXPECT_TRUE(reads_ring([](fake_aio_kernel::ring_header&) {}));
    EXPECT_FALSE(reads_ring([](fake_aio_kernel::ring_header& h) { h.magic = 0xa10a10a2; }));
    EXPECT_FALSE(reads_ring([](fake_aio_kernel::ring_header& h) { h.incompat = 1; }));
    EXPECT_FALSE(reads_ring([](fake_aio_kernel::ring_header& h) { h.header_length = 64; }));
}

TEST(aio_context, makes_no_call_to_reap_when_nothing_is_in_flight) {
    fake_aio_kernel kernel;
    aio_context context(with(kernel));
    EXPECT_EQ(reap_all(context).size(), 0u);
    EXPECT_EQ(kernel.get_events_calls, 0u);
}

TEST(aio_context, shrinks_when_the_machine_has_little_left_and_names_the_sysctl) {
    fake_aio_kernel kernel;
    kernel.grants = 300;
    aio_context context({.capacity = 1024, .capacity_min = 16, .kernel = &kernel});
    EXPECT_EQ(context.capacity(), 256u);
    EXPECT_EQ(context.free_slots(), 256u);
    EXPECT_EQ(context.notice(),
              "AIO context of 1024 refused (EAGAIN): fs.aio-nr is 65024 of fs.aio-max-nr 65536; using 256. "
              "To raise: sysctl -w fs.aio-max-nr=1048576");
}

TEST(aio_context, fails_in_words_when_not_even_the_least_is_left) {
    fake_aio_kernel kernel;
    kernel.grants = 5;
    try {
        aio_context context({.capacity = 1024, .capacity_min = 16, .kernel = &kernel});
        FAIL() << "made with " << context.capacity();
    } catch (const std::system_error& e) {
        EXPECT_EQ(e.code().value(), EAGAIN);
        EXPECT_NE(std::string(e.what()).find("sysctl -w fs.aio-max-nr="), std::string::npos) << e.what();
    }
    EXPECT_EQ(kernel.destroys, 0u);
}

TEST(aio_context, fails_at_once_where_there_is_no_aio) {
    fake_aio_kernel kernel;
    kernel.grants = 0;
    kernel.setup_error = -ENOSYS;
    EXPECT_THROW(aio_context context(with(kernel)), std::system_error);
    EXPECT_EQ(kernel.setups, 1u);
}

TEST(aio_context, cancels_what_is_still_in_the_batch) {
    fake_aio_kernel kernel;
    aio_context context(with(kernel));
    context.add(read_op(1));
    const auto key = context.add(read_op(2));
    context.add(read_op(3));
    EXPECT_EQ(context.cancel(*key), aio_cancel_result::canceled);
    EXPECT_EQ(context.cancel(*key), aio_cancel_result::already_done);
    context.submit();
    EXPECT_EQ(kernel.held.size(), 2u);
    kernel.complete_all(7);
    std::map<std::uint64_t, std::int64_t> results;
    for (const aio_completion& c : reap_all(context)) {
        EXPECT_TRUE(results.emplace(c.tag, c.result).second);
    }
    EXPECT_EQ(results, (std::map<std::uint64_t, std::int64_t>{{1, 7}, {2, -ECANCELED}, {3, 7}}));
}

TEST(aio_context, answers_honestly_about_what_the_kernel_has) {
    fake_aio_kernel kernel;
    aio_context context(with(kernel));
    const auto key = context.add(read_op(1));
    context.submit();
    EXPECT_EQ(context.cancel(*key), aio_cancel_result::not_canceled);
    kernel.cancel_answer = -EINPROGRESS;
    EXPECT_EQ(context.cancel(*key), aio_cancel_result::canceled);
    kernel.complete(-ECANCELED);
    EXPECT_EQ(reap_all(context).size(), 1u);
}

TEST(aio_context, rejects_a_key_whose_slot_is_used_again) {
    fake_aio_kernel kernel;
    aio_context context(with(kernel, 1));
    const auto stale = context.add(read_op(1));
    context.submit();
    kernel.complete(0);
    reap_all(context);
    context.add(read_op(2));
    EXPECT_EQ(context.cancel(*stale), aio_cancel_result::already_done);
    EXPECT_EQ(context.cancel({12345, 1}), aio_cancel_result::already_done);
    context.submit();
    kernel.complete(0);
    EXPECT_EQ(tags(reap_all(context)), tag_list{2});
}

TEST(aio_context, drains_until_the_budget_is_spent) {
    fake_aio_kernel kernel;
    aio_context context(with(kernel));
    context.add(read_op(1));
    EXPECT_FALSE(context.drain(2'000'000));
    kernel.complete(3);
    EXPECT_TRUE(context.drain(2'000'000));
    EXPECT_EQ(reap_all(context).size(), 1u);
}

}  // namespace
}  // namespace shale
