// See event_queue.hh.
#include "event_queue.hh"

#include <algorithm>
#include <utility>

#include "../../base/assert.hh"

namespace shale::sim::detail {

event_queue::id event_queue::at(std::uint64_t when_ns, action what) {
    const id added{std::max(when_ns, now_ns_), next_number_++};
    events_.emplace(added, std::move(what));
    return added;
}

void event_queue::advance(std::uint64_t now_ns) noexcept {
    SHALE_ASSERT(now_ns <= next_ns(), "event_queue: {} ns passes an event at {} ns", now_ns, next_ns());
    now_ns_ = std::max(now_ns_, now_ns);
}

void event_queue::run_next() {
    SHALE_ASSERT(!events_.empty(), "event_queue: there is no event to run");
    auto first = events_.extract(events_.begin());
    now_ns_ = std::max(now_ns_, first.key().when_ns);
    ++count_;
    first.mapped()();
}

}  // namespace shale::sim::detail
