// Who has joined, and who gets the next connection. See listener_hub.hh.
#include "listener_hub.hh"

#include <algorithm>
#include <cerrno>
#include <map>
#include <unordered_map>

#include "../../core/base/error.hh"
#include "../../core/base/fault_point.hh"
#include "../../core/shard/shard_local.hh"
#include "../../core/shard/smp.hh"
#include "../../core/sync/gate.hh"
#include "../../core/sync/semaphore.hh"
#include "acceptor.hh"

namespace shale::net::detail {

namespace {

constinit logger net_log{"net"};

class hub {
public:
    explicit hub(std::unique_ptr<listening> socket) noexcept : socket_(std::move(socket)), running_(run()) {}

    const socket_address& address() const noexcept { return socket_->local_address(); }
    bool empty() const noexcept { return takers_.empty(); }
    bool has(unsigned shard) const noexcept { return std::ranges::count(takers_, shard, &taker::shard) != 0; }
    void add(taker who) { takers_.push_back(who); }
    void remove(taker who) noexcept { std::erase(takers_, who); }

    future<void> stop() {
        stop_.request_abort();
        co_await std::move(running_);
        co_await handing_over_.close();
        co_await socket_->close();
    }

private:
    future<void> run();
    future<void> give(int descriptor, socket_address from);
    const taker& choose() noexcept;

    std::unique_ptr<listening> socket_;
    abort_source stop_;
    std::vector<taker> takers_;
    std::size_t last_ = 0;
    gate handing_over_;
    future<void> running_;
};

/// One shard's part. Hubs are on hub_shard alone.
struct registry {
    std::uint64_t next_id = 1;
    std::unordered_map<std::uint64_t, shared_acceptor*> acceptors;
    std::map<socket_address, std::unique_ptr<hub>> hubs;
    semaphore changing{1};  ///< who opens or ends a hub
};

const shard_local<registry> registries;

/// On the shard that was chosen.
void receive(std::uint64_t acceptor, int descriptor, const socket_address& from,
             std::shared_ptr<connection_counts> counts) {
    connection_ptr arrived(new connection(descriptor, std::move(counts)));
    const auto& acceptors = registries->acceptors;
    if (const auto to = acceptors.find(acceptor); to != acceptors.end()) {
        to->second->deliver(accept_result{connected_socket(std::move(arrived)), from});
    } else {
        PROBE("net.connection_for_a_listener_that_is_gone");
    }
}

future<void> hub::run() {
    while (!stop_.abort_requested()) {
        auto got = co_await as_result(socket_->accept(stop_));
        if (got) {
            (void)give(got->descriptor, got->remote);
        } else if (!stop_.abort_requested()) {
            net_log.error("no more connections are taken: {}", message_of(got.error()));
            co_return;
        }
    }
}

// Never fails: what cannot be sent is closed.
future<void> hub::give(int descriptor, socket_address from) {
    const auto held = handing_over_.hold();
    if (takers_.empty()) {
        submit_and_forget(io_request{.op = io_op::close, .fd = descriptor});
        co_return;
    }
    const taker to = choose();
    socket_->counts()->give(to.shard);
    // Named: GCC 12 destroys the captures of a closure made inside a co_await twice.
    auto take = [id = to.acceptor, descriptor, from, counts = socket_->counts()]() mutable {
        receive(id, descriptor, from, std::move(counts));
    };
    auto sent = co_await as_result(smp::submit_to(to.shard, std::move(take)));
    if (!sent) {
        net_log.error("a connection from {} could not be given to shard {}", from, to.shard);
        socket_->counts()->take_back(to.shard);
        submit_and_forget(io_request{.op = io_op::close, .fd = descriptor});
    }
}

const taker& hub::choose() noexcept {
    std::size_t best = last_ = (last_ + 1) % takers_.size();
    if (FAULT("net.connection_goes_elsewhere")) {
        return takers_[best];
    }
    for (std::size_t i = 1; i < takers_.size(); ++i) {
        const std::size_t other = (last_ + i) % takers_.size();
        if (socket_->counts()->open(takers_[other].shard) < socket_->counts()->open(takers_[best].shard)) {
            best = other;
        }
    }
    last_ = best;
    return takers_[best];
}

}  // namespace

std::uint64_t register_acceptor(shared_acceptor& to) noexcept {
    registry& mine = *registries;
    mine.acceptors.emplace(mine.next_id, &to);
    return mine.next_id++;
}

void unregister_acceptor(std::uint64_t id) noexcept {
    registries->acceptors.erase(id);
}

future<socket_address> join_hub(socket_address address, listen_options options, taker who) {
    registry& mine = *registries;
    const auto alone = co_await get_units(mine.changing, 1);
    auto found = mine.hubs.find(address);
    if (found == mine.hubs.end()) {
        auto socket = co_await listening::open(address, options, options.connections_max);
        const socket_address bound = socket->local_address();
        found = mine.hubs.emplace(bound, std::make_unique<hub>(std::move(socket))).first;
    }
    if (found->second->has(who.shard)) {
        throw make_system_error(EADDRINUSE, "listen at {}", address).advise("This shard listens there already.");
    }
    found->second->add(who);
    co_return found->first;
}

future<void> leave_hub(socket_address address, taker who) {
    registry& mine = *registries;
    const auto alone = co_await get_units(mine.changing, 1);
    const auto found = mine.hubs.find(address);
    if (found == mine.hubs.end()) {
        co_return;
    }
    found->second->remove(who);
    if (found->second->empty()) {
        co_await found->second->stop();
        mine.hubs.erase(found);
    }
}

}  // namespace shale::net::detail
