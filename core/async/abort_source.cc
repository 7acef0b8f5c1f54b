// How an abort source fires: one subscriber at a time, each taken off the list before it is called.
#include "abort_source.hh"

#include <utility>

namespace shale {

std::optional<abort_source::subscription> abort_source::subscribe(subscription::callback on_abort) {
    if (abort_requested()) {
        return std::nullopt;
    }
    subscription made(std::move(on_abort));
    subscribers_.push_back(made);
    return std::optional<subscription>(std::move(made));
}

void abort_source::request_abort_ex(std::exception_ptr reason) noexcept {
    if (abort_requested()) {
        return;
    }
    reason_ = std::move(reason);
    while (!subscribers_.empty()) {
        subscription& first = subscribers_.front();
        subscribers_.pop_front();
        // Moved out: the callback may destroy its own subscription while it runs.
        auto on_abort = std::move(first.on_abort_);
        on_abort(reason_);
    }
}

}  // namespace shale
