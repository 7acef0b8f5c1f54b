// One request of the seam each, and what is made of its errors.
#include "directory.hh"

#include <dirent.h>
#include <fcntl.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "../core/base/error.hh"
#include "../core/base/limits.hh"
#include "../core/shard/aligned_pool.hh"
#include "../core/shard/io.hh"
#include "detail/stat_format.hh"
#include "file.hh"

namespace shale {

namespace {

io_request request(io_op op, const std::string& path) noexcept {
    io_request r{.op = op};
    r.data = const_cast<char*>(path.c_str());
    return r;
}

[[noreturn]] void fail(std::int32_t result, const char* verb, const std::string& path, abort_source* abort) {
    if (result == -ECANCELED && abort != nullptr) {
        abort->check();
    }
    throw_system_error(result, "{} {}", verb, path);
}

future<std::int32_t> try_mkdir(const std::string& path, std::uint32_t permissions, abort_source* abort) {
    io_request r = request(io_op::mkdir, path);
    r.size = permissions;
    const std::int32_t result = co_await submit_io(r, abort);
    co_return result;
}

future<std::int32_t> try_stat(const std::string& path, bool follow, struct statx& found, abort_source* abort) {
    io_request r = request(io_op::stat, path);
    r.extra = &found;
    r.flags = follow ? io_flag::none : io_flag::no_follow;
    const std::int32_t result = co_await submit_io(r, abort);
    co_return result;
}

void append_entries(const std::byte* from, std::size_t size, std::vector<directory_entry>& to) {
    for (std::size_t at = 0; at < size;) {
        const auto* entry = reinterpret_cast<const dirent64*>(from + at);
        const std::string_view name(entry->d_name);
        if (name != "." && name != "..") {
            to.push_back({std::string(name), detail::type_of_entry(entry->d_type)});
        }
        at += entry->d_reclen;
    }
}

/// Reads the whole directory, or says why not.
future<std::int32_t> read_entries(int fd, std::vector<directory_entry>& to, abort_source* abort) {
    const io_buffer buffer(current_limits().listing_bytes);
    io_request r{.op = io_op::readdir};
    r.fd = fd;
    r.data = buffer.data();
    r.size = static_cast<std::uint32_t>(buffer.size());
    while (true) {
        const std::int32_t result = co_await submit_io(r, abort);
        if (result <= 0) {
            co_return result;
        }
        append_entries(buffer.data(), static_cast<std::size_t>(result), to);
    }
}

}  // namespace

future<void> remove_file(std::string path, abort_source* abort) {
    io_request r = request(io_op::unlink, path);
    std::int32_t result = co_await submit_io(r, abort);
    if (result == -EISDIR) {
        r.size = AT_REMOVEDIR;
        result = co_await submit_io(r, abort);
    }
    if (result < 0) {
        fail(result, "removal of", path, abort);
    }
}

future<void> rename_file(std::string from, std::string to, abort_source* abort) {
    io_request r = request(io_op::rename, from);
    r.extra = const_cast<char*>(to.c_str());
    const std::int32_t result = co_await submit_io(r, abort);
    if (result < 0) {
        fail(result, "rename of", from + " to " + to, abort);
    }
}

future<void> make_directory(std::string path, std::uint32_t permissions, abort_source* abort) {
    const std::int32_t result = co_await try_mkdir(path, permissions, abort);
    if (result < 0) {
        fail(result, "making of directory", path, abort);
    }
}

future<void> touch_directory(std::string path, std::uint32_t permissions, abort_source* abort) {
    const std::int32_t result = co_await try_mkdir(path, permissions, abort);
    if (result < 0 && result != -EEXIST) {
        fail(result, "making of directory", path, abort);
    }
}

namespace {

/// Of a directory that may be the system's: one whose parent we may not read, or that cannot be synced, was not ours to
/// make.
future<void> sync_name_of(const std::string& path, abort_source* abort) {
    const auto synced = co_await as_result(sync_directory(parent_directory(path), abort));
    if (synced) {
        co_return;
    }
    try {
        std::rethrow_exception(synced.error());
    } catch (const std::system_error& error) {
        if (error.code() != std::errc::permission_denied && error.code() != std::errc::invalid_argument &&
            error.code() != std::errc::read_only_file_system) {
            throw;
        }
    }
}

}  // namespace

future<void> recursive_touch_directory(std::string path, std::uint32_t permissions, abort_source* abort) {
    if (path.empty()) {
        fail(-ENOENT, "making of directory", "\"\"", abort);
    }
    // From the top, because that is the order in which they can be made. Of those that are there the lowest may have
    // been made by a process that was killed before it had synced the name.
    std::string lowest;
    for (std::size_t end = 0; end != path.size();) {
        const std::size_t begin = path.find_first_not_of('/', end);
        if (begin == std::string::npos) {
            break;
        }
        end = std::min(path.find('/', begin), path.size());
        const std::string part = path.substr(0, end);
        const std::int32_t result = co_await try_mkdir(part, permissions, abort);
        if (result == 0) {
            co_await sync_directory(parent_directory(part), abort);
        } else if (result == -EEXIST) {
            lowest = part;
        } else {
            fail(result, "making of directory", part, abort);
        }
    }
    if (!lowest.empty()) {
        co_await sync_name_of(lowest, abort);
    }
}

future<std::vector<directory_entry>> list_directory(std::string path, abort_source* abort) {
    io_request opening = request(io_op::open, path);
    opening.size = O_RDONLY | O_DIRECTORY;
    const std::int32_t fd = co_await submit_io(opening, abort);
    if (fd < 0) {
        fail(fd, "listing of directory", path, abort);
    }
    std::vector<directory_entry> entries;
    const std::int32_t result = co_await read_entries(fd, entries, abort);
    io_request closing{.op = io_op::close};
    closing.fd = fd;
    co_await submit_io(closing);
    if (result < 0) {
        fail(result, "listing of directory", path, abort);
    }
    std::ranges::sort(entries, {}, &directory_entry::name);
    co_return entries;
}

future<bool> file_exists(std::string path, abort_source* abort) {
    struct statx found {};
    const std::int32_t result = co_await try_stat(path, true, found, abort);
    if (result < 0 && result != -ENOENT && result != -ENOTDIR) {
        fail(result, "stat of", path, abort);
    }
    co_return result == 0;
}

future<stat_data> file_stat(std::string path, bool follow_symlink, abort_source* abort) {
    struct statx found {};
    const std::int32_t result = co_await try_stat(path, follow_symlink, found, abort);
    if (result < 0) {
        fail(result, "stat of", path, abort);
    }
    co_return detail::to_stat_data(found);
}

future<std::uint64_t> file_size(std::string path, abort_source* abort) {
    const stat_data found = co_await file_stat(std::move(path), true, abort);
    co_return found.size;
}

future<space_info> file_system_space(std::string path, abort_source* abort) {
    struct statfs found {};
    io_request r = request(io_op::statfs, path);
    r.extra = &found;
    const std::int32_t result = co_await submit_io(r, abort);
    if (result < 0) {
        fail(result, "size of the file system of", path, abort);
    }
    // Counted in fragments where there are such, as statvfs(3) has it.
    const auto unit = static_cast<std::uint64_t>(found.f_frsize != 0 ? found.f_frsize : found.f_bsize);
    co_return space_info{
        .capacity = found.f_blocks * unit, .free = found.f_bfree * unit, .available = found.f_bavail * unit};
}

future<void> sync_directory(std::string path, abort_source* abort) {
    const std::int32_t result = co_await submit_io(request(io_op::sync_dir, path), abort);
    if (result < 0) {
        fail(result, "sync of directory", path, abort);
    }
}

future<void> atomic_replace(std::string path, std::span<const std::byte> content, abort_source* abort) {
    const std::string fresh = path + ".new";
    file_open_options options;
    options.direct = false;  // small, of any length, and flushed at once: the page cache is the right way
    auto opening = open_file_dma(fresh, open_flags::wo | open_flags::create | open_flags::truncate, options, abort);
    file to = co_await std::move(opening);
    auto written = co_await as_result(to.dma_write(0, content.data(), content.size(), {}, abort));
    auto flushed = written ? to.flush(abort) : make_ready_future<void>();
    auto durable = co_await as_result(std::move(flushed));
    co_await to.close();
    if (!written || !durable) {
        co_await as_result(remove_file(fresh));
        std::rethrow_exception(written ? durable.error() : written.error());
    }
    co_await rename_file(fresh, path, abort);
    co_await sync_directory(parent_directory(path), abort);
}

std::string parent_directory(std::string_view path) {
    while (path.size() > 1 && path.ends_with('/')) {
        path.remove_suffix(1);
    }
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) {
        return ".";
    }
    return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

}  // namespace shale
