// Commands about the connection itself: PING, HELLO, AUTH, CLIENT and so on. Most run on the client's shard; CLIENT
// LIST and CLIENT KILL run on all of them and must not look at the session that asked.
#include <fmt/core.h>

#include <algorithm>
#include <string>

#include "handlers.hh"
#include "number.hh"

namespace shale::kv::handlers {

bool is_subcommand(const call& in, std::string_view name) noexcept {
    return in.args.size() > 1 && equal_ignoring_case(in.args[1], name);
}

outcome ping(call& in) {
    if (in.args.size() > 2) {
        wrong_arity(in.out, "ping");
    } else if (in.args.size() == 2) {
        in.out.bulk(in.args[1]);
    } else {
        in.out.simple("PONG");
    }
    return outcome::done;
}

outcome echo(call& in) {
    in.out.bulk(in.args[1]);
    return outcome::done;
}

outcome quit(call& in) {
    in.out.ok();
    in.client->closing = true;
    return outcome::done;
}

outcome reset(call& in) {
    in.client->reset(!in.shard.conf.requirepass.empty());
    in.out.set_resp3(false);
    in.out.simple("RESET");
    return outcome::done;
}

outcome select(call& in) {
    const auto number = integer_argument(in, 1);
    if (!number) {
        return outcome::done;
    }
    if (*number != 0) {
        in.out.error("ERR DB index is out of range");
    } else {
        in.out.ok();
    }
    return outcome::done;
}

namespace {

// In a time that does not depend on where they differ.
bool same_secret(std::string_view a, std::string_view b) noexcept {
    unsigned differ = a.size() == b.size() ? 0 : 1;
    for (std::size_t i = 0; i < a.size(); ++i) {
        differ |= static_cast<unsigned char>(a[i] ^ (b.empty() ? '\0' : b[i % b.size()]));
    }
    return differ == 0;
}

bool authenticate(call& in, std::string_view user, std::string_view password) {
    const std::string& required = in.shard.conf.requirepass;
    if (user != "default" || (!required.empty() && !same_secret(password, required))) {
        in.out.error("WRONGPASS invalid username-password pair or user is disabled.");
        return false;
    }
    in.client->authenticated = true;
    return true;
}

bool is_client_name(std::string_view name) noexcept {
    return std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

constexpr std::string_view bad_name = "ERR Client names cannot contain spaces, newlines or special characters.";

}  // namespace

outcome auth(call& in) {
    if (in.args.size() > 3) {
        in.out.error(error_text::syntax);
        return outcome::done;
    }
    if (in.args.size() == 2 && in.shard.conf.requirepass.empty()) {
        in.out.error(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
            "configuration is correct?");
        return outcome::done;
    }
    const bool named = in.args.size() == 3;
    if (authenticate(in, named ? in.args[1] : "default", in.args[named ? 2 : 1])) {
        in.out.ok();
    }
    return outcome::done;
}

outcome hello(call& in) {
    std::int64_t version = in.client->resp3 ? 3 : 2;
    if (in.args.size() > 1) {
        const auto asked = parse_integer(in.args[1]);
        if (!asked) {
            in.out.error("ERR Protocol version is not an integer or out of range");
            return outcome::done;
        }
        if (*asked != 2 && *asked != 3) {
            in.out.error("NOPROTO unsupported protocol version");
            return outcome::done;
        }
        version = *asked;
    }
    std::string_view name;
    std::string_view user;
    std::string_view password;
    bool has_name = false;
    bool has_user = false;
    for (std::size_t i = 2; i < in.args.size(); ++i) {
        if (equal_ignoring_case(in.args[i], "auth") && i + 2 < in.args.size()) {
            user = in.args[i + 1];
            password = in.args[i + 2];
            has_user = true;
            i += 2;
        } else if (equal_ignoring_case(in.args[i], "setname") && i + 1 < in.args.size()) {
            name = in.args[++i];
            has_name = true;
            if (!is_client_name(name)) {
                in.out.error(bad_name);
                return outcome::done;
            }
        } else {
            in.out.error_format("ERR Syntax error in HELLO option '{}'", in.args[i]);
            return outcome::done;
        }
    }
    if (has_user && !authenticate(in, user, password)) {
        return outcome::done;
    }
    if (!in.client->authenticated) {
        in.out.error(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
            "<user> <pass> option can be used to authenticate the client and select the RESP protocol version at the "
            "same time");
        return outcome::done;
    }
    if (has_name) {
        in.client->name = name;
    }
    in.client->resp3 = version == 3;
    in.out.set_resp3(version == 3);
    in.out.map(7);
    in.out.bulk("server");
    in.out.bulk("redis");
    in.out.bulk("version");
    in.out.bulk("7.0.15");
    in.out.bulk("proto");
    in.out.integer(version);
    in.out.bulk("id");
    in.out.integer(static_cast<std::int64_t>(in.client->id));
    in.out.bulk("mode");
    in.out.bulk("standalone");
    in.out.bulk("role");
    in.out.bulk("master");
    in.out.bulk("modules");
    in.out.array(0);
    return outcome::done;
}

namespace {

std::string describe(const session& of, std::int64_t now_ms) {
    return fmt::format(
        "id={} addr={} laddr={} fd=-1 name={} age={} idle={} flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf={} "
        "qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem={} tot-mem={} events=r cmd={} user=default "
        "redir=-1 resp={}\n",
        of.id, of.address, of.local_address, of.name, (now_ms - of.created_ms) / 1000, (now_ms - of.active_ms) / 1000,
        of.input_bytes, of.output_bytes, of.input_bytes + of.output_bytes, of.last_command, of.resp3 ? 3 : 2);
}

bool is_type(std::string_view text) noexcept {
    return std::ranges::any_of(
        std::initializer_list<std::string_view>{"normal", "master", "replica", "slave", "pubsub"},
        [&](std::string_view type) { return equal_ignoring_case(text, type); });
}

outcome list(call& in) {
    std::string text;
    const std::int64_t now_ms = in.db.now_ms();
    if (in.args.size() == 4 && equal_ignoring_case(in.args[2], "type")) {
        if (!is_type(in.args[3])) {
            in.out.error_format("ERR Unknown client type '{}'", in.args[3]);
            return outcome::done;
        }
        if (equal_ignoring_case(in.args[3], "normal")) {
            for (const session& one : in.shard.clients) {
                text += describe(one, now_ms);
            }
        }
    } else if (in.args.size() > 3 && equal_ignoring_case(in.args[2], "id")) {
        for (std::size_t i = 3; i < in.args.size(); ++i) {
            const auto id = parse_integer(in.args[i]);
            if (!id) {
                in.out.error("ERR Invalid client ID");
                return outcome::done;
            }
            for (const session& one : in.shard.clients) {
                if (one.id == static_cast<std::uint64_t>(*id)) {
                    text += describe(one, now_ms);
                }
            }
        }
    } else if (in.args.size() == 2) {
        for (const session& one : in.shard.clients) {
            text += describe(one, now_ms);
        }
    } else {
        in.out.error(error_text::syntax);
        return outcome::done;
    }
    in.out.verbatim("txt", text);
    return outcome::done;
}

// CLIENT KILL with filters; the number of clients that were told to go. SKIPME is about the caller, whose id the
// dispatcher appends as `skipid`.
outcome kill(call& in) {
    std::optional<std::int64_t> id;
    std::optional<std::int64_t> skip;
    std::string_view address;
    std::string_view local_address;
    bool normal = true;
    for (std::size_t i = 2; i < in.args.size(); i += 2) {
        if (i + 1 == in.args.size()) {
            in.out.error(error_text::syntax);
            return outcome::done;
        }
        const std::string_view value = in.args[i + 1];
        const auto is = [&](std::string_view option) { return equal_ignoring_case(in.args[i], option); };
        if (is("id") || is("skipid")) {
            const auto number = parse_integer(value);
            if (!number || *number < 1) {
                in.out.error("ERR client-id should be greater than 0");
                return outcome::done;
            }
            (is("id") ? id : skip) = number;
        } else if (is("addr")) {
            address = value;
        } else if (is("laddr")) {
            local_address = value;
        } else if (is("type") && is_type(value)) {
            normal = equal_ignoring_case(value, "normal");
        } else if (is("user")) {
            normal = normal && value == "default";
        } else if (!(is("skipme") && (equal_ignoring_case(value, "yes") || equal_ignoring_case(value, "no")))) {
            in.out.error(error_text::syntax);
            return outcome::done;
        }
    }
    std::int64_t killed = 0;
    for (session& one : in.shard.clients) {
        const auto own = static_cast<std::int64_t>(one.id);
        if (normal && (!id || *id == own) && (!skip || *skip != own) && (address.empty() || address == one.address) &&
            (local_address.empty() || local_address == one.local_address)) {
            ++killed;
            one.closing = true;
            if (one.kill != nullptr) {
                one.kill(one);
            }
        }
    }
    in.out.integer(killed);
    return outcome::done;
}

outcome client_reply(call& in) {
    if (equal_ignoring_case(in.args[2], "on")) {
        in.client->replies = reply_mode::on;
        in.out.ok();
    } else if (equal_ignoring_case(in.args[2], "off")) {
        in.client->replies = reply_mode::off;
    } else if (equal_ignoring_case(in.args[2], "skip")) {
        if (in.client->replies == reply_mode::on) {
            in.client->replies = reply_mode::skip_next;
        }
    } else {
        in.out.error(error_text::syntax);
    }
    return outcome::done;
}

outcome set_info(call& in) {
    const bool name = equal_ignoring_case(in.args[2], "lib-name");
    if (!name && !equal_ignoring_case(in.args[2], "lib-ver")) {
        in.out.error_format("ERR Unrecognized option '{}'", in.args[2]);
    } else if (!is_client_name(in.args[3])) {
        in.out.error_format("ERR {} cannot contain spaces, newlines or special characters.", lower_case(in.args[2]));
    } else {
        (name ? in.client->library_name : in.client->library_version) = in.args[3];
        in.out.ok();
    }
    return outcome::done;
}

}  // namespace

outcome client(call& in) {
    const std::size_t count = in.args.size();
    const auto wrong = [&] {
        wrong_arity(in.out, "client|" + lower_case(in.args[1]));
        return outcome::done;
    };
    if (is_subcommand(in, "list")) {
        return list(in);
    }
    if (is_subcommand(in, "kill")) {
        return count < 3 ? wrong() : kill(in);
    }
    if (is_subcommand(in, "id")) {
        return count != 2 ? wrong() : (in.out.integer(static_cast<std::int64_t>(in.client->id)), outcome::done);
    }
    if (is_subcommand(in, "getname")) {
        if (count != 2) {
            return wrong();
        }
        in.client->name.empty() ? in.out.null() : in.out.bulk(in.client->name);
    } else if (is_subcommand(in, "setname")) {
        if (count != 3) {
            return wrong();
        }
        if (is_client_name(in.args[2])) {
            in.client->name = in.args[2];
            in.out.ok();
        } else {
            in.out.error(bad_name);
        }
    } else if (is_subcommand(in, "setinfo")) {
        return count != 4 ? wrong() : set_info(in);
    } else if (is_subcommand(in, "info")) {
        if (count != 2) {
            return wrong();
        }
        in.out.verbatim("txt", describe(*in.client, in.db.now_ms()));
    } else if (is_subcommand(in, "reply")) {
        return count != 3 ? wrong() : client_reply(in);
    } else if (is_subcommand(in, "no-evict")) {
        if (count != 3) {
            return wrong();
        }
        if (equal_ignoring_case(in.args[2], "on") || equal_ignoring_case(in.args[2], "off")) {
            in.client->no_evict = equal_ignoring_case(in.args[2], "on");
            in.out.ok();
        } else {
            in.out.error(error_text::syntax);
        }
    } else {
        unknown_subcommand(in.out, in.args);
    }
    return outcome::done;
}

}  // namespace shale::kv::handlers
