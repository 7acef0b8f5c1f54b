// The walk along the batches, and what to make of the place where it ends.
#include "log_recovery.hh"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "../../core/base/error.hh"
#include "../../core/base/fault_point.hh"
#include "batch_reader.hh"

namespace shale::detail {

namespace {

constexpr std::uint64_t to_the_end = ~std::uint64_t{0};

/// Where the next batch was expected and not found.
struct missing_batch {
    std::size_t segment = 0;
    std::uint64_t position = 0;
    bool traces = false;  ///< something of it is there
};

class walk {
public:
    walk(const segment_store& store, bool salvage, std::function<void(const log_record&)> visit, abort_source* abort)
        : salvage_(salvage), visit_(std::move(visit)), abort_(abort) {
        for (const auto& [id, segment] : store.segments()) {
            segments_.push_back(segment);
        }
    }

    future<log_recovery> run() {
        std::size_t at = 0;
        std::uint64_t position = log_block;
        while (at < segments_.size()) {
            batch_reader reader(segments_[at], to_the_end, abort_);
            reader.seek(position);
            co_await follow(reader, at);
            position = log_block;
            if (!missing_) {
                ++at;
                continue;
            }
            const auto resumed = co_await explain();
            if (!resumed) {
                break;
            }
            at = resumed->segment;
            position = resumed->position;
        }
        finish();
        co_return std::move(result_);
    }

private:
    struct place {
        std::size_t segment;
        std::uint64_t position;
    };

    future<void> follow(batch_reader& reader, std::size_t index);
    bool explains_gap(const batch_header& header) const noexcept;
    bool accepts(const batch_header& header, bool first_in_segment) const noexcept;
    void take(batch_reader& reader, std::size_t index);
    future<std::optional<place>> explain();
    future<bool> is_beginning_of_next(std::size_t index);
    future<void> pass_over(place from, place found, std::uint64_t number, std::uint64_t resume_number);
    void finish();
    std::string describe(const place& p) const {
        return fmt::format("offset {} of {}", p.position, segments_[p.segment]->path);
    }

