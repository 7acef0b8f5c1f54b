// The directory that holds a server's keys: one log a shard.
//
//     <dir>/shard-<i>-of-<n>/     the log of shard i of n (log_storage.hh)
//     <dir>/trash-*/              logs whose records have been moved; removed at the next start
//     <dir>/LOCK                  locked by the process that uses the directory
//
// A server with another number of shards than the last finds logs that are not its own. It sets their live records
// anew, as a client would, waits until that is durable, and puts the old logs away by renaming them. No client is
// served before this is done, so a crash on the way changes nothing: the next start does it again, with the same
// result.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <shale/core/async/future.hh>
#include <shale/file/file.hh>

namespace shale::kv {

/// A log of another number of shards.
struct old_log {
    unsigned shard;
    unsigned shards;
    std::string path;
};

std::string log_path(const std::string& directory, unsigned shard, unsigned shards);

/// The logs in the directory that a server with this many shards does not write.
future<std::vector<old_log>> find_old_logs(std::string directory, unsigned shards);

/// Durably takes the log out of sight; its files go with empty_trash().
future<> put_away(std::string directory, old_log log);

future<> empty_trash(std::string directory);

/// Makes the directory if it is missing, its name durable, and locks it against other servers. It is locked for as long
/// as the file is open: closed in order, or with the process however that ends. Fails with one line for a person.
future<file> lock_directory(std::string directory);

/// The segment size for so many logs on this disk: 64 MiB, less on a small one, where the segments that every log holds
/// ready would take most of it. Where the disk does not say its size it is taken for a large one.
future<std::uint64_t> fitting_segment_bytes(std::string directory, unsigned shards);

}  // namespace shale::kv
