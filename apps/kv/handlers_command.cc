// COMMAND: the command table as clients read it.
//
// COMMAND INFO has all ten elements of Redis 7 (subcommands are an empty array); COMMAND DOCS has summary, version,
// group and complexity.
#include <string>
#include <utility>

#include "glob.hh"
#include "handlers.hh"

namespace shale::kv::handlers {

namespace {

constexpr std::pair<command_flag, std::string_view> flag_names[] = {
    {cmd_write, "write"},       {cmd_readonly, "readonly"},
    {cmd_denyoom, "denyoom"},   {cmd_admin, "admin"},
    {cmd_noscript, "noscript"}, {cmd_loading, "loading"},
    {cmd_stale, "stale"},       {cmd_fast, "fast"},
    {cmd_no_auth, "no_auth"},   {cmd_no_async_loading, "no_async_loading"},
    {cmd_no_multi, "no_multi"}, {cmd_allow_busy, "allow_busy"},
};

std::vector<std::string_view> words(std::string_view text) {
    std::vector<std::string_view> found;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        found.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return found;
}

void status_set(reply& out, const std::vector<std::string_view>& items) {
    out.set(items.size());
    for (const std::string_view item : items) {
        out.simple(item);
    }
}

void key_specification(reply& out, const command& of) {
    const bool noted = of.name == "set" || of.name == "getex";
    out.map(noted ? 4 : 3);
    if (noted) {
        out.bulk("notes");
        out.bulk(of.name == "set" ? "RW and ACCESS due to the optional `GET` argument"
                                  : "RW and UPDATE because it changes the TTL");
    }
    out.bulk("flags");
    status_set(out, words(of.access));
    out.bulk("begin_search");
    out.map(2);
    out.bulk("type");
    out.bulk("index");
    out.bulk("spec");
    out.map(1);
    out.bulk("index");
    out.integer(of.first_key);
    out.bulk("find_keys");
    out.map(2);
    out.bulk("type");
    out.bulk("range");
    out.bulk("spec");
    out.map(3);
    out.bulk("lastkey");
    out.integer(of.last_key < 0 ? of.last_key : of.last_key - of.first_key);
    out.bulk("keystep");
    out.integer(of.key_step);
    out.bulk("limit");
    out.integer(0);
}

void info(reply& out, const command& of) {
    out.array(10);
    out.bulk(of.name);
    out.integer(of.arity);
    std::vector<std::string_view> flags;
    for (const auto& [flag, name] : flag_names) {
        if (of.is(flag)) {
            flags.push_back(name);
        }
    }
    status_set(out, flags);
    out.integer(of.first_key);
    out.integer(of.last_key);
    out.integer(of.key_step);
    status_set(out, words(of.categories));
    const std::vector<std::string_view> tips = words(of.tips);
    out.set(tips.size());
    for (const std::string_view tip : tips) {
        out.bulk(tip);
    }
    out.set(of.access.empty() ? 0 : 1);
    if (!of.access.empty()) {
        key_specification(out, of);
    }
    out.set(0);
}

void documentation(reply& out, const command& of) {
    out.bulk(of.name);
    out.map(4);
    out.bulk("summary");
    out.bulk(of.summary);
    out.bulk("since");
    out.bulk(of.since);
    out.bulk("group");
    out.bulk(of.group);
    out.bulk("complexity");
    out.bulk(of.complexity);
}

void all_documentation(call& in) {
    if (in.args.size() == 2) {
        in.out.map(all_commands().size());
        for (const command& one : all_commands()) {
            documentation(in.out, one);
        }
        return;
    }
    std::vector<const command*> found;
    for (const std::string_view name : in.args.subspan(2)) {
        if (const command* const one = find_command(name)) {
            found.push_back(one);
        }
    }
    in.out.map(found.size());
    for (const command* const one : found) {
        documentation(in.out, *one);
    }
}

void list(call& in) {
    std::vector<std::string_view> names;
    const bool pattern = in.args.size() == 5 && equal_ignoring_case(in.args[2], "filterby") &&
                         equal_ignoring_case(in.args[3], "pattern");
    if (in.args.size() != 2 && !pattern) {
        in.out.error(error_text::syntax);
        return;
    }
    for (const command& one : all_commands()) {
        if (!pattern || glob_match(in.args[4], one.name, true)) {
            names.push_back(one.name);
        }
    }
    in.out.set(names.size());
    for (const std::string_view name : names) {
        in.out.bulk(name);
    }
}

void get_keys(call& in) {
    if (in.args.size() < 4) {
        wrong_arity(in.out, "command|getkeys");
        return;
    }
    const arguments args = in.args.subspan(2);
    const command* const of = find_command(args[0]);
    if (of == nullptr) {
        in.out.error("ERR Invalid command specified");
        return;
    }
    if (of->first_key == 0) {
        in.out.error("ERR The command has no key arguments");
        return;
    }
    if (!of->accepts(args.size())) {
        in.out.error("ERR Invalid number of arguments specified for command");
        return;
    }
    const auto count = static_cast<int>(args.size());
    const int last = of->last_key < 0 ? count + of->last_key : of->last_key;
    std::vector<std::string_view> keys;
    for (int i = of->first_key; i <= last; i += of->key_step) {
        keys.push_back(args[static_cast<std::size_t>(i)]);
    }
    in.out.array(keys.size());
    for (const std::string_view key : keys) {
        in.out.bulk(key);
    }
}

}  // namespace

outcome command_command(call& in) {
    if (in.args.size() == 1 || (is_subcommand(in, "info") && in.args.size() == 2)) {
        in.out.array(all_commands().size());
        for (const command& one : all_commands()) {
            info(in.out, one);
        }
    } else if (is_subcommand(in, "info")) {
        in.out.array(in.args.size() - 2);
        for (const std::string_view name : in.args.subspan(2)) {
            if (const command* const one = find_command(name)) {
                info(in.out, *one);
            } else {
                in.out.null();
            }
        }
    } else if (is_subcommand(in, "count")) {
        if (in.args.size() == 2) {
            in.out.integer(static_cast<std::int64_t>(all_commands().size()));
        } else {
            wrong_arity(in.out, "command|count");
        }
    } else if (is_subcommand(in, "docs")) {
        all_documentation(in);
    } else if (is_subcommand(in, "list")) {
        list(in);
    } else if (is_subcommand(in, "getkeys")) {
        get_keys(in);
    } else {
        unknown_subcommand(in.out, in.args);
    }
    return outcome::done;
}

}  // namespace shale::kv::handlers
