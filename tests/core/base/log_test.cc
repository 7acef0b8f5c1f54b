// Log lines: shape, levels, limits, one write a line, and nothing an argument can do to them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shale/core/base/context.hh>
#include <shale/core/base/defer.hh>
#include <shale/core/base/log.hh>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

// A value whose formatter fails.
struct unprintable {};
template <>
struct fmt::formatter<unprintable> : fmt::formatter<int> {
    template <class Context>
    auto format(const unprintable&, Context&) const -> typename Context::iterator {
        throw std::runtime_error("no words for it");
    }
};

namespace {

using namespace shale;
using testing::HasSubstr;

/// What `f` writes to stderr. The descriptor itself is redirected, because the log does not use stdio.
template <class F>
std::string captured(F f) {
    testing::internal::CaptureStderr();
    f();
    return testing::internal::GetCapturedStderr();
}

detail::execution_context current{};

/// Sets the context for one test.
class context_guard {
public:
    explicit context_guard(detail::execution_context context) {
        current = context;
        detail::assert_context.store([]() noexcept { return current; });
    }
    ~context_guard() { detail::assert_context.store(nullptr); }
};

TEST(log, writes_level_name_and_message) {
    static constinit logger log{"t_plain"};
    EXPECT_EQ(captured([] { log.warn("{} of {}", 3, "four"); }), "WARN  t_plain: 3 of four\n");
    EXPECT_EQ(captured([] { log.error("x"); }), "ERROR t_plain: x\n");
}

TEST(log, writes_shard_and_calendar_time_when_known) {
    static constinit logger log{"t_context"};
    const context_guard guard({.shard = 3, .now_ns = 1, .wall_ns = 1'795'251'944'123'456'789});
    EXPECT_EQ(captured([] { log.info("x"); }), "INFO  2026-11-21T09:05:44.123456Z [shard 3] t_context: x\n");
}

TEST(log, writes_the_shards_time_when_the_calendar_is_unknown) {
    static constinit logger log{"t_monotonic"};
    const context_guard guard({.shard = 0, .now_ns = 2'000'345'678, .wall_ns = 0});
    EXPECT_EQ(captured([] { log.info("x"); }), "INFO  2.000345 [shard 0] t_monotonic: x\n");
}

TEST(log, is_at_info_by_default) {
    static constinit logger log{"t_default"};
    EXPECT_EQ(captured([] {
                  log.debug("d");
                  log.trace("t");
              }),
              "");
    EXPECT_FALSE(log.enabled(log_level::debug));
    EXPECT_TRUE(log.enabled(log_level::info));
}

TEST(log, takes_a_level_set_before_its_first_line) {
    static constinit logger log{"t_early"};
    ASSERT_TRUE(set_log_level("t_early", log_level::trace));
    EXPECT_EQ(captured([] { log.trace("t"); }), "TRACE t_early: t\n");
}

TEST(log, takes_a_level_set_after_its_first_line) {
    static constinit logger log{"t_late"};
    captured([] { log.info("first"); });
    ASSERT_TRUE(set_log_level("t_late", log_level::error));
    EXPECT_EQ(captured([] { log.warn("w"); }), "");
    ASSERT_TRUE(set_log_level("t_late", log_level::debug));
    EXPECT_EQ(captured([] { log.debug("d"); }), "DEBUG t_late: d\n");
}

TEST(log, a_level_by_name_leaves_other_loggers_alone) {
    static constinit logger one{"t_one"};
    static constinit logger two{"t_two"};
    captured([] { one.info("x"), two.info("x"); });
    ASSERT_TRUE(set_log_level("t_one", log_level::error));
    EXPECT_EQ(captured([] { one.info("x"), two.info("y"); }), "INFO  t_two: y\n");
}

TEST(log, a_level_for_all_overrides_those_by_name) {
    static constinit logger seen{"t_seen"};
    static constinit logger fresh{"t_fresh"};
    captured([] { seen.info("x"); });
    ASSERT_TRUE(set_log_level("t_fresh", log_level::trace));
    set_log_level(log_level::error);
    const auto restore = defer([] { set_log_level(log_level::info); });
    EXPECT_EQ(captured([] { seen.info("x"), fresh.info("y"); }), "");
}

TEST(log, reads_levels_from_a_list) {
    static constinit logger log{"t_list"};
    const auto restore = defer([] { set_log_level(log_level::info); });
    ASSERT_TRUE(set_log_levels("warn,t_list=debug").has_value());
    EXPECT_EQ(captured([] { log.debug("d"); }), "DEBUG t_list: d\n");
    ASSERT_TRUE(set_log_levels("").has_value());
    EXPECT_THAT(set_log_levels("t_list=loud").error(), HasSubstr("\"loud\" is unknown"));
    EXPECT_THAT(set_log_levels("=warn").error(), HasSubstr("cannot be set"));
    EXPECT_FALSE(set_log_levels("info,,warn").has_value());
}

TEST(log, refuses_names_that_do_not_fit) {
    EXPECT_FALSE(set_log_level("", log_level::info));
    EXPECT_FALSE(set_log_level(std::string(32, 'x'), log_level::info));
    EXPECT_TRUE(set_log_level(std::string(31, 'x'), log_level::info));
}

TEST(log, levels_have_names) {
    for (const auto level : {log_level::error, log_level::warn, log_level::info, log_level::debug, log_level::trace}) {
        EXPECT_EQ(parse_log_level(to_string(level)), level);
    }
    EXPECT_EQ(parse_log_level("INFO"), std::nullopt);
}

TEST(log, formats_only_what_it_writes) {
    static constinit logger log{"t_lazy"};
    int computed = 0;
    const auto costly = [&] { return ++computed; };
    captured([&] { log.info("decides the level"); });
    captured([&] { log.debug("{}", lazy(costly)); });
    EXPECT_EQ(computed, 0);
    EXPECT_EQ(captured([&] { log.info("{:03}", lazy(costly)); }), "INFO  t_lazy: 001\n");
}

TEST(log, keeps_a_message_on_one_line) {
    static constinit logger log{"t_forge"};
    EXPECT_EQ(captured([] { log.info("{}", "a\nERROR kv: b\r\x1b[2J\x7f\tc"); }),
              "INFO  t_forge: a\\nERROR kv: b\\x0d\\x1b[2J\\x7f\tc\n");
}

TEST(log, writes_messages_longer_than_its_buffer) {
    static constinit logger log{"t_long"};
    const std::string text(100'000, 'x');
    EXPECT_EQ(captured([&] { log.info("{}", text); }), "INFO  t_long: " + text + "\n");
}

TEST(log, survives_a_formatter_that_throws) {
    static constinit logger log{"t_throw"};
    const std::uint64_t lost = log_lines_lost();
    EXPECT_EQ(captured([] { log.info("value {}", unprintable()); }),
              "INFO  t_throw: (cannot format \"value {}\": no words for it)\n");
    EXPECT_EQ(log_lines_lost(), lost + 1);
}

TEST(log, leaves_errno_alone) {
    static constinit logger log{"t_errno"};
    errno = ENOENT;
    captured([] { log.info("x"); });
    errno = ENOENT;
    log.debug("not written");
    EXPECT_EQ(errno, ENOENT);
}

TEST(log, counts_lines_that_stderr_does_not_take) {
    static constinit logger log{"t_full"};
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC), 0);
    const int saved = ::dup(STDERR_FILENO);
    const std::uint64_t lost = log_lines_lost();
    ::dup2(ends[1], STDERR_FILENO);
    for (int i = 0; i < 3; ++i) {
        log.info("{}", std::string(100'000, 'x'));  // a pipe holds 64 KiB
    }
    ::dup2(saved, STDERR_FILENO);
    ::close(saved);
    ::close(ends[0]);
    ::close(ends[1]);
    EXPECT_EQ(log_lines_lost(), lost + 3);
}

TEST(log, lines_of_several_threads_stay_whole) {
    static constinit logger log{"t_threads"};
    const std::string out = captured([] {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([t] {
                for (int i = 0; i < 200; ++i) {
                    log.info("{}", std::string(200, static_cast<char>('a' + t)));
                    set_log_level("t_threads", log_level::info);
                }
            });
        }
    });
    std::size_t lines = 0;
    for (std::size_t begin = 0; begin < out.size(); ++lines) {
        const std::size_t end = out.find('\n', begin);
        const std::string line = out.substr(begin, end - begin);
        ASSERT_EQ(line, "INFO  t_threads: " + std::string(200, line.back()));
        begin = end + 1;
    }
    EXPECT_EQ(lines, 800u);
}

TEST(rate_limit, admits_one_line_an_interval_and_says_how_many_were_dropped) {
    static constinit logger log{"t_limit"};
    rate_limit limit(1s);
    const auto at = [&](std::uint64_t now_ns) {
        const context_guard guard({.shard = -1, .now_ns = now_ns, .wall_ns = 0});
        return captured([&] { log.info(limit, "x{}", 1); });
    };
    EXPECT_EQ(at(5'000'000'000), "INFO  5.000000 t_limit: x1\n");
    EXPECT_EQ(at(5'000'000'001), "");
    EXPECT_EQ(at(5'999'999'999), "");
    EXPECT_EQ(at(6'000'000'000), "INFO  6.000000 t_limit: x1 (2 similar lines dropped)\n");
    EXPECT_EQ(at(8'000'000'000), "INFO  8.000000 t_limit: x1\n");
}

TEST(rate_limit, admits_everything_without_a_clock) {
    rate_limit limit(1s);
    EXPECT_TRUE(limit.admit(0));
    EXPECT_TRUE(limit.admit(0));
    EXPECT_EQ(limit.take_dropped(), 0u);
}

}  // namespace
