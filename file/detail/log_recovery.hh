// Reading a log after a stop of any kind: which batches count, and whether what is missing may be missing.
//
// Batches are numbered without gaps, and each says up to which one all were durable when it was written. So the log is
// followed batch by batch, from the oldest segment on, until the next number is not where it should be. Then every
// later batch is looked for, to its segment's end and in all later segments:
//  - one that knew the missing batch to be durable proves damage: an error, or with salvage a line in the report;
//  - without one, the missing batch was never acknowledged as durable. It and what lies behind it is cut off, and since
//    only whole batches are taken, nothing unacknowledged is half there. (Several batches can go this way only in the
//    modes everysec and no.)
// A segment may end early because a run ended: then the next segment goes on with the next number. A gap between two
// segments is no damage when the later one says that its forerunner was another segment, which has been dropped since.
// What was cut off keeps lying there; the next batch gets the number that was missing, so it is never found again. Nor
// does the batch that says that the log was closed count: it has no records, and the next one has its number too.
//
// That a batch can be read does not make it durable: a flush may have failed, of which the kernel tells nobody twice.
// So what no later batch knew to be durable is written again, to another file, before the log is open (log_core.cc).
#pragma once

#include <functional>
#include <vector>

#include "segment_store.hh"

namespace shale::detail {

struct log_recovery {
    log_recovery_report report;
    std::uint64_t next_number = 1;       ///< of the next batch
    std::uint64_t previous_segment = 0;  ///< id of the segment with the last batch
    std::uint64_t synced = 0;            ///< batches up to this one were durable when the last one was written
    std::vector<segment_ptr> discard;    ///< segments that hold nothing
};

/// Follows the log, gives its records to `visit` and notes in the segments where they end.
future<log_recovery> recover_log(const segment_store& store, bool salvage, std::function<void(const log_record&)> visit,
                                 abort_source* abort);

}  // namespace shale::detail
