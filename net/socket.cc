// What a connected socket can be asked and told. Accepting stands in listen.cc, connecting in connect.cc.
#include "socket.hh"

#include <netinet/tcp.h>
#include <poll.h>

#include <cerrno>

#include "../core/base/error.hh"
#include "../core/shard/io.hh"
#include "detail/settings.hh"
#include "detail/socket_streams.hh"

namespace shale::net {

namespace {

/// The result of a question, or what went wrong with it.
std::int32_t checked(std::int32_t result, const char* what) {
    if (result < 0) {
        throw_system_error(result, "{} of a connection", what);
    }
    return result;
}

future<socket_address> ask_address(io_op op, int descriptor, const char* what) {
    sockaddr_storage room{};
    const std::int32_t length = co_await submit_io(io_request{.op = op, .fd = descriptor, .data = &room});
    checked(length, what);
    co_return socket_address(reinterpret_cast<const sockaddr*>(&room), static_cast<socklen_t>(length));
}

future<void> set_int(int descriptor, int level, int name, int value) {
    const std::int32_t result = co_await submit_io(io_request{.op = io_op::set_option,
                                                              .fd = descriptor,
                                                              .data = &value,
                                                              .offset = socket_option(level, name),
                                                              .size = sizeof value});
    if (result < 0) {
        throw_system_error(result, "setting option {} of level {} to {}", name, level, value);
    }
}

future<int> get_int(int descriptor, int level, int name) {
    int value = 0;
    const std::int32_t result = co_await submit_io(io_request{.op = io_op::get_option,
                                                              .fd = descriptor,
                                                              .data = &value,
                                                              .offset = socket_option(level, name),
                                                              .size = sizeof value});
    if (result < 0) {
        throw_system_error(result, "reading option {} of level {}", name, level);
    }
    co_return value;
}

}  // namespace

input_stream<char> connected_socket::input(const input_options& options, abort_source* abort) {
    (void)state();
    return input_stream<char>(data_source(std::make_unique<detail::socket_source>(state_, options, abort)));
}

output_stream<char> connected_socket::output(std::size_t buffer_size, abort_source* abort) {
    (void)state();
    return output_stream<char>(data_sink(std::make_unique<detail::socket_sink>(state_, abort)), buffer_size);
}

detail::transfer connected_socket::wait_readable(abort_source* abort, std::source_location site) noexcept {
    return {state(), POLLIN, abort, site};
}

detail::transfer connected_socket::wait_input_shutdown(abort_source* abort, std::source_location site) noexcept {
    return {state(), POLLRDHUP, abort, site};
}

void connected_socket::shutdown_output() noexcept {
    state().shutdown(SHUT_WR);
}

void connected_socket::shutdown_input() noexcept {
    state().shutdown(SHUT_RD);
}

void connected_socket::abort() noexcept {
    state().reset();
}

future<void> connected_socket::close() {
    return state_ ? state_->close() : make_ready_future<void>();
}

future<socket_address> connected_socket::local_address() const {
    return ask_address(io_op::local_address, state().descriptor(), "the local address");
}

future<socket_address> connected_socket::remote_address() const {
    return ask_address(io_op::remote_address, state().descriptor(), "the remote address");
}

future<void> connected_socket::set_nodelay(bool nodelay) {
    return set_int(state().descriptor(), IPPROTO_TCP, TCP_NODELAY, nodelay ? 1 : 0);
}

future<bool> connected_socket::get_nodelay() const {
    return get_int(state().descriptor(), IPPROTO_TCP, TCP_NODELAY).then([](int value) { return value != 0; });
}

future<void> connected_socket::set_keepalive(std::optional<keepalive_options> options) {
    for (const socket_setting& each : detail::keepalive_settings(options)) {
        co_await set_int(state().descriptor(), each.level, each.name, each.value);
    }
}

future<bool> connected_socket::get_keepalive() const {
    return get_int(state().descriptor(), SOL_SOCKET, SO_KEEPALIVE).then([](int value) { return value != 0; });
}

future<void> connected_socket::set_option(int level, int name, int value) {
    return set_int(state().descriptor(), level, name, value);
}

future<int> connected_socket::get_option(int level, int name) const {
    return get_int(state().descriptor(), level, name);
}

}  // namespace shale::net
