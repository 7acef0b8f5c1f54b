// One option as options.hh keeps it: names, words for the help, and how a written value is taken.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

namespace shale::detail {

enum class option_kind : std::uint8_t {
    flag,        ///< --x, --no-x, --x=yes
    value,       ///< --x V; the last one counts
    list,        ///< --x V, any number of times
    positional,  ///< without a name; all of them that are left over
};

/// Takes one written value. The error is the reason alone: "not a whole number; give one from 1 to 9".
using option_taker = std::function<std::expected<void, std::string>(std::string_view)>;

struct option_entry {
    std::string name;  ///< without dashes
    char letter = 0;   ///< the short name, or 0
    option_kind kind = option_kind::value;
    std::string value_name;  ///< N, SIZE, always|everysec|no; what the help puts behind the name
    std::string shown_default;
    std::string help;
    std::string group;
    option_taker take;

    /// "--port", or "FILE" for a positional.
    std::string title() const { return kind == option_kind::positional ? value_name : "--" + name; }
};

}  // namespace shale::detail
