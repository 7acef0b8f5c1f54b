// What stands behind a server_socket: one shard's way to its connections.
//
// direct_acceptor has a listening descriptor of its own. shared_acceptor gets what listener_hub, on shard 0, gives it
// by message. Accept calls keep their acceptor alive, so that a server_socket may go away at any time.
#pragma once

#include "../../core/sync/queue.hh"
#include "../socket.hh"
#include "listening.hh"

namespace shale::net::detail {

class acceptor {
public:
    virtual ~acceptor() = default;
    virtual future<accept_result> accept(abort_source* abort) = 0;
    virtual void abort_accept() noexcept = 0;
    virtual future<void> close() = 0;
    virtual const socket_address& local_address() const noexcept = 0;
};

/// What accept() fails with after abort_accept().
std::exception_ptr accept_aborted(const socket_address& at) noexcept;

class direct_acceptor final : public acceptor {
public:
    explicit direct_acceptor(std::unique_ptr<listening> socket) noexcept : socket_(std::move(socket)) {}
    future<accept_result> accept(abort_source* abort) override;
    void abort_accept() noexcept override;
    future<void> close() override;
    const socket_address& local_address() const noexcept override { return socket_->local_address(); }

private:
    std::unique_ptr<listening> socket_;
    abort_source stop_;
};

class shared_acceptor final : public acceptor {
public:
    /// Joins the others that listen at `address`, or is the first. Throws std::system_error.
    static future<std::shared_ptr<acceptor>> join(socket_address address, listen_options options);

    shared_acceptor() noexcept;
    ~shared_acceptor() override;
    future<accept_result> accept(abort_source* abort) override;
    void abort_accept() noexcept override;
    future<void> close() override;
    const socket_address& local_address() const noexcept override { return local_; }

    /// A connection that was chosen for this shard.
    void deliver(accept_result&& arrived) { arrived_.push(std::move(arrived)); }

private:
    socket_address local_;  ///< unspecified until joined and after the end
    std::uint64_t id_;
    bool joined_ = false;
    queue<accept_result> arrived_;
};

}  // namespace shale::net::detail
