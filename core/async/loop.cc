// The part of the loops that is no template: waiting for what was started together.
#include "loop.hh"

#include <ranges>

namespace shale::detail {

future<void> started_set::wait() {
    for (future<void>& f : std::views::reverse(pending_)) {
        co_await when_available(f);
    }
    for (future<void>& f : pending_) {
        if (f.failed()) {
            keep_first(f.get_exception());
        }
    }
    if (error_) {
        std::rethrow_exception(error_);
    }
}

}  // namespace shale::detail
