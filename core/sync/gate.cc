// Counting in and out. See gate.hh.
#include "gate.hh"

#include <fmt/format.h>

#include <map>

#include "../shard/shard_local.hh"

namespace shale {

/// The gates of one shard whose close() waits.
struct closing_gates {
    boost::intrusive::list<gate, boost::intrusive::member_hook<gate, gate::closing_hook, &gate::closing_>,
                           boost::intrusive::constant_time_size<false>>
        waiting;
};

namespace {

const shard_local<closing_gates> closing;

std::string place(const std::source_location& site) {
    return fmt::format("{}:{}", site.file_name(), site.line());
}

}  // namespace

gate::~gate() {
    if (count_ != 0) [[unlikely]] {
        const std::source_location site = holders_.empty() ? std::source_location() : holders_.front().site();
        SHALE_ASSERT(count_ == 0,
                     "a gate is destroyed with {} operations inside, one from {}:{}; co_await close() first", count_,
                     site.file_name(), site.line());
    }
}

void gate::enter() {
    if (!try_enter()) {
        throw gate_closed_exception();
    }
}

bool gate::try_enter() noexcept {
    if (is_closed()) {
        return false;
    }
    ++count_;
    return true;
}

void gate::leave() noexcept {
    SHALE_ASSERT(count_ > 0, "a gate was left more often than entered");
    if (--count_ == 0 && is_closed()) {
        closing_.unlink();
        closed_->set_value();
    }
}

void gate::check() const {
    if (is_closed()) {
        throw gate_closed_exception();
    }
}

gate::holder gate::hold(std::source_location site) {
    check();
    return {*this, site};
}

std::optional<gate::holder> gate::try_hold(std::source_location site) noexcept {
    if (is_closed()) {
        return std::nullopt;
    }
    return holder(*this, site);
}

future<void> gate::close(std::source_location site) {
    SHALE_ASSERT(!is_closed(), "a gate was closed twice");
    closed_.emplace();
    closed_from_ = site;
    if (count_ == 0) {
        closed_->set_value();
    } else if (on_shard()) {
        closing->waiting.push_back(*this);
    }
    return closed_->get_future();
}

std::vector<std::source_location> gate::held_from() const {
    std::vector<std::source_location> sites;
    for (const holder& each : holders_) {
        sites.push_back(each.site());
    }
    return sites;
}

std::vector<std::string> describe_closing_gates() {
    std::vector<std::string> lines;
    for (const gate& each : closing->waiting) {
        std::map<std::string, unsigned> inside;
        for (const std::source_location& site : each.held_from()) {
            ++inside[place(site)];
        }
        std::string line =
            fmt::format("the gate closed at {} waits for {} inside", place(each.closed_from_), each.count_);
        const char* separator = ": ";
        for (const auto& [from, count] : inside) {
            line += fmt::format("{}{} from {}", std::exchange(separator, ", "), count, from);
        }
        lines.push_back(std::move(line));
    }
    return lines;
}

void gate::holder::join(gate* inside) noexcept {
    gate_ = inside;
    if (gate_ != nullptr) {
        ++gate_->count_;
        gate_->holders_.push_back(*this);
    }
}

void gate::holder::take(holder& other) noexcept {
    gate_ = std::exchange(other.gate_, nullptr);
    if (gate_ != nullptr) {
        swap_nodes(other);
    }
}

void gate::holder::release() noexcept {
    if (gate* inside = std::exchange(gate_, nullptr); inside != nullptr) {
        inside->holders_.erase(inside->holders_.iterator_to(*this));
        inside->leave();
    }
}

}  // namespace shale
