// See check_twice.hh.
#include "check_twice.hh"

#include <algorithm>

#include <fmt/format.h>

#include "detail/event_hash.hh"

namespace shale::sim {

namespace {

constexpr std::uint64_t stretch_length = detail::event_hash::interval;

std::string describe(const trace_entry& entry) {
    return fmt::format("{}.{:09} {} (hash {:016x})", entry.now_ns / 1'000'000'000, entry.now_ns % 1'000'000'000,
                       entry.what, entry.hash);
}

/// The first entry in which the stretches differ, or nothing.
std::optional<std::string> first_difference(const std::deque<trace_entry>& one, const std::deque<trace_entry>& other) {
    for (std::size_t i = 0; i < std::max(one.size(), other.size()); ++i) {
        if (i < one.size() && i < other.size() && one[i].hash == other[i].hash && one[i].what == other[i].what) {
            continue;
        }
        const std::uint64_t number = i < one.size() ? one[i].number : other[i].number;
        return fmt::format("step {}:\n  one run:   {}\n  the other: {}", number,
                           i < one.size() ? describe(one[i]) : "has ended",
                           i < other.size() ? describe(other[i]) : "has ended");
    }
    return std::nullopt;
}

}  // namespace

void trace::add(trace_entry entry) {
    entry.number = entries++;
    const std::uint64_t now_in = entry.number / stretch_length;
    hash = entry.hash;
    const bool kept = stretch ? now_in == *stretch : !differs_at.has_value();
    if (kept) {
        if (!stretch && entry.number % stretch_length == 0) {
            last.clear();
        }
        last.push_back(std::move(entry));
    }
    if (entries % stretch_length != 0) {
        return;
    }
    checkpoints.push_back(hash);
    if (expected != nullptr && !differs_at &&
        (now_in >= expected->checkpoints.size() || expected->checkpoints[now_in] != hash)) {
        differs_at = now_in;
    }
}

std::optional<std::string> check_twice(const std::function<void(trace&)>& run) {
    trace first;
    run(first);
    trace second{.expected = &first};
    run(second);
    if (!second.differs_at) {
        if (first.entries == second.entries && first.hash == second.hash) {
            return std::nullopt;
        }
        second.differs_at = second.entries / stretch_length;  // after the last checkpoint, or one ended early
        if (second.entries % stretch_length == 0) {
            second.last.clear();
        }
    }
    const std::uint64_t stretch = *second.differs_at;
    std::string report = fmt::format("the runs differ between steps {} and {} (of {} and {})", stretch * stretch_length,
                                     (stretch + 1) * stretch_length, first.entries, second.entries);
    trace third{.stretch = stretch};
    run(third);
    if (const auto difference = first_difference(third.last, second.last)) {
        return report + ", first in " + *difference;
    }
    return report + "; a third run went as the second, so the first left something behind for it";
}

}  // namespace shale::sim
