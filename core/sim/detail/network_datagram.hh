// A datagram socket, whose packets are lost, doubled and overtaken as the profile has it.
//
// Each datagram is an event of its own, so that they arrive in the order of their draws. One that comes over a closed
// link, to a host without power or into a full queue is lost without a word; where nobody listens a connected sender is
// told ECONNREFUSED, as ICMP does. The seam has no request that makes such a socket: network::open_datagram() does.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "network_pipe.hh"
#include "network_socket.hh"

namespace shale::sim::detail {

class datagram_socket final : public net_socket {
public:
    static constexpr std::size_t bytes_max = 65'507;

    /// `name` must be free at the host. With a peer it sends there, and receives from there only.
    datagram_socket(network_core& core, net_host& at, handle_table& table, const socket_name& name,
                    std::optional<ip_endpoint> peer);
    ~datagram_socket() override;

    std::int32_t attempt(io_request& request, requester& from) override;
    short ready() const noexcept override;
    std::int32_t shutdown(int how) override;
    socket_name local_name() const override { return name_; }
    bool remote_name(socket_name& name) const override;
    int take_error() noexcept override { return std::exchange(error_, 0); }

    /// Sends to anybody: bytes, or -errno.
    std::int32_t send_to(const ip_endpoint& to, std::span<const iovec> parts);
    const ip_endpoint& name() const noexcept { return name_.ip; }

private:
    using bytes_of = std::shared_ptr<const std::vector<std::byte>>;
    struct received {
        ip_endpoint from;
        bytes_of bytes;
    };

    void closed() override { forget_name(); }
    void vanished() override { forget_name(); }
    void forget_name() noexcept;
    void launch(net_host& to_host, const ip_endpoint& to, const ip_endpoint& from, const bytes_of& bytes);
    void arrive(const ip_endpoint& from, const bytes_of& bytes);
    std::int32_t receive(io_request& request);

    const socket_name name_;
    const std::optional<ip_endpoint> peer_;
    int error_ = 0;
    bool read_shut_ = false;
    bool write_shut_ = false;
    std::deque<received> queue_;
    std::size_t queue_bytes_ = 0;
};

}  // namespace shale::sim::detail
