// Batches are gathered to large writes, each record and batch sealed anew for the other file.
#include "segment_copy.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "../../core/base/error.hh"
#include "../../core/base/limits.hh"
#include "batch_reader.hh"

namespace shale::detail {

namespace {

class batch_writer {
public:
    explicit batch_writer(log_segment& to) noexcept : to_(to) {}

    future<void> add(const batch_header& header, std::span<const std::byte> batch) {
        if (filled_ + header.padded() > buffer_.size()) {
            co_await write();
        }
        if (header.padded() > buffer_.size()) {
            buffer_ = io_buffer(std::max(header.padded(), current_limits().log_copy_bytes));
        }
        const std::span<std::byte> copy(buffer_.data() + filled_, header.padded());
        std::memcpy(copy.data(), batch.data(), batch.size());
        std::memset(copy.data() + batch.size(), 0, copy.size() - batch.size());
        const std::uint64_t position = to_.end + filled_;
        reseal_records(to_.seed, position, copy.first(header.used));
        seal_batch(header, to_.seed, position, copy.first(header.used));
        filled_ += header.padded();
    }

    future<void> write() {
        if (filled_ != 0) {
            co_await to_.data.dma_write(to_.end, buffer_.data(), filled_);
            to_.end += std::exchange(filled_, 0);
        }
    }

private:
    log_segment& to_;
    io_buffer buffer_;
    std::uint64_t filled_ = 0;
};

}  // namespace

future<void> copy_batches(segment_ptr from, segment_ptr to) {
    batch_reader reader(from, from->end, nullptr);
    batch_writer writer(*to);
    while (reader.position() < from->end) {
        const auto outcome = co_await reader.look();
        if (outcome != batch_reader::outcome::whole) {
            throw shale::make_system_error(EBADMSG, "a damaged batch is at offset {} of {}", reader.position(),
                                           from->path)
                .advise("It was whole a moment ago: the disk or somebody else has changed it.");
        }
        co_await writer.add(reader.header(), reader.content());
        reader.pass();
    }
    co_await writer.write();
}

}  // namespace shale::detail
