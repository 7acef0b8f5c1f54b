// Lists of CPUs: see cpu_list.hh.
#include "cpu_list.hh"

#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace shale {

namespace {

std::string_view trim(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::optional<unsigned> parse_index(std::string_view text) {
    unsigned value = 0;
    const char* end = text.data() + text.size();
    const auto [stopped_at, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stopped_at != end || value > cpu_index_max) {
        return std::nullopt;
    }
    return value;
}

}  // namespace

std::expected<std::vector<unsigned>, std::string> parse_cpu_list(std::string_view text) {
    std::vector<unsigned> cpus;
    text = trim(text);
    while (!text.empty()) {
        const auto comma = text.find(',');
        const std::string_view item = trim(text.substr(0, comma));
        const auto dash = item.find('-');
        const auto first = parse_index(trim(item.substr(0, dash)));
        const auto last = dash == std::string_view::npos ? first : parse_index(trim(item.substr(dash + 1)));
        if (!first || !last) {
            return std::unexpected(
                fmt::format("'{}' is neither a CPU number (0-{}) nor a range of them", item, cpu_index_max));
        }
        if (*last < *first) {
            return std::unexpected(fmt::format("the range '{}' runs backwards", item));
        }
        for (unsigned cpu = *first; cpu <= *last; ++cpu) {
            cpus.push_back(cpu);
        }
        if (comma == std::string_view::npos) {
            break;
        }
        text.remove_prefix(comma + 1);
        if (trim(text).empty()) {
            return std::unexpected(std::string("it ends with a comma"));
        }
    }
    return cpus;
}

std::string format_cpu_list(std::span<const unsigned> cpus) {
    if (cpus.empty()) {
        return "none";
    }
    std::string text;
    for (std::size_t i = 0; i < cpus.size();) {
        std::size_t end = i + 1;
        while (end < cpus.size() && cpus[end] == cpus[end - 1] + 1) {
            ++end;
        }
        text += fmt::format("{}{}", text.empty() ? "" : ",", cpus[i]);
        if (end - i > 1) {
            text += fmt::format("-{}", cpus[end - 1]);
        }
        i = end;
    }
    return text;
}

}  // namespace shale
