// Joining and leaving a queue of waiters. See wait_queue.hh.
#include "wait_queue.hh"

#include "../../shard/shard.hh"

namespace shale::detail {

bool wait_queue::add(waiter& w, const wait_limit& limit) {
    if (limit.abort() != nullptr) {
        w.subscription_ =
            limit.abort()->subscribe([&w](const std::exception_ptr& reason) noexcept { w.queue_->expel(w, reason); });
        if (!w.subscription_) {
            return false;
        }
    }
    if (limit.deadline_ns() != no_deadline) {
        w.fire = &waiter::timed_out;
        w.group = &this_shard().current_group();
        this_shard().timers().insert(w, limit.deadline_ns());
    }
    w.queue_ = this;
    waiters_.push_back(w);
    return true;
}

void wait_queue::settle(waiter& w, std::exception_ptr failure) noexcept {
    waiters_.erase(waiters_.iterator_to(w));
    if (w.linked()) {
        this_shard().timers().remove(w);
    }
    w.subscription_.reset();
    w.settle(std::move(failure));
}

// Those behind it may be able to go on now that it is gone.
void wait_queue::expel(waiter& w, std::exception_ptr failure) noexcept {
    settle(w, std::move(failure));
    if (leave_ != nullptr) {
        leave_(*this);
    }
}

void waiter::timed_out(timer_node& node) noexcept {
    auto& w = static_cast<waiter&>(node);
    w.queue_->expel(w, w.queue_->timeout_());
}

}  // namespace shale::detail
