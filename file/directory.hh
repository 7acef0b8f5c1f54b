// Names of files: making, removing, renaming, listing them, and making the names themselves durable.
//
// A change of a directory is visible at once and survives a power loss only after sync_directory() of that directory;
// what needs it says so. Paths are ordinary paths, relative ones from the process' working directory. Every call may
// suspend and takes an abort_source that may be null: an aborted call has either not happened or happened whole.
// Errors are std::system_error with the path in the line. Order is kept: what was called after another call's future
// was ready happens after it, in the directory and on the disk.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/async/abort_source.hh"
#include "../core/async/future.hh"
#include "file_types.hh"

namespace shale {

struct directory_entry {
    std::string name;
    directory_entry_type type = directory_entry_type::unknown;  ///< unknown where the file system does not say
};

/// Removes a file's name, or an empty directory. Durable after sync_directory() of its directory.
future<void> remove_file(std::string path, abort_source* abort = nullptr);

/// Gives a file another name on the same file system, in place of one that has it, atomically: at any moment, also
/// after a power loss, the new name is the old file or the new one. Durable after sync_directory() of both directories.
future<void> rename_file(std::string from, std::string to, abort_source* abort = nullptr);

/// Makes a directory; EEXIST if there is one. Durable after sync_directory() of its parent.
future<void> make_directory(std::string path, std::uint32_t permissions = 0777, abort_source* abort = nullptr);

/// Makes a directory unless there is one. Durable after sync_directory() of its parent.
future<void> touch_directory(std::string path, std::uint32_t permissions = 0777, abort_source* abort = nullptr);

/// Makes a directory and those above it, as far as they are missing, and makes each new name durable, and that of the
/// lowest that was there: whoever made it may have been killed before it was.
future<void> recursive_touch_directory(std::string path, std::uint32_t permissions = 0777,
                                       abort_source* abort = nullptr);

/// What a directory holds, sorted by name, without "." and "..". What comes or goes meanwhile may or may not be there.
future<std::vector<directory_entry>> list_directory(std::string path, abort_source* abort = nullptr);

/// Whether the path leads to anything. False also where a directory on the way is missing.
future<bool> file_exists(std::string path, abort_source* abort = nullptr);

/// Bytes.
future<std::uint64_t> file_size(std::string path, abort_source* abort = nullptr);

/// What a path leads to, or with `follow_symlink` false the link itself.
future<stat_data> file_stat(std::string path, bool follow_symlink = true, abort_source* abort = nullptr);

/// The room of the file system that the path leads to.
future<space_info> file_system_space(std::string path, abort_source* abort = nullptr);

/// Makes what was made, removed and renamed in the directory durable.
future<void> sync_directory(std::string path, abort_source* abort = nullptr);

/// Puts a small file in place of another, durably and atomically: writes `<path>.new`, flushes it, renames it and syncs
/// the directory. When it fails the old file is there unharmed, or the new one is. `content` must stay valid.
future<void> atomic_replace(std::string path, std::span<const std::byte> content, abort_source* abort = nullptr);

/// The directory part of a path: "a" of "a/b", "/" of "/b", "." of "b".
std::string parent_directory(std::string_view path);

}  // namespace shale
