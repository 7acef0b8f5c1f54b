// Connecting, with a time limit: one request of the seam, which an abort or the deadline withdraws.
#include <netinet/tcp.h>

#include <cerrno>

#include "../core/base/error.hh"
#include "../core/base/fault_point.hh"
#include "../core/shard/io.hh"
#include "../core/shard/sleep.hh"
#include "../core/shard/timer.hh"
#include "detail/linked_abort.hh"
#include "detail/settings.hh"
#include "socket.hh"

namespace shale::net {

namespace {

void apply(int descriptor, const socket_address& address, const connect_options& options) {
    if (!address.is_ip()) {
        return;
    }
    std::vector<socket_setting> settings;
    if (options.keepalive) {
        settings = detail::keepalive_settings(options.keepalive);
    }
    if (options.nodelay) {
        settings.push_back({IPPROTO_TCP, TCP_NODELAY, 1});
    }
    for (const socket_setting& each : settings) {
        detail::submit_and_forget(
            io_request{.op = io_op::set_option, .fd = descriptor, .offset = socket_option(each.level, each.name)},
            each.value);
    }
}

}  // namespace

future<connected_socket> connect(socket_address address, connect_options options, abort_source* abort) {
    detail::linked_abort limit(abort);
    timer<> deadline([&limit] { limit.request_abort(); });
    if (options.timeout != duration::max()) {
        deadline.arm(options.timeout);
    }
    std::int32_t result = 0;
    while (true) {
        io_request request{.op = io_op::connect,
                           .data = const_cast<sockaddr*>(address.data()),
                           .size = address.length(),
                           .extra = options.local ? const_cast<sockaddr*>(options.local->data()) : nullptr};
        result = co_await submit_io(request, &limit);
        if (result != -EAGAIN || !address.is_unix() || limit.abort_requested()) {
            break;
        }
        PROBE("net.unix_backlog_full");
        // The queue of a Unix socket is full, and nothing tells when it is not.
        co_await as_result(sleep_abortable(std::chrono::milliseconds(5), limit));
    }
    if (result >= 0) {
        detail::connection_ptr made(new detail::connection(result));
        apply(result, address, options);
        co_return connected_socket(std::move(made));
    }
    if (abort != nullptr) {
        abort->check();
    }
    if (limit.abort_requested()) {
        PROBE("net.connect_timed_out");
        throw_system_error(ETIMEDOUT, "connect to {} within {} ms", address,
                           std::chrono::duration_cast<std::chrono::milliseconds>(options.timeout).count());
    }
    throw_system_error(result, "connect to {}", address);
}

}  // namespace shale::net
