// Opening a listener and accepting from it. See listening.hh.
#include "listening.hh"

#include <fcntl.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <charconv>
#include <string>

#include "../../core/base/error.hh"
#include "../../core/base/fault_point.hh"
#include "../../core/base/limits.hh"
#include "../../core/shard/io.hh"
#include "../../core/shard/shard.hh"
#include "../../core/shard/sleep.hh"
#include "settings.hh"

namespace shale::net::detail {

namespace {

constinit logger net_log{"net"};

std::vector<socket_setting> settings_of(const socket_address& address, const listen_options& options) {
    std::vector<socket_setting> settings;
    if (options.send_buffer != 0) {
        settings.push_back({SOL_SOCKET, SO_SNDBUF, options.send_buffer});
    }
    if (options.receive_buffer != 0) {
        settings.push_back({SOL_SOCKET, SO_RCVBUF, options.receive_buffer});
    }
    if (!address.is_ip()) {
        return settings;
    }
    if (options.keepalive) {
        std::ranges::copy(keepalive_settings(options.keepalive), std::back_inserter(settings));
    }
    if (options.nodelay) {
        settings.push_back({IPPROTO_TCP, TCP_NODELAY, 1});
    }
    return settings;
}

/// net.core.somaxconn, or `otherwise` where it cannot be read.
future<int> backlog_max(int otherwise) {
    const char* const path = "/proc/sys/net/core/somaxconn";
    const std::int32_t fd = co_await submit_io(
        io_request{.op = io_op::open, .data = const_cast<char*>(path), .size = O_RDONLY | O_CLOEXEC});
    if (fd < 0) {
        co_return otherwise;
    }
    char text[32];
    const std::int32_t size =
        co_await submit_io(io_request{.op = io_op::read, .fd = fd, .data = text, .size = sizeof text});
    co_await submit_io(io_request{.op = io_op::close, .fd = fd});
    int value = 0;
    if (size <= 0 || std::from_chars(text, text + size, value).ec != std::errc()) {
        co_return otherwise;
    }
    co_return value;
}

future<std::int32_t> try_listen(const socket_address& address, const listen_options& options) {
    const auto settings = settings_of(address, options);
    listen_parameters parameters{.backlog = options.backlog,
                                 .reuse_port = options.balance == accept_balance::reuse_port && address.is_ip(),
                                 .ipv6_only = options.ipv6_only,
                                 .settings = settings};
    co_return co_await submit_io(io_request{.op = io_op::listen,
                                            .data = const_cast<sockaddr*>(address.data()),
                                            .size = address.length(),
                                            .extra = &parameters});
}

bool has_path(const socket_address& address) {
    return address.is_unix() && !address.path().empty() && !address.path().starts_with('@');
}

future<void> unlink(const socket_address& address) {
    std::string path = address.path();
    co_await submit_io(io_request{.op = io_op::unlink, .data = path.data()});
}

/// True when the socket file at `address` was left behind by somebody who is gone; it is removed then.
future<bool> remove_stale(const socket_address& address) {
    const std::int32_t fd = co_await submit_io(
        io_request{.op = io_op::connect, .data = const_cast<sockaddr*>(address.data()), .size = address.length()});
    if (fd >= 0) {
        co_await submit_io(io_request{.op = io_op::close, .fd = fd});
    }
    if (fd != -ECONNREFUSED) {
        co_return false;
    }
    co_await unlink(address);
    co_return true;
}

std::string_view advice_for(std::int32_t result, const socket_address& address) {
    switch (-result) {
        case EADDRINUSE:
            return address.is_unix() ? "Somebody listens there, or the path is taken by another file."
                                     : "Another program listens there (ss -ltnp shows it), or this one does already.";
        case EACCES:
            return address.is_unix() ? "The directory must be writable."
                                     : "Ports below 1024 need CAP_NET_BIND_SERVICE.";
        case EADDRNOTAVAIL:
            return "This machine does not have that address (ip addr shows those it has).";
        default:
            return "";
    }
}

socket_address from_storage(const sockaddr_storage& from) noexcept {
    // The length is not known of a Unix client's, which hardly ever has a path.
    const socklen_t length = from.ss_family == AF_INET    ? sizeof(sockaddr_in)
                             : from.ss_family == AF_INET6 ? sizeof(sockaddr_in6)
                                                          : sizeof(sa_family_t);
    return {reinterpret_cast<const sockaddr*>(&from), length};
}

bool out_of_descriptors(std::int32_t result) noexcept {
    return result == -EMFILE || result == -ENFILE;
}

/// Want of something, or, as accept(2) has it, the failure of one connection or of the network for a while.
bool passes_with_time(std::int32_t result) noexcept {
    switch (-result) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case ECONNABORTED:
        case EHOSTDOWN:
        case EHOSTUNREACH:
        case ENETDOWN:
        case ENETUNREACH:
        case ENONET:
        case ENOPROTOOPT:
        case EOPNOTSUPP:
        case EPERM:
        case EPROTO:
        case ETIMEDOUT:
            return true;
        default:
            return false;
    }
}

}  // namespace

