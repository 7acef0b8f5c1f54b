// See simulator.hh.
#include "simulator.hh"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>

#include "../exit_code.hh"
#include "seed_process.hh"

namespace shale::detail {

namespace {

/// Of real time: how fast the simulation is, which influences nothing.
double real_seconds() noexcept {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void print_line(std::uint64_t seed, const simulation_outcome& outcome, double seconds) {
    const double virtual_s = static_cast<double>(outcome.virtual_ns) / 1e9;
    fmt::print("seed {}: {}, {} shard{}, {} start{}, {} steps, {:.1f} virtual s in {:.2f} s, hash {:016x}{}{}\n", seed,
               outcome.failure.empty() ? "passed" : "FAILED", outcome.shards, outcome.shards == 1 ? "" : "s",
               outcome.incarnations, outcome.incarnations == 1 ? "" : "s", outcome.steps, virtual_s, seconds,
               outcome.hash, outcome.figures.empty() ? "" : "; ",
               outcome.figures.empty() ? "" : sim::list(outcome.figures));
}

/// Each line is on its way before the next seed begins: a reader follows the progress, and after a crash has all that
/// came before.
bool append(const std::string& path, const std::string& line) {
    std::FILE* const file = std::fopen(path.c_str(), "a");
    if (file == nullptr) {
        return false;
    }
    const bool good = std::fputs(line.c_str(), file) >= 0;
    return std::fclose(file) == 0 && good;
}

/// The seeds of one command line.
struct campaign {
    simulated_run& run;
    const std::string& name;
    std::optional<unsigned> shards;
    const simulation_options& options;
    const std::function<std::string(std::uint64_t)>& replay;

    int run_one(std::uint64_t seed, sim::run_totals& all) const;
    /// Of one whose process ended before it could say anything.
    void report_lost(std::uint64_t seed, const std::string& how, sim::run_totals& all) const;
    void write_down(const sim::run_report& outcome, double seconds) const;
};

int campaign::run_one(std::uint64_t seed, sim::run_totals& all) const {
    const double begin = real_seconds();
    auto outcome = run.run(seed, shards, options, nullptr);
    if (!outcome) {
        fmt::print(stderr, "{}: --sim-set: {}\n", name, outcome.error());
        return exit_code::usage;
    }
    const double seconds = real_seconds() - begin;
    if (options.check && !outcome->failed()) {
        const auto difference =
            sim::check_twice([&](sim::trace& record) { (void)run.run(seed, shards, options, &record); });
        if (difference) {
            outcome->failure = fmt::format("two runs of this seed differ: {}", *difference);
        }
    }
    all.add(*outcome, seconds);
    print_line(seed, *outcome, seconds);
    write_down(*outcome, seconds);
    return outcome->failed() ? exit_code::failed : exit_code::ok;
}

void campaign::report_lost(std::uint64_t seed, const std::string& how, sim::run_totals& all) const {
    sim::run_report lost;
    lost.seed = seed;
    lost.failure = how + ", see above; run it again to see what it was drawn from";
    all.add(lost, 0);
    fmt::print("seed {}: FAILED\n", seed);
    write_down(lost, 0);
}

void campaign::write_down(const sim::run_report& outcome, double seconds) const {
    if (outcome.failed()) {
        fmt::print("{}", outcome.explain(replay(outcome.seed)));
    }
    std::fflush(stdout);
    if (!options.json.empty()) {
        append(options.json, outcome.to_json(name, replay(outcome.seed), seconds));
    }
}

}  // namespace

void add_simulation_flags(option_set& options, simulation_options& to) {
    options.begin_group("Simulation");
    options.add_option("sim", &to.enabled, "run in a simulated world: all shards on one thread, virtual time, faults");
    options.add_option("seed", &to.seed, "what the run is drawn from; the same seed gives the same run");
    options.add_option("sim-seeds", &to.seeds, "run so many seeds, one after another, from --seed on",
                       {1, 1'000'000'000});
    options.add_option("sim-check", &to.check, "run each seed twice and name the first difference");
    options.add_option("sim-set", &to.overrides, "override what is drawn, such as 'order=pct disk.write_error=0'");
    options.add_option("sim-json", &to.json, "append a line of JSON for each seed to this file; for scripts/sim");
}

std::string stray_simulation_flag(const simulation_options& given) {
    const simulation_options usual;
    const char* const stray = given.seed != usual.seed     ? "--seed"
                              : given.seeds != usual.seeds ? "--sim-seeds"
                              : given.check                ? "--sim-check"
                              : !given.overrides.empty()   ? "--sim-set"
                              : !given.json.empty()        ? "--sim-json"
                                                           : nullptr;
    return given.enabled || stray == nullptr
               ? std::string()
               : fmt::format("{} is for a simulated run; add --sim, or leave it out", stray);
}

std::string replay_line(int argc, const char* const* argv, std::uint64_t seed) {
    std::string line = argc > 0 ? argv[0] : "";
    bool skip_value = false;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (std::exchange(skip_value, false) || word == "--sim-check" || word.starts_with("--seed=") ||
            word.starts_with("--sim-seeds=") || word.starts_with("--sim-json=")) {
            continue;
        }
        if (word == "--seed" || word == "--sim-seeds" || word == "--sim-json") {
            skip_value = true;
            continue;
        }
        line += fmt::format(" {}", sim::shell_word(word));
    }
    return fmt::format("{} --seed {}", line, seed);
}

int simulate(simulated_run& run, const std::string& name, std::optional<unsigned> shards,
             const simulation_options& options, const std::function<std::string(std::uint64_t)>& replay) {
    if (!options.json.empty() && !append(options.json, "")) {
        fmt::print(stderr, "{}: --sim-json: {} cannot be written: {}\n", name, options.json, std::strerror(errno));
        return exit_code::usage;
    }
    const campaign all_seeds{run, name, shards, options, replay};
    sim::run_totals all;
    for (std::uint64_t seed = options.seed; seed - options.seed < options.seeds; ++seed) {
        int code = exit_code::ok;
        if (options.seeds == 1) {
            code = all_seeds.run_one(seed, all);
        } else {
            const auto one = [&](sim::run_totals& of_it) { return all_seeds.run_one(seed, of_it); };
            if (const auto added = run_in_child(one, code); added) {
                all.add(*added);
            } else {
                all_seeds.report_lost(seed, added.error(), all);
            }
        }
        if (code == exit_code::usage) {
            return code;
        }
    }
    fmt::print("{}", all.to_string(name));
    return all.failed == 0 ? exit_code::ok : exit_code::failed;
}

}  // namespace shale::detail
