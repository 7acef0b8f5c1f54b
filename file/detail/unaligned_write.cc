// Writes that do not have the shape the disk takes: copied into an aligned block first and, where they begin or end
// inside a block of the file, merged with what that block holds.
//
// The merge reads and rewrites bytes that are not the caller's, so only one is under way on a file at a time, and the
// others wait for it. Positions within the file's last block are written as a whole block and cut off again.
#include <algorithm>
#include <cstring>

#include "../../core/base/align.hh"
#include "open_file.hh"

namespace shale::detail {

// Aligned in the file but not in memory.
future<void> open_file::write_copied(std::uint64_t position, const std::byte* from, std::size_t length,
                                     write_options options, abort_source* abort) {
    const io_buffer block(std::min<std::size_t>(length, request_bytes_max_));
    for (std::size_t done = 0; done < length;) {
        const std::size_t size = std::min<std::size_t>(length - done, request_bytes_max_);
        std::memcpy(block.data(), from + done, size);
        co_await write_whole(position + done, block.data(), size, options, abort);
        done += size;
    }
}

// The block of the file at `position`, zeros behind the file's end.
future<void> open_file::fill_block(std::uint64_t position, std::byte* to, abort_source* abort) {
    const std::size_t size = co_await read_whole(position, to, rules_.offset_alignment, abort);
    std::memset(to + size, 0, rules_.offset_alignment - size);
}

future<void> open_file::write_edges(std::uint64_t position, const std::byte* from, std::size_t length,
                                    write_options options, abort_source* abort) {
    const std::uint64_t unit = rules_.offset_alignment;
    const semaphore_units turn = co_await get_units(edges_, 1, abort);
    const stat_data before = co_await stat_now(abort);
    const std::uint64_t end = position + length;
    const std::uint64_t end_of_blocks = align_up(end, unit);
    const io_buffer block(std::min<std::size_t>(end_of_blocks - align_down(position, unit), request_bytes_max_));
    for (std::uint64_t at = position; at < end;) {
        const std::uint64_t first = align_down(at, unit);
        const std::uint64_t last = std::min(first + request_bytes_max_, end_of_blocks);
        const std::uint64_t stop = std::min(last, end);
        if (first != at) {
            co_await fill_block(first, block.data(), abort);
        }
        if (stop != last && (first == at || last - unit != first)) {
            co_await fill_block(last - unit, block.data() + (last - unit - first), abort);
        }
        std::memcpy(block.data() + (at - first), from + (at - position), stop - at);
        co_await write_whole(first, block.data(), last - first, options, abort);
        at = stop;
    }
    const std::uint64_t size = std::max(before.size, end);
    if (end_of_blocks > size) {
        co_await truncate_now(size, abort);
        if (options.dsync) {
            co_await flush_now(abort);
        }
    }
}

}  // namespace shale::detail
