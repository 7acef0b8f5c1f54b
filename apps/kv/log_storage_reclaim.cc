// Recovery of a log, and the reclaiming of its space: what goes through all records of a segment.
#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include <shale/core/async/coroutine.hh>
#include <shale/core/base/error.hh>
#include <shale/core/base/fault_point.hh>
#include <shale/core/base/log.hh>
#include <shale/core/shard/sleep.hh>

#include "hash.hh"
#include "log_storage.hh"
#include "size_class.hh"

namespace shale::kv {

namespace {

inline constinit logger log{"kv"};

// Kept for the copies of what is live, when the disk is full.
constexpr unsigned reserved_segments = 1;
constexpr unsigned free_segments_max = 2;
// Slack that is never worth reclaiming: the segment being written, the next, and those free.
constexpr std::uint64_t spare_segments = 2 + free_segments_max;
constexpr unsigned epoch_shift = 40;
constexpr std::chrono::milliseconds retry_pause{200};

// The newest record of a key, during recovery.
struct newest {
    index_entry where;
    std::uint64_t bytes;
    std::uint64_t hash;
    std::int64_t expire_ms;
};

struct digest_hash {
    std::size_t operator()(const key_digest& of) const noexcept { return of.low; }
};

using newest_map = std::unordered_map<key_digest, newest, digest_hash>;

}  // namespace

future<> log_storage::open(storage_client& client, std::int64_t now_ms) {
    client_ = &client;
    newest_map keys;
    std::uint64_t last = 0;
    std::size_t foreign = 0;
    record_log_options options;
    options.owner = options_.owner;
    options.mode = options_.mode;
    options.segment_bytes = options_.segment_bytes;
    options.pending_bytes_max = std::max<std::uint64_t>(options.pending_bytes_max, std::uint64_t{32} << 20);
    options.record_bytes_max = largest_record;
    options.reserved_segments = reserved_segments;
    options.free_segments_max = free_segments_max;
    options.salvage = options_.salvage;
    options.read_only = options_.read_only;
    options.on_commit = [this](std::uint64_t batch) { on_commit(batch); };
    options.on_failure = [this](const std::exception_ptr& reason) { on_failure(reason); };
    record_log::visitor visit([&](const log_record& found) {
        last = std::max(last, found.sequence);
        const auto decoded = decode(found.tag, found.payload);
        if (!decoded) {
            ++foreign;
            return;
        }
        const record& content = decoded->content;
        if (decoded->kind == record_kind::flush) {
            keys.clear();
            return;
        }
        // Of one key's records the later in the log is the newer: copies are made only of what is the newest.
        const key_digest digest = digest_key(content.key, 0);
        if (decoded->kind == record_kind::erase) {
            keys.erase(digest);
            return;
        }
        const std::uint64_t bytes = stored_bytes(content.key.size() + content.value.size());
        keys[digest] = {
            {found.where.value(), size_class_of(bytes)}, bytes, client.hash_of(content.key), content.expire_ms};
    });
    log_ = co_await record_log::open(options_.directory, std::move(options), std::move(visit));
    std::exception_ptr failure;
    try {
        if (foreign > 0) {
            throw std::runtime_error(fmt::format("{}: {} records are of an unknown kind; written by a later version?",
                                                 options_.directory, foreign));
        }
        // A new epoch at every start: what was appended but not recovered cannot be mistaken for what comes now.
        sequence_ = ((last >> epoch_shift) + 1) << epoch_shift;
        committed_ = sequence_;
        client.expect_keys(keys.size());
        for (const auto& [unused, one] : keys) {
            if (one.expire_ms != 0 && one.expire_ms <= now_ms) {
                PROBE("kv.recovered_key_has_expired");
                continue;
            }
            if (!client.recovered(one.hash, one.expire_ms, one.where)) {
                throw std::runtime_error(fmt::format("{}: more keys than the index can hold", options_.directory));
            }
            live_bytes_ += one.bytes;
        }
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        (void)co_await as_result(log_->close());  // nobody else will: it was never open to the outside
        std::rethrow_exception(failure);
    }
    if (!options_.read_only) {
        (void)with_gate(
            working_, [this] { return with_scheduling_group(options_.compaction, [this] { return reclaim_loop(); }); });
    }
}

void log_storage::compact() {
    const auto segments = log_->segments();
    for (const log_segment_info& one : segments) {
        reclaim_until_ = std::max(reclaim_until_, one.active ? 0 : one.id);
    }
    reclaim_wanted_.signal();
}

bool log_storage::must_reclaim() const noexcept {
    const auto oldest = log_->oldest();
    if (!oldest || oldest->active || !failure_.empty()) {
        return false;
    }
    if (oldest->id <= reclaim_until_) {
        return true;
    }
    // With the disk full, whenever there is a segment to be gained; else, when more than half is garbage.
    const std::uint64_t used = log_->stats().disk_bytes;
    return log_->out_of_space() ? used > live_bytes_ + (1 + reserved_segments) * options_.segment_bytes
                                : used > 2 * live_bytes_ + spare_segments * options_.segment_bytes;
}

future<> log_storage::reclaim_loop() {
    while (!stopping_) {
        if (!must_reclaim()) {
            co_await reclaim_wanted_.wait([this] { return stopping_ || must_reclaim(); });
            continue;
        }
        const std::uint64_t segment = log_->oldest()->id;
        reclaiming_ = true;
        const auto done = co_await as_result(reclaim(segment));
        reclaiming_ = false;
        if (!done && !stopping_) {
            log.warn("segment {} cannot be reclaimed: {}", segment, message_of(done.error()));
            reclaim_until_ = 0;
            co_await sleep(retry_pause);
        }
    }
}

// Copies what is live in the oldest segment to the end of the log, and drops it once the copies are on the disk.
future<> log_storage::reclaim(std::uint64_t segment) {
    record_log::async_visitor visit([this](const log_record& found) { return move_if_live(found); });
    co_await log_->for_each(segment, std::move(visit));
    if (stopping_) {
        co_return;
    }
    co_await log_->sync();
    PROBE("kv.reclaim_drops_a_segment");
    co_await log_->drop(segment);
}

future<> log_storage::move_if_live(const log_record& found) {
    while (!stopping_) {
        const auto decoded = decode(found.tag, found.payload);
        const std::uint64_t from = found.where.value();
        if (!decoded || decoded->kind != record_kind::put || !client_->is_live(decoded->content, from)) {
            co_return;
        }
        const auto done = append(record_kind::put, decoded->content, found.sequence, log_append::cleaner);
        if (done) {
            const index_entry to{done->where.value(), size_class_of(done->size)};
            client_->moved(decoded->content, from, to);
            PROBE("kv.reclaim_moved_a_live_record");
            co_return;
        }
        if (done.error() == append_refusal::no_space) {
            PROBE("kv.reclaim_met_a_full_disk");
            throw std::runtime_error("the disk is full");
        }
        PROBE("kv.reclaim_waits_for_room");
        // Another command may change the key while this waits; it is looked at again.
        co_await log_->wait_room(found.payload.size(), log_append::cleaner);
    }
}

future<> log_storage::for_each_live(std::function<future<>(const record&)> visit) {
    const auto segments = log_->segments();
    for (const log_segment_info& one : segments) {
        record_log::async_visitor each([this, &visit](const log_record& found) {
            const auto decoded = decode(found.tag, found.payload);
            if (!decoded || decoded->kind != record_kind::put ||
                !client_->is_live(decoded->content, found.where.value())) {
                return make_ready_future<>();
            }
            return visit(decoded->content);
        });
        co_await log_->for_each(one.id, std::move(each));
    }
}

}  // namespace shale::kv
