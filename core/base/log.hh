// Levelled logs for people: one line, one write(2) to stderr, never a torn line between shards.
//
//     inline constinit logger log{"kv"};
//     log.warn("segment {} is damaged at {}: {}", name, offset, reason);
//     // WARN  2026-11-21T09:05:44.123456Z [shard 3] kv: segment 7 is damaged at 8192: bad checksum
//
// A line that is not wanted costs one relaxed load; format strings are checked at compile time and formatted only when
// wanted (wrap an expensive argument in lazy()). Logging never throws, yields or draws randomness, and takes shard and
// time from the context hook, so a simulated run logs the same lines each time. It is for what an operator should know,
// not for tracing: a write to a slow terminal holds up the shard. Any thread may log.
#pragma once

#include "time.hh"

#include <fmt/core.h>

#include <atomic>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace shale {

enum class log_level : std::uint8_t { error, warn, info, debug, trace };

/// "warn", and back; nothing for an unknown name.
std::string_view to_string(log_level level) noexcept;
std::optional<log_level> parse_log_level(std::string_view name) noexcept;

/// Lets at most one line through in each interval and counts the others; the next line that is let through says how
/// many were dropped. Belongs to one shard: keep it beside the thing that fails, not in a global.
class rate_limit {
public:
    explicit constexpr rate_limit(duration interval) noexcept
        : interval_ns_(static_cast<std::uint64_t>(interval.count())) {}

    /// Whether a line may be written at `now_ns`; counts a drop when not. Without a clock (0) every line may.
    bool admit(std::uint64_t now_ns) noexcept;

    /// How many were dropped since the last admitted one; resets the count.
    std::uint64_t take_dropped() noexcept { return std::exchange(dropped_, 0); }

private:
    std::uint64_t interval_ns_;
    std::uint64_t next_ns_ = 0;
    std::uint64_t dropped_ = 0;
};

/// A named source of lines. Constant-initialised, never destroyed before the process ends, shared by all shards.
class logger {
public:
    /// `name` must live as long as the logger: a literal.
    explicit constexpr logger(const char* name) noexcept : name_(name) {}
    logger(const logger&) = delete;
    logger& operator=(const logger&) = delete;

    /// Whether lines of this level are written. True before the first line, whose writer then knows better.
    bool enabled(log_level level) const noexcept {
        return static_cast<std::uint8_t>(level) <= level_.load(std::memory_order_relaxed);  // a number by itself
    }

    template <class... Args>
    void line(log_level level, fmt::format_string<Args...> format, Args&&... args) noexcept {
        if (enabled(level)) [[unlikely]] {
            write(level, nullptr, format, fmt::make_format_args(args...));
        }
    }

    /// As above, but no more often than `limit` admits.
    template <class... Args>
    void line(log_level level, rate_limit& limit, fmt::format_string<Args...> format, Args&&... args) noexcept {
        if (enabled(level)) [[unlikely]] {
            write(level, &limit, format, fmt::make_format_args(args...));
        }
    }

    template <class... Args>
    void error(fmt::format_string<Args...> format, Args&&... args) noexcept {
        line(log_level::error, format, std::forward<Args>(args)...);
    }
    template <class... Args>
    void error(rate_limit& limit, fmt::format_string<Args...> format, Args&&... args) noexcept {
        line(log_level::error, limit, format, std::forward<Args>(args)...);
    }
    template <class... Args>
    void warn(fmt::format_string<Args...> format, Args&&... args) noexcept {
        line(log_level::warn, format, std::forward<Args>(args)...);
    }
    template <class... Args>
    void warn(rate_limit& limit, fmt::format_string<Args...> format, Args&&... args) noexcept {
        line(log_level::warn, limit, format, std::forward<Args>(args)...);
    }
    template <class... Args>
    void info(fmt::format_string<Args...> format, Args&&... args) noexcept {
        line(log_level::info, format, std::forward<Args>(args)...);
    }
    template <class... Args>
    void info(rate_limit& limit, fmt::format_string<Args...> format, Args&&... args) noexcept {
        line(log_level::info, limit, format, std::forward<Args>(args)...);
    }
    template <class... Args>
    void debug(fmt::format_string<Args...> format, Args&&... args) noexcept {
        line(log_level::debug, format, std::forward<Args>(args)...);
    }
    template <class... Args>
    void debug(rate_limit& limit, fmt::format_string<Args...> format, Args&&... args) noexcept {
        line(log_level::debug, limit, format, std::forward<Args>(args)...);
    }
    template <class... Args>
    void trace(fmt::format_string<Args...> format, Args&&... args) noexcept {
        line(log_level::trace, format, std::forward<Args>(args)...);
    }
    template <class... Args>
    void trace(rate_limit& limit, fmt::format_string<Args...> format, Args&&... args) noexcept {
        line(log_level::trace, limit, format, std::forward<Args>(args)...);
    }

    const char* name() const noexcept { return name_; }

private:
    friend struct log_registry;
    static constexpr std::uint8_t undecided = 0xff;

    void write(log_level level, rate_limit* limit, fmt::string_view format, fmt::format_args args) noexcept;
    bool decide(log_level level) noexcept;

    const char* name_;
    std::atomic<std::uint8_t> level_{undecided};
    std::atomic<bool> registered_{false};
    logger* next_ = nullptr;  // in the registry's list; written once, before the logger is published there
};

/// Sets the level of the loggers of this name, whether they have logged before or not. False when the name is too long
/// or too many different names have been set. The default is info. Any thread.
bool set_log_level(std::string_view name, log_level level) noexcept;

/// Sets the level of all loggers, those set by name too.
void set_log_level(log_level level) noexcept;

/// Applies "warn,kv=debug,net=trace" from left to right, or says in a sentence what is wrong with it.
std::expected<void, std::string> set_log_levels(std::string_view spec);

/// Lines that could not be formatted, or that stderr did not take.
std::uint64_t log_lines_lost() noexcept;

/// An argument that is computed only if the line is written: log.debug("state {}", lazy([&] { return describe(); })).
/// Its user includes <fmt/format.h>, which this header spares everyone else.
template <class F>
struct lazy_value {
    F compute;
};
template <class F>
lazy_value<F> lazy(F compute) {
    return {std::move(compute)};
}

}  // namespace shale

template <class F>
struct fmt::formatter<shale::lazy_value<F>> : fmt::formatter<std::decay_t<std::invoke_result_t<const F&>>> {
    template <class Context>
    auto format(const shale::lazy_value<F>& value, Context& context) const {
        return fmt::formatter<std::decay_t<std::invoke_result_t<const F&>>>::format(value.compute(), context);
    }
};
