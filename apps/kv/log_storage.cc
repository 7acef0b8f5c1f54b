// Appending, committing and reading. log_storage_reclaim.cc gives space back; log_storage.hh says how both fit.
#include "log_storage.hh"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <shale/core/async/coroutine.hh>
#include <shale/core/base/align.hh>
#include <shale/core/base/bytes.hh>
#include <shale/core/base/error.hh>
#include <shale/core/base/fault_point.hh>
#include <shale/core/shard/sleep.hh>

#include "size_class.hh"

namespace shale::kv {

namespace {

constexpr std::size_t put_header_bytes = 12;
constexpr std::uint64_t log_header_bytes = 20;
constexpr std::uint64_t log_unit_bytes = 16;
// Slots from here on are no segments: places of records that wait for room.
constexpr std::uint64_t provisional_begin = std::uint64_t{(1u << log_location::slot_bits) - 1}
                                            << log_location::unit_bits;
constexpr std::uint64_t provisional_mask = (std::uint64_t{1} << log_location::unit_bits) - 1;
constexpr std::chrono::milliseconds space_pause{100};

bool is_provisional(std::uint64_t location) noexcept {
    return location >= provisional_begin;
}

constexpr std::string_view disk_full =
    "MISCONF the disk is full: writes are refused and reads go on. Delete keys or make room in the data directory.";

constexpr std::string_view group_too_large =
    "ERR the keys and values of this command exceed 63 MiB on one shard, too much to be written all or nothing: "
    "send them in several commands";

// Of each record, more than the headers of log and storage and the padding take.
static_assert(storage::group_bytes_max < log_group_bytes_max && 64 >= put_header_bytes + log_group_payload(1, 0));

}  // namespace

std::optional<decoded_record> decode(std::uint32_t tag, std::span<const std::byte> payload) noexcept {
    const std::string_view text = as_text(payload);
    switch (static_cast<record_kind>(tag)) {
        case record_kind::put: {
            if (text.size() < put_header_bytes) {
                return std::nullopt;
            }
            const auto end = static_cast<std::int64_t>(load_le<std::uint64_t>(text.data()));
            const auto key_size = load_le<std::uint32_t>(text.data() + 8);
            const std::string_view rest = text.substr(put_header_bytes);
            if (key_size > rest.size()) {
                return std::nullopt;
            }
            return decoded_record{record_kind::put, {rest.substr(0, key_size), rest.substr(key_size), end}};
        }
        case record_kind::erase:
            return decoded_record{record_kind::erase, {text, {}, 0}};
        case record_kind::flush:
            return decoded_record{record_kind::flush, {}};
    }
    return std::nullopt;
}

log_storage::log_storage(log_storage_options options) : options_(std::move(options)) {}

log_storage::~log_storage() = default;

future<> log_storage::close() {
    stopping_ = true;
    reclaim_wanted_.broadcast();
    co_await working_.close();
    co_await log_->close();
}

future<> log_storage::sync() {
    // What waits for room is no part of the log yet, but nobody waits for sync() then.
    SHALE_ASSERT(waiting_.empty(), "{} records wait for room", waiting_.size());
    return log_->sync();
}

// Appending

std::expected<log_appended, append_refusal> log_storage::append(record_kind kind, const record& what,
                                                                std::uint64_t sequence, log_append who) {
    std::array<std::byte, put_header_bytes> header;
    std::array<std::span<const std::byte>, 3> parts;
    std::size_t count = 0;
    if (kind == record_kind::put) {
        store_le<std::uint64_t>(header.data(), static_cast<std::uint64_t>(what.expire_ms));
        store_le<std::uint32_t>(header.data() + 8, static_cast<std::uint32_t>(what.key.size()));
        parts = {header, as_bytes(what.key), as_bytes(what.value)};
        count = 3;
    } else if (kind == record_kind::erase) {
        parts[0] = as_bytes(what.key);
        count = 1;
    }
    return log_->append(std::span(parts).first(count), sequence, static_cast<std::uint32_t>(kind), who);
}

// The record is in the log by now, and a refusal would be a lie: memory that runs out here ends the process.
void log_storage::batched(const log_appended& added, std::uint64_t sequence) noexcept {
    if (!batches_.empty() && batches_.back().batch == added.batch) {
        batches_.back().sequence = std::max(batches_.back().sequence, sequence);
    } else {
        batches_.push_back({added.batch, sequence});
    }
}

// What a put record takes in a segment: the log's header, ours, key and value, to the next unit.
std::uint64_t log_storage::stored_bytes(std::uint64_t bytes) noexcept {
    return align_up(log_header_bytes + put_header_bytes + bytes, log_unit_bytes);
}

std::expected<storage::appended, std::string_view> log_storage::append_put(const record& added) {
    if (!failure_.empty()) {
        return std::unexpected(std::string_view(failure_));
    }
    if (waiting_.empty() && waiting_group_ == 0) {
        const auto done = append(record_kind::put, added, sequence_ + 1, log_append::normal);
        if (done) [[likely]] {
            const index_entry where{done->where.value(), size_class_of(done->size)};
            batched(*done, ++sequence_);
            live_bytes_ += done->size;
            return appended{where, sequence_};
        }
        if (done.error() == append_refusal::no_space) {
            reclaim_wanted_.signal();
            return std::unexpected(disk_full);
        }
        if (done.error() == append_refusal::too_large) {
            return std::unexpected<std::string_view>("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
        }
    }
    if (log_->out_of_space()) {
        return std::unexpected(disk_full);
    }
    const std::uint64_t bytes = stored_bytes(added.key.size() + added.value.size());
    live_bytes_ += bytes;
    const index_entry where{provisional_begin + (provisional_++ & provisional_mask), size_class_of(bytes)};
    queue({where, record_kind::put, ++sequence_, added.expire_ms, std::string(added.key), std::string(added.value),
           waiting_group_});
    return appended{where, sequence_};
}

std::uint64_t log_storage::append_mark(record_kind kind, std::string_view key) {
    ++sequence_;
    if (waiting_.empty() && waiting_group_ == 0) {
        // Marks of erased keys let space be reclaimed: they may use what is kept for that.
        const auto done = append(kind, {key, {}, 0}, sequence_, log_append::cleaner);
        if (done) {
            batched(*done, sequence_);
            return sequence_;
        }
    }
    queue({{}, kind, sequence_, 0, std::string(key), {}, waiting_group_});
    return sequence_;
}

std::string_view log_storage::begin_group(group_kind kind, std::size_t records, std::uint64_t bytes) {
    SHALE_ASSERT(!group_open_, "a group of {} records in another", records);
    const bool puts = kind == group_kind::puts;
    if (puts && !failure_.empty()) {
        return failure_;
    }
    if (bytes + 64 * records > group_bytes_max) {
        return group_too_large;
    }
    bool in_log = false;
    if (waiting_.empty()) {
        const auto begun = log_->begin_group(log_group_payload(records, bytes + put_header_bytes * records),
                                             puts ? log_append::normal : log_append::cleaner);
        in_log = begun.has_value();
        if (puts && !begun && begun.error() == append_refusal::no_space) {
            reclaim_wanted_.signal();
        }
    }
    if (puts && !in_log && log_->out_of_space()) {
        return disk_full;
    }
    group_open_ = true;
    waiting_group_ = in_log ? 0 : ++groups_;
    return {};
}

void log_storage::end_group() noexcept {
    if (waiting_group_ == 0) {
        log_->end_group();
    }
    waiting_group_ = 0;
    group_open_ = false;
}

std::uint64_t log_storage::append_erase(std::string_view key) {
    return append_mark(record_kind::erase, key);
}

std::uint64_t log_storage::append_flush() {
    live_bytes_ = 0;
    // What waits was before: the records go, the marks do no harm.
    return append_mark(record_kind::flush, {});
}

void log_storage::queue(waiting_record added) {
    PROBE("kv.record_waits_for_room");
    waiting_.push_back(std::move(added));
    if (!draining_) {
        draining_ = true;
        auto started = with_gate(working_, [this] { return drain(); });
        if (started.failed()) {
            on_failure(started.get_exception());  // nobody would write what waits, and whoever waits for it would hang
        }
    }
}

// How many of those that wait go next: one, or all of its group.
std::size_t log_storage::first_waiting() const noexcept {
    const std::uint64_t group = waiting_.front().group;
    if (group == 0) {
        return 1;
    }
    const auto end =
        std::find_if(waiting_.begin(), waiting_.end(), [group](const auto& one) { return one.group != group; });
    return static_cast<std::size_t>(end - waiting_.begin());
}

// The payload of the first `count` of them, as the log is asked to have room for it.
std::size_t log_storage::payload_of_waiting(std::size_t count) const noexcept {
    std::size_t payload = 0;
    for (std::size_t i = 0; i < count; ++i) {
        payload += put_header_bytes + waiting_[i].key.size() + waiting_[i].value.size();
    }
    return count == 1 ? payload : log_group_payload(count, payload);
}

// Appends the first `count` of those that wait, or none.
std::expected<void, append_refusal> log_storage::append_waiting(std::size_t count, std::size_t payload) {
    if (count > 1) {
        const auto begun = log_->begin_group(payload, log_append::cleaner);
        if (!begun) {
            return begun;
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        const waiting_record& next = waiting_.front();
        const record what{next.key, next.value, next.expire_ms};
        const auto done = append(next.kind, what, next.sequence, log_append::cleaner);
        if (!done) {
            SHALE_ASSERT(count == 1, "record {} of a group of {} was refused: {}", i, count, to_string(done.error()));
            return std::unexpected(done.error());
        }
        batched(*done, next.sequence);
        if (next.kind == record_kind::put && client_->is_live(what, next.where.location)) {
            const index_entry where{done->where.value(), size_class_of(done->size)};
            client_->moved(what, next.where.location, where);
        }
        waiting_.pop_front();
    }
    if (count > 1) {
        PROBE("kv.group_waited_for_room");
        log_->end_group();
    }
    return {};
}

// Appends what waits, as the log takes it. Out of memory it tries again: there are clients who wait for these records.
future<> log_storage::drain() {
    co_await yield();  // the command that is running may have more for the queue, of the same group
    while (!waiting_.empty() && failure_.empty()) {
        const auto done = co_await as_result(drain_some());
        if (!done && failure_.empty()) {
            (void)co_await as_result(sleep(space_pause));
            co_await yield();  // sleeping takes memory, too
        }
    }
    draining_ = false;
}

future<> log_storage::drain_some() {
    co_await log_->wait_room(payload_of_waiting(first_waiting()), log_append::cleaner);
    bool full = false;
    while (!waiting_.empty()) {
        const std::size_t count = first_waiting();
        const auto done = append_waiting(count, payload_of_waiting(count));
        if (!done) {
            full = done.error() == append_refusal::no_space;
            break;
        }
    }
    if (full && must_reclaim()) {
        reclaim_wanted_.signal();
    }
    if (full) {
        PROBE("kv.waits_for_space");
        co_await sleep(space_pause);
    }
}

std::string_view log_storage::refusal() const noexcept {
    if (!failure_.empty()) {
        return failure_;
    }
    return log_->out_of_space() ? disk_full : std::string_view();
}

void log_storage::retire(index_entry, std::uint64_t bytes) noexcept {
    live_bytes_ -= stored_bytes(bytes);
}

// What the log tells

void log_storage::on_commit(std::uint64_t batch) {
    const std::uint64_t before = committed_;
    while (!batches_.empty() && batches_.front().batch <= batch) {
        committed_ = std::max(committed_, batches_.front().sequence);
        batches_.pop_front();
    }
    ++commits_;
    if (committed_ != before) {
        client_->committed(committed_);
    }
    if (!reclaiming_ && must_reclaim()) {
        reclaim_wanted_.signal();
    } else if (!reclaiming_ && FAULT("kv.reclaim_early")) {
        compact();
    }
}

void log_storage::on_failure(const std::exception_ptr& reason) {
    std::string why = message_of(reason);
    failure_ = "MISCONF the log has failed and the server is stopping: " + why;
    client_->failed();
    if (options_.failed) {
        options_.failed(std::move(why));
    }
}

// Reading

void log_storage::read(storage_read& read) noexcept {
    if (is_provisional(read.where.location)) {
        PROBE("kv.read_of_a_record_that_waits");
        // In memory still; the record is looked for among those that wait.
        const auto at = std::find_if(waiting_.begin(), waiting_.end(), [&](const waiting_record& one) {
            return one.kind == record_kind::put && one.where.location == read.where.location;
        });
        const waiting_record copy = at == waiting_.end() ? waiting_record{} : *at;
        read.found = {copy.key, copy.value, copy.expire_ms};
        read.done(read);
        return;
    }
    (void)with_gate(working_, [this, &read] { return read_record(read); });
}

future<> log_storage::read_record(storage_read& read) {
    const auto got =
        co_await as_result(log_->read(log_location(read.where.location), size_of_class(read.where.size_class)));
    if (got) {
        const auto payload = std::as_bytes(std::span(got->payload.get(), got->payload.size()));
        const auto decoded = decode(got->tag, payload);
        if (decoded && decoded->kind == record_kind::put) {
            read.found = decoded->content;
        }
        read.done(read);
        co_return;
    }
    read.failure = message_of(got.error());
    read.done(read);
}

storage_stats log_storage::stats() const noexcept {
    const record_log_stats from = log_->stats();
    return {.appended_bytes = from.record_bytes,
            .disk_bytes = from.disk_bytes,
            .live_bytes = live_bytes_,
            .commits = commits_,
            .reads = from.reads,
            .compacting = reclaiming_};
}

}  // namespace shale::kv
