// The ready-made profiles. See net_profile.hh.
#include "net_profile.hh"

namespace shale::sim {

namespace {

/// A third of the runs do without this fault, the others have it at a rate drawn evenly over its magnitudes.
double rate(random_engine& random, double most) noexcept {
    if (random.below(3) == 0) {
        return 0;
    }
    double drawn = most;
    for (std::uint64_t halvings = random.below(8); halvings > 0; --halvings) {
        drawn /= 2;
    }
    return drawn;
}

}  // namespace

net_profile net_profile::lan() noexcept {
    net_profile p;
    p.latency_ns_min = 50'000;
    p.latency_ns_max = 1'000'000;
    p.latency_tail = 0.001;
    p.retransmit_ns_max = 400'000'000;
    return p;
}

net_profile net_profile::harsh(random_engine& random) noexcept {
    net_profile p = lan();
    p.latency_ns_max = random.between(100'000, 5'000'000);
    p.latency_tail = rate(random, 0.02);
    p.bytes_per_second = random.below(2) == 0 ? 0 : random.between(1'000'000, 1'000'000'000);
    p.window_bytes_min = static_cast<std::uint32_t>(random.below(4) == 0 ? random.between(1, 512) : 4096);
    p.window_bytes_max = static_cast<std::uint32_t>(random.between(4096, 256 * 1024));
    p.short_transfer = rate(random, 0.5);
    p.reset = rate(random, 0.002);
    p.reset_overtakes = random.uniform();
    p.silence_ns_min = 1'000'000'000;
    p.silence_ns_max = random.between(5'000'000'000, 60'000'000'000);
    p.retransmit_ns_max = random.between(0, 2'000'000'000);
    p.syn_loss = rate(random, 0.1);
    p.connect_timeout_ns = random.between(3'000'000'000, 127'000'000'000);
    p.accept_enfile = rate(random, 0.05);
    p.accept_aborted = rate(random, 0.05);
    p.datagram_loss = rate(random, 0.3);
    p.datagram_duplicate = rate(random, 0.5);
    p.datagram_reorder = rate(random, 0.3);
    return p;
}

net_profile net_profile::without_faults() const noexcept {
    net_profile p = *this;
    p.latency_tail = p.short_transfer = p.reset = p.reset_overtakes = 0;
    p.syn_loss = p.accept_enfile = p.accept_aborted = 0;
    p.datagram_loss = p.datagram_duplicate = p.datagram_reorder = 0;
    return p;
}

}  // namespace shale::sim
