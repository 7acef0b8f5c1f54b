// The half of a cross-core call that does not depend on what is called. See detail/remote_call.hh.
#include "smp.hh"

#include "../async/timed_out.hh"
#include "../base/fault_point.hh"

namespace shale::detail {

remote_call_base::remote_call_base(run_function run, std::source_location site) noexcept
    : task(run, site),
      source_(static_cast<std::uint16_t>(this_shard().id())),
      group_id_(static_cast<std::uint16_t>(group().id())) {}

bool remote_call_base::submit(unsigned target) noexcept {
    shard& here = this_shard();
    SHALE_ASSERT(target < here.count(), "a call to shard {} of {}", target, here.count());
    arrive = &arrived;
    const bool leaves = here.mail().send(target, *this, here.now_ns(), FAULT("mailbox.seems_full"));
    if (!leaves) [[unlikely]] {
        PROBE("mailbox.full_for_a_call");
    }
    return leaves;
}

void remote_call_base::arrived(message& m) noexcept {
    auto& self = static_cast<remote_call_base&>(m);
    shard& here = this_shard();
    // A group that this shard does not have yet: created a moment ago, and the news is still on its way.
    const unsigned group = here.has_group(self.group_id_) ? self.group_id_ : 0;
    self.set_group(here.group(group));
    here.schedule(self);
}

void remote_call_base::reply(arrive_function finish) noexcept {
    shard& here = this_shard();
    arrive = finish;
    if (!here.mail().send(source_, *this, here.now_ns(), FAULT("mailbox.seems_full_for_a_reply"))) [[unlikely]] {
        PROBE("mailbox.full_for_a_reply");
    }
}

std::exception_ptr send_limit::timed_out() noexcept {
    return std::make_exception_ptr(timed_out_error());
}

}  // namespace shale::detail
