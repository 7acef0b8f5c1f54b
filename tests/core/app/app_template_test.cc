// Whole programs, each in a process of its own: what they print, how they end, what signals do.
#include <shale/core/app/app_template.hh>

#include <sys/resource.h>

#include <csignal>
#include <stdexcept>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shale/core/shard/shard.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/sync/gate.hh>

#include "child.hh"

namespace shale {
namespace {

using testing_app::child;

// Runs an app called "demo" with the arguments; `main` gets the app.
template <class Main>
child start(std::vector<const char*> arguments, Main main) {
    return child([arguments = std::move(arguments), main]() mutable {
        std::uint16_t port = 6379;
        app_template app({.name = "demo", .description = "shows how", .version = "1.2.3"});
        app.add_option("port,p", &port, "TCP port to listen on");
        arguments.insert(arguments.begin(), "demo");
        return app.run(static_cast<int>(arguments.size()), arguments.data(), [&] { return main(app); });
    });
}

// For those that do not get as far as main.
future<int> unreachable(app_template&) {
    return make_ready_future<int>(99);
}

void say(std::string_view text) {
    (void)!write(STDOUT_FILENO, text.data(), text.size());
}

TEST(app_template, gives_mains_result_to_the_process) {
    child ended = start({"--smp", "2"}, [](app_template&) { return make_ready_future<int>(5); });
    EXPECT_EQ(ended.wait(), 5);
    EXPECT_EQ(ended.out(), "");
    EXPECT_THAT(ended.err(), ::testing::MatchesRegex("INFO  20[0-9:T.-]+Z app: demo 1.2.3: 2 shards .+\n"));
}

TEST(app_template, takes_mains_of_every_result) {
    const auto code = [](auto main) {
        child ended([main] {
            app_template app({.name = "demo"});
            const char* name = "demo";
            return app.run(1, &name, main);
        });
        return ended.wait();
    };
    EXPECT_EQ(code([] { return 3; }), 3);
    EXPECT_EQ(code([] {}), 0);
    EXPECT_EQ(code([] { return make_ready_future<>(); }), 0);
    EXPECT_EQ(code([]() -> future<> { co_await sleep(1us); }), 0);
    EXPECT_EQ(code([]() -> future<int> {
                  co_await sleep(1us);
                  co_return 4;
              }),
              4);
}

TEST(app_template, keeps_the_captures_of_a_coroutine_main_alive) {
    child ended([] {
        app_template app({.name = "demo"});
        const char* name = "demo";
        return app.run(1, &name, [text = std::string(100, 'x')]() -> future<int> {
            co_await sleep(1ms);
            co_return static_cast<int>(text.size());
        });
    });
    EXPECT_EQ(ended.wait(), 100);
}

TEST(app_template, shows_help_and_version_on_stdout) {
    child help = start({"--help"}, unreachable);
    EXPECT_EQ(help.wait(), 0);
    EXPECT_TRUE(
        help.out().starts_with("demo 1.2.3: shows how\n\nUsage: demo [options]\n\nOptions:\n"
                               "  -p, --port N             TCP port to listen on [6379]\n\nRuntime:\n"
                               "  -c, --smp N              shards to run; one on each allowed CPU when absent\n"))
        << help.out();
    EXPECT_EQ(help.err(), "");
    child version = start({"--version"}, unreachable);
    EXPECT_EQ(version.wait(), 0);
    EXPECT_EQ(version.out(), "demo 1.2.3\n");
}

TEST(app_template, refuses_wrong_options_with_one_sentence_and_64) {
    const std::vector<std::pair<std::vector<const char*>, std::string>> mistakes{
        {{"--prot", "1"}, "demo: unknown option --prot; did you mean --port? demo --help lists them all\n"},
        {{"--port", "65536"}, "demo: --port 65536: out of range; give a whole number from 0 to 65535\n"},
        {{"--smp", "0"}, "demo: --smp 0: out of range; give a whole number from 1 to 1024\n"},
        {{"--task-quota-us"}, "demo: --task-quota-us: a value is missing; give --task-quota-us N\n"},
        {{"now"}, "demo: unexpected argument 'now'; options start with --, and demo --help lists them\n"},
    };
    for (const auto& [arguments, sentence] : mistakes) {
        child ended = start(arguments, unreachable);
        EXPECT_EQ(ended.wait(), exit_code::usage);
        EXPECT_EQ(ended.err(), sentence);
        EXPECT_EQ(ended.out(), "");
    }
}

TEST(app_template, refuses_what_this_machine_has_not_with_78) {
    child ended = start({"--cpuset", "8000"}, unreachable);
    EXPECT_EQ(ended.wait(), exit_code::environment);
    EXPECT_TRUE(ended.err().starts_with("demo: --cpuset 8000: there is no CPU 8000 here (online: ")) << ended.err();
    EXPECT_EQ(std::count(ended.err().begin(), ended.err().end(), '\n'), 1);
}

TEST(app_template, says_why_shards_could_not_be_started_with_78) {
#if defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "UBSan takes a pipe to look at an object, and calls it invalid when there is none to be had";
#endif
    child ended([] {
        const rlimit few{.rlim_cur = 12, .rlim_max = 12};
        setrlimit(RLIMIT_NOFILE, &few);
        app_template app({.name = "demo", .version = "1"});
        const std::vector<const char*> arguments{"demo", "--smp", "8", "--log-level", "error"};
        return app.run(static_cast<int>(arguments.size()), arguments.data(), [] { return 99; });
    });
    EXPECT_EQ(ended.wait(), exit_code::environment);
    EXPECT_THAT(ended.err(),
                ::testing::MatchesRegex("ERROR .*app: demo 1: the shards could not be started: .*EMFILE.*\n"));
}

TEST(app_template, says_in_one_line_what_main_threw) {
    child ended = start({"--log-level", "warn"}, [](app_template&) -> future<int> {
        co_await sleep(1us);
        throw std::runtime_error("open of /data/kv.log: Permission denied (EACCES). Run as its owner.");
    });
    EXPECT_EQ(ended.wait(), exit_code::failed);
    EXPECT_TRUE(
        ended.err().ends_with("[shard 0] app: main failed: open of /data/kv.log: Permission denied (EACCES). "
                              "Run as its owner.\n"))
        << ended.err();
    EXPECT_EQ(std::count(ended.err().begin(), ended.err().end(), '\n'), 1) << ended.err();
}

TEST(app_template, tells_main_about_sigterm_and_sigint_and_waits_for_it) {
    for (const int signal : {SIGTERM, SIGINT}) {
        for (const char* shards : {"1", "2", "4"}) {
            child app = start({"--smp", shards}, [](app_template& a) -> future<int> {
                say("serving\n");
                co_await a.stop_signal();
                co_await sleep(2ms);  // what is in flight
                say("finished\n");
                co_return 0;
            });
            ASSERT_TRUE(app.wait_for("serving"));
            app.send(signal);
            EXPECT_EQ(app.wait(), 0);
            EXPECT_EQ(app.out(), "serving\nfinished\n");
        }
    }
}

TEST(app_template, takes_a_signal_while_the_shard_is_busy) {
    child app = start({}, [](app_template& a) -> future<int> {
        bool stopped = false;
        auto subscription = a.stop_source().subscribe([&](const std::exception_ptr&) { stopped = true; });
        say("serving\n");
        while (!stopped) {
            co_await yield_now();
        }
        co_return 0;
    });
    ASSERT_TRUE(app.wait_for("serving"));
    app.send(SIGTERM);
    EXPECT_EQ(app.wait(), 0);
}

TEST(app_template, leaves_a_main_behind_that_does_not_watch_for_the_stop) {
    child app = start({}, [](app_template& a) -> future<int> {
        a.at_exit([] {
            say("cleaned up\n");
            return make_ready_future<>();
        });
        say("serving\n");
        co_await sleep(std::chrono::hours(1));
        co_return 0;
    });
    ASSERT_TRUE(app.wait_for("serving"));
    app.send(SIGINT);
    EXPECT_EQ(app.wait(), exit_code::by_signal + SIGINT);
    EXPECT_EQ(app.out(), "serving\ncleaned up\n");
    EXPECT_NE(app.err().find("main does not watch for the stop (stop_signal(), stop_source()) and is left behind\n"),
              std::string::npos)
        << app.err();
}

TEST(app_template, stops_at_once_on_the_second_signal) {
    child app = start({"--stop-timeout", "0"}, [](app_template& a) -> future<int> {
        say("serving\n");
        co_await a.stop_signal();
        say("told\n");
        co_await sleep(std::chrono::hours(1));
        co_return 0;
    });
    ASSERT_TRUE(app.wait_for("serving"));
    app.send(SIGINT);
    ASSERT_TRUE(app.wait_for("told"));
    app.send(SIGINT);
    EXPECT_EQ(app.wait(), exit_code::by_signal + SIGINT);
    EXPECT_NE(app.err().find("app: demo 1.2.3: SIGINT: stopping; once more stops at once\n"), std::string::npos);
    EXPECT_NE(app.err().find("app: demo 1.2.3: SIGINT again: stopped at once\n"), std::string::npos);
}

TEST(app_template, stops_at_once_on_the_second_signal_though_the_shard_is_stuck) {
    child app = start({}, [](app_template&) -> future<int> {
        say("stuck\n");
        while (true) {
            pause();
        }
    });
    ASSERT_TRUE(app.wait_for("stuck"));
    app.send(SIGTERM);
    ASSERT_TRUE(app.wait_for("once more stops at once"));
    app.send(SIGTERM);
    EXPECT_EQ(app.wait(), exit_code::by_signal + SIGTERM);
}

TEST(app_template, says_what_is_held_at_the_deadline_of_the_stop) {
    child app = start({"--smp", "2", "--stop-timeout", "50ms"}, [](app_template& a) -> future<int> {
        say("serving\n");
        co_await a.stop_signal();
        co_await sleep(std::chrono::hours(1));
        co_return 0;
    });
    ASSERT_TRUE(app.wait_for("serving"));
    app.send(SIGTERM);
    EXPECT_EQ(app.wait(), exit_code::stop_timed_out);
    for (const char* line : {"app: demo 1.2.3: not stopped within 50 ms (--stop-timeout); still held:\n",
                             "app: demo 1.2.3:   main has not returned\n",
                             "app: demo 1.2.3:   shard 0: ", "next timer in 3599", "app: demo 1.2.3:   shard 1: "}) {
        EXPECT_NE(app.err().find(line), std::string::npos) << line << "\n" << app.err();
    }
}

TEST(app_template, names_the_gates_that_are_held_at_the_deadline) {
    child app = start({"--stop-timeout", "50ms"}, [](app_template& a) -> future<int> {
        gate serving;
        const gate::holder forgotten = serving.hold();
        say("serving\n");
        co_await a.stop_signal();
        co_await serving.close();
        co_return 0;
    });
    ASSERT_TRUE(app.wait_for("serving"));
    app.send(SIGTERM);
    EXPECT_EQ(app.wait(), exit_code::stop_timed_out);
    EXPECT_THAT(app.err(), ::testing::ContainsRegex("shard 0: the gate closed at .*app_template_test.cc:[0-9]+ waits "
                                                    "for 1 inside: 1 from .*app_template_test.cc:[0-9]+\n"));
}

TEST(app_template, names_a_stuck_shard_at_the_deadline) {
    child app = start({"--stop-timeout", "50ms"}, [](app_template& a) -> future<int> {
        say("serving\n");
        co_await a.stop_signal();
        while (true) {
            pause();
        }
    });
    ASSERT_TRUE(app.wait_for("serving"));
    app.send(SIGTERM);
    EXPECT_EQ(app.wait(), exit_code::stop_timed_out);
    EXPECT_NE(app.err().find("shard 0: does not answer: one task has been running without giving way\n"),
              std::string::npos)
        << app.err();
}

TEST(app_template, names_an_exit_function_that_hangs) {
    child app = start({"--stop-timeout", "50ms"}, [](app_template& a) -> future<int> {
        a.at_exit([] { return sleep(std::chrono::hours(1)); });
        co_return 0;
    });
    EXPECT_EQ(app.wait(), exit_code::stop_timed_out);
    EXPECT_NE(app.err().find("an exit function has not returned\n"), std::string::npos) << app.err();
}

TEST(app_template, names_a_shard_whose_background_work_never_ends) {
    child app = start({"--smp", "2", "--stop-timeout", "50ms"}, [](app_template&) -> future<int> {
        (void)[]()->future<> {
            while (true) {
                co_await yield_now();
            }
        }
        ();
        co_return 0;
    });
    EXPECT_EQ(app.wait(), exit_code::stop_timed_out);
    EXPECT_NE(app.err().find("main and the exit functions have returned\n"), std::string::npos) << app.err();
    EXPECT_NE(app.err().find("shard 0: still busy with what was left in the background\n"), std::string::npos);
    EXPECT_NE(app.err().find("shard 1: has nothing left to do and waits for the others\n"), std::string::npos);
}

TEST(app_template, ends_by_itself_when_asked_from_inside) {
    child app = start({}, [](app_template& a) -> future<int> {
        a.request_stop();
        co_await a.stop_signal();
        co_return 6;
    });
    EXPECT_EQ(app.wait(), 6);
}

TEST(app_template, survives_a_reader_that_goes_away) {
    child app = start({}, [](app_template&) -> future<int> {
        std::array<int, 2> ends{};
        if (pipe(ends.data()) != 0) {
            co_return 1;
        }
        close(ends[0]);
        co_return write(ends[1], "x", 1) < 0 && errno == EPIPE ? 0 : 2;
    });
    EXPECT_EQ(app.wait(), 0);
}

}  // namespace
}  // namespace shale
