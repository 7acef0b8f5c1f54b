// See run_report.hh.
#include "run_report.hh"

#include <fmt/format.h>

#include "detail/leak_scope.hh"
#include "world.hh"

namespace shale::sim {

namespace {

constexpr std::size_t turns_told = 30;

void add_lines(std::string& to, const std::vector<std::string>& lines) {
    for (const std::string& each : lines) {
        to += fmt::format("    {}\n", each);
    }
}

std::string quoted(std::string_view text) {
    std::string to = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            to += '\\';
            to += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            to += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
            to += c;
        }
    }
    return to + '"';
}

std::string object(const named_counts& counts) {
    std::string to = "{";
    for (const auto& [name, count] : counts) {
        to += fmt::format("{}{}:{}", to.size() == 1 ? "" : ",", quoted(name), count);
    }
    return to + "}";
}

void sum(named_counts& to, const named_counts& from) {
    for (const auto& [name, count] : from) {
        to[name] += count;
    }
}

}  // namespace

void run_report::take(world& from, std::uint64_t begin_ns) {
    if (!failed() && !from.dropped_failures().empty()) {
        failure = fmt::format("a failed future was dropped: {}", from.dropped_failures().front());
    }
    hash = from.hash();
    steps = from.steps();
    virtual_ns = from.now_ns() - begin_ns;
    faults = from.faults().by_name;
    probes = from.probes().by_name;
    if (failed()) {
        detail::leave_memory_behind();
        waiting = from.stuck();
        last_events = from.history(turns_told);
    }
}

std::string run_report::explain(std::string_view replay) const {
    std::string to =
        fmt::format("  why: {}\n  drawn: {}\n  faults: {}\n  probes: {}\n", failure, drawn, list(faults), list(probes));
    if (!figures.empty()) {
        to += fmt::format("  counted: {}\n", list(figures));
    }
    to += "  the last events, oldest first:\n";
    add_lines(to, last_events);
    to += "  who waits for what:\n";
    add_lines(to, waiting);
    return to + fmt::format("  seed {} again: {}\n", seed, replay);
}

std::string run_report::to_json(std::string_view name, std::string_view replay, double real_s) const {
    return fmt::format(
        "{{\"name\":{},\"seed\":{},\"failure\":{},\"drawn\":{},\"hash\":\"{:016x}\",\"steps\":{},\"virtual_ns\":{},"
        "\"real_s\":{:.6f},\"figures\":{},\"faults\":{},\"probes\":{},\"replay\":{},\"report\":{}}}\n",
        quoted(name), seed, quoted(failure), quoted(drawn), hash, steps, virtual_ns, real_s, object(figures),
        object(faults), object(probes), quoted(replay), quoted(failed() ? explain(replay) : ""));
}

void run_totals::add(const run_report& run, double seconds) {
    ++seeds;
    failed += run.failed();
    steps += run.steps;
    virtual_s += static_cast<double>(run.virtual_ns) / 1e9;
    real_s += seconds;
    sum(figures, run.figures);
    sum(faults, run.faults);
    sum(probes, run.probes);
}

void run_totals::add(const run_totals& more) {
    seeds += more.seeds;
    failed += more.failed;
    steps += more.steps;
    virtual_s += more.virtual_s;
    real_s += more.real_s;
    sum(figures, more.figures);
    sum(faults, more.faults);
    sum(probes, more.probes);
}

std::string run_totals::to_string(std::string_view name) const {
    std::string to = fmt::format(
        "{}: {} seed{}, {} failed; {:.0f} virtual s in {:.1f} s ({:.0f} times as fast), {} steps\n", name, seeds,
        seeds == 1 ? "" : "s", failed, virtual_s, real_s, real_s > 0 ? virtual_s / real_s : 0, steps);
    if (!figures.empty()) {
        to += fmt::format("  workload: {}\n", list(figures));
    }
    return to + fmt::format("  faults: {}\n  probes: {}\n", list(faults), list(probes));
}

std::string list(const named_counts& counts) {
    std::string text;
    for (const auto& [name, count] : counts) {
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, count);
    }
    return text.empty() ? "none" : text;
}

std::string shell_word(std::string_view word) {
    if (!word.empty() && word.find_first_of(" '\"$*?[]\\;&|<>()`#~!\n\t") == std::string_view::npos) {
        return std::string(word);
    }
    std::string to = "'";
    for (const char c : word) {
        to += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return to + "'";
}

}  // namespace shale::sim
