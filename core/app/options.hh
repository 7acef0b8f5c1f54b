// Typed command-line options: each names a variable, and the variable's initial value is its default.
//
//     option_set options("kv", "a durable key-value server", "0.1.0");
//     options.add_option("port,p", &config.port, "TCP port to listen on");
//     options.add_size("cache", &config.cache_bytes, "memory for values that were read");
//     options.add_choice("appendfsync", &config.durability, {{"always", sync::always}, {"no", sync::no}}, "when to
//     flush");
//
// The types carry the rules (a uint16_t takes 0 to 65535), so a wrong value ends in one sentence that says what is
// wrong, with which value, and what would be right. CLI11 splits the command line and reads --config files (TOML or
// INI); it stays hidden in the .cc, and conversion, messages and help are ours. Knows no shard and prints nothing.
#pragma once

#include <concepts>
#include <cstdint>
#include <expected>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../base/time.hh"
#include "detail/option_entry.hh"
#include "detail/option_values.hh"

namespace shale {

/// Smallest and largest value that is taken, both included.
template <class T>
struct value_range {
    T min = std::numeric_limits<T>::lowest();
    T max = std::numeric_limits<T>::max();
};

template <class T>
concept option_integer = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char>;

class option_set {
public:
    /// What a command line asks for.
    enum class outcome : std::uint8_t { run, show_help, show_version };

    option_set(std::string program, std::string description, std::string version);

    const std::string& program() const noexcept { return program_; }

    /// Options added from here on stand under this title in the help.
    void begin_group(std::string title);

    // The names are "port" or "port,p": the long one, and a letter if wanted; no dashes. Targets must outlive parse().
    // A name used twice is a programming error.

    /// A switch: --name and --no-name.
    void add_option(std::string_view names, bool* target, std::string help);
    template <option_integer T>
    void add_option(std::string_view names, T* target, std::string help, value_range<T> range = {}) {
        add_value(names, "N", std::to_string(*target), std::move(help), take_integer<T>(target, range));
    }
    /// Absent unless given; the help says what happens then.
    template <option_integer T>
    void add_option(std::string_view names, std::optional<T>* target, std::string help, value_range<T> range = {}) {
        add_value(names, "N", "", std::move(help), take_integer<T>(target, range));
    }
    void add_option(std::string_view names, double* target, std::string help);
    void add_option(std::string_view names, std::string* target, std::string help);
    /// May be given several times; what is given replaces the default.
    void add_option(std::string_view names, std::vector<std::string>* target, std::string help);
    /// Written with its unit: 500us, 20ms, 1.5s, 2m, 1h.
    void add_option(std::string_view names, duration* target, std::string help);

    /// Bytes, written with or without K, M, G, T (of 1024).
    void add_size(std::string_view names, std::uint64_t* target, std::string help);

    /// One of a few words.
    template <class E>
    void add_choice(std::string_view names, E* target, std::initializer_list<std::pair<std::string_view, E>> choices,
                    std::string help) {
        std::vector<std::string> words;
        std::vector<E> values;
        std::string shown;
        for (const auto& [word, value] : choices) {
            words.emplace_back(word);
            values.push_back(value);
            if (value == *target) {
                shown = word;
            }
        }
        add_words(names, std::move(words), std::move(shown), std::move(help),
                  [target, values = std::move(values)](std::size_t index) { *target = values[index]; });
    }

    /// Anything else: `take` stores the value or gives the reason, as in "not a whole number; give one from 1 to 9".
    void add_value(std::string_view names, std::string value_name, std::string shown_default, std::string help,
                   detail::option_taker take);

    /// Arguments without a name; at most one such in a set. Without it they are refused.
    void add_positional(std::string value_name, std::vector<std::string>* target, std::string help);

    /// Reads the command line into the targets. The error is one sentence without the program's name; targets that
    /// came before the wrong one are already set. --help, --version and --config FILE are added to what was defined.
    std::expected<outcome, std::string> parse(int argc, const char* const* argv);

    /// The help, in lines of at most `columns`.
    std::string help(unsigned columns = 80) const;

    /// "kv 0.1.0"
    std::string version() const;

private:
    template <class T, class Target>
    static detail::option_taker take_integer(Target* target, value_range<T> range) {
        return [target, range](std::string_view text) -> std::expected<void, std::string> {
            const auto value = [&] {
                if constexpr (std::is_signed_v<T>) {
                    return detail::read_signed(text, range.min, range.max);
                } else {
                    return detail::read_unsigned(text, range.min, range.max);
                }
            }();
            if (!value) {
                return std::unexpected(value.error());
            }
            *target = static_cast<T>(*value);
            return {};
        };
    }

    void add_words(std::string_view names, std::vector<std::string> words, std::string shown_default, std::string help,
                   std::function<void(std::size_t)> choose);
    detail::option_entry& add_entry(std::string_view names, detail::option_kind kind);
    std::string refuse_extra(const std::string& extra) const;

    std::string program_;
    std::string description_;
    std::string version_;
    std::string group_ = "Options";
    std::vector<detail::option_entry> entries_;
};

}  // namespace shale
