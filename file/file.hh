// A file on the local disk, read and written without blocking the shard and, where the file system can, without the
// page cache.
//
// Aligned transfers go straight between the caller's memory and the disk. Anything else just works, by way of a buffer
// of the shard's pool; what that costs is said at each call. Transfers are whole: a read is short only at the end of
// the file, a write never, because interrupted and partial transfers are continued here, and large ones are split.
// Nothing is durable until a flush() or a write with dsync has completed, and a new file's name not until
// sync_directory() (directory.hh).
//
// Every call may suspend, takes an abort_source that may be null, and fails with std::system_error whose line names
// path, size and offset. Aborting withdraws what is still queued and otherwise waits for the disk, because the kernel
// owns the memory until then; an aborted write may have happened, in part or in whole. Buffers passed by address must
// stay valid until the future is ready. A file belongs to one shard; copies of this handle share it.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "../core/async/abort_source.hh"
#include "../core/async/coroutine.hh"
#include "../core/shard/buffer.hh"
#include "file_types.hh"

namespace shale {

namespace detail {
class open_file;
}

class file {
public:
    /// No file; one that open_file_dma() returned is assigned later.
    file() noexcept = default;
    explicit file(std::shared_ptr<detail::open_file> opened) noexcept : open_(std::move(opened)) {}

    explicit operator bool() const noexcept { return open_ != nullptr; }
    /// As it was opened, or what renamed() said since: errors call it that.
    const std::string& path() const noexcept;
    void renamed(std::string path);

    // -- What transfers without a copy -----------------------------------------------------------------------------

    /// Positions and lengths of reads, and of writes, and addresses of memory, that go to the disk as they are: the
    /// file system's own answer (statx, Linux 6.1), 4096 where it has none, 1 for a file behind the page cache.
    std::uint64_t disk_read_dma_alignment() const noexcept;
    std::uint64_t disk_write_dma_alignment() const noexcept;
    std::uint64_t memory_dma_alignment() const noexcept;
    /// Whether the page cache is passed by.
    bool is_direct() const noexcept;

    // -- Reading ---------------------------------------------------------------------------------------------------

    /// Reads up to `length` bytes at `position`; the number read is smaller only at the end of the file.
    future<std::size_t> dma_read(std::uint64_t position, void* to, std::size_t length, abort_source* abort = nullptr);

    /// The same into several buffers, one after another. One request where all are aligned.
    future<std::size_t> dma_read(std::uint64_t position, std::vector<iovec> to, abort_source* abort = nullptr);

    /// The same into memory of the shard's pool: any position, no copy. The buffer is as long as what was read.
    template <class CharType>
    future<temporary_buffer<CharType>> dma_read(std::uint64_t position, std::size_t length,
                                                abort_source* abort = nullptr) {
        return as<CharType>(read_buffer(position, length, extent::up_to, abort));
    }

    /// The same, but fails with eof_error when there are fewer bytes.
    template <class CharType>
    future<temporary_buffer<CharType>> dma_read_exactly(std::uint64_t position, std::size_t length,
                                                        abort_source* abort = nullptr) {
        return as<CharType>(read_buffer(position, length, extent::exactly, abort));
    }

    /// The same, and on to the next aligned position: what had to be read in any case is given along.
    template <class CharType>
    future<temporary_buffer<CharType>> dma_read_bulk(std::uint64_t position, std::size_t length,
                                                     abort_source* abort = nullptr) {
        return as<CharType>(read_buffer(position, length, extent::bulk, abort));
    }

    // -- Writing ---------------------------------------------------------------------------------------------------

    /// Writes all of it, and gives `length`, or fails; then a part of it may be there.
    ///
    /// An unaligned position or length is a convenience and no way to keep records: the blocks at the edges are read,
    /// changed and written whole, one such write at a time on this file, so a power loss may damage neighbouring bytes
    /// that were durable before. Writes at the same time must not share a block with one. One that extends the file
    /// must be the only one to do so at that time: the file is cut to its true length afterwards.
    future<std::size_t> dma_write(std::uint64_t position, const void* from, std::size_t length,
                                  write_options options = {}, abort_source* abort = nullptr);

    /// The same from several buffers, one after another. One request where all are aligned.
    future<std::size_t> dma_write(std::uint64_t position, std::vector<iovec> from, write_options options = {},
                                  abort_source* abort = nullptr);

    /// Makes every write that has completed durable (fdatasync). Once it has failed it fails for good, because the
    /// kernel forgets what it could not write: what was not durable before must be taken as lost.
    future<void> flush(abort_source* abort = nullptr);

    // -- The file itself -------------------------------------------------------------------------------------------

    /// Reserves disk space for a range, so that writing there cannot fail for want of it, without changing what reads
    /// give. The size becomes at least the range's end. Fails with ENOSPC now instead of later.
    future<void> allocate(std::uint64_t position, std::uint64_t length, abort_source* abort = nullptr);

    /// Cuts or extends (with zeros that take no space) to `length` bytes. Durable after flush().
    future<void> truncate(std::uint64_t length, abort_source* abort = nullptr);

    future<std::uint64_t> size(abort_source* abort = nullptr);
    future<stat_data> stat(abort_source* abort = nullptr);

    /// Locks the file against every other opening of it, in this process too, whose owner asks for the lock as well
    /// (flock(2), exclusive). False: another has it; never waits for that one. The lock ends with close(), with the
    /// last copy of this handle, and with the process however that ends. True again for who has it; when aborted it may
    /// be held or not. Fails where the file system has no locks (ENOLCK).
    future<bool> try_lock(abort_source* abort = nullptr);

    /// Waits for the calls in flight and closes. Nothing may be called afterwards. Never fails, because there would be
    /// nothing to do about it: an error is logged. Makes nothing durable. A file dropped without it is closed, too.
    future<void> close();

private:
    enum class extent : std::uint8_t { up_to, exactly, bulk };
    future<temporary_buffer<char>> read_buffer(std::uint64_t position, std::size_t length, extent wanted,
                                               abort_source* abort);

    template <class CharType>
    static future<temporary_buffer<CharType>> as(future<temporary_buffer<char>> read) {
        if constexpr (std::is_same_v<CharType, char>) {
            return read;
        } else {
            return read.then([](temporary_buffer<char> buffer) {
                auto* data = reinterpret_cast<CharType*>(buffer.get_write());
                const std::size_t size = buffer.size();
                return temporary_buffer<CharType>(data, size, buffer.release());
            });
        }
    }

    std::shared_ptr<detail::open_file> open_;
};

/// Opens a file for direct I/O, or through the page cache where the file system refuses (said once in the log).
future<file> open_file_dma(std::string path, open_flags flags, file_open_options options = {},
                           abort_source* abort = nullptr);

/// Opens, calls `use(file&)` and closes, whatever happens. `use` lives until its future is done.
template <class Use>
auto with_file(future<file> opening, Use use) -> futurize_t<std::invoke_result_t<Use&, file&>> {
    file opened = co_await std::move(opening);
    auto done = futurize_invoke(use, opened);
    co_await when_available(done);
    co_await opened.close();
    co_return co_await std::move(done);
}

}  // namespace shale
