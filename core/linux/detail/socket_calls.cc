// The socket system calls, each made once, without waiting and without a signal. Errors are results.
#include "socket_calls.hh"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "raw_syscall.hh"

namespace shale::detail {

namespace {

long accept_one(const io_request& r, int fd) noexcept {
    // A connection that died in the queue is not the listener's error; there is at most a queue full of them.
    for (int tries = 0; tries < 64; ++tries) {
        socklen_t length = sizeof(sockaddr_storage);
        const long n =
            system_call(SYS_accept4, fd, r.data, r.data != nullptr ? &length : nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (n != -ECONNABORTED && n != -EPROTO && n != -EINTR) {
            return n;
        }
    }
    return -ECONNABORTED;
}

long option_number(std::uint64_t offset, unsigned shift) noexcept {
    return static_cast<std::int32_t>(offset >> shift & 0xffff'ffff);
}

long connected(int fd) noexcept {
    pollfd asked_fd{fd, POLLOUT, 0};
    if (system_call(SYS_poll, &asked_fd, 1, 0) == 0) {
        return -EAGAIN;
    }
    int error = 0;
    socklen_t length = sizeof error;
    const long n = system_call(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return n < 0 ? n : error != 0 ? -error : fd;
}

long poll_once(const io_request& r, int fd) noexcept {
    pollfd asked_fd{fd, static_cast<short>(r.size), 0};
    const long n = system_call(SYS_poll, &asked_fd, 1, 0);
    if (n <= 0) {
        return n == 0 || n == -EINTR ? -EAGAIN : n;
    }
    return (asked_fd.revents & POLLNVAL) != 0 ? -EBADF : asked_fd.revents;
}

// One part, which is what a short answer is, goes by the shorter way: there is no message header to copy and check.
long send_parts(int fd, iovec* parts, std::uint32_t count) noexcept {
    constexpr int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    if (count == 1) {
        return system_call(SYS_sendto, fd, parts->iov_base, parts->iov_len, flags, nullptr, 0);
    }
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    return system_call(SYS_sendmsg, fd, &message, flags);
}

bool set_flag(long fd, int level, int name, int value) noexcept {
    return system_call(SYS_setsockopt, fd, level, name, &value, sizeof value) == 0;
}

}  // namespace

long attempt(const io_request& r, int fd) noexcept {
    switch (r.op) {
        case io_op::accept:
            return accept_one(r, fd);
        case io_op::connect:
            return connected(fd);
        case io_op::recv:
            // A recv of nothing would wait for data all the same.
            return r.size == 0 ? 0 : system_call(SYS_recvfrom, fd, r.data, r.size, MSG_DONTWAIT, nullptr, nullptr);
        case io_op::send:
            return system_call(SYS_sendto, fd, r.data, r.size, MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0);
        case io_op::sendmsg:
            return send_parts(fd, static_cast<iovec*>(r.data), r.size);
        case io_op::recvmsg:
            return system_call(SYS_recvmsg, fd, r.data, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        case io_op::poll:
            return poll_once(r, fd);
        default:
            return -EINVAL;
    }
}

std::uint64_t asked(const io_request& r) noexcept {
    if (r.op != io_op::sendmsg) {
        return r.size;
    }
    std::uint64_t sum = 0;
    const auto* parts = static_cast<const iovec*>(r.data);
    for (std::uint32_t i = 0; i < r.size; ++i) {
        sum += parts[i].iov_len;
    }
    return sum;
}

long open_listener(const io_request& r) noexcept {
    const auto* address = static_cast<const sockaddr*>(r.data);
    const auto& parameters = *static_cast<const listen_parameters*>(r.extra);
    const long fd = system_call(SYS_socket, address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fd;
    }
    long result = 0;
    if (address->sa_family == AF_INET || address->sa_family == AF_INET6) {
        set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    }
    if (address->sa_family == AF_INET6) {
        set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, parameters.ipv6_only ? 1 : 0);
    }
    if (parameters.reuse_port) {
        const int on = 1;
        result = system_call(SYS_setsockopt, fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    for (const socket_setting& setting : parameters.settings) {
        result = result == 0 ? system_call(SYS_setsockopt, fd, setting.level, setting.name, &setting.value,
                                           sizeof setting.value)
                             : result;
    }
    if (result == 0) {
        result = system_call(SYS_bind, fd, address, r.size);
    }
    if (result == 0) {
        result = system_call(SYS_listen, fd, parameters.backlog);
    }
    if (result < 0) {
        system_call(SYS_close, fd);
        return result;
    }
    return fd;
}

long start_connect(const io_request& r, bool* made) noexcept {
    const auto* address = static_cast<const sockaddr*>(r.data);
    const long fd = system_call(SYS_socket, address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fd;
    }
    long result = 0;
    if (const auto* local = static_cast<const sockaddr*>(r.extra); local != nullptr) {
        // The port is chosen when the peer is known, so that one local port serves many peers.
        set_flag(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        result =
            system_call(SYS_bind, fd, local, local->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
    }
    if (result == 0) {
        result = system_call(SYS_connect, fd, address, r.size);
    }
    *made = result == 0;
    if (result < 0 && result != -EINPROGRESS && result != -EINTR) {
        system_call(SYS_close, fd);
        return result;
    }
    return fd;
}

long ask_socket(const io_request& r) noexcept {
    socklen_t length = sizeof(sockaddr_storage);
    long result = 0;
    switch (r.op) {
        case io_op::set_option:
            return system_call(SYS_setsockopt, r.fd, option_number(r.offset, 32), option_number(r.offset, 0), r.data,
                               r.size);
        case io_op::get_option:
            length = r.size;
            result = system_call(SYS_getsockopt, r.fd, option_number(r.offset, 32), option_number(r.offset, 0), r.data,
                                 &length);
            break;
        case io_op::local_address:
            result = system_call(SYS_getsockname, r.fd, r.data, &length);
            break;
        case io_op::remote_address:
            result = system_call(SYS_getpeername, r.fd, r.data, &length);
            break;
        default:
            return -EINVAL;
    }
    return result < 0 ? result : static_cast<long>(length);
}

bool is_tcp(int fd) noexcept {
    int protocol = 0;
    socklen_t length = sizeof protocol;
    return system_call(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 && protocol == IPPROTO_TCP;
}

}  // namespace shale::detail
