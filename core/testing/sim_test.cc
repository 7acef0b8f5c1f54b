// See sim_test.hh.
#include "sim_test.hh"

#include <gtest/gtest-spi.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "detail/replay_on_crash.hh"
#include "testing.hh"

namespace shale::test {

namespace {

constexpr std::uint64_t seed_of_body = 0xb0d7;

std::string environment(const char* name) {
    const char* const text = std::getenv(name);
    return text != nullptr ? text : "";
}

/// What is run, as the environment and the test have it.
struct plan {
    sim_test_options options;
    std::uint64_t first = seed();
    std::uint64_t seeds = options.seeds;
    std::string overrides = {};
    bool check = false;
    std::string json = {};

    static plan from_environment(const sim_test_options& options) {
        plan p{.options = options};
        if (const std::string text = environment("SHALE_SIM_SEEDS"); !text.empty()) {
            p.seeds = std::strtoull(text.c_str(), nullptr, 10);
        }
        p.overrides = environment("SHALE_SIM_SET");
        p.check = environment("SHALE_SIM_CHECK") == "1";
        p.json = environment("SHALE_SIM_JSON");
        return p;
    }
};

std::string name_of_test() {
    const auto* const test = ::testing::UnitTest::GetInstance()->current_test_info();
    return test != nullptr ? fmt::format("{}.{}", test->test_suite_name(), test->name()) : "?";
}

std::string replay_line(const plan& p, std::uint64_t seed) {
    const std::string name = name_of_test();
    return fmt::format("SHALE_TEST_SEED={} SHALE_SIM_SEEDS=1 {}{}{} --gtest_filter={}{}", seed,
                       p.overrides.empty() ? "" : fmt::format("SHALE_SIM_SET={} ", sim::shell_word(p.overrides)),
                       p.check ? "SHALE_SIM_CHECK=1 " : "", sim::shell_word(program_invocation_name), name,
                       name.find("DISABLED_") != std::string::npos ? " --gtest_also_run_disabled_tests" : "");
}

std::string failures_in(const ::testing::TestPartResultArray& parts) {
    std::string text;
    for (int i = 0; i < parts.size(); ++i) {
        const ::testing::TestPartResult& part = parts.GetTestPartResult(i);
        if (part.failed()) {
            text += fmt::format("{}{}:{}: {}", text.empty() ? "" : "\n", part.file_name() ? part.file_name() : "?",
                                part.line_number(), part.message());
        }
    }
    return text;
}

/// What the body failed with, or nothing.
std::string outcome_of(future<>& played) {
    try {
        played.get();
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return "the body failed with something that is no std::exception";
    }
    return "";
}

std::string play(sim_run& run, const sim_body& f, duration patience) {
    std::string failure;
    auto played = run.world.on(0, [&] { return futurize_invoke(f, run); });
    if (run.world.run_until([&] { return played.available(); }, run.storm() + patience)) {
        run.world.on(0, [&] { failure = outcome_of(played); });
        return failure;
    }
    // Its coroutine stays where it is; the future is dropped on its own shard.
    run.world.on(0, [&] { const auto dropped = std::move(played); });
    return fmt::format("the body is not done after {} s of virtual time", run.world.now_ns() / 1'000'000'000);
}

sim::run_report run_seed(const plan& p, const sim_body& f, std::uint64_t seed, sim::trace* record) {
    sim::run_report report{.seed = seed};
    auto drawn = sim::swarm_options::draw(seed);
    for (const std::string& line : {std::string(p.options.set), p.overrides}) {
        if (const auto set = drawn.set(line); !set) {
            report.failure = set.error();
            return report;
        }
    }
    report.drawn = drawn.to_string();
    drawn.world.shards = p.options.shards;
    drawn.world.record = record;
    drawn.storm.start_ended = true;
    ::testing::TestPartResultArray parts;
    {
        const ::testing::ScopedFakeTestPartResultReporter catcher(
            ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &parts);
        sim_run run(p.options, std::move(drawn));
        const std::uint64_t begin_ns = run.world.now_ns();
        report.failure = play(run, f, p.options.patience);
        if (const std::string expected = failures_in(parts); !expected.empty()) {
            report.failure += (report.failed() ? "\n" : "") + expected;
        }
        report.figures = run.figures();
        report.take(run.world, begin_ns);
    }
    return report;
}

void append(const std::string& path, const std::string& line) {
    std::FILE* const file = std::fopen(path.c_str(), "a");
    if (file == nullptr) {
        ADD_FAILURE() << "SHALE_SIM_JSON: " << path << " cannot be written";
        return;
    }
    std::fputs(line.c_str(), file);
    std::fclose(file);
}

double real_seconds() noexcept {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::optional<sim::run_report> run_plan(const plan& p, const sim_body& f) {
    for (std::uint64_t seed = p.first; seed - p.first < p.seeds; ++seed) {
        const detail::replay_on_crash told(replay_line(p, seed));
        const double begin = real_seconds();
        sim::run_report report = run_seed(p, f, seed, nullptr);
        const double seconds = real_seconds() - begin;
        if (p.check && !report.failed()) {
            const auto difference = sim::check_twice([&](sim::trace& record) { (void)run_seed(p, f, seed, &record); });
            if (difference) {
                report.failure = fmt::format("two runs of this seed differ: {}", *difference);
            }
        }
        if (!p.json.empty()) {
            append(p.json, report.to_json(name_of_test(), replay_line(p, seed), seconds));
        }
        if (report.failed()) {
            return report;
        }
    }
    return std::nullopt;
}

}  // namespace

sim_run::sim_run(const sim_test_options& options, sim::swarm_options d)
    : drawn(std::move(d)), world(drawn.world), random_(drawn.world.seed ^ seed_of_body) {
    SHALE_ASSERT(world.shard_count() == options.shards, "{} shards were asked for", options.shards);
}

sim_run::~sim_run() = default;

void sim_run::begin_storm() {
    SHALE_ASSERT(!storm_, "the storm has begun already");
    storm_.emplace(world, drawn.storm);
}

void sim_run::calm() {
    if (storm_) {
        storm_->calm();
    } else {
        world.calm();
    }
}

void run_seeds(const sim_test_options& options, const sim_body& f) {
    const plan p = plan::from_environment(options);
    if (const auto failed = run_plan(p, f)) {
        ADD_FAILURE() << "seed " << failed->seed << " failed\n" << failed->explain(replay_line(p, failed->seed));
    }
}

std::optional<sim::run_report> first_failure(const sim_test_options& options, const sim_body& f) {
    return run_plan({.options = options}, f);
}

}  // namespace shale::test
