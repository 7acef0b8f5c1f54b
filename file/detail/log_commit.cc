// Taking batches to the disk, one write at a time, and the zeros before them.
#include <algorithm>
#include <cerrno>

#include "../../core/base/error.hh"
#include "../../core/base/fault_point.hh"
#include "../../core/base/limits.hh"
#include "log_core.hh"

namespace shale::detail {

namespace {

bool is_unsupported(const std::exception_ptr& error) noexcept {
    const int number = errno_of(error);
    return number == EOPNOTSUPP || number == EINVAL;
}

}  // namespace

void log_core::run(future<void> fiber) {
    // The holder and the fiber's future are its own; nobody waits for the future returned.
    auto watch = [](log_core& self, gate::holder inside, future<void> watched) -> future<void> {
        const gate::holder held = std::move(inside);
        const auto done = co_await as_result(std::move(watched));
        if (!done) {
            self.fail(done.error());
        }
    };
    static_cast<void>(watch(*this, fibers_.hold(), std::move(fiber)));
}

void log_core::wake_committer() {
    if (idle_committer_) {
        promise<void> waiting = std::move(*idle_committer_);
        idle_committer_.reset();
        waiting.set_value();
    }
}

future<void> log_core::commit_loop() {
    while (!failure_) {
        if (queue_.empty() && !close_open_batch()) {
            if (stopping_) {
                co_return;
            }
            idle_committer_.emplace();
            auto work = idle_committer_->get_future();
            co_await std::move(work);
            co_await yield_now();  // whoever is ready to run now may still join the batch
            if (FAULT("log.commit_waits_a_turn")) {
                co_await yield();
            }
            continue;
        }
        log_batch& batch = *queue_.front();
        co_await write_batch(batch, false);
        committed_ = batch.number();
        pending_bytes_ -= batch.used() - batch_header_bytes;
        queue_.pop_front();
        want_zeros();
        if (options_.mode == sync_mode::everysec && !flush_timer_.armed() && !stopping_) {
            flush_timer_.arm(FAULT("log.flush_early") ? duration::zero() : std::chrono::seconds(1));
        }
        if (options_.on_commit) {
            options_.on_commit(committed_);
        }
        tell_waiters();
    }
}

future<void> log_core::write_batch(log_batch& batch, bool closes_log) {
    const segment_ptr segment = batch.shared_segment();
    if (const segment_ptr before = written_; before && before != segment) {
        if (synced_ < committed_) {
            // A segment is durable before the next one begins, in every mode: damage to it is damage then.
            co_await flush_segment(before, committed_);
        }
        previous_segment_ = before->header.id;
    }
    const auto bytes = batch.seal(synced_, previous_segment_, closes_log);
    const std::uint64_t end = batch.position() + bytes.size();
    while (segment->zeroing != 0 && end > segment->zeroed) {
        PROBE("log.commit_waits_for_zeros");
        zeros_written_.emplace();
        auto written = zeros_written_->get_future();
        co_await std::move(written);
    }
    segment->zeroed = std::max(segment->zeroed, end);
    co_await write_bytes(*segment, batch.position(), bytes);
    written_ = segment;
    stats_.batches += 1;
    stats_.written_bytes += bytes.size();
    if (options_.mode == sync_mode::always) {
        if (options_.write_then_flush) {
            co_await flush_segment(segment, batch.number());
        }
        synced_ = batch.number();
    }
}

future<void> log_core::write_bytes(log_segment& segment, std::uint64_t position, std::span<const std::byte> bytes) {
    write_options options;
    options.dsync = options_.mode == sync_mode::always && !options_.write_then_flush;
    const auto done = co_await as_result(segment.data.dma_write(position, bytes.data(), bytes.size(), options));
    if (done) {
        co_return;
    }
    if (!options.dsync || !is_unsupported(done.error())) {
        std::rethrow_exception(done.error());
    }
    // A file system without RWF_DSYNC. Nothing of this batch is acknowledged, so it may be written again.
    PROBE("log.dsync_refused");
    options_.write_then_flush = true;
    co_await segment.data.dma_write(position, bytes.data(), bytes.size());
}

future<void> log_core::flush_segment(segment_ptr segment, std::uint64_t number) {
    co_await segment->data.flush();
    stats_.flushes += 1;
    synced_ = std::max(synced_, number);
}

future<void> log_core::sync() {
    const std::uint64_t number = open_batch();
    co_await committed(number, nullptr);
    if (synced_ < number && written_) {
        const auto done = co_await as_result(flush_segment(written_, committed_));
        if (!done) {
            fail(done.error());
            std::rethrow_exception(done.error());
        }
    }
}

// Zeros
// ----------------------------------------------------------------------------------------------------------------

void log_core::want_zeros() {
    if (zeroing_ || stopping_ || failure_ || !active_ || FAULT("log.no_zeros_ahead")) {
        return;
    }
    const std::uint64_t wanted =
        std::min(active_->end + align_up(current_limits().log_zeros_ahead / 2, log_block), active_->size);
    if (active_->zeroed < wanted) {
        zeroing_ = true;
        run(zero_fill(active_));
    }
}

// Ends early when a commit waits: it is asked for again after that.
future<void> log_core::zero_fill(segment_ptr segment) {
    const std::uint64_t step = current_limits().log_zero_bytes;
    const io_buffer zeros(std::min(step, segment->size));
    std::memset(zeros.data(), 0, zeros.size());
    std::exception_ptr error;
    while (!error && !zeros_written_ && segment == active_ && !stopping_ && !failure_) {
        const std::uint64_t end = std::min(segment->end + current_limits().log_zeros_ahead, segment->size);
        if (segment->zeroed >= end) {
            break;
        }
        const std::uint64_t from = segment->zeroed;
        const std::uint64_t size = std::min(step, segment->size - from);
        segment->zeroing = from + size;
        const auto done = co_await as_result(segment->data.dma_write(from, zeros.data(), size));
        segment->zeroed = segment->zeroing;
        segment->zeroing = 0;
        stats_.zeroed_bytes += size;
        error = done ? nullptr : done.error();
    }
    zeroing_ = false;
    if (zeros_written_) {
        promise<void> waiting = std::move(*zeros_written_);
        zeros_written_.reset();
        waiting.set_value();
    }
    if (error) {
        std::rethrow_exception(error);
    }
}

}  // namespace shale::detail
