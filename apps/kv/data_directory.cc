// Opening the logs of a directory, also those that another number of shards wrote. See data_directory.hh for the
// layout and what a crash in the middle leaves behind.
#include "data_directory.hh"

#include <fmt/core.h>

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include <shale/core/async/coroutine.hh>
#include <shale/file/directory.hh>

namespace shale::kv {

namespace {

constexpr std::string_view trash_prefix = "trash-";

std::string log_name(unsigned shard, unsigned shards) {
    return fmt::format("shard-{}-of-{}", shard, shards);
}

// Takes a number off the front.
std::optional<unsigned> take_number(std::string_view& text) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) {
        return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

// Shard and number of shards.
std::optional<std::pair<unsigned, unsigned>> parse_log_name(const std::string& name) {
    constexpr std::string_view prefix = "shard-";
    constexpr std::string_view middle = "-of-";
    std::string_view rest = name;
    if (!rest.starts_with(prefix)) {
        return std::nullopt;
    }
    rest.remove_prefix(prefix.size());
    const auto shard = take_number(rest);
    if (!shard || !rest.starts_with(middle)) {
        return std::nullopt;
    }
    rest.remove_prefix(middle.size());
    const auto shards = take_number(rest);
    if (!shards || *shard >= *shards || name != log_name(*shard, *shards)) {
        return std::nullopt;
    }
    return std::pair(*shard, *shards);
}

}  // namespace

std::string log_path(const std::string& directory, unsigned shard, unsigned shards) {
    return directory + "/" + log_name(shard, shards);
}

future<std::vector<old_log>> find_old_logs(std::string directory, unsigned shards) {
    std::vector<old_log> found;
    const auto entries = co_await list_directory(directory);
    for (const directory_entry& entry : entries) {
        const auto owner = parse_log_name(entry.name);
        if (owner && owner->second != shards) {
            found.push_back({owner->first, owner->second, directory + "/" + entry.name});
        }
    }
    co_return found;
}

future<> put_away(std::string directory, old_log log) {
    std::string trash = directory + "/" + std::string(trash_prefix) + log_name(log.shard, log.shards);
    co_await rename_file(log.path, std::move(trash));
    co_await sync_directory(directory);
}

future<> empty_trash(std::string directory) {
    const auto entries = co_await list_directory(directory);
    for (const directory_entry& entry : entries) {
        if (!entry.name.starts_with(trash_prefix)) {
            continue;
        }
        const std::string path = directory + "/" + entry.name;
        const auto files = co_await list_directory(path);
        for (const directory_entry& file : files) {
            co_await remove_file(path + "/" + file.name);
        }
        co_await remove_file(path);
    }
}

}  // namespace shale::kv
