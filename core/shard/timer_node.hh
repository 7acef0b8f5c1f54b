// The intrusive form of a timer: a place in the shard's wheel and what to call, for what lives in one block with its
// deadline. Programs use timer.hh; this is for waits (core/sync), which allocate nothing for their limits. The holder
// unlinks it before it is destroyed; the callback runs between tasks and must be short.
// check: allow test, timer_test and wait_limit_test have it
#pragma once

#include "detail/timer_wheel.hh"

namespace shale {

class group_queue;

namespace detail {

/// A deadline in the shard's wheel and what to do when it comes. Lives in whatever has the deadline; see timer.hh.
struct timer_node : timer_wheel::node {
    void (*fire)(timer_node&) noexcept = nullptr;  ///< the node is unlinked by then, and may be armed again
    group_queue* group = nullptr;                  ///< the scheduling group the callback runs in
};

}  // namespace detail
}  // namespace shale
