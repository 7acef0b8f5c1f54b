// See network_socket.hh.
#include "network_socket.hh"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "../../base/assert.hh"
#include "../../base/crc32c.hh"

namespace shale::sim::detail {

namespace {

bool sends(const io_request& request) noexcept {
    return request.op == io_op::send || request.op == io_op::sendmsg;
}

std::uint32_t checksum_of(const io_request& request) noexcept {
    std::uint32_t sum = 0;
    iovec room;
    for (const iovec& part : memory_of(request, room)) {
        sum = crc32c({static_cast<const std::byte*>(part.iov_base), part.iov_len}, sum);
    }
    return sum;
}

/// The kernel takes no more parts in one message (UIO_MAXIOV).
bool has_too_many_parts(const io_request& request) noexcept {
    constexpr std::size_t parts_max = 1024;
    return request.op == io_op::sendmsg   ? request.size > parts_max
           : request.op == io_op::recvmsg ? static_cast<const msghdr*>(request.data)->msg_iovlen > parts_max
                                          : false;
}

}  // namespace

std::span<const iovec> memory_of(const io_request& request, iovec& room) noexcept {
    if (request.op == io_op::sendmsg) {
        return {static_cast<const iovec*>(request.data), request.size};
    }
    room = {request.data, request.size};
    return {&room, 1};
}

net_socket::net_socket(network_core& core, net_host& at, handle_table& table, int family, int type)
    : open_handle(kind::socket),
      kept_(core.shared_from_this()),
      core_(core),
      options_(family, type),
      at_(at),
      table_(table),
      family_(family),
      number_(core.next_number++) {
    core_.sockets.emplace(number_, this);
}

net_socket::~net_socket() {
    if (open_) {
        core_.sockets.erase(number_);
    }
}

net_socket::waiting_list& net_socket::list_of(const io_request& request) noexcept {
    switch (request.op) {
        case io_op::poll:
            return polls_;
        case io_op::send:
        case io_op::sendmsg:
        case io_op::connect:
            return out_;
        default:
            return in_;
    }
}

std::int32_t net_socket::attempt_any(io_request& request, requester& from) {
    if (request.op != io_op::poll) {
        return has_too_many_parts(request) ? -EMSGSIZE : attempt(request, from);
    }
    const int asked = static_cast<short>(request.size) | POLLERR | POLLHUP;
    const int there = ready() & asked;
    return there != 0 ? there : -EAGAIN;
}

void net_socket::start(io_request& request, requester& from) {
    waiting_list& list = list_of(request);
    if (list.empty() || &list == &polls_) {
        const std::int32_t result = attempt_any(request, from);
        if (result != -EAGAIN) {
            from.finish(request, result);
            return;
        }
    }
    list.push_back({&request, &from, sends(request) ? checksum_of(request) : 0});
}

bool net_socket::withdraw(io_request& request) {
    waiting_list& list = list_of(request);
    const auto at = std::ranges::find(list, &request, &waiting::request);
    if (at == list.end()) {
        return false;
    }
    const waiting found = *at;
    list.erase(at);
    found.from->finish(request, -ECANCELED);
    return true;
}

void net_socket::advance(waiting_list& list) {
    const auto keep = shared_from_this();
    while (!list.empty()) {
        const waiting first = list.front();
        if (!first.from->alive()) {
            list.erase(list.begin());
            continue;
        }
        SHALE_ASSERT(!sends(*first.request) || checksum_of(*first.request) == first.checksum,
                     "the buffer of a send in flight was changed: {} bytes or parts at {}", first.request->size,
                     first.request->data);
        const std::int32_t result = attempt_any(*first.request, *first.from);
        if (result == -EAGAIN) {
            return;
        }
        list.erase(list.begin());
        first.from->finish(*first.request, result);
    }
}

// Each asks for events of its own, so one that must go on waiting holds up no other.
void net_socket::advance_polls() {
    if (polls_.empty()) {
        return;
    }
    const auto keep = shared_from_this();
    for (const waiting& each : std::exchange(polls_, {})) {
        if (!each.from->alive()) {
            continue;
        }
        const std::int32_t result = open_ ? attempt_any(*each.request, *each.from) : -ECANCELED;
        if (result == -EAGAIN) {
            polls_.push_back(each);
        } else {
            each.from->finish(*each.request, result);
        }
    }
}

// What waits in a direction that was shut down ends with what there is left for it, or with ECONNABORTED.
void net_socket::end(waiting_list& list) {
    if (!list.empty() && list.front().request->op != io_op::accept) {
        advance(list);
    }
    for (const waiting& each : std::exchange(list, {})) {
        if (each.from->alive()) {
            each.from->finish(*each.request, -ECONNABORTED);
        }
    }
}

std::int32_t net_socket::begin_shutdown(int how) {
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
        return -EINVAL;
    }
    const std::int32_t result = shutdown(how);
    if (how != SHUT_WR) {
        end(in_);
    }
    if (how != SHUT_RD) {
        end(out_);
    }
    advance_polls();
    return result;
}

void net_socket::forget_waiting() noexcept {
    in_.clear();
    out_.clear();
    polls_.clear();
}

void net_socket::close() {
    if (!std::exchange(open_, false)) {
        return;
    }
    core_.sockets.erase(number_);
    for (waiting_list* list : {&in_, &out_, &polls_}) {
        for (const waiting& each : std::exchange(*list, {})) {
            if (each.from->alive()) {
                each.from->finish(*each.request, -ECANCELED);
            }
        }
    }
    closed();
}

void net_socket::vanish() {
    forget_waiting();
    if (std::exchange(open_, false)) {
        core_.sockets.erase(number_);
        vanished();
    }
}

std::int32_t net_socket::set_option(const io_request& request) {
    const auto level = static_cast<std::int32_t>(request.offset >> 32);
    const auto name = static_cast<std::int32_t>(request.offset);
    const std::int32_t result = options_.set(level, name, request.data, request.size);
    if (result == 0) {
        options_changed();
    }
    return result;
}

std::int32_t net_socket::get_option(const io_request& request) {
    const auto level = static_cast<std::int32_t>(request.offset >> 32);
    const auto name = static_cast<std::int32_t>(request.offset);
    if (level != SOL_SOCKET || (name != SO_ERROR && name != SO_ACCEPTCONN)) {
        return options_.get(level, name, request.data, request.size);
    }
    const int value = name == SO_ERROR ? take_error() : listens() ? 1 : 0;
    const auto length = std::min<std::uint32_t>(request.size, sizeof value);
    std::memcpy(request.data, &value, length);
    return static_cast<std::int32_t>(length);
}

}  // namespace shale::sim::detail
