// Both ways to a connection, seen from the shard that takes it. See acceptor.hh.
#include "acceptor.hh"

#include <cerrno>

#include "../../core/base/error.hh"
#include "../../core/shard/smp.hh"
#include "listener_hub.hh"

namespace shale::net::detail {

std::exception_ptr accept_aborted(const socket_address& at) noexcept {
    try {
        return std::make_exception_ptr(make_system_error(ECONNABORTED, "accept at {}", at));
    } catch (...) {
        return std::current_exception();
    }
}

future<accept_result> direct_acceptor::accept(abort_source* abort) {
    linked_abort either(&stop_, abort);
    accepted_descriptor got = co_await socket_->accept(either);
    socket_->counts()->give(this_shard().id());
    connection_ptr made(new connection(got.descriptor, socket_->counts()));
    co_return accept_result{connected_socket(std::move(made)), got.remote};
}

void direct_acceptor::abort_accept() noexcept {
    stop_.request_abort_ex(accept_aborted(local_address()));
}

future<void> direct_acceptor::close() {
    abort_accept();
    return socket_->close();
}

shared_acceptor::shared_acceptor() noexcept : id_(register_acceptor(*this)) {}

shared_acceptor::~shared_acceptor() {
    unregister_acceptor(id_);
}

future<std::shared_ptr<acceptor>> shared_acceptor::join(socket_address address, listen_options options) {
    // Known here before the first connection can come.
    auto made = std::make_shared<shared_acceptor>();
    const taker me{this_shard().id(), made->id_};
    made->local_ = co_await smp::submit_to(hub_shard, [&] { return join_hub(address, options, me); });
    made->joined_ = true;
    co_return std::move(made);
}

future<accept_result> shared_acceptor::accept(abort_source* abort) {
    return arrived_.pop_eventually(abort);
}

void shared_acceptor::abort_accept() noexcept {
    arrived_.abort(accept_aborted(local_));
}

future<void> shared_acceptor::close() {
    abort_accept();
    if (!std::exchange(joined_, false)) {
        co_return;
    }
    const taker me{this_shard().id(), id_};
    unregister_acceptor(id_);
    const socket_address address = local_;
    co_await smp::submit_to(hub_shard, [&] { return leave_hub(address, me); });
}

}  // namespace shale::net::detail
