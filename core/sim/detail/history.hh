// The last things that happened in a simulated world, for the report of a failure. Kept as numbers and short notes;
// made into text only when somebody asks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace shale::sim::detail {

class history {
public:
    static constexpr std::size_t kept = 200;  ///< of each: turns, and everything else

    /// `who` is the machine's name, or "world".
    void add(std::uint64_t now_ns, std::string who, std::string what) {
        trim(entries_);
        entries_.push_back({now_ns, std::move(who), std::move(what)});
    }

    /// `who` stays where it is as long as this lives: there are many turns, and few are ever printed.
    void add_turn(std::uint64_t now_ns, const std::string& who, std::uint64_t tasks) {
        trim(turns_);
        turns_.push_back({now_ns, &who, tasks});
    }

    /// One line each, oldest first: "1.000200000 kv/0: 3 tasks". Of the turns the last `turns_max`.
    std::vector<std::string> lines(std::size_t turns_max) const {
        std::vector<std::string> all;
        auto next = turns_.end() - static_cast<std::ptrdiff_t>(std::min(turns_max, turns_.size()));
        const auto add_turns_until = [&](std::uint64_t time_ns) {
            for (; next != turns_.end() && next->now_ns <= time_ns; ++next) {
                all.push_back(line(next->now_ns, *next->who, fmt::format("{} tasks", next->tasks)));
            }
        };
        for (const entry& each : entries_) {
            add_turns_until(each.now_ns);
            all.push_back(line(each.now_ns, each.who, each.what));
        }
        add_turns_until(~std::uint64_t{0});
        return all;
    }

private:
    struct entry {
        std::uint64_t now_ns;
        std::string who;
        std::string what;
    };
    struct turn {
        std::uint64_t now_ns;
        const std::string* who;
        std::uint64_t tasks;
    };

    static void trim(auto& full) {
        if (full.size() == kept) {
            full.pop_front();
        }
    }
    static std::string line(std::uint64_t now_ns, std::string_view who, std::string_view what) {
        return fmt::format("{}.{:09} {}: {}", now_ns / 1'000'000'000, now_ns % 1'000'000'000, who, what);
    }

    std::deque<entry> entries_;
    std::deque<turn> turns_;
};

}  // namespace shale::sim::detail
