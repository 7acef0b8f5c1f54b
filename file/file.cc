// file is a handle; everything happens in detail/open_file.
#include "file.hh"

#include <fmt/format.h>

#include <algorithm>

#include "detail/open_file.hh"

namespace shale {

const std::string& file::path() const noexcept {
    return open_->path();
}

void file::renamed(std::string path) {
    open_->renamed(std::move(path));
}

std::uint64_t file::disk_read_dma_alignment() const noexcept {
    return open_->rules().offset_alignment;
}

std::uint64_t file::disk_write_dma_alignment() const noexcept {
    return open_->rules().preferred_write;
}

std::uint64_t file::memory_dma_alignment() const noexcept {
    return open_->rules().memory_alignment;
}

bool file::is_direct() const noexcept {
    return open_->rules().direct;
}

future<std::size_t> file::dma_read(std::uint64_t position, void* to, std::size_t length, abort_source* abort) {
    return open_->read(position, to, length, abort);
}

future<std::size_t> file::dma_read(std::uint64_t position, std::vector<iovec> to, abort_source* abort) {
    return open_->read_parts(position, std::move(to), abort);
}

future<temporary_buffer<char>> file::read_buffer(std::uint64_t position, std::size_t length, extent wanted,
                                                 abort_source* abort) {
    const auto opened = open_;
    auto found = co_await opened->read_piece(position, length, abort);
    if (wanted == extent::exactly && found.size < length) {
        throw eof_error(
            fmt::format("read of {} bytes at {} of {}: the file ends after {} of them. It is shorter than "
                        "expected: was it cut?",
                        length, position, opened->path(), found.size));
    }
    const std::size_t size = wanted == extent::bulk ? found.size : std::min(found.size, length);
    if (size == 0) {
        co_return temporary_buffer<char>();
    }
    co_return io_buffer::to_buffer<char>(std::move(found.block), found.begin, size);
}

future<std::size_t> file::dma_write(std::uint64_t position, const void* from, std::size_t length, write_options options,
                                    abort_source* abort) {
    return open_->write(position, from, length, options, abort);
}

future<std::size_t> file::dma_write(std::uint64_t position, std::vector<iovec> from, write_options options,
                                    abort_source* abort) {
    return open_->write_parts(position, std::move(from), options, abort);
}

future<void> file::flush(abort_source* abort) {
    return open_->flush(abort);
}

future<void> file::allocate(std::uint64_t position, std::uint64_t length, abort_source* abort) {
    return open_->allocate(position, length, abort);
}

future<void> file::truncate(std::uint64_t length, abort_source* abort) {
    return open_->truncate(length, abort);
}

future<std::uint64_t> file::size(abort_source* abort) {
    const stat_data found = co_await open_->stat(abort);
    co_return found.size;
}

future<stat_data> file::stat(abort_source* abort) {
    return open_->stat(abort);
}

future<bool> file::try_lock(abort_source* abort) {
    return open_->try_lock(abort);
}

future<void> file::close() {
    return open_->close();
}

future<file> open_file_dma(std::string path, open_flags flags, file_open_options options, abort_source* abort) {
    auto opened = co_await detail::open_path(std::move(path), flags, options, abort);
    co_return file(std::move(opened));
}

}  // namespace shale
