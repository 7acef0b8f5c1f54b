// Taking records in: the open batch, room in segments, and those who wait for either.
#include <algorithm>
#include <cerrno>

#include "../../core/base/error.hh"
#include "../../core/base/fault_point.hh"
#include "../../core/base/limits.hh"
#include "../../core/base/log.hh"
#include "../../core/shard/shard.hh"
#include "log_core.hh"

namespace shale::detail {

namespace {

inline constinit logger log{"record_log"};

constexpr std::uint64_t segment_reach = (std::uint64_t{1} << log_location::unit_bits) * log_unit;

/// A record or a group of `bytes` fits behind `used` bytes of a batch at `position`. Every record begins within reach:
/// a group ends there, too, and whatever may be larger than a group comes first in its segment.
bool fits(const log_segment& segment, std::uint64_t position, std::uint64_t used, std::uint64_t bytes) noexcept {
    return position + align_up(used + bytes, log_block) <= segment.size &&
           position + used + std::min(bytes, log_group_bytes_max) <= segment_reach;
}
static_assert(log_block + batch_header_bytes + log_group_bytes_max <= segment_reach);

bool may_use(const segment_ptr& segment, log_append who) noexcept {
    return segment && (!segment->for_cleaner || who == log_append::cleaner);
}

}  // namespace

log_core::room log_core::find_room(std::uint64_t bytes, log_append who) const noexcept {
    if (may_use(active_, who)) {
        std::uint64_t free_from = active_->end;
        if (open_) {
            if ((open_->used() + bytes <= options_.batch_bytes_max || open_->records() == 0) &&
                fits(*active_, open_->position(), open_->used(), bytes)) {
                return room::open_batch;
            }
            free_from = open_->position() + open_->padded();
        }
        if (fits(*active_, free_from, batch_header_bytes, bytes)) {
            return room::active_segment;
        }
    }
    if (may_use(next_, who) && fits(*next_, log_block, batch_header_bytes, bytes)) {
        return room::next_segment;
    }
    return room::none;
}

bool log_core::close_open_batch() {
    SHALE_ASSERT(!in_group_, "a group of {} is still open: its records would not be in one batch", directory());
    if (!open_ || open_->records() == 0) {
        return false;
    }
    active_->end = open_->position() + open_->padded();
    queue_.push_back(std::move(open_));
    return true;
}

// Of a group without records, or because memory ran out once: as if it had never been.
void log_core::drop_empty_batch() noexcept {
    if (open_ && open_->records() == 0) {
        next_number_ = open_->number();
        open_.reset();
    }
}

void log_core::open_new_batch(room where) {
    if (!close_open_batch()) {
        drop_empty_batch();
    }
    if (where == room::next_segment) {
        PROBE("log.segment_rolled");
        active_ = std::move(next_);
    }
    open_ = std::make_unique<log_batch>(active_, next_number_);
    ++next_number_;
    want_zeros();
}

// What the faults make of the room there is: a batch is cut early, a segment is left early, or none is seen at all.
// The cleaner always sees its room: it may ask again without having waited.
log_core::room log_core::worse_room(room where, std::uint64_t bytes, log_append who) const noexcept {
    if (where == room::none || !shale::detail::faults_are_on()) [[likely]] {
        return where;
    }
    if (who == log_append::normal && FAULT("log.seems_busy")) {
        return room::none;
    }
    const bool has_more =
        active_ && active_->records != 0 && may_use(next_, who) && fits(*next_, log_block, batch_header_bytes, bytes);
    if (has_more && FAULT("log.segment_left_early")) {
        return room::next_segment;
    }
    const bool can_cut = where == room::open_batch && open_->records() != 0 &&
                         fits(*active_, open_->position() + open_->padded(), batch_header_bytes, bytes);
    return can_cut && FAULT("log.batch_cut_early") ? room::active_segment : where;
}

// Sees to it that the open batch can take `bytes` more.
std::expected<void, append_refusal> log_core::make_room(std::uint64_t bytes, log_append who) {
    const room where = worse_room(find_room(bytes, who), bytes, who);
    if (where == room::none) {
        want_next(bytes, who);
        PROBE("log.no_room_for_a_record");
        return std::unexpected(no_space_ ? append_refusal::no_space : append_refusal::busy);
    }
    if (where != room::open_batch) {
        open_new_batch(where);
    }
    return {};
}

std::expected<void, append_refusal> log_core::begin_group(std::size_t payload, log_append who) {
    SHALE_ASSERT(!in_group_, "a group in a group in {}", directory());
    if (failure_) {
        return std::unexpected(append_refusal::failed);
    }
    if (stopping_ || options_.read_only) {
        return std::unexpected(append_refusal::closed);
    }
    const std::uint64_t bytes = record_bytes(payload);
    if (bytes > log_group_bytes_max) {
        return std::unexpected(append_refusal::too_large);
    }
    const auto made = make_room(bytes, who);
    if (made) {
        if (open_->records() == 0) {
            PROBE("log.group_begins_a_batch");
        }
        open_->reserve(bytes);
        in_group_ = true;
        group_left_ = bytes;
    }
    return made;
}

void log_core::end_group() noexcept {
    SHALE_ASSERT(in_group_, "no group is open in {}", directory());
    in_group_ = false;
    group_left_ = 0;
    drop_empty_batch();
}

std::expected<log_appended, append_refusal> log_core::append(std::span<const std::span<const std::byte>> parts,
                                                             std::uint64_t sequence, std::uint32_t tag,
                                                             log_append who) {
    if (failure_) {
        return std::unexpected(append_refusal::failed);
    }
    if (stopping_ || options_.read_only) {
        return std::unexpected(append_refusal::closed);
    }
    std::uint64_t payload = 0;
    for (const auto& part : parts) {
        payload += part.size();
    }
    if (payload > options_.record_bytes_max) {
        return std::unexpected(append_refusal::too_large);
    }
    const std::uint64_t bytes = record_bytes(payload);
    if (in_group_) {
        SHALE_ASSERT(bytes <= group_left_, "a record of {} bytes, but {} are left of what its group announced", bytes,
                     group_left_);
        group_left_ -= bytes;
    } else if (const auto made = make_room(bytes, who); !made) {
        return std::unexpected(made.error());
    }
    const std::uint64_t at = open_->add(sequence, tag, parts, bytes);
    pending_bytes_ += bytes;
    stats_.records += 1;
    stats_.record_bytes += bytes;
    active_->records += 1;
    if (!next_ && at > active_->size / 2 && !FAULT("log.next_not_prepared")) {
        want_next(0, log_append::normal);
    }
    wake_committer();
    return log_appended{log_location(active_->slot, at), active_->header.id, open_->number(), bytes};
}

// The next segment
// -----------------------------------------------------------------------------------------------------

void log_core::want_next(std::uint64_t bytes, log_append who) {
    if (preparing_ || failure_ || stopping_) {
        return;
    }
    const bool reserve_may_help = who == log_append::cleaner && store_.free_count() != 0;
    if (no_space_ && !reserve_may_help && this_shard().now_ns() < retry_space_ns_) {
        return;
    }
    preparing_ = true;
    run(prepare_next(bytes, who));
}

future<void> log_core::prepare_next(std::uint64_t bytes, log_append who) {
    const std::uint64_t room_needed = batch_header_bytes + bytes;
    auto made = co_await as_result(store_.prepare(room_needed, who == log_append::cleaner));
    preparing_ = false;
    if (!made) {
        refuse_space(made.error());
        tell_waiters();
        co_return;
    }
    if (no_space_ && !(*made)->for_cleaner) {
        PROBE("log.space_again");
    }
    no_space_ = no_space_ && (*made)->for_cleaner;
    // Batches must be in the order of the segments' ids, so one that was prepared before is no longer of use.
    segment_ptr passed_by = std::exchange(next_, std::move(*made));
    tell_waiters();
    if (passed_by) {
        PROBE("log.prepared_segment_passed_by");
        co_await store_.retire(std::move(passed_by));
    }
}

// A disk that is full is no failure of the log: appends are refused until there is space again.
void log_core::refuse_space(const std::exception_ptr& reason) {
    if (errno_of(reason) == EIO) {
        fail(reason);
        return;
    }
    if (!no_space_) {
        log.error("{}: no new segment, so nothing is appended until there is space: {}", directory(),
                  message_of(reason));
    }
    PROBE("log.no_space");
    no_space_ = true;
    const auto retry_at = from_ns(this_shard().now_ns()) + current_limits().log_space_retry;
    retry_space_ns_ = to_ns(retry_at);
    if (!stopping_) {
        space_timer_.rearm(retry_at);
    }
}

// Those who wait
// -------------------------------------------------------------------------------------------------------

future<void> log_core::wait_in(waiters& queue, waiters::iterator before, std::uint64_t amount, log_append who,
                               abort_source* abort) {
    auto made = std::make_unique<waiter>();
    waiter& self = *made;
    self.amount = amount;
    self.who = who;
    auto done = self.done.get_future();
    if (abort != nullptr) {
        self.subscription = abort->subscribe([&queue, &self](const std::exception_ptr& why) noexcept {
            const auto at = std::ranges::find(queue, &self, &std::unique_ptr<waiter>::get);
            auto aborted = std::move(*at);
            queue.erase(at);
            aborted->done.set_exception(why);
        });
        if (!self.subscription) {
            return make_exception_future<void>(abort->abort_requested_exception_ptr());
        }
    }
    queue.insert(before, std::move(made));
    return done;
}

future<void> log_core::committed(std::uint64_t number, abort_source* abort) {
    if (number <= committed_) {
        return make_ready_future<void>();
    }
    if (failure_) {
        return make_exception_future<void>(failure_);
    }
    const auto before = std::ranges::upper_bound(batch_waiters_, number, {},
                                                 [](const std::unique_ptr<waiter>& w) { return w->amount; });
    return wait_in(batch_waiters_, before, number, log_append::normal, abort);
}

future<void> log_core::wait_room(std::size_t payload, log_append who, abort_source* abort) {
    if (failure_) {
        return make_exception_future<void>(failure_);
    }
    const std::uint64_t bytes = record_bytes(payload);
    const bool room_there = find_room(bytes, who) != room::none;
    if (!room_there) {
        want_next(bytes, who);
    }
    if (stopping_ || (pending_bytes_ <= options_.pending_bytes_max && (room_there || (no_space_ && !preparing_)))) {
        return make_ready_future<void>();
    }
    PROBE("log.waits_for_room");
    return wait_in(room_waiters_, room_waiters_.end(), bytes, who, abort);
}

// Lets go of everybody whose wait is over.
void log_core::tell_waiters() {
    while (!batch_waiters_.empty() && batch_waiters_.front()->amount <= committed_) {
        const auto first = std::move(batch_waiters_.front());
        batch_waiters_.pop_front();
        first->done.set_value();
    }
    while (!room_waiters_.empty() && pending_bytes_ <= options_.pending_bytes_max) {
        const waiter& first = *room_waiters_.front();
        if (find_room(first.amount, first.who) == room::none && !(no_space_ && !preparing_) && !stopping_) {
            want_next(first.amount, first.who);
            break;
        }
        const auto served = std::move(room_waiters_.front());
        room_waiters_.pop_front();
        served->done.set_value();
    }
}

void log_core::fail(std::exception_ptr reason) {
    if (failure_) {
        return;
    }
    PROBE("log.failed");
    failure_ = std::move(reason);
    flush_timer_.cancel();
    space_timer_.cancel();
    log.error("{}: the log has failed, and what it committed until now is what it holds: {}", directory(),
              message_of(failure_));
    for (waiters* queue : {&batch_waiters_, &room_waiters_}) {
        while (!queue->empty()) {
            const auto first = std::move(queue->front());
            queue->pop_front();
            first->done.set_exception(failure_);
        }
    }
    if (options_.on_failure) {
        options_.on_failure(failure_);
    }
}

}  // namespace shale::detail
