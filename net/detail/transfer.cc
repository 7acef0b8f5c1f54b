// Submitting, going on, and saying what went wrong. See transfer.hh.
#include "transfer.hh"

#include <algorithm>
#include <cerrno>

#include "../../core/base/error.hh"
#include "../../core/base/fault_point.hh"
#include "../../core/base/limits.hh"
#include "../../core/shard/shard.hh"

namespace shale::net::detail {

inline void transfer::submit() noexcept {
    fd = on_.descriptor();
    const limits& limit = current_limits();
    size = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(left_, of_pieces() ? limit.transfer_pieces_max : limit.transfer_bytes_max));
    if (shale::detail::faults_are_on()) [[unlikely]] {
        size = less_than(size);
    }
    this_shard().submit(*this);
}

// Of a read one byte; of a write half of the bytes, or the first piece. A poll has no size.
std::uint32_t transfer::less_than(std::uint32_t all) const noexcept {
    if (kind_ == kind::read_some) {
        return FAULT("net.read_one_byte") ? 1 : all;
    }
    if (kind_ == kind::poll || !FAULT("net.write_in_pieces")) {
        return all;
    }
    return of_pieces() ? 1 : (all + 1) / 2;
}

// False when it has fired already. Apart, so that starting without one is short.
[[gnu::noinline]] bool transfer::heed_abort() {
    subscription_ = abort_->subscribe([this](const std::exception_ptr&) noexcept { this_shard().cancel(*this); });
    return subscription_.has_value();
}

bool transfer::start(task& waiter) {
    if (left_ == 0) {
        result = 0;
        return false;
    }
    result = -ECANCELED;
    if (on_.descriptor() < 0) {
        return false;
    }
    if (abort_ != nullptr && !heed_abort()) {
        return false;
    }
    on_.pin();
    waiter_ = &waiter;
    complete = &completed;
    submit();
    return true;
}

// A part was written: passes over it. True when there is more and nobody has put an end to it.
bool transfer::go_on() noexcept {
    if (result <= 0 || kind_ != kind::write_all) {
        return false;
    }
    auto written = static_cast<std::size_t>(result);
    done_ += written;
    if (of_pieces()) {
        auto* piece = static_cast<iovec*>(data);
        while (left_ != 0 && written >= piece->iov_len) {
            written -= piece->iov_len;
            ++piece;
            --left_;
        }
        if (left_ != 0) {
            piece->iov_base = static_cast<char*>(piece->iov_base) + written;
            piece->iov_len -= written;
        }
        data = piece;
    } else {
        data = static_cast<char*>(data) + written;
        left_ -= written;
    }
    if (left_ == 0) {
        return false;
    }
    if (on_.descriptor() < 0 || (abort_ != nullptr && abort_->abort_requested())) {
        PROBE("net.write_ended_half_way");
        result = -ECANCELED;
        return false;
    }
    PROBE("net.short_write_continued");
    return true;
}

void transfer::completed(io_request& self) noexcept {
    auto& t = static_cast<transfer&>(self);
    if (t.go_on()) {
        t.submit();
        return;
    }
    t.subscription_.reset();
    t.on_.unpin();
    this_shard().schedule(*t.waiter_);
}

std::size_t transfer::await_resume() {
    if (result < 0) [[unlikely]] {
        fail();
    }
    return static_cast<std::size_t>(outcome());
}

void transfer::fail() {
    if (abort_ != nullptr && result == -ECANCELED) {
        abort_->check();
    }
    const char* what = kind_ == kind::read_some ? "read from" : kind_ == kind::poll ? "wait for" : "write to";
    if (result == -ECANCELED) {
        throw_system_error(ECANCELED, "{} a connection that was closed here", what);
    }
    if (kind_ == kind::write_all && done_ != 0) {
        PROBE("net.write_failed_half_way");
        throw_system_error(result, "write to a connection (descriptor {}) after {} bytes", fd, done_);
    }
    throw_system_error(result, "{} a connection (descriptor {})", what, fd);
}

}  // namespace shale::net::detail
