// Writing the batches of a segment once more, at the same places of another file.
#pragma once

#include "log_segment.hh"

namespace shale::detail {

/// Gives `to`, which has a header and a seed of its own, all batches of `from`, at the positions they have there; not
/// durable before a flush. Fails with EBADMSG at a batch that is not whole.
future<void> copy_batches(segment_ptr from, segment_ptr to);

}  // namespace shale::detail
