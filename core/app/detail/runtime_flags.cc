// The runtime's options on a command line: see runtime_flags.hh.
#include "runtime_flags.hh"

#include <algorithm>

#include <fmt/format.h>

#include "../../base/log.hh"
#include "../../shard/cpu_list.hh"
#include "option_values.hh"

namespace shale::detail {

namespace {

using taken = std::expected<void, std::string>;

taken take_cpuset(std::string_view text, std::vector<unsigned>& target) {
    auto cpus = parse_cpu_list(text);
    if (!cpus) {
        return std::unexpected(fmt::format("{}; give a list such as 0-3,8", cpus.error()));
    }
    if (cpus->empty()) {
        return std::unexpected(std::string("an empty list; give one such as 0-3,8"));
    }
    std::vector<unsigned> sorted = *cpus;
    std::ranges::sort(sorted);
    if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end()) {
        return std::unexpected(
            fmt::format("CPU {} is named twice; name each once, and use --smp for more shards than CPUs", *twice));
    }
    target = std::move(*cpus);
    return {};
}

option_taker take_microseconds(duration& target, value_range<std::uint64_t> range) {
    return [&target, range](std::string_view text) -> taken {
        const auto us = read_unsigned(text, range.min, range.max);
        if (!us) {
            return std::unexpected(us.error());
        }
        target = std::chrono::microseconds(*us);
        return {};
    };
}

std::string show_microseconds(duration value) {
    return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(value).count());
}

// The levels apply from here on: a usage error later in the line is not logged anyway.
taken take_log_levels(std::string_view text, std::string& target) {
    target = text;
    return set_log_levels(text);
}

}  // namespace

void add_runtime_flags(option_set& options, runtime_options& runtime, std::string& log_levels) {
    options.begin_group("Runtime");
    options.add_option("smp,c", &runtime.placement.shards, "shards to run; one on each allowed CPU when absent",
                       {1, shards_max});
    options.add_value("cpuset", "LIST", "", "CPUs to choose from, such as 0-3,8; all that are allowed when absent",
                      [&runtime](std::string_view text) { return take_cpuset(text, runtime.placement.cpuset); });
    options.add_choice("placement", &runtime.placement.policy,
                       {{"spread", placement_policy::spread}, {"pack", placement_policy::pack}},
                       "with fewer shards than CPUs: over all NUMA nodes, or on as few as possible");
    options.add_option("pin", &runtime.placement.pin, "leave each shard free to move between the chosen CPUs");
    options.add_option("poll", &runtime.poll, "never sleep: lowest latency, all of every CPU");
    options.add_value("idle-poll-us", "N", show_microseconds(runtime.idle_poll),
                      "microseconds that an idle shard spins before it sleeps",
                      take_microseconds(runtime.idle_poll, {0, 1'000'000}));
    options.add_value("task-quota-us", "N", show_microseconds(runtime.task_quota),
                      "microseconds that tasks run in a turn; longer ones are asked to give way",
                      take_microseconds(runtime.task_quota, {10, 1'000'000}));
    options.add_option("stop-timeout", &runtime.stop_timeout, "limit of an orderly stop; 0 waits for ever");
    options.add_value("log-level", "LEVELS", "info", "such as warn, or info,net=debug for one logger",
                      [&log_levels](std::string_view text) { return take_log_levels(text, log_levels); });
}

}  // namespace shale::detail
