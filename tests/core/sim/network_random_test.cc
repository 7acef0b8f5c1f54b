// Random traffic over a network with random faults: what arrives is a prefix of what was sent, every request is
// finished exactly once when the network has calmed down, and the same seed gives the same run.
#include <algorithm>
#include <map>
#include <vector>

#include "network_fixture.hh"

namespace shale::sim::detail {
namespace {

/// One connection of the traffic, by the port of its client. Each direction carries bytes that follow from their place.
struct flow {
    std::uint64_t sent[2] = {};
    std::uint64_t received[2] = {};
};

char byte_at(std::uint16_t port, unsigned side, std::uint64_t place) noexcept {
    std::uint64_t state = std::uint64_t{port} << 40 | std::uint64_t{side} << 36 | place / 8;
    return static_cast<char>(splitmix64(state) >> (place % 8 * 8));
}

/// A program that does whatever it draws, on a host that it shares with nobody.
struct traffic_host {
    traffic_host(network& n, event_queue& e, const std::string& name, const std::string& ip)
        : net(n), events(e), at(n.attach(name, {ip})), address(ip) {
        begin();
    }

    void begin() {
        handles.push_back(std::make_unique<handle_table>());
        runs.push_back(std::make_unique<program>(net, events, at, *handles.back()));
        listener = runs.back()->listen(address, 80, {.backlog = 4});
        accept = nullptr;
        connect = nullptr;
    }
    program& now() { return *runs.back(); }

    network& net;
    event_queue& events;
    net_host& at;
    std::string address;
    std::vector<std::unique_ptr<handle_table>> handles;  ///< of all incarnations
    std::vector<std::unique_ptr<program>> runs;
    std::int32_t listener = -1;
    operation* accept = nullptr;
    operation* connect = nullptr;
};

struct transfer {
    operation* request = nullptr;
    std::string bytes;
};

/// One end of a connection in a program's hands.
struct hands {
    traffic_host* host = nullptr;
    program* owner = nullptr;
    std::int32_t fd = -1;
    unsigned side = 0;
    std::uint64_t key = 0;  ///< of the flow
    std::uint16_t port = 0;
    transfer in;
    transfer out;
    bool disturbed = false;  ///< by an error or a shutdown here: an end may then come before the last byte
};

class random_traffic {
public:
    explicit random_traffic(std::uint64_t seed)
        : network_random_(seed), random_(seed ^ 0x5eed), net(events, network_random_, draw_profile(), faults) {
        net.on_event([this](const network_event& e) {
            for (const std::uint64_t part :
                 {static_cast<std::uint64_t>(e.what), std::uint64_t{e.from} << 32 | e.to, e.bytes, e.now_ns}) {
                trace = trace * 0x9e3779b97f4a7c15 + part;
            }
            ++happened;
        });
        for (int i = 1; i <= 4; ++i) {
            hosts_.push_back(
                std::make_unique<traffic_host>(net, events, "h" + std::to_string(i), "10.0.0." + std::to_string(i)));
        }
    }

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            step();
            if (::testing::Test::HasFailure()) {
                return;
            }
        }
        net.calm();
        for (auto& h : hosts_) {
            if (!h->at.up) {
                restart(*h);
            }
        }
        finish();
    }

    event_queue events;
    fault_counts faults;

private:
    random_engine network_random_;
    random_engine random_;

    net_profile draw_profile() {
        net_profile p = net_profile::harsh(random_);
        p.reset *= 0.2;
        return p;
    }

public:
    network net;
    std::uint64_t trace = 0;
    std::uint64_t happened = 0;
    std::uint64_t bytes = 0;
    std::uint64_t orderly_ends = 0;

private:
    void step() {
        const std::uint64_t what = random_.below(1000);
        traffic_host& h = *hosts_[random_.below(hosts_.size())];
        if (what < 2) {
            fail(h);
        } else if (what < 6) {
            net.disturb();
        } else if (what < 60) {
            make_connection(h);
        } else if (what < 400) {
            use(random_);
        } else if (what < 410 && !ends_.empty()) {
            let_go(random_.below(ends_.size()));
        } else {
            const std::uint64_t until = events.now_ns() + random_.below(3'000'000);
            while (!events.empty() && events.next_ns() <= until) {
                events.run_next();
            }
            events.advance(std::min(until, events.next_ns()));
        }
        collect();
    }

