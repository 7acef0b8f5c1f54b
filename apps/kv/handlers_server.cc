// Commands about the server: CONFIG, INFO, SHUTDOWN, and those that other servers have more of than this one needs.
#include <fmt/core.h>

#include <string>

#include "handlers.hh"
#include "info.hh"
#include "number.hh"

namespace shale::kv::handlers {

namespace {

outcome config_get(call& in) {
    std::vector<std::pair<std::string, std::string>> found;
    for (std::size_t i = 2; i < in.args.size(); ++i) {
        for (auto& pair : in.shard.conf.get(in.args[i])) {
            if (std::find(found.begin(), found.end(), pair) == found.end()) {
                found.push_back(std::move(pair));
            }
        }
    }
    in.out.map(found.size());
    for (const auto& [name, value] : found) {
        in.out.bulk(name);
        in.out.bulk(value);
    }
    return outcome::done;
}

// All or nothing: the changes are made to a copy first.
outcome config_set(call& in) {
    if (in.args.size() % 2 != 0) {
        wrong_arity(in.out, "config|set");
        return outcome::done;
    }
    settings changed = in.shard.conf;
    for (std::size_t i = 2; i < in.args.size(); i += 2) {
        const std::string_view name = in.args[i];
        std::string why;
        switch (changed.set(name, in.args[i + 1], why)) {
            case settings::change::done:
                break;
            case settings::change::unknown:
                in.out.error_format("ERR Unknown option or number of arguments for CONFIG SET - '{}'", name);
                return outcome::done;
            case settings::change::immutable:
                in.out.error_format(
                    "ERR CONFIG SET failed (possibly related to argument '{}') - can't set immutable "
                    "config",
                    name);
                return outcome::done;
            case settings::change::invalid:
                in.out.error_format("ERR CONFIG SET failed (possibly related to argument '{}') - {}", name, why);
                return outcome::done;
        }
    }
    in.shard.conf = std::move(changed);
    if (in.shard.conf.durable) {
        in.db.values().set_bytes_max(in.shard.conf.cache_bytes / in.shard.map.shards());
    }
    in.out.ok();
    return outcome::done;
}

}  // namespace

outcome config(call& in) {
    if (is_subcommand(in, "get")) {
        if (in.args.size() < 3) {
            wrong_arity(in.out, "config|get");
            return outcome::done;
        }
        return config_get(in);
    }
    if (is_subcommand(in, "set")) {
        if (in.args.size() < 4) {
            wrong_arity(in.out, "config|set");
            return outcome::done;
        }
        return config_set(in);
    }
    if (is_subcommand(in, "resetstat")) {
        in.shard.counters = {};
        in.db.reset_stats();
        in.out.ok();
    } else if (is_subcommand(in, "rewrite")) {
        in.out.error("ERR The server is running without a config file");
    } else {
        unknown_subcommand(in.out, in.args);
    }
    return outcome::done;
}

outcome info(call& in) {
    const std::vector<std::int64_t> numbers = info_numbers(in.shard);
    in.out.array(numbers.size());
    for (const std::int64_t number : numbers) {
        in.out.integer(number);
    }
    return outcome::done;
}

outcome time(call& in) {
    in.out.array(2);
    in.out.bulk_integer(in.shard.now_us / 1'000'000);
    in.out.bulk_integer(in.shard.now_us % 1'000'000);
    return outcome::done;
}

outcome wait(call& in) {
    const auto replicas = integer_argument(in, 1);
    if (!replicas) {
        return outcome::done;
    }
    const auto timeout = parse_integer(in.args[2]);
    if (!timeout) {
        in.out.error("ERR timeout is not an integer or out of range");
    } else if (*timeout < 0) {
        in.out.error("ERR timeout is negative");
    } else {
        in.out.integer(0);  // no replicas: what is acknowledged is on this machine's disk
    }
    return outcome::done;
}

outcome debug(call& in) {
    if (!in.shard.conf.debug_commands) {
        in.out.error(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it "
            "from "
            "a local connection, otherwise you need to set this option in the configuration file, and then restart the "
            "server.");
    } else if (is_subcommand(in, "log") || is_subcommand(in, "set-active-expire") || is_subcommand(in, "jmap")) {
        in.out.ok();
    } else {
        unknown_subcommand(in.out, in.args);
    }
    return outcome::done;
}

outcome function(call& in) {
    if (is_subcommand(in, "flush")) {
        in.out.ok();
    } else if (is_subcommand(in, "list")) {
        in.out.array(0);
    } else {
        unknown_subcommand(in.out, in.args);
    }
    return outcome::done;
}

outcome script(call& in) {
    if (is_subcommand(in, "flush")) {
        in.out.ok();
    } else if (is_subcommand(in, "exists") && in.args.size() > 2) {
        in.out.array(in.args.size() - 2);
        for (std::size_t i = 2; i < in.args.size(); ++i) {
            in.out.integer(0);
        }
    } else {
        unknown_subcommand(in.out, in.args);
    }
    return outcome::done;
}

outcome slowlog(call& in) {
    if (is_subcommand(in, "get")) {
        in.out.array(0);
    } else if (is_subcommand(in, "len")) {
        in.out.integer(0);
    } else if (is_subcommand(in, "reset")) {
        in.out.ok();
    } else {
        unknown_subcommand(in.out, in.args);
    }
    return outcome::done;
}

outcome latency(call& in) {
    if (is_subcommand(in, "latest") || is_subcommand(in, "history")) {
        in.out.array(0);
    } else if (is_subcommand(in, "reset")) {
        in.out.integer(0);
    } else if (is_subcommand(in, "histogram")) {
        in.out.map(0);
    } else if (is_subcommand(in, "doctor")) {
        in.out.verbatim("txt", "Latencies by shard, stage and command site are on the admin page.");
    } else {
        unknown_subcommand(in.out, in.args);
    }
    return outcome::done;
}

outcome lastsave(call& in) {
    // Every acknowledged write is saved.
    in.out.integer(in.shard.now_us / 1'000'000);
    return outcome::done;
}

outcome bgrewriteaof(call& in) {
    in.db.store().compact();
    in.out.simple("Background append only file rewriting started");
    return outcome::done;
}

outcome shutdown(call& in) {
    for (std::size_t i = 1; i < in.args.size(); ++i) {
        const auto is = [&](std::string_view option) { return equal_ignoring_case(in.args[i], option); };
        if (is("abort")) {
            in.out.error("ERR No shutdown in progress.");
            return outcome::done;
        }
        if (!is("nosave") && !is("save") && !is("now") && !is("force")) {
            in.out.error(error_text::syntax);
            return outcome::done;
        }
    }
    in.client->closing = true;
    if (in.shard.shut_down != nullptr) {
        in.shard.shut_down(in.shard.server);
    }
    return outcome::done;
}

outcome always_ok(call& in) {
    in.out.ok();
    return outcome::done;
}

}  // namespace shale::kv::handlers