future<std::unique_ptr<listening>> listening::open(socket_address address, listen_options options,
                                                   std::size_t connections_max) {
    std::int32_t fd = co_await try_listen(address, options);
    if (fd == -EADDRINUSE && options.manage_unix_path && has_path(address)) {
        const bool removed = co_await remove_stale(address);
        if (removed) {
            fd = co_await try_listen(address, options);
        }
    }
    if (fd < 0) {
        throw make_system_error(fd, "listen at {}", address).advise(advice_for(fd, address));
    }
    const int allowed = co_await backlog_max(options.backlog);
    if (allowed < options.backlog) {
        net_log.warn(
            "the backlog of {} is {} and not {}: that is net.core.somaxconn. To raise: sysctl -w "
            "net.core.somaxconn={}",
            address, allowed, options.backlog, options.backlog);
    }
    sockaddr_storage bound{};
    const std::int32_t length = co_await submit_io(io_request{.op = io_op::local_address, .fd = fd, .data = &bound});
    const socket_address local =
        length > 0 && !address.is_unix()
            ? socket_address(reinterpret_cast<const sockaddr*>(&bound), static_cast<socklen_t>(length))
            : address;
    co_return std::make_unique<listening>(fd, local, options, connections_max);
}

listening::listening(int descriptor, const socket_address& local, const listen_options& options,
                     std::size_t connections_max)
    : descriptor_(descriptor),
      local_(local),
      options_(options),
      connections_max_(std::max<std::size_t>(connections_max, 1)),
      counts_(std::make_shared<connection_counts>(this_shard().count())) {}

listening::~listening() {
    SHALE_ASSERT(descriptor_ < 0, "the listener at {} was not closed", local_.to_string());
}

future<accepted_descriptor> listening::accept(abort_source& abort) {
    while (true) {
        abort.check();
        if (counts_->open() >= connections_max_) {
            PROBE("net.at_the_limit_of_connections");
            net_log.warn(limit_line_, "{} connections to {} are open: that is the limit, more must wait",
                         connections_max_, local_);
            co_await as_result(sleep_abortable(current_limits().accept_pause_at_limit, abort));
            continue;
        }
        sockaddr_storage from{};
        const std::int32_t result =
            co_await submit_io(io_request{.op = io_op::accept, .fd = descriptor_, .data = &from}, &abort);
        if (result >= 0) {
            co_return accepted_descriptor{result, from_storage(from)};
        }
        if (passes_with_time(result)) {
            PROBE("net.accept_failed");
            net_log.warn(failure_line_, "no connection can be accepted at {}: {}. Trying again.{}", local_,
                         errno_name(result),
                         out_of_descriptors(result) ? " The limit of descriptors is raised with ulimit -n" : "");
            co_await as_result(sleep_abortable(current_limits().accept_pause_after_failure, abort));
            continue;
        }
        abort.check();
        throw_system_error(result, "accept at {}", local_);
    }
}

future<void> listening::close() {
    if (descriptor_ < 0) {
        co_return;
    }
    co_await submit_io(io_request{.op = io_op::close, .fd = std::exchange(descriptor_, -1)});
    if (options_.manage_unix_path && has_path(local_)) {
        co_await unlink(local_);
    }
}

}  // namespace shale::net::detail
