// Whether a simulated run repeats: it is run twice, and the first difference is named.
//
//     const auto difference = sim::check_twice([](sim::trace& record) {
//         sim::world world({.seed = 42, .record = &record});
//         ...
//     });
//
// A difference means that something reached the run from outside: a real clock, entropy, an address, the state that
// the run before left behind in a static variable. The first two runs find the stretch of 1,024 turns in which they
// part, and a third writes that stretch down to find the turn; so a check costs no memory to speak of.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace shale::sim {

/// One turn or event of a traced run.
struct trace_entry {
    std::uint64_t number = 0;  ///< from 0
    std::uint64_t now_ns = 0;
    std::string what;        ///< "kv/0: 3 tasks, 8 draws, clock 1000000200"
    std::uint64_t hash = 0;  ///< of everything up to here
};

/// What one run of check_twice() leaves: all worlds made with it in world_options::record.
struct trace {
    std::vector<std::uint64_t> checkpoints = {};
    std::uint64_t entries = 0;
    std::uint64_t hash = 0;
    std::deque<trace_entry> last = {};  ///< of the stretch under way, asked for, or first different

    const trace* expected = nullptr;               ///< the run to compare with
    std::optional<std::uint64_t> stretch = {};     ///< keep this stretch, by its number
    std::optional<std::uint64_t> differs_at = {};  ///< the first stretch that differed

    void add(trace_entry entry);
};

/// Nothing when both runs were the same; else where and how they first differ, in a few lines.
std::optional<std::string> check_twice(const std::function<void(trace&)>& run);

}  // namespace shale::sim