    void fail(traffic_host& h) {
        if (!h.at.up) {
            restart(h);
            return;
        }
        h.now().die();
        std::erase_if(ends_, [&](const std::unique_ptr<hands>& e) { return e->owner == &h.now(); });
        h.accept = h.connect = nullptr;
        if (random_.below(2) == 0) {
            net.process_died(*h.handles.back());
            while (!events.empty() && events.next_ns() <= events.now_ns()) {
                events.run_next();
            }
            h.begin();
        } else {
            net.host_down(h.at);
        }
    }

    void restart(traffic_host& h) {
        net.host_up(h.at);
        h.begin();
    }

    void make_connection(traffic_host& h) {
        if (!h.at.up || ends_.size() > 40) {
            return;
        }
        if (h.accept == nullptr) {
            h.accept = &h.now().start_accept(h.listener);
        }
        if (h.connect == nullptr) {
            h.connect = &h.now().start_connect(hosts_[random_.below(hosts_.size())]->address, 80);
        } else if (random_.below(20) == 0 && !h.connect->done()) {
            EXPECT_TRUE(h.now().cancel(*h.connect));
            EXPECT_EQ(h.connect->result, -ECANCELED);
        }
    }

    /// Turns what was connected and accepted into ends, and looks at what was transferred.
    void collect() {
        for (auto& h : hosts_) {
            for (operation** each : {&h->accept, &h->connect}) {
                if (*each != nullptr && (*each)->done()) {
                    const operation* o = std::exchange(*each, nullptr);
                    if (o->result >= 0) {
                        add_end(*h, o->result, o->op == io_op::connect ? 0 : 1);
                    }
                }
            }
        }
        for (auto& e : ends_) {
            collect_transfers(*e);
        }
    }

    void add_end(traffic_host& h, std::int32_t fd, unsigned side) {
        auto made = std::make_unique<hands>();
        sockaddr_storage name[2]{};
        made->host = &h;
        made->owner = &h.now();
        made->fd = fd;
        made->side = side;
        h.now().start({.op = io_op::local_address, .fd = fd, .data = &name[side]});
        const operation& peer = h.now().start({.op = io_op::remote_address, .fd = fd, .data = &name[1 - side]});
        if (peer.result < 0) {
            h.now().start({.op = io_op::close, .fd = fd});  // broken before it was seen
            return;
        }
        const auto& client = reinterpret_cast<const sockaddr_in&>(name[0]);
        const auto& server = reinterpret_cast<const sockaddr_in&>(name[1]);
        made->port = ntohs(client.sin_port);
        made->key = std::uint64_t{ntohl(client.sin_addr.s_addr) & 0xff} << 32 |
                    std::uint64_t{ntohl(server.sin_addr.s_addr) & 0xff} << 16 | made->port;
        if (side == 0) {
            flows_[made->key] = {};
        }
        ends_.push_back(std::move(made));
    }

    void use(random_engine& r) {
        if (ends_.empty()) {
            return;
        }
        hands& e = *ends_[r.below(ends_.size())];
        if (r.below(2) == 0) {
            if (e.in.request == nullptr) {
                e.in.bytes.assign(r.between(1, 5000), '?');
                e.in.request = &e.owner->start_recv(e.fd, e.in.bytes);
            }
        } else if (e.out.request == nullptr) {
            flow& f = flows_[e.key];
            e.out.bytes.resize(r.between(1, 5000));
            for (std::size_t i = 0; i < e.out.bytes.size(); ++i) {
                e.out.bytes[i] = byte_at(e.port, e.side, f.sent[e.side] + i);
            }
            e.out.request = &e.owner->start_send(e.fd, e.out.bytes);
        } else if (r.below(30) == 0) {
            const int how = static_cast<int>(r.below(3));
            e.disturbed = e.disturbed || how != SHUT_WR;
            e.owner->shutdown(e.fd, how);
        }
        collect_transfers(e);
    }

