// Puts a line together, writes it, and keeps the levels.
//
// Loggers are constant-initialised, so they cannot register themselves: the first line of each does (decide()). The
// registry is a push-only list of loggers and an append-only table of rules; neither ever shrinks, so no locks. A rule
// made while a logger registers is not missed: the logger is in the list before it reads the rules, the rule is in the
// table before its maker walks the list, both in sequentially consistent order, so at least one sees the other. And a
// logger takes its first level only if nobody has given it one.
#include "log.hh"

#include "context.hh"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <exception>
#include <iterator>

namespace shale {

namespace {

// Every operation on the registry pairs with every other: levels are set rarely and read into each logger once.
constexpr std::memory_order in_one_order = std::memory_order_seq_cst;

using line_buffer = fmt::basic_memory_buffer<char, 1024>;

struct level_rule {
    std::array<char, 31> name{};
    std::atomic<std::uint8_t> size{0};  // 0: not yet published
    std::atomic<std::uint8_t> level{0};
};

}  // namespace

/// All that the log keeps: the loggers that have logged, the levels by name, and the losses.
struct log_registry {
    static constexpr std::size_t rules_max = 64;
    static constexpr std::size_t name_max = sizeof(level_rule::name);

    std::atomic<logger*> loggers{nullptr};
    std::atomic<std::uint8_t> default_level{static_cast<std::uint8_t>(log_level::info)};
    std::atomic<std::size_t> rules_claimed{0};
    std::array<level_rule, rules_max> rules{};
    std::atomic<std::uint64_t> lost{0};

    void add(logger& l) noexcept {
        l.next_ = loggers.load(in_one_order);
        while (!loggers.compare_exchange_weak(l.next_, &l, in_one_order)) {
        }
    }

    level_rule* find(std::string_view name) noexcept {
        const std::size_t claimed = std::min(rules_claimed.load(in_one_order), rules_max);
        for (std::size_t i = 0; i < claimed; ++i) {
            // The load of size pairs with its store in set(): the name is whole when its size is not 0.
            if (std::string_view(rules[i].name.data(), rules[i].size.load(in_one_order)) == name) {
                return &rules[i];
            }
        }
        return nullptr;
    }

    std::uint8_t level_of(std::string_view name) noexcept {
        const level_rule* rule = find(name);
        return rule != nullptr ? rule->level.load(in_one_order) : default_level.load(in_one_order);
    }

    bool set(std::string_view name, std::uint8_t level) noexcept {
        level_rule* rule = find(name);
        if (rule == nullptr) {
            if (name.empty() || name.size() > name_max) {
                return false;
            }
            const std::size_t index = rules_claimed.fetch_add(1, in_one_order);
            if (index >= rules_max) {
                rules_claimed.store(rules_max, in_one_order);
                return false;
            }
            rule = &rules[index];
            std::copy(name.begin(), name.end(), rule->name.begin());
            rule->level.store(level, in_one_order);
            rule->size.store(static_cast<std::uint8_t>(name.size()), in_one_order);
        }
        rule->level.store(level, in_one_order);
        for (logger* l = loggers.load(in_one_order); l != nullptr; l = l->next_) {
            if (name == l->name_) {
                l->level_.store(level, in_one_order);
            }
        }
        return true;
    }

    void set_all(std::uint8_t level) noexcept {
        default_level.store(level, in_one_order);
        for (level_rule& rule : rules) {
            rule.level.store(level, in_one_order);
        }
        for (logger* l = loggers.load(in_one_order); l != nullptr; l = l->next_) {
            l->level_.store(level, in_one_order);
        }
    }
};

namespace {

constinit log_registry registry;

constexpr std::array<std::string_view, 5> level_names = {"error", "warn", "info", "debug", "trace"};
constexpr std::array<std::string_view, 5> level_tags = {"ERROR", "WARN ", "INFO ", "DEBUG", "TRACE"};

void append(line_buffer& out, std::string_view text) {
    out.append(text.data(), text.data() + text.size());
}

void append_head(line_buffer& out, log_level level, const detail::execution_context& context, const char* name) {
    append(out, level_tags[static_cast<std::size_t>(level)]);
    if (context.wall_ns != 0) {
        using namespace std::chrono;
        const auto whole = floor<microseconds>(sys_time<nanoseconds>(nanoseconds(context.wall_ns)));
        const auto day = floor<days>(whole);
        const year_month_day date(day);
        const hh_mm_ss time(whole - day);
        fmt::format_to(std::back_inserter(out), " {:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
                       static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                       static_cast<unsigned>(date.day()), time.hours().count(), time.minutes().count(),
                       time.seconds().count(), time.subseconds().count());
    } else if (context.now_ns != 0) {
        fmt::format_to(std::back_inserter(out), " {}.{:06}", context.now_ns / 1'000'000'000,
                       context.now_ns % 1'000'000'000 / 1000);
    }
    if (context.shard >= 0) {
        fmt::format_to(std::back_inserter(out), " [shard {}]", context.shard);
    }
    fmt::format_to(std::back_inserter(out), " {}: ", name);
}

/// A message is one line whatever its arguments hold: control characters are spelled out, so that nobody can forge a
/// line or send the operator's terminal commands.
void append_message(line_buffer& out, std::string_view message) {
    for (const char c : message) {
        if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
            out.push_back(c);
        } else if (c == '\n') {
            append(out, "\\n");
        } else if (c == '\t') {
            out.push_back(c);
        } else {
            fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        }
    }
}

/// One write(2), more only if the descriptor takes less. False when the line, or its rest, was not taken.
bool write_line(const line_buffer& line) noexcept {
    const char* data = line.data();
    std::size_t size = line.size();
    while (size > 0) {
        // check: allow blocking, only a stalled terminal holds it up; log.hh says so
        const ssize_t written = ::write(STDERR_FILENO, data, size);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;  // closed, or a full non-blocking pipe: waiting for it would hold up the shard
        }
        data += written;
        size -= static_cast<std::size_t>(written);
    }
    return true;
}

}  // namespace

