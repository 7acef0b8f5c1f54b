// Finding commands by name, where they run, and the errors that belong to no command.
#include "command.hh"

#include <array>
#include <cstring>
#include <string>

#include "handlers.hh"

namespace shale::kv {

namespace {

// A name of at most 16 bytes as two numbers, letters in lower case. Other bytes may change, but no two different bytes
// become the same letter, so equal numbers and lengths mean equal names.
struct folded_name {
    std::uint64_t low;
    std::uint64_t high;
    friend constexpr bool operator==(const folded_name&, const folded_name&) = default;
};

constexpr std::size_t name_max = 16;
constexpr std::uint64_t lower_bits = 0x2020202020202020;

constexpr folded_name fold(std::string_view name) noexcept {
    std::uint64_t words[2] = {};
    if (std::is_constant_evaluated()) {
        for (std::size_t i = 0; i < name.size(); ++i) {
            words[i / 8] |= std::uint64_t{static_cast<unsigned char>(name[i])} << (i % 8 * 8);
        }
    } else if (name.size() >= 8) {
        // Two loads that overlap instead of a copy of a length unknown to the compiler.
        std::memcpy(&words[0], name.data(), 8);
        if (name.size() > 8) {
            std::memcpy(&words[1], name.data() + name.size() - 8, 8);
            words[1] >>= 8 * (16 - name.size());
        }
    } else if (name.size() >= 4) {
        std::uint32_t first;
        std::uint32_t last;
        std::memcpy(&first, name.data(), 4);
        std::memcpy(&last, name.data() + name.size() - 4, 4);
        words[0] = first | std::uint64_t{last} << (8 * (name.size() - 4));
    } else {
        for (std::size_t i = 0; i < name.size(); ++i) {
            words[0] |= std::uint64_t{static_cast<unsigned char>(name[i])} << (8 * i);
        }
    }
    return {words[0] | lower_bits, words[1] | lower_bits};
}

// A perfect hash: the first multiplier under which no two names share a place is found when the server starts.
class name_table {
public:
    name_table() {
        while (!fill()) {
            multiplier_ = multiplier_ * 6364136223846793005u + 1442695040888963407u;
        }
    }

    const command* find(std::string_view name) const noexcept {
        if (name.size() > name_max) {
            return nullptr;
        }
        const folded_name folded = fold(name);
        const place& at = places_[slot(folded)];
        return at.name == folded && at.size == name.size() ? at.found : nullptr;
    }

private:
    static constexpr unsigned bits = 10;
    struct place {
        folded_name name{};
        std::size_t size = 0;
        const command* found = nullptr;
    };

    std::size_t slot(const folded_name& name) const noexcept {
        return ((name.low ^ (name.high << 7 | name.high >> 57)) * (multiplier_ | 1)) >> (64 - bits);
    }
    bool fill() {
        places_.fill({});
        for (const command& one : all_commands()) {
            SHALE_ASSERT(one.name.size() <= name_max, "command {}", one.name);
            const folded_name folded = fold(one.name);
            place& at = places_[slot(folded)];
            if (at.found != nullptr) {
                return false;
            }
            at = {folded, one.name.size(), &one};
        }
        return true;
    }

    std::uint64_t multiplier_ = 0x9e3779b97f4a7c15;
    std::array<place, std::size_t{1} << bits> places_;
};

const name_table names;

}  // namespace

const command* find_command(std::string_view name) noexcept {
    return names.find(name);
}

destination destination_of(const command& of, arguments args) noexcept {
    const auto sub = [&](std::string_view name) { return args.size() > 1 && equal_ignoring_case(args[1], name); };
    if (of.where == route::local && args.size() > 1) {
        if (of.run == handlers::client && sub("list")) {
            return {route::all, merge::texts, 0};
        }
        if (of.run == handlers::client && sub("kill")) {
            return {route::special, merge::none, 0};
        }
        if (of.run == handlers::config && (sub("set") || sub("resetstat"))) {
            return {route::all, merge::first, 0};
        }
        if (of.run == handlers::memory && sub("usage") && args.size() > 2) {
            return {route::first_key, merge::none, 2};
        }
        if ((of.run == handlers::debug && sub("sleep")) ||
            (of.run == handlers::cluster && (sub("countkeysinslot") || sub("getkeysinslot")))) {
            return {route::special, merge::none, 0};
        }
    }
    return {of.where, of.how, static_cast<std::size_t>(of.first_key)};
}

void wrong_arity(reply& out, std::string_view name) {
    out.error_format("ERR wrong number of arguments for '{}' command", name);
}

void unknown_command(reply& out, arguments args) {
    constexpr std::size_t shown = 128;
    const auto printable = [](std::string_view text, std::size_t max) {
        return text.substr(0, std::min(max, text.find('\0')));
    };
    std::string list;
    for (std::size_t i = 1; i < args.size() && list.size() < shown; ++i) {
        list += '\'';
        list += printable(args[i], shown - list.size() + 1);
        list += "' ";
    }
    out.error_format("ERR unknown command '{}', with args beginning with: {}", printable(args[0], shown), list);
}

void unknown_subcommand(reply& out, arguments args) {
    if (args.size() < 2) {
        wrong_arity(out, lower_case(args[0]));
        return;
    }
    std::string name(args[0]);
    for (char& c : name) {
        c = c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
    }
    out.error_format("ERR unknown subcommand '{}'. Try {} HELP.", args[1].substr(0, 128), name);
}

}  // namespace shale::kv
