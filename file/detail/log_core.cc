// Opening, reading, cleaning and closing a log.
#include "log_core.hh"

#include <algorithm>
#include <cerrno>

#include "../../core/base/error.hh"
#include "../../core/base/fault_point.hh"
#include "../../core/base/limits.hh"
#include "../../core/base/log.hh"
#include "../../core/shard/shard.hh"
#include "../directory.hh"
#include "batch_reader.hh"

namespace shale::detail {

namespace {

inline constinit logger log{"record_log"};

constexpr std::uint64_t usual_segment_max = (std::uint64_t{1} << log_location::unit_bits) * log_unit;

/// Old segments that end early are cut if that gives back at least so much.
constexpr std::uint64_t worth_cutting = std::uint64_t{1} << 20;

[[noreturn]] void throw_damage(const log_segment& segment, std::uint64_t position, const char* what) {
    throw shale::make_system_error(EBADMSG, "{} at offset {} of {}", what, position, segment.path)
        .advise("What is there is not what was written: the disk or somebody else has changed it.");
}

void tell_probes(const log_recovery_report& report) noexcept {
    if (report.records != 0) {
        PROBE("log.recovered_records");
    }
    if (report.records != 0 && !report.closed) {
        PROBE("log.recovered_after_a_crash");
    }
    if (!report.torn.empty()) {
        PROBE("log.torn_tail_cut");
    }
    if (!report.damages.empty()) {
        PROBE("log.salvaged");
    }
}

log_entry make_entry(std::span<const std::byte> record, temporary_buffer<char> owner) {
    const record_header header = peek_record(record);
    owner.trim_front(record_header_bytes);
    owner.trim(header.length);
    return {header.sequence, header.tag, std::move(owner)};
}

}  // namespace

log_core::log_core(std::string directory, record_log_options options)
    : options_(std::move(options)), store_(std::move(directory), options_) {
    options_.batch_bytes_max = std::min(options_.batch_bytes_max, current_limits().log_batch_bytes_max);
    options_.pending_bytes_max = std::min(options_.pending_bytes_max, current_limits().log_pending_bytes_max);
    SHALE_ASSERT(is_aligned(options_.segment_bytes, log_block) && options_.segment_bytes >= 4 * log_block &&
                     options_.segment_bytes <= usual_segment_max,
                 "segments of {} bytes", options_.segment_bytes);
    SHALE_ASSERT(options_.record_bytes_max < (std::uint64_t{4} << 30) - 2 * log_block, "records of {} bytes",
                 options_.record_bytes_max);
}

log_core::~log_core() {
    SHALE_ASSERT(fibers_.is_closed() || fibers_.get_count() == 0, "log {} was dropped without close()", directory());
}

// Opening
// --------------------------------------------------------------------------------------------------------------

future<void> log_core::open(record_log::visitor visit, abort_source* abort) {
    if (!options_.read_only) {
        co_await recursive_touch_directory(directory(), 0777, abort);
    }
    std::vector<std::string> damages;
    co_await store_.load(options_.read_only, damages, abort);
    auto give = [&visit](const log_record& record) {
        if (visit) {
            visit(record);
        }
    };
    log_recovery found = co_await recover_log(store_, options_.salvage, give, abort);
    report_ = std::move(found.report);
    tell_probes(report_);
    report_.damages.insert(report_.damages.begin(), damages.begin(), damages.end());
    if (!report_.torn.empty()) {
        log.warn("{}: {}", directory(), report_.torn);
    }
    for (const std::string& line : report_.damages) {
        log.error("{}: {}", directory(), line);
    }
    next_number_ = found.next_number;
    committed_ = synced_ = next_number_ - 1;
    previous_segment_ = found.previous_segment;
    if (options_.read_only) {
        for (const segment_ptr& segment : found.discard) {
            segment->dropped = true;
        }
        co_return;
    }
    co_await start(std::move(found));
}

// Makes what was recovered durable and the place ready for what comes.
future<void> log_core::start(log_recovery found) {
    for (const segment_ptr& segment : found.discard) {
        PROBE("log.recovered_segment_without_records");
        segment->dropped = true;
        co_await store_.retire(segment);
    }
    const segment_ptr last = store_.find(previous_segment_);
    if (last && found.synced < synced_) {
        co_await make_durable(last);
    }
    std::vector<segment_ptr> kept;
    for (const auto& [id, segment] : store_.segments()) {
        kept.push_back(segment);
    }
    for (const segment_ptr& segment : kept) {
        if (segment->size - segment->end >= worth_cutting) {
            co_await segment->data.truncate(segment->end);
            segment->size = segment->end;
        }
    }
    space_timer_.set_callback([this] { want_next(0, log_append::normal); });
    co_await store_.fill_reserve();
    auto first = co_await as_result(store_.prepare(0, false));
    if (first) {
        active_ = std::move(*first);
    } else {
        refuse_space(first.error());
        if (failure_) {
            std::rethrow_exception(failure_);
        }
    }
    want_zeros();
    run(commit_loop());
    if (options_.mode == sync_mode::everysec) {
        flush_timer_.set_callback([this] {
            if (written_ && synced_ < committed_) {
                run(flush_segment(written_, committed_));
            }
        });
    }
}

// What the last segment holds can be read, but a flush of it may have failed in an earlier life: then the disk has it
// in memory alone, and takes it for written. Only what is written anew is sure to be kept by the next flush.
future<void> log_core::make_durable(segment_ptr last) {
    if (!report_.damages.empty()) {  // salvaged records may lie in broken batches, which cannot be copied as they are
        co_await last->data.flush();
        co_return;
    }
    const auto done = co_await as_result(store_.write_anew(last));
    if (done) {
        PROBE("log.last_segment_written_anew");
        co_return;
    }
    const int error = errno_of(done.error());
    if (error != ENOSPC && error != EDQUOT) {
        std::rethrow_exception(done.error());
    }
    log.warn(
        "{}: no space to write the last segment anew after a stop that was not in order; if a flush failed before "
        "that, a power loss may damage it: {}",
        directory(), message_of(done.error()));
    co_await last->data.flush();
}

// Reading
// --------------------------------------------------------------------------------------------------------------

std::optional<log_entry> log_core::read_pending(const log_segment& segment, std::uint64_t position) const {
    auto look = [&](const log_batch& batch) -> std::optional<log_entry> {
        const auto bytes = batch.from(segment, position);
        if (bytes.size() < record_header_bytes) {
            return std::nullopt;
        }
        const std::uint64_t size = record_header_bytes + std::uint64_t{peek_record(bytes).length};
        if (size > bytes.size() || !record_is_whole(segment.seed, position, bytes.first(size))) {
            throw_damage(segment, position, "no record begins");
        }
        return make_entry(bytes, temporary_buffer<char>(reinterpret_cast<const char*>(bytes.data()), size));
    };
    for (const auto& batch : queue_) {
        if (auto entry = look(*batch)) {
            return entry;
        }
    }
    return open_ ? look(*open_) : std::nullopt;
}

future<log_entry> log_core::read_from_disk(segment_ptr segment, std::uint64_t position, std::size_t size_hint,
                                           abort_source* abort) {
    const gate::holder held = segment->readers.hold();
    const std::size_t wanted = std::max(size_hint, record_header_bytes);
    auto buffer = co_await segment->data.dma_read_bulk<char>(position, wanted, abort);
    if (buffer.size() < record_header_bytes) {
        throw_damage(*segment, position, "the file ends");
    }
    const std::uint64_t size = record_header_bytes + std::uint64_t{peek_record(buffer.bytes()).length};
    if (size > segment->size - position) {
        throw_damage(*segment, position, "a record with an impossible length is");
    }
    if (size > buffer.size()) {
        buffer = co_await segment->data.dma_read<char>(position, size, abort);
    }
    const auto bytes = buffer.bytes();
    if (size > bytes.size() || !record_is_whole(segment->seed, position, bytes.first(size))) {
        throw_damage(*segment, position, "a record with a wrong checksum is");
    }
    co_return make_entry(bytes, std::move(buffer));
}

future<log_entry> log_core::read(log_location where, std::size_t size_hint, abort_source* abort) {
    const segment_ptr segment = store_.at_slot(where.slot());
    if (!segment || segment->dropped) {
        return make_exception_future<log_entry>(shale::make_system_error(
            ENOENT, "read from segment slot {} of {}, which has been dropped", where.slot(), directory()));
    }
    ++stats_.reads;
    try {
        if (auto entry = read_pending(*segment, where.position())) {
            PROBE("log.read_before_its_commit");
            return make_ready_future<log_entry>(std::move(*entry));
        }
    } catch (...) {
        return current_exception_as_future<log_entry>();
    }
    return read_from_disk(segment, where.position(), size_hint, abort);
}

future<void> log_core::for_each(std::uint64_t id, record_log::async_visitor visit, abort_source* abort) {
    const segment_ptr segment = store_.find(id);
    SHALE_ASSERT(segment && !segment->dropped && segment != active_, "segment {} of {} cannot be walked", id,
                 directory());
    const gate::holder held = segment->readers.hold();
    const gate::holder inside = fibers_.hold();
    std::uint64_t last = 0;
    for (const auto& batch : queue_) {
        last = batch->shared_segment() == segment ? batch->number() : last;
    }
    co_await committed(last, abort);
    batch_reader reader(segment, segment->end, abort);
    while (reader.position() < segment->end) {
        const auto outcome = co_await reader.look();
        if (outcome != batch_reader::outcome::whole && !options_.salvage) {
            throw_damage(*segment, reader.position(), "a damaged batch is");
        }
        if (outcome == batch_reader::outcome::none) {
            reader.seek(reader.position() + log_block);
            continue;
        }
        record_walk records = reader.records();
        for (auto record = records.next(); record; record = records.next()) {
            co_await visit(*record);
        }
        reader.pass();
    }
}

// Cleaning and closing
// -------------------------------------------------------------------------------------------------

std::vector<log_segment_info> log_core::segments() const {
    std::vector<log_segment_info> all;
    for (const auto& [id, segment] : store_.segments()) {
        if (!segment->dropped && segment->records != 0) {
            all.push_back({id, segment->size, segment->end, segment->records, segment == active_});
        }
    }
    return all;
}

std::optional<std::uint64_t> log_core::segment_of(log_location where) const noexcept {
    const segment_ptr segment = store_.at_slot(where.slot());
    return segment && !segment->dropped ? std::optional(segment->header.id) : std::nullopt;
}

future<void> log_core::drop(std::uint64_t id) {
    const segment_ptr segment = store_.find(id);
    SHALE_ASSERT(segment && !segment->dropped && segment != active_, "segment {} of {} cannot be dropped", id,
                 directory());
    const gate::holder inside = fibers_.hold();
    segment->dropped = true;
    leaving_.push_back(segment);
    const semaphore_units order = co_await get_units(dropping_, 1);
    std::uint64_t last = 0;
    for (const auto& batch : queue_) {
        last = batch->shared_segment() == segment ? batch->number() : last;
    }
    co_await committed(last, nullptr);
    if (written_ == segment) {
        previous_segment_ = id;  // nobody needs it flushed any more
        written_ = nullptr;
    }
    co_await retire_up_to(segment);
    retry_space_ns_ = 0;
    if (no_space_) {
        PROBE("log.dropped_a_segment_of_a_full_disk");
        want_next(0, log_append::normal);
    }
}

// A later segment must not be gone while an earlier one is there, or records come back that the later one made void.
future<void> log_core::retire_up_to(const segment_ptr& last) {
    while (true) {
        const segment_ptr first = leaving_.front();
        co_await store_.retire(first);  // when it fails, it is first again for the next who drops one
        leaving_.pop_front();
        if (first == last) {
            co_return;
        }
        PROBE("log.drop_done_later");
    }
}

future<void> log_core::close(bool remove) {
    SHALE_ASSERT(!stopping_, "log {} is closed twice", directory());
    stopping_ = true;
    flush_timer_.cancel();
    space_timer_.cancel();
    wake_committer();
    tell_waiters();
    co_await fibers_.close();
    std::exception_ptr error = failure_;
    if (!error && !remove && !options_.read_only) {
        const auto done = co_await as_result(end_in_order());
        error = done ? nullptr : done.error();
    }
    const auto closed = co_await as_result(store_.close(remove));
    active_ = next_ = written_ = nullptr;
    if (error || !closed) {
        std::rethrow_exception(error ? error : closed.error());
    }
}

// Notes that nothing is missing behind the last batch, and gives back what was prepared and not used.
future<void> log_core::end_in_order() {
    drop_empty_batch();
    if (written_ && synced_ < committed_) {
        co_await flush_segment(written_, committed_);
    }
    if (active_ && active_->records != 0 && active_->end + log_block <= active_->size) {
        log_batch last(active_, next_number_++);
        co_await write_batch(last, true);
        co_await flush_segment(active_, last.number());
    } else if (active_ && active_->records == 0) {
        co_await store_.retire(active_);
    }
    if (next_) {
        co_await store_.retire(next_);
    }
}

record_log_stats log_core::stats() const noexcept {
    record_log_stats s = stats_;
    s.pending_bytes = pending_bytes_;
    s.free_segments = store_.free_count();
    s.disk_bytes = store_.free_bytes();
    for (const auto& [id, segment] : store_.segments()) {
        s.segments += 1;
        s.disk_bytes += segment->size;
    }
    s.segments_created = store_.created;
    s.segments_recycled = store_.recycled;
    return s;
}

}  // namespace shale::detail
