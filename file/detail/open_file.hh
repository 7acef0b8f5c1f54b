// What a file handle shares: the descriptor, what the file system demands of transfers, and who is still using it.
//
// Its members are the transfers that file.hh promises, each a coroutine that keeps the object alive. read_whole() and
// write_whole() take what the disk takes; the others bring anything else into that shape. Belongs to one shard.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../../core/shard/aligned_pool.hh"
#include "../../core/shard/io.hh"
#include "../../core/sync/gate.hh"
#include "../../core/sync/semaphore.hh"
#include "../file_types.hh"

namespace shale::detail {

/// What the disk asks of a transfer. All are powers of two; 1 behind the page cache.
struct transfer_rules {
    bool direct = false;
    std::uint32_t offset_alignment = 1;
    std::uint32_t memory_alignment = 1;
    std::uint32_t preferred_write = 1;  ///< below it the file system or the device reads before it writes
};

class open_file : public std::enable_shared_from_this<open_file> {
public:
    open_file(std::string path, int fd, transfer_rules rules, const file_open_options& options);
    open_file(const open_file&) = delete;
    open_file& operator=(const open_file&) = delete;
    ~open_file();

    const std::string& path() const noexcept { return path_; }
    void renamed(std::string path) { path_ = std::move(path); }
    const transfer_rules& rules() const noexcept { return rules_; }

    future<std::size_t> read(std::uint64_t position, void* to, std::size_t length, abort_source* abort);
    future<std::size_t> read_parts(std::uint64_t position, std::vector<iovec> to, abort_source* abort);
    /// What a range of the file holds, in a block of the pool.
    struct piece {
        io_buffer block;
        std::size_t begin = 0;  ///< of the range's first byte in the block
        std::size_t size = 0;   ///< bytes read from there on, at least as many as were asked for unless the file ended
    };
    future<piece> read_piece(std::uint64_t position, std::size_t length, abort_source* abort);

    future<std::size_t> write(std::uint64_t position, const void* from, std::size_t length, write_options options,
                              abort_source* abort);
    future<std::size_t> write_parts(std::uint64_t position, std::vector<iovec> from, write_options options,
                                    abort_source* abort);

    future<void> flush(abort_source* abort);
    future<void> allocate(std::uint64_t position, std::uint64_t length, abort_source* abort);
    future<void> truncate(std::uint64_t length, abort_source* abort);
    future<stat_data> stat(abort_source* abort);
    future<bool> try_lock(abort_source* abort);
    future<void> close();

private:
    /// Bytes of the next request when so many are left.
    std::uint32_t request_size(std::size_t left, bool in_pieces) const noexcept;
    bool fits_disk(std::uint64_t position, const void* memory, std::size_t length) const noexcept;
    bool fits_disk(std::uint64_t position, const std::vector<iovec>& parts) const noexcept;
    bool fits_offset(std::uint64_t n) const noexcept { return (n & (rules_.offset_alignment - 1)) == 0; }
    io_request request(io_op op) const noexcept;
    /// Enters the gate, or fails because close() was called.
    gate::holder use(const char* verb);
    [[noreturn]] void fail(std::int32_t result, const char* verb, std::uint64_t position, std::uint64_t length,
                           abort_source* abort) const;

    // The same as their namesakes for callers that are inside the gate.
    future<std::size_t> read_now(std::uint64_t position, std::byte* to, std::size_t length, abort_source* abort);
    future<piece> read_piece_now(std::uint64_t position, std::size_t length, abort_source* abort);
    future<void> write_now(std::uint64_t position, const std::byte* from, std::size_t length, write_options options,
                           abort_source* abort);
    future<void> flush_now(abort_source* abort);
    future<void> truncate_now(std::uint64_t length, abort_source* abort);
    future<stat_data> stat_now(abort_source* abort);

    future<std::size_t> read_whole(std::uint64_t position, std::byte* to, std::size_t length, abort_source* abort);
    future<void> write_whole(std::uint64_t position, const std::byte* from, std::size_t length, write_options options,
                             abort_source* abort);
    future<void> write_copied(std::uint64_t position, const std::byte* from, std::size_t length, write_options options,
                              abort_source* abort);
    future<void> write_edges(std::uint64_t position, const std::byte* from, std::size_t length, write_options options,
                             abort_source* abort);
    future<void> fill_block(std::uint64_t position, std::byte* to, abort_source* abort);

    std::string path_;
    int fd_;
    transfer_rules rules_;
    std::uint32_t request_bytes_max_;
    gate users_;
    semaphore edges_{1};  ///< one read-modify-write at a time
    std::exception_ptr flush_failure_;
};

/// Opens and asks the file system for its rules.
future<std::shared_ptr<open_file>> open_path(std::string path, open_flags flags, file_open_options options,
                                             abort_source* abort);

}  // namespace shale::detail
