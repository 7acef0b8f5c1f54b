// See sim_platform.hh.
#include "sim_platform.hh"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "../../base/fault_point.hh"

namespace shale::sim::detail {

namespace {

constexpr std::int64_t epoch_ns = 1'700'000'000'000'000'000;  ///< where wall clocks stand when the world's shows 0
constexpr std::uint64_t blocked_max_ns = 10'000'000;

}  // namespace

std::int64_t sim_platform::wall() noexcept {
    const auto since = static_cast<double>(vtime_ns_) * host_.wall_drift;
    return epoch_ns + static_cast<std::int64_t>(vtime_ns_) + static_cast<std::int64_t>(since) + host_.wall_offset_ns;
}

void sim_platform::entropy(std::span<std::byte> out) noexcept {
    world_.entropy_drawn += out.size();
    std::ranges::generate(out, [this] { return static_cast<std::byte>(world_.streams.program()); });
}

// The one place that knows where requests go. Null: this machine has no such part.
outside_part* sim_platform::part_for(const io_request& request) noexcept {
    switch (request.op) {
        case io_op::read:
        case io_op::write:
        case io_op::readv:
        case io_op::writev:
        case io_op::fsync:
        case io_op::fdatasync:
        case io_op::open:
        case io_op::stat:
        case io_op::rename:
        case io_op::mkdir:
        case io_op::readdir:
        case io_op::fallocate:
        case io_op::truncate:
        case io_op::sync_dir:
        case io_op::lock:
        case io_op::statfs:
            return host_.disk.get();
        case io_op::unlink:  // the one call that programs make on the file of a Unix socket
            return host_.network && host_.network->has_name(static_cast<const char*>(request.data))
                       ? host_.network.get()
                       : host_.disk.get();
        case io_op::poll:
        case io_op::close: {
            const auto handle = handles_.find(request.fd);
            return handle && handle->what == open_handle::kind::socket ? host_.network.get() : host_.disk.get();
        }
        default:
            return host_.network.get();
    }
}

void sim_platform::begin(io_request& request) {
    outside_part* const part = part_for(request);
    in_flight_.emplace(&request, part);
    world_.hash.fold(static_cast<std::uint64_t>(request.op) << 32 | request.size);
    world_.hash.fold(request.offset);
    if (!world_.watchers.empty()) {
        tell(world_event::kind::submitted, request);
    }
    if (!alive_) {
        return;  // whoever watched has killed the machine
    }
    if (part == nullptr) {
        finish(request, -ENOSYS);
    } else if ((request.op == io_op::close || request.op == io_op::poll) && handles_.find(request.fd) == nullptr) {
        finish(request, -EBADF);
    } else {
        part->begin(request, *this);
    }
}

void sim_platform::cancel(io_request& request) {
    auto& target = *static_cast<io_request*>(request.extra);
    std::int32_t result = -ENOENT;
    if (const auto at = in_flight_.find(&target); at != in_flight_.end()) {
        result = at->second != nullptr && at->second->withdraw(target, *this) ? 0 : -EALREADY;
    } else if (std::ranges::find(finished_, &target) != finished_.end()) {
        result = -EALREADY;
    }
    in_flight_.emplace(&request, nullptr);
    finish(request, result);
}

unsigned sim_platform::submit(io_request* const* requests, unsigned count) noexcept {
    simulator_works_ = true;
    if (FAULT("platform.take_fewer")) {
        count = static_cast<unsigned>(world_.streams.faults.below(count + 1));
    }
    if (FAULT("platform.submit_blocks")) {
        charge(world_.streams.faults.below(blocked_max_ns));
    }
    for (unsigned i = 0; i < count && alive_; ++i) {
        if (requests[i]->op == io_op::cancel) {
            cancel(*requests[i]);
        } else {
            begin(*requests[i]);
        }
    }
    simulator_works_ = false;
    return count;
}

void sim_platform::finish(io_request& request, std::int32_t result) {
    if (!alive_) {
        return;  // it died of this very event
    }
    SHALE_ASSERT(in_flight_.erase(&request) == 1, "{}: a {} is finished that is not in flight", name(),
                 to_string(request.op));
    request.result = result;
    finished_.push_back(&request);
    wake();
    if (!world_.watchers.empty()) {
        tell(world_event::kind::completed, request);
    }
}

unsigned sim_platform::reap(io_request** done, unsigned max) noexcept {
    unsigned count = 0;
    for (; count < max && !finished_.empty() && alive_; ++count) {
        std::swap(finished_[world_.reap_random.below(finished_.size())], finished_.back());
        done[count] = finished_.back();
        finished_.pop_back();
        world_.hash.fold(static_cast<std::uint32_t>(done[count]->result));
    }
    return count;
}

void sim_platform::wait(std::uint64_t deadline) noexcept {
    if (finished_.empty() && !woken_) {
        asleep_ = true;
        asleep_until_ns_ = deadline;
    }
}

void sim_platform::wake() noexcept {
    woken_ = true;
    if (std::exchange(asleep_, false)) {
        const std::uint64_t delay_max_ns = world_.options.wake_delay_max_ns;
        woken_ns_ = world_.events.now_ns() + (delay_max_ns > 0 ? world_.cost_random.below(delay_max_ns + 1) : 0);
    }
}

void sim_platform::begin_turn(std::uint64_t now_ns) noexcept {
    vtime_ns_ = std::max(vtime_ns_, now_ns);
    asleep_ = false;
    woken_ = false;
}

void sim_platform::tell(world_event::kind what, const io_request& request) {
    world_.tell({.what = what,
                 .machine = host_.name,
                 .shard = shard_,
                 .op = request.op,
                 .result = request.result,
                 .now_ns = world_.events.now_ns(),
                 .request = &request});
}

std::string sim_platform::describe_requests() const {
    std::map<std::string_view, unsigned> counts;
    for (const auto& [request, part] : in_flight_) {
        ++counts[to_string(request->op)];
    }
    std::string text;
    for (const auto& [name, count] : counts) {
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, name);
    }
    return text;
}

}  // namespace shale::sim::detail
