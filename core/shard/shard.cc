// The turn of a shard. Read step(): it is the runtime.
#include "shard.hh"

#include <algorithm>
#include <array>
#include <cerrno>

#include "../base/context.hh"
#include "../base/fault_point.hh"
#include "../base/limits.hh"
#include "io.hh"

namespace shale {

namespace {

// Tasks that run from one look at the clock to the next.
constexpr unsigned tasks_between_looks = 32;

}  // namespace

// collect -> timers -> messages in -> tasks -> messages out, requests out -> collect what finished at once.
// Each part marks its time when it had something to do; an empty turn is a few loads and one clock reading.
bool shard::step() noexcept {
    if (asleep_) [[unlikely]] {
        asleep_ = false;
        mailbox_.awake();
    }
    set_now_ns(platform_.now());
    phases_.mark(phase::spin, now_ns());
    ++turns_;
    bool progress = reap();
    progress |= fire_timers();
    progress |= receive_messages();
    progress |= run_tasks();
    progress |= publish_messages();
    if (submit_requests()) {
        reap();
        progress = true;
    }
    return progress;
}

bool shard::reap() noexcept {
    std::array<io_request*, reap_room> done;
    const unsigned most = std::clamp(current_limits().reap_max, 1U, reap_room);
    const unsigned count = platform_.reap(done.data(), FAULT("shard.reap_one") ? 1 : most);
    if (count == 0) {
        return false;
    }
    for (unsigned i = 0; i < count; ++i) {
        done[i]->complete(*done[i]);
    }
    requests_completed_ += count;
    mark(phase::reap);
    return true;
}

bool shard::fire_timers() noexcept {
    timers_.advance(now_ns());
    detail::timer_wheel::node* due = timers_.pop_due();
    if (due == nullptr) {
        return false;
    }
    group_queue& outer = current_group();
    const unsigned most =
        FAULT("shard.fire_one_timer") ? 1 : current_limits().timers_max;  // the rest is late by a turn and more
    for (unsigned fired = 0; due != nullptr; due = ++fired < most ? timers_.pop_due() : nullptr) {
        auto& node = static_cast<detail::timer_node&>(*due);
        set_current_group(*node.group);
        node.fire(node);
    }
    set_current_group(outer);
    mark(phase::timers);
    return true;
}

bool shard::receive_messages() noexcept {
    if (!mailbox_.has_arrived()) {
        return false;
    }
    mailbox_.receive(now_ns(), [](detail::message& m) { m.arrive(m); });
    mark(phase::messages);
    return true;
}

bool shard::run_tasks() noexcept {
    group_queue* group = next_group();
    if (group == nullptr) {
        return false;
    }
    preempt_flag().store(false, std::memory_order_relaxed);  // no partner: a hint, see run_queue.hh
    const std::uint64_t begin_ns = phases_.last_ns();
    watch_tasks(begin_ns);
    if (FAULT("shard.quota_is_spent")) {
        preempt_flag().store(true, std::memory_order_relaxed);  // no partner: this thread's own
    }
    do {
        run_group(*group, tasks_between_looks);
        charge(*group, mark(phase::tasks));
        group = next_group();
    } while (group != nullptr && !need_preempt() && !is_spent(phases_.last_ns() - begin_ns));
    watch_tasks(0);
    return true;
}

bool shard::publish_messages() noexcept {
    if (!mailbox_.has_unsent() || FAULT("shard.publish_later") || !mailbox_.publish()) {
        return false;
    }
    mark(phase::messages);
    return true;
}

bool shard::submit_requests() noexcept {
    if (outgoing_.empty()) {
        return false;
    }
    const unsigned taken = platform_.submit(outgoing_.data(), static_cast<unsigned>(outgoing_.size()));
    outgoing_.erase(outgoing_.begin(), outgoing_.begin() + taken);
    if (!outgoing_.empty()) [[unlikely]] {
        PROBE("shard.submitted_a_part");
    }
    mark(phase::submit);
    return taken != 0;
}

void shard::sleep() noexcept {
    if (!can_sleep() || FAULT("shard.sleep_fails")) {
        return;
    }
    if (!mailbox_.try_sleep()) {
        PROBE("shard.message_ends_falling_asleep");
        return;
    }
    ++sleeps_;
    mark(phase::spin);
    asleep_ = true;
    platform_.wait(next_deadline());
    mark(phase::sleep);
}

namespace {

/// A request for the withdrawal of another; frees itself.
struct cancel_request final : io_request {
    explicit cancel_request(io_request& target) noexcept : io_request{.op = io_op::cancel} {
        extra = &target;
        complete = [](io_request& self) noexcept { delete static_cast<cancel_request*>(&self); };
    }
};

detail::execution_context shard_context() noexcept {
    detail::execution_context here;
    if (on_shard()) {
        here.shard = static_cast<std::int32_t>(this_shard().id());
        here.now_ns = this_shard().now_ns();
        here.wall_ns = this_shard().wall_ns();
    }
    return here;
}

}  // namespace

void shard::cancel(io_request& request) {
    if (const auto unsent = std::ranges::find(outgoing_, &request); unsent != outgoing_.end()) {
        PROBE("shard.request_cancelled_unsent");
        outgoing_.erase(unsent);
        request.result = -ECANCELED;
        request.complete(request);
        return;
    }
    submit(*new cancel_request(request));
}

shard::shard(platform& outside, const shard_options& options)
    : platform_(outside),
      options_(options),
      phases_(outside.now()),
      mailbox_({.self = options.id,
                .shards = options.count,
                .capacity = options.mailbox_capacity,
                .heavy_barrier = options.heavy_barrier,
                .wake = [](void* self) noexcept { static_cast<shard*>(self)->wake(); },
                .wake_context = this}) {
    set_now_ns(outside.now());
    // Release: pairs with the acquire in current_context().
    detail::assert_context.store(&shard_context, std::memory_order_release);
}

shard::~shard() = default;

void shard::connect(std::span<shard* const> all) {
    std::vector<detail::mailbox*> boxes;
    for (shard* each : all) {
        boxes.push_back(&each->mailbox_);
    }
    mailbox_.connect(boxes);
}

clock::time_point clock::now() noexcept {
    return this_shard().now();
}

lowres_clock::time_point lowres_clock::now() noexcept {
    return lowres_clock::time_point(this_shard().now().time_since_epoch());
}

wall_clock::time_point wall_clock::now() noexcept {
    return wall_clock::time_point(wall_clock::duration(this_shard().wall_ns()));
}

bool submit_io::start(task& waiter) {
    waiter_ = &waiter;
    if (abort_ != nullptr) {
        subscription_ = abort_->subscribe([this](const std::exception_ptr&) noexcept { this_shard().cancel(*this); });
        if (!subscription_) {
            result = -ECANCELED;
            return false;
        }
    }
    complete = [](io_request& self) noexcept {
        auto& operation = static_cast<submit_io&>(self);
        operation.subscription_.reset();
        this_shard().schedule(*operation.waiter_);
    };
    this_shard().submit(*this);
    return true;
}

}  // namespace shale
