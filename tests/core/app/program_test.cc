// A program's life: main, stop, exit functions in every order, on a shard without threads.
#include <shale/core/app/detail/program.hh>

#include <csignal>
#include <optional>
#include <stdexcept>

#include <gtest/gtest.h>

#include <shale/core/app/exit_code.hh>
#include <shale/core/shard/shard.hh>

namespace shale::detail {
namespace {

// A world in which nothing ever happens.
class still_platform final : public platform {
public:
    std::uint64_t now() noexcept override { return ++now_; }
    std::int64_t wall() noexcept override { return 0; }
    void entropy(std::span<std::byte>) noexcept override {}
    unsigned submit(io_request* const*, unsigned) noexcept override { return 0; }
    unsigned reap(io_request**, unsigned) noexcept override { return 0; }
    void wait(std::uint64_t) noexcept override {}
    void wake() noexcept override {}

private:
    std::uint64_t now_ = 0;
};

// A program on a shard of its own, and what happened in which order.
struct fixture {
    still_platform outside;
    shard here{outside, {}};
    run_queue_scope scope{&here};
    std::vector<std::string> events;
    std::optional<program> subject;
    std::optional<future<int>> ended;

    void start(program::main_function main) {
        subject.emplace(std::move(main));
        ended.emplace(subject->live([this] { events.emplace_back("stopping"); }));
        settle();
    }
    void settle() {
        while (here.step()) {
        }
    }
    program::exit_function note(std::string event) {
        return [this, event] {
            events.push_back(event);
            return make_ready_future<>();
        };
    }
};

using names = std::vector<std::string>;

TEST(program, gives_what_main_returns) {
    fixture f;
    f.start([] { return make_ready_future<int>(7); });
    ASSERT_TRUE(f.ended->available());
    EXPECT_EQ(f.ended->get(), 7);
    EXPECT_EQ(f.events, names{"stopping"});
}

TEST(program, runs_exit_functions_last_first_after_main) {
    fixture f;
    f.start([&f]() -> future<int> {
        f.subject->at_exit(f.note("first"));
        f.subject->at_exit(f.note("second"));
        f.events.emplace_back("main");
        co_return 0;
    });
    EXPECT_EQ(f.events, (names{"main", "stopping", "second", "first"}));
    EXPECT_EQ(f.ended->get(), 0);
}

TEST(program, waits_for_each_exit_function) {
    fixture f;
    promise<> slow;
    f.start([&]() -> future<int> {
        f.subject->at_exit(f.note("first"));
        f.subject->at_exit([&] { return slow.get_future(); });
        co_return 0;
    });
    EXPECT_EQ(f.events, names{"stopping"});
    EXPECT_FALSE(f.ended->available());
    slow.set_value();
    f.settle();
    EXPECT_EQ(f.events, (names{"stopping", "first"}));
    EXPECT_EQ(f.ended->get(), 0);
}

TEST(program, runs_exit_functions_that_exit_functions_add) {
    fixture f;
    f.start([&f]() -> future<int> {
        f.subject->at_exit([&f] {
            f.subject->at_exit(f.note("added"));
            return make_ready_future<>();
        });
        co_return 0;
    });
    EXPECT_EQ(f.events, (names{"stopping", "added"}));
    EXPECT_EQ(f.ended->get(), 0);
}

TEST(program, fails_when_main_throws_and_still_runs_exit_functions) {
    fixture f;
    f.start([&f]() -> future<int> {
        f.subject->at_exit(f.note("cleanup"));
        throw std::runtime_error("no data directory");
        co_return 0;
    });
    EXPECT_EQ(f.ended->get(), exit_code::failed);
    EXPECT_EQ(f.events, (names{"stopping", "cleanup"}));
}

TEST(program, fails_when_main_throws_before_its_first_future) {
    fixture f;
    f.start([]() -> future<int> { throw std::runtime_error("at once"); });
    EXPECT_EQ(f.ended->get(), exit_code::failed);
}

TEST(program, fails_when_an_exit_function_throws_and_runs_the_others) {
    fixture f;
    f.start([&f]() -> future<int> {
        f.subject->at_exit(f.note("other"));
        f.subject->at_exit([]() -> future<> { throw std::runtime_error("cannot close"); });
        co_return 0;
    });
    EXPECT_EQ(f.ended->get(), exit_code::failed);
    EXPECT_EQ(f.events, (names{"stopping", "other"}));
}

TEST(program, tells_main_about_the_stop) {
    fixture f;
    f.start([&f]() -> future<int> {
        co_await f.subject->stop_signal();
        f.events.emplace_back("told");
        co_await f.subject->stop_signal();  // has begun: at once
        co_return 3;
    });
    EXPECT_FALSE(f.ended->available());
    f.subject->request_stop(SIGTERM);
    f.subject->request_stop(SIGTERM);
    f.settle();
    EXPECT_EQ(f.ended->get(), 3);
    EXPECT_EQ(f.events, (names{"told", "stopping"}));
}

TEST(program, tells_those_who_took_the_abort_source) {
    fixture f;
    promise<> aborted;
    std::optional<abort_source::subscription> subscription;
    f.start([&]() -> future<int> {
        subscription = f.subject->stop_source().subscribe([&](const std::exception_ptr&) { aborted.set_value(); });
        co_await aborted.get_future();
        co_return 4;
    });
    f.subject->request_stop(0);
    f.settle();
    EXPECT_EQ(f.ended->get(), 4);
}

TEST(program, leaves_a_main_behind_that_cannot_know_of_the_stop) {
    for (const int signal : {0, SIGINT}) {
        fixture f;
        promise<> never;
        f.start([&]() -> future<int> {
            f.subject->at_exit(f.note("cleanup"));
            co_await never.get_future();
            co_return 5;
        });
        f.subject->request_stop(signal);
        f.settle();
        EXPECT_EQ(f.ended->get(), signal == 0 ? 0 : 128 + SIGINT);
        EXPECT_EQ(f.events, (names{"stopping", "cleanup"}));
        never.set_value();  // it ends all the same, and nobody minds
        f.settle();
    }
}

TEST(program, starts_main_though_a_stop_was_requested_before) {
    fixture f;
    f.subject.emplace([&f]() -> future<int> {
        co_await f.subject->stop_signal();
        co_return 8;
    });
    f.subject->request_stop(SIGTERM);
    auto ended = f.subject->live([] {});
    f.settle();
    EXPECT_EQ(ended.get(), 8);
}

TEST(program, ignores_a_stop_after_main_has_returned) {
    fixture f;
    promise<> slow;
    f.start([&]() -> future<int> {
        f.subject->at_exit([&] { return slow.get_future(); });
        co_return 6;
    });
    f.subject->request_stop(SIGINT);
    slow.set_value();
    f.settle();
    EXPECT_EQ(f.ended->get(), 6);
}

TEST(program, describes_what_was_thrown) {
    EXPECT_EQ(describe(std::make_exception_ptr(std::runtime_error("a sentence"))), "a sentence");
    EXPECT_EQ(describe(std::make_exception_ptr(7)), "an exception of type int");
}

}  // namespace
}  // namespace shale::detail