    std::vector<segment_ptr> segments_;
    bool salvage_;
    std::function<void(const log_record&)> visit_;
    abort_source* abort_;
    std::optional<std::uint64_t> expected_;  ///< the next number; nothing before the first batch
    std::uint64_t last_segment_ = 0;         ///< id of the one with the last batch taken
    std::optional<missing_batch> missing_;
    log_recovery result_;
};

// Whether a segment's first batch may have this number though another was expected: its forerunner is gone, dropped.
bool walk::explains_gap(const batch_header& header) const noexcept {
    return std::ranges::none_of(segments_,
                                [&](const segment_ptr& s) { return s->header.id == header.previous_segment; });
}

bool walk::accepts(const batch_header& header, bool first_in_segment) const noexcept {
    if (!expected_ || header.number == *expected_) {
        return true;
    }
    return first_in_segment && header.number > *expected_ && explains_gap(header);
}

void walk::take(batch_reader& reader, std::size_t index) {
    log_segment& segment = *segments_[index];
    const batch_header& header = reader.header();
    record_walk records = reader.records();
    while (const auto record = records.next()) {
        visit_(*record);
    }
    segment.records += header.records;
    expected_ = header.number + (header.closes_log ? 0 : 1);
    result_.synced = header.synced;
    last_segment_ = segment.header.id;
    result_.report.closed = header.closes_log;
    result_.report.batches += 1;
    result_.report.records += header.records;
    result_.report.bytes += header.padded();
    reader.pass();
    segment.end = reader.position();
}

// Takes the batches of one segment as long as they follow each other; sets missing_ where the log may end too early.
future<void> walk::follow(batch_reader& reader, std::size_t index) {
    while (true) {
        const auto outcome = co_await reader.look();
        const bool first = reader.position() == log_block;
        if (outcome != batch_reader::outcome::whole || !accepts(reader.header(), first)) {
            break;
        }
        take(reader, index);
        if (result_.report.closed) {
            co_return;  // it ended here, and knew it
        }
        co_await maybe_yield();
    }
    if (reader.position() + log_block > segments_[index]->size) {
        co_return;  // full
    }
    missing_ = missing_batch{index, reader.position(), false};
    if (expected_) {
        missing_->traces = co_await reader.has_traces_of(*expected_);
    }
}

// The next segment begins with the batch that is missing here: then nothing is missing.
future<bool> walk::is_beginning_of_next(std::size_t index) {
    if (index >= segments_.size() || !expected_) {
        co_return false;
    }
    batch_reader reader(segments_[index], to_the_end, abort_);
    const auto outcome = co_await reader.look();
    co_return outcome == batch_reader::outcome::whole&& reader.header().number == *expected_;
}

// Looks for batches from the missing one on. A place: the log goes on there. Nothing: it ends.
future<std::optional<walk::place>> walk::explain() {
    const missing_batch here = *std::exchange(missing_, std::nullopt);
    const bool continued = co_await is_beginning_of_next(here.segment + 1);
    if (continued) {
        PROBE("log.recovery_went_on_in_the_next_segment");
        co_return place{here.segment + 1, log_block};
    }
    std::uint64_t dropped = 0;
    for (std::size_t index = here.segment; index < segments_.size(); ++index) {
        batch_reader reader(segments_[index], to_the_end, abort_);
        reader.seek(index == here.segment ? here.position : log_block);
        while (true) {
            const bool found = co_await reader.find_header();
            if (!found) {
                break;
            }
            const batch_header header = reader.header();
            const place at{index, reader.position()};
            if (!expected_ && index == here.segment && at.position == here.position) {
                expected_ = header.number;  // the log's first batch, broken, but it says which one it is
            }
            const bool first = at.position == log_block && index != here.segment;
            if (first && (!expected_ || header.number >= *expected_) &&
                (header.number == expected_ || explains_gap(header))) {
                PROBE("log.recovery_skipped_dropped_segments");
                expected_ = header.number;
                co_return at;
            }
            const std::uint64_t number =
                expected_ ? *expected_ : header.number - std::min<std::uint64_t>(header.number, 1);
            if (header.number > number && header.synced >= number) {
                const place from{here.segment, here.position};
                co_await pass_over(from, at, number, header.number);
                co_return at;
            }
            dropped += header.number > number ? 1 : 0;
            reader.seek(reader.position() + log_block);
        }
    }
    if (dropped != 0) {
        PROBE("log.later_batches_cut");
    }
    if (here.traces || dropped != 0) {
        result_.report.torn =
            fmt::format("the log ends with batch {} at {}, which was being written when it stopped and is cut off{}",
                        expected_.value_or(0), describe({here.segment, here.position}),
                        dropped != 0 ? fmt::format(", with {} later ones", dropped) : "");
    }
    co_return std::nullopt;
}

// A durable batch is not there.
future<void> walk::pass_over(place from, place found, std::uint64_t number, std::uint64_t resume_number) {
    const std::string line =
        fmt::format("batch {} is damaged or missing at {}: batch {} at {} follows it and knows it was durable", number,
                    describe(from), resume_number, describe(found));
    if (!salvage_) {
        PROBE("log.damage_refused");
        throw shale::make_system_error(EBADMSG, "log {}", line)
            .advise("Restore the file, or open the log with salvage to go on without what is lost.");
    }
    result_.report.damages.push_back(line);
    batch_reader reader(segments_[from.segment], to_the_end, abort_);
    reader.seek(from.position);
    const auto outcome = co_await reader.look();
    if (outcome == batch_reader::outcome::broken && expected_ && reader.header().number == number) {
        take(reader, from.segment);
    }
    expected_ = resume_number;
}

void walk::finish() {
    result_.next_number = expected_.value_or(1);
    result_.previous_segment = last_segment_;
    for (const segment_ptr& segment : segments_) {
        if (segment->records == 0) {
            result_.discard.push_back(segment);
        } else {
            result_.report.segments += 1;
            const segment_header& h = segment->header;
            result_.report.owner = log_owner{h.shard, h.shards, h.epoch};
        }
    }
}

}  // namespace

future<log_recovery> recover_log(const segment_store& store, bool salvage, std::function<void(const log_record&)> visit,
                                 abort_source* abort) {
    walk w(store, salvage, std::move(visit), abort);
    co_return co_await w.run();
}

}  // namespace shale::detail