bool rate_limit::admit(std::uint64_t now_ns) noexcept {
    if (now_ns != 0 && now_ns < next_ns_) {
        ++dropped_;
        return false;
    }
    next_ns_ = now_ns + interval_ns_;
    return true;
}

bool logger::decide(log_level level) noexcept {
    if (level_.load(in_one_order) == undecided) {
        if (registered_.exchange(true, in_one_order)) {
            // Another thread is at it. Only who has put the logger into the list may keep what the rules say.
            return static_cast<std::uint8_t>(level) <= registry.level_of(name_);
        }
        registry.add(*this);
        std::uint8_t expected = undecided;
        level_.compare_exchange_strong(expected, registry.level_of(name_), in_one_order);
    }
    return enabled(level);
}

void logger::write(log_level level, rate_limit* limit, fmt::string_view format, fmt::format_args args) noexcept {
    if (!decide(level)) {
        return;
    }
    const int saved_errno = errno;
    const detail::execution_context context = detail::current_context();
    if (limit != nullptr && !limit->admit(context.now_ns)) {
        return;
    }
    bool written = false;
    try {
        line_buffer out;
        append_head(out, level, context, name_);
        bool formatted = true;
        try {
            line_buffer message;
            fmt::vformat_to(std::back_inserter(message), format, args);
            append_message(out, {message.data(), message.size()});
        } catch (const std::exception& error) {
            formatted = false;
            append(out, "(cannot format \"");
            append_message(out, {format.data(), format.size()});
            append(out, "\": ");
            append_message(out, error.what());
            append(out, ")");
        }
        if (const std::uint64_t dropped = limit != nullptr ? limit->take_dropped() : 0; dropped > 0) {
            fmt::format_to(std::back_inserter(out), " ({} similar lines dropped)", dropped);
        }
        out.push_back('\n');
        written = write_line(out) && formatted;
    } catch (...) {
        // Only memory can be short here; the line is counted as lost below.
    }
    if (!written) {
        registry.lost.fetch_add(1, std::memory_order_relaxed);  // a count by itself
    }
    errno = saved_errno;
}

std::string_view to_string(log_level level) noexcept {
    return level_names[static_cast<std::size_t>(level)];
}

std::optional<log_level> parse_log_level(std::string_view name) noexcept {
    const auto found = std::find(level_names.begin(), level_names.end(), name);
    if (found == level_names.end()) {
        return std::nullopt;
    }
    return static_cast<log_level>(found - level_names.begin());
}

bool set_log_level(std::string_view name, log_level level) noexcept {
    return registry.set(name, static_cast<std::uint8_t>(level));
}

void set_log_level(log_level level) noexcept {
    registry.set_all(static_cast<std::uint8_t>(level));
}

std::expected<void, std::string> set_log_levels(std::string_view spec) {
    while (!spec.empty()) {
        const std::string_view item = spec.substr(0, spec.find(','));
        spec.remove_prefix(std::min(spec.size(), item.size() + 1));
        const std::size_t equals = item.find('=');
        const std::string_view level_name = equals == item.npos ? item : item.substr(equals + 1);
        const std::optional<log_level> level = parse_log_level(level_name);
        if (!level) {
            return std::unexpected(fmt::format(
                "log level \"{}\" is unknown; the levels are error, warn, info, debug and trace", level_name));
        }
        if (equals == item.npos) {
            set_log_level(*level);
        } else if (!set_log_level(item.substr(0, equals), *level)) {
            return std::unexpected(
                fmt::format("logger \"{}\" cannot be set: names have 1 to {} characters, and {} "
                            "different ones at most",
                            item.substr(0, equals), log_registry::name_max, log_registry::rules_max));
        }
    }
    return {};
}

std::uint64_t log_lines_lost() noexcept {
    return registry.lost.load(std::memory_order_relaxed);
}

}  // namespace shale
