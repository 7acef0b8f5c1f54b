// Options: definition here, splitting by CLI11, conversion by each option's own taker. See options.hh.
#include "options.hh"

#include <algorithm>
#include <span>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "../base/assert.hh"
#include "detail/option_help.hh"

namespace shale {

namespace {

constexpr const char* config_name = "--config";

std::string with_dashes(const detail::option_entry& entry) {
    const std::string letter = entry.letter == 0 ? "" : fmt::format("-{},", entry.letter);
    if (entry.kind == detail::option_kind::flag) {
        return fmt::format("{}--{},!--no-{}", letter, entry.name, entry.name);
    }
    return fmt::format("{}--{}", letter, entry.name);
}

CLI::Option* define(CLI::App& app, const detail::option_entry& entry) {
    if (entry.kind == detail::option_kind::flag) {
        return app.add_flag(with_dashes(entry))->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }
    return app.add_option(with_dashes(entry), CLI::callback_t())
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

// CLI11 says "--port: 1 required TEXT missing"; only the name is of use.
std::string refuse_missing_value(const std::string& message, std::span<const detail::option_entry> entries) {
    const std::string name = message.substr(0, message.find(':'));
    for (const detail::option_entry& entry : entries) {
        if (name == entry.title()) {
            return fmt::format("{}: a value is missing; give {} {}", name, name, entry.value_name);
        }
    }
    return fmt::format("{}: a value is missing", name);
}

std::expected<void, std::string> take_all(const detail::option_entry& entry, std::span<const std::string> texts) {
    for (const std::string& text : texts) {
        if (const auto taken = entry.take(text); !taken) {
            if (text.starts_with("--")) {  // --port --smp 2: the next option was taken for the value
                return std::unexpected(refuse_missing_value(entry.title(), {&entry, 1}));
            }
            return std::unexpected(fmt::format("{} {}: {}", entry.title(), text, taken.error()));
        }
    }
    return {};
}

}  // namespace

option_set::option_set(std::string program, std::string description, std::string version)
    : program_(std::move(program)), description_(std::move(description)), version_(std::move(version)) {}

void option_set::begin_group(std::string title) {
    group_ = std::move(title);
}

detail::option_entry& option_set::add_entry(std::string_view names, detail::option_kind kind) {
    const auto comma = names.find(',');
    const std::string_view name = names.substr(0, comma);
    const char letter = comma == std::string_view::npos || comma + 1 >= names.size() ? '\0' : names[comma + 1];
    SHALE_ASSERT(name.size() > 1 && name[0] != '-', "option '{}': the name has no dashes and more than a letter",
                 names);
    SHALE_ASSERT(comma == std::string_view::npos || comma + 2 == names.size(), "option '{}': write 'name,n'", names);
    for (const detail::option_entry& other : entries_) {
        SHALE_ASSERT(other.name != name && (letter == 0 || other.letter != letter),
                     "option '{}' is defined already, as '{}'", names, other.name);
    }
    for (const char* ours : {"help", "version", "config"}) {
        SHALE_ASSERT(name != ours && letter != 'h', "option '{}': --help, -h, --version, --config are built in", names);
    }
    detail::option_entry& entry = entries_.emplace_back();
    entry.name = name;
    entry.letter = letter;
    entry.kind = kind;
    entry.group = group_;
    return entry;
}

void option_set::add_value(std::string_view names, std::string value_name, std::string shown_default, std::string help,
                           detail::option_taker take) {
    detail::option_entry& entry = add_entry(names, detail::option_kind::value);
    entry.value_name = std::move(value_name);
    entry.shown_default = std::move(shown_default);
    entry.help = std::move(help);
    entry.take = std::move(take);
}

namespace {

// A taker from one of the readers in detail/option_values.hh.
template <class T, class Read>
detail::option_taker take_with(T* target, Read read) {
    return [target, read](std::string_view text) -> std::expected<void, std::string> {
        auto value = read(text);
        if (!value) {
            return std::unexpected(value.error());
        }
        *target = *value;
        return {};
    };
}

}  // namespace

void option_set::add_option(std::string_view names, bool* target, std::string help) {
    detail::option_entry& entry = add_entry(names, detail::option_kind::flag);
    entry.shown_default = *target ? "on" : "";
    entry.help = std::move(help);
    entry.take = take_with(target, detail::read_bool);
}

void option_set::add_option(std::string_view names, double* target, std::string help) {
    add_value(names, "X", fmt::format("{}", *target), std::move(help), take_with(target, detail::read_double));
}

void option_set::add_option(std::string_view names, std::string* target, std::string help) {
    add_value(names, "TEXT", *target, std::move(help), [target](std::string_view text) {
        target->assign(text);
        return std::expected<void, std::string>();
    });
}

void option_set::add_option(std::string_view names, duration* target, std::string help) {
    add_value(names, "TIME", detail::write_duration(*target), std::move(help),
              take_with(target, detail::read_duration));
}

void option_set::add_size(std::string_view names, std::uint64_t* target, std::string help) {
    add_value(names, "SIZE", detail::write_size(*target), std::move(help), take_with(target, detail::read_size));
}

namespace {

detail::option_taker append_to(std::vector<std::string>* target) {
    return [target, first = true](std::string_view text) mutable {
        if (first) {
            target->clear();
            first = false;
        }
        target->emplace_back(text);
        return std::expected<void, std::string>();
    };
}

}  // namespace

void option_set::add_option(std::string_view names, std::vector<std::string>* target, std::string help) {
    detail::option_entry& entry = add_entry(names, detail::option_kind::list);
    entry.value_name = "TEXT";
    entry.shown_default = fmt::format("{}", fmt::join(*target, " "));
    entry.help = std::move(help);
    entry.take = append_to(target);
}

void option_set::add_positional(std::string value_name, std::vector<std::string>* target, std::string help) {
    detail::option_entry& entry = add_entry("positional", detail::option_kind::positional);
    entry.group = "Arguments";
    entry.value_name = std::move(value_name);
    entry.help = std::move(help);
    entry.take = append_to(target);
}

void option_set::add_words(std::string_view names, std::vector<std::string> words, std::string shown_default,
                           std::string help, std::function<void(std::size_t)> choose) {
    std::string joined = fmt::format("{}", fmt::join(words, "|"));
    add_value(names, std::move(joined), std::move(shown_default), std::move(help),
              [words = std::move(words),
               choose = std::move(choose)](std::string_view text) -> std::expected<void, std::string> {
                  const auto found = std::ranges::find(words, text);
                  if (found == words.end()) {
                      return std::unexpected(fmt::format("unknown; give one of {}", fmt::join(words, ", ")));
                  }
                  choose(static_cast<std::size_t>(found - words.begin()));
                  return {};
              });
}

std::string option_set::refuse_extra(const std::string& extra) const {
    if (!extra.starts_with('-')) {
        return fmt::format("unexpected argument '{}'; options start with --, and {} --help lists them", extra,
                           program_);
    }
    const std::string name = extra.substr(0, extra.find('='));
    std::vector<std::string> names{"--help", "--version", config_name};
    for (const detail::option_entry& entry : entries_) {
        names.push_back("--" + entry.name);
    }
    const std::string_view nearest = detail::nearest_name(name, names);
    if (nearest.empty()) {
        return fmt::format("unknown option {}; {} --help lists them all", name, program_);
    }
    return fmt::format("unknown option {}; did you mean {}? {} --help lists them all", name, nearest, program_);
}

std::expected<option_set::outcome, std::string> option_set::parse(int argc, const char* const* argv) {
    CLI::App app(description_, program_);
    app.set_help_flag();
    app.allow_extras();
    app.allow_config_extras(CLI::config_extras_mode::error);
    app.set_config(config_name);
    const CLI::Option* help_asked = app.add_flag("-h,--help");
    const CLI::Option* version_asked = app.add_flag("--version");
    const detail::option_entry* unnamed = nullptr;
    std::vector<std::pair<const detail::option_entry*, const CLI::Option*>> defined;
    for (const detail::option_entry& entry : entries_) {
        if (entry.kind == detail::option_kind::positional) {
            unnamed = &entry;
        } else {
            defined.emplace_back(&entry, define(app, entry));
        }
    }
    // What stands behind "--" has no name, whatever it looks like.
    const char* const* const end = argv + argc;
    const char* const* const mark = std::find(argv, end, std::string_view("--"));
    try {
        app.parse(static_cast<int>(mark - argv), argv);
    } catch (const CLI::ArgumentMismatch& error) {
        return std::unexpected(refuse_missing_value(error.what(), entries_));
    } catch (const CLI::FileError& error) {
        return std::unexpected(fmt::format("{}: {}; give a file that exists", config_name, error.what()));
    } catch (const CLI::ConfigError& error) {  // "INI was not able to parse <name>"
        const std::string message = error.what();
        return std::unexpected(
            fmt::format("{}: {}", config_name, refuse_extra("--" + message.substr(message.rfind(' ') + 1))));
    } catch (const CLI::Error& error) {
        return std::unexpected(fmt::format("{}; {} --help lists the options", error.what(), program_));
    }
    if (help_asked->count() > 0) {
        return outcome::show_help;
    }
    if (version_asked->count() > 0) {
        return outcome::show_version;
    }
    for (const auto& [entry, option] : defined) {
        if (const auto taken = take_all(*entry, option->results()); !taken) {
            return std::unexpected(taken.error());
        }
    }
    std::vector<std::string> extras = app.remaining();
    const auto unknown = std::ranges::find_if(extras, [](const auto& extra) { return extra.starts_with('-'); });
    if (unknown != extras.end()) {
        return std::unexpected(refuse_extra(*unknown));
    }
    extras.insert(extras.end(), mark == end ? end : mark + 1, end);
    if (unnamed != nullptr) {
        (void)take_all(*unnamed, extras);  // any text will do
    } else if (!extras.empty()) {
        return std::unexpected(refuse_extra(extras.front()));
    }
    return outcome::run;
}

std::string option_set::help(unsigned columns) const {
    return detail::write_help(program_, version_, description_, entries_, columns);
}

std::string option_set::version() const {
    return fmt::format("{} {}", program_, version_);
}

}  // namespace shale
