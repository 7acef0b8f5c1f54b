// Listening: which way the connections come, and the handle that a program holds.
#include "../core/shard/smp.hh"
#include "detail/acceptor.hh"
#include "socket.hh"

namespace shale::net {

namespace {

/// Keeps the acceptor while somebody waits on it.
future<accept_result> accept_on(std::shared_ptr<detail::acceptor> from, abort_source* abort) {
    co_return co_await from->accept(abort);
}

future<void> close_it(std::shared_ptr<detail::acceptor> acceptor) {
    co_await acceptor->close();
}

future<void> close_in_background(std::shared_ptr<detail::acceptor> acceptor) {
    co_await as_result(acceptor->close());
}

}  // namespace

future<server_socket> listen(socket_address address, listen_options options) {
    if (smp::shard_count() > 1 && options.balance == accept_balance::hand_over) {
        auto joined = co_await detail::shared_acceptor::join(address, options);
        co_return server_socket(std::move(joined));
    }
    if (smp::shard_count() == 1) {
        options.balance = accept_balance::hand_over;  // nobody to share the port with
    }
    const std::size_t mine = options.connections_max / smp::shard_count();
    auto socket = co_await detail::listening::open(address, options, mine);
    co_return server_socket(std::make_shared<detail::direct_acceptor>(std::move(socket)));
}

server_socket::server_socket() noexcept = default;
server_socket::server_socket(std::shared_ptr<detail::acceptor> impl) noexcept : impl_(std::move(impl)) {}
server_socket::server_socket(server_socket&&) noexcept = default;

server_socket& server_socket::operator=(server_socket&& other) noexcept {
    if (this != &other) {
        server_socket old(std::exchange(impl_, std::move(other.impl_)));
    }
    return *this;
}

server_socket::~server_socket() {
    if (impl_) {
        (void)close_in_background(std::move(impl_));
    }
}

future<accept_result> server_socket::accept(abort_source* abort) {
    if (!impl_) {  // closed while the loop that accepts was busy with a connection
        return make_exception_future<accept_result>(detail::accept_aborted({}));
    }
    return accept_on(impl_, abort);
}

void server_socket::abort_accept() noexcept {
    if (impl_) {
        impl_->abort_accept();
    }
}

future<void> server_socket::close() {
    return impl_ ? close_it(std::exchange(impl_, nullptr)) : make_ready_future<void>();
}

const socket_address& server_socket::local_address() const noexcept {
    SHALE_ASSERT(impl_ != nullptr, "local_address() of a socket that does not listen");
    return impl_->local_address();
}

}  // namespace shale::net
