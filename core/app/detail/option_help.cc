// The help text: see option_help.hh.
#include "option_help.hh"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace shale::detail {

namespace {

constexpr std::size_t names_width_max = 24;

struct help_line {
    std::string names;
    std::string words;
};

struct help_group {
    std::string title;
    std::vector<help_line> lines;
};

// "-p, --port N", with room for the letter where there is none.
std::string name_column(const option_entry& entry) {
    const std::string letter = entry.letter == 0 ? "    " : fmt::format("-{}, ", entry.letter);
    const bool turned_off = entry.kind == option_kind::flag && !entry.shown_default.empty();
    const std::string value = entry.value_name.empty() ? "" : " " + entry.value_name;
    return fmt::format("{}--{}{}{}", letter, turned_off ? "no-" : "", entry.name, value);
}

help_line describe(const option_entry& entry) {
    if (entry.kind == option_kind::positional) {
        return {"    " + entry.value_name, entry.help};
    }
    const bool show_default = !entry.shown_default.empty() && entry.kind != option_kind::flag;
    return {name_column(entry), show_default ? fmt::format("{} [{}]", entry.help, entry.shown_default) : entry.help};
}

// Breaks at blanks; a word longer than a line stands alone.
std::vector<std::string> wrap(std::string_view text, std::size_t width) {
    std::vector<std::string> lines(1);
    while (!text.empty()) {
        const auto blank = text.find(' ');
        const std::string_view word = text.substr(0, blank);
        if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width) {
            lines.emplace_back();
        }
        lines.back() += lines.back().empty() ? std::string(word) : fmt::format(" {}", word);
        text = blank == std::string_view::npos ? std::string_view() : text.substr(blank + 1);
    }
    return lines;
}

std::string write_group(const help_group& group, std::size_t names_width, unsigned columns) {
    const std::size_t indent = 2 + names_width + 2;
    std::string text = fmt::format("\n{}:\n", group.title);
    for (const help_line& line : group.lines) {
        const auto words = wrap(line.words, columns > indent + 20 ? columns - indent : 20);
        // Names that are too long for their column have a line of their own.
        const bool own_line = line.names.size() > names_width;
        text += own_line ? fmt::format("  {}\n", line.names)
                         : fmt::format("  {:<{}}  {}\n", line.names, names_width, words[0]);
        for (std::size_t i = own_line ? 0 : 1; i < words.size(); ++i) {
            text += fmt::format("{:{}}{}\n", "", indent, words[i]);
        }
    }
    return text;
}

}  // namespace

std::string write_help(std::string_view program, std::string_view version, std::string_view description,
                       std::span<const option_entry> entries, unsigned columns) {
    std::vector<help_group> groups;
    std::string positional;
    for (const option_entry& entry : entries) {
        auto group = std::ranges::find(groups, entry.group, &help_group::title);
        if (group == groups.end()) {
            group = groups.insert(groups.end(), {.title = entry.group, .lines = {}});
        }
        group->lines.push_back(describe(entry));
        if (entry.kind == option_kind::positional) {
            positional = fmt::format(" [{}...]", entry.value_name);
        }
    }
    groups.push_back({.title = "Always",
                      .lines = {{"    --config FILE", "read options from a TOML or INI file: port = 7000"},
                                {"-h, --help", "show this and exit"},
                                {"    --version", "show the version and exit"}}});

    std::size_t names_width = 0;
    for (const help_group& group : groups) {
        for (const help_line& line : group.lines) {
            if (line.names.size() <= names_width_max) {
                names_width = std::max(names_width, line.names.size());
            }
        }
    }
    std::string text =
        fmt::format("{} {}: {}\n\nUsage: {} [options]{}\n", program, version, description, program, positional);
    for (const help_group& group : groups) {
        text += write_group(group, names_width, columns);
    }
    return text;
}

}  // namespace shale::detail
