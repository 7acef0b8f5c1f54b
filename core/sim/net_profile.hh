// How a simulated network behaves: its times, the room of its connections, and how often what goes wrong.
//
// The defaults are kind and exact, every packet under way for the same time and nothing ever lost, so that a unit test
// can say what happens when. lan() varies as a good network does; harsh() draws a bad one, another for each seed.
// Probabilities are per operation or packet, 0 to 1. Bytes of a stream are never altered, whatever the profile says.
#pragma once

#include <cstdint>

#include "../base/random.hh"

namespace shale::sim {

/// Who ends up on which side of a partition.
enum class partition_mode : std::uint8_t {
    uniform,      ///< each host on one of the two sides
    isolate_one,  ///< one host alone
};

struct net_profile {
    // Time, for each direction of a link.
    std::uint64_t latency_ns_min = 100'000;
    std::uint64_t latency_ns_max = 100'000;
    double latency_tail = 0;  ///< how often a packet takes up to latency_tail_ns_max instead
    std::uint64_t latency_tail_ns_max = 100'000'000;
    std::uint64_t loopback_ns = 10'000;
    std::uint64_t bytes_per_second = 0;  ///< of one connection's direction; 0: without limit

    // Streams. The window is the bytes that a direction takes which nobody has read yet, drawn for each connection.
    std::uint32_t window_bytes_min = 64 * 1024;
    std::uint32_t window_bytes_max = 64 * 1024;
    double short_transfer = 0;   ///< a send or recv that moves less than it could
    double reset = 0;            ///< something on the way resets the connection, at a send or recv
    double reset_overtakes = 0;  ///< a reset that takes what was under way before it with it
    /// How long a sender that hears nothing goes on before its connection fails with ETIMEDOUT (tcp_retries2).
    std::uint64_t silence_ns_min = 924'600'000'000;
    std::uint64_t silence_ns_max = 924'600'000'000;
    /// After an outage bytes arrive with the next retransmission: so much later at most, or as long as it lasted.
    std::uint64_t retransmit_ns_max = 0;

    // Connecting and accepting.
    double syn_loss = 0;                                 ///< the first packet is lost and repeated a second later
    std::uint64_t connect_timeout_ns = 127'000'000'000;  ///< ETIMEDOUT after it (tcp_syn_retries)
    std::uint64_t unreachable_ns = 3'000'000'000;        ///< EHOSTUNREACH after it, where no host has the address
    double accept_enfile = 0;                            ///< an accept fails with ENFILE
    double accept_aborted = 0;                           ///< a connection is reset in the backlog and never accepted
    std::uint16_t ephemeral_first = 32768;
    std::uint16_t ephemeral_last = 60999;
    std::uint64_t time_wait_ns = 60'000'000'000;  ///< how long whoever closed first keeps the port

    // Datagrams.
    double datagram_loss = 0;
    double datagram_duplicate = 0;
    double datagram_reorder = 0;                   ///< takes up to latency_tail_ns_max
    std::uint32_t datagram_queue_bytes = 212'992;  ///< what a socket keeps unread; more is lost

    /// The longest outage that network::disturb() draws.
    std::uint64_t outage_ns_max = 5'000'000'000;

    /// A good network: 99.9 % of the packets take 50 us to 1 ms, the others up to 100 ms.
    static net_profile lan() noexcept;
    /// A bad one: each fault is absent, rare or frequent, by draw.
    static net_profile harsh(random_engine& random) noexcept;
    /// The same network with none of its faults; times and windows stay.
    net_profile without_faults() const noexcept;
};

}  // namespace shale::sim
