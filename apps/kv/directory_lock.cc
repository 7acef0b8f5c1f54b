// What is asked of the data directory before anything is opened in it: the lock that keeps two servers off it (the
// kernel's, so it goes with the process, however that ends), and the size of its disk.
#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>
#include <system_error>

#include <shale/core/async/coroutine.hh>
#include <shale/file/directory.hh>

#include "data_directory.hh"

namespace shale::kv {

namespace {

/// "cannot <verb> the data directory ...": which of the steps failed says more than its path.
[[noreturn]] void refuse(const char* verb, const std::string& directory, const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const std::system_error& why) {
        throw std::runtime_error(fmt::format("cannot {} the data directory {}: {}. Give another with --dir.", verb,
                                             directory, why.code().message()));
    }
}

}  // namespace

future<file> lock_directory(std::string directory) {
    const auto made = co_await as_result(recursive_touch_directory(directory));
    if (!made) {
        refuse("make", directory, made.error());
    }
    // Nothing is written to it, so it need not be ready for direct I/O.
    file_open_options options;
    options.direct = false;
    auto opened = co_await as_result(open_file_dma(directory + "/LOCK", open_flags::rw | open_flags::create, options));
    if (!opened) {
        refuse("write to", directory, opened.error());
    }
    file lock = std::move(*opened);
    const auto locked = co_await as_result(lock.try_lock());
    if (locked && *locked) {
        co_return lock;
    }
    co_await lock.close();
    if (!locked) {
        refuse("lock", directory, locked.error());
    }
    throw std::runtime_error(
        fmt::format("the data directory {} is in use by another kv. Stop it, or give another with --dir.", directory));
}

future<std::uint64_t> fitting_segment_bytes(std::string directory, unsigned shards) {
    constexpr std::uint64_t mib = std::uint64_t{1} << 20;
    constexpr std::uint64_t segments_a_log = 16;
    const auto disk = co_await as_result(file_system_space(std::move(directory)));
    if (!disk) {
        co_return 64 * mib;
    }
    const std::uint64_t share = disk->capacity / (shards * segments_a_log);
    co_return std::clamp(share / mib * mib, 4 * mib, 64 * mib);
}

}  // namespace shale::kv