    void collect_transfers(hands& e) {
        flow& f = flows_[e.key];
        if (e.out.request != nullptr && e.out.request->done()) {
            const operation& o = *std::exchange(e.out.request, nullptr);
            EXPECT_EQ(o.completions, 1);
            f.sent[e.side] += o.result > 0 ? static_cast<std::uint64_t>(o.result) : 0;
            e.disturbed = e.disturbed || o.result < 0;
        }
        if (e.in.request != nullptr && e.in.request->done()) {
            const operation& o = *std::exchange(e.in.request, nullptr);
            EXPECT_EQ(o.completions, 1);
            const unsigned from = 1 - e.side;
            for (std::int32_t i = 0; i < o.result; ++i) {
                ASSERT_EQ(e.in.bytes[static_cast<std::size_t>(i)], byte_at(e.port, from, f.received[from]++));
            }
            e.disturbed = e.disturbed || o.result < 0;
            if (o.result == 0 && !e.disturbed) {
                EXPECT_EQ(f.received[from], f.sent[from]) << "an orderly end before the last byte";
                ++orderly_ends;
            }
            bytes += o.result > 0 ? static_cast<std::uint64_t>(o.result) : 0;
        }
    }

    void let_go(std::size_t which) {
        hands& e = *ends_[which];
        if (random_.below(4) == 0) {
            linger now{1, 0};
            e.owner->start({.op = io_op::set_option,
                            .fd = e.fd,
                            .data = &now,
                            .offset = socket_option(SOL_SOCKET, SO_LINGER),
                            .size = sizeof now});
        }
        operation* const in = e.in.request;
        operation* const out = e.out.request;
        e.owner->start({.op = io_op::close, .fd = e.fd});
        for (const operation* o : {in, out}) {
            EXPECT_TRUE(o == nullptr || o->done());
        }
        collect_transfers(e);
        ends_.erase(ends_.begin() + static_cast<std::ptrdiff_t>(which));
    }

    /// After the calm everything comes to its end.
    void finish() {
        while (!ends_.empty()) {
            let_go(0);
        }
        for (auto& h : hosts_) {
            h->now().start({.op = io_op::close, .fd = h->listener});
        }
        while (!events.empty()) {
            events.run_next();
        }
        for (auto& h : hosts_) {
            for (operation* o : {h->accept, h->connect}) {
                EXPECT_TRUE(o == nullptr || o->completions == 1);
            }
            if (h->connect != nullptr && h->connect->result >= 0) {
                h->now().start({.op = io_op::close, .fd = h->connect->result});
            }
            if (h->accept != nullptr && h->accept->result >= 0) {
                h->now().start({.op = io_op::close, .fd = h->accept->result});
            }
        }
        while (!events.empty()) {
            events.run_next();
        }
        EXPECT_EQ(net.connections(), 0U);
        for (auto& h : hosts_) {
            EXPECT_EQ(h->handles.back()->size(), 0U);
        }
    }

    std::vector<std::unique_ptr<traffic_host>> hosts_;
    std::map<std::uint64_t, flow> flows_;
    std::vector<std::unique_ptr<hands>> ends_;
};

TEST(network_random, what_arrives_is_a_prefix_and_every_request_ends_once) {
    fault_counts all;
    std::uint64_t bytes = 0;
    std::uint64_t orderly_ends = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        SCOPED_TRACE(seed);
        random_traffic traffic(seed);
        traffic.run(3'000);
        bytes += traffic.bytes;
        orderly_ends += traffic.orderly_ends;
        for (const auto& [name, count] : traffic.faults.by_name) {
            all.by_name[name] += count;
        }
        ASSERT_FALSE(HasFailure());
    }
    EXPECT_GT(bytes, 1'000'000U);
    EXPECT_GT(orderly_ends, 100U);
    for (const char* name : {"net.reset", "net.short_send", "net.short_recv", "net.half_open", "net.latency_tail",
                             "net.syn_lost", "net.clog_one_way", "net.partition_uniform", "net.swizzle",
                             "net.accept_enfile", "net.accept_aborted", "net.reset_overtakes"}) {
        EXPECT_GT(all.of(name), 0U) << name;
    }
}

TEST(network_random, the_same_seed_gives_the_same_run) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        random_traffic one(seed);
        random_traffic two(seed);
        one.run(2'000);
        two.run(2'000);
        EXPECT_EQ(one.trace, two.trace);
        EXPECT_EQ(one.happened, two.happened);
        EXPECT_EQ(one.faults.by_name, two.faults.by_name);
        random_traffic other(seed + 100);
        other.run(2'000);
        EXPECT_NE(one.trace, other.trace);
    }
}

}  // namespace
}  // namespace shale::sim::detail
