// See network_links.hh.
#include "network_links.hh"

#include <algorithm>
#include <utility>

namespace shale::sim::detail {

bool net_host::has(const ip_address& ip) const noexcept {
    return ip.is_loopback() || std::ranges::find(addresses, ip) != addresses.end();
}

const ip_address* net_host::address_like(const ip_address& like) const noexcept {
    const auto at =
        std::ranges::find_if(addresses, [&](const ip_address& mine) { return mine.is_v4() == like.is_v4(); });
    return at == addresses.end() ? nullptr : &*at;
}

net_host& network_links::attach(std::string name, std::vector<ip_address> addresses) {
    net_host& made = hosts_.emplace_back();
    made.id = static_cast<std::uint32_t>(hosts_.size() - 1);
    made.name = std::move(name);
    made.addresses = std::move(addresses);
    closed_.resize(hosts_.size());
    for (auto& row : closed_) {
        row.resize(hosts_.size());
    }
    return made;
}

net_host* network_links::find(const ip_address& ip) noexcept {
    const auto at = std::ranges::find_if(
        hosts_, [&](const net_host& h) { return std::ranges::find(h.addresses, ip) != h.addresses.end(); });
    return at == hosts_.end() ? nullptr : &*at;
}

net_host* network_links::find(std::string_view name) noexcept {
    const auto at = std::ranges::find(hosts_, name, &net_host::name);
    return at == hosts_.end() ? nullptr : &*at;
}

bool network_links::blocked(const net_host& from, const net_host& to) const noexcept {
    return &from != &to && (!to.up || closed_[from.id][to.id] != 0);
}

std::uint64_t network_links::latency_ns(const net_host& from, const net_host& to) noexcept {
    if (&from == &to) {
        return profile_.loopback_ns;
    }
    if (profile_.latency_tail > 0 && random_.chance(profile_.latency_tail)) {
        faults_.add("net.latency_tail");
        return random_.between(profile_.latency_ns_min,
                               std::max(profile_.latency_ns_min, profile_.latency_tail_ns_max));
    }
    return profile_.latency_ns_min == profile_.latency_ns_max
               ? profile_.latency_ns_min
               : random_.between(profile_.latency_ns_min, profile_.latency_ns_max);
}

void network_links::change(std::uint32_t from, std::uint32_t to, int outages) {
    closed_[from][to] += static_cast<unsigned>(outages);
    if (changed) {
        changed();
    }
}

void network_links::close(const net_host& from, const net_host& to, std::uint64_t duration_ns, std::uint64_t start_ns) {
    if (&from == &to) {
        return;
    }
    const auto begin = [this, a = from.id, b = to.id, duration_ns, epoch = epoch_] {
        if (epoch != epoch_) {
            return;
        }
        change(a, b, 1);
        if (duration_ns != no_deadline) {
            events_.after(duration_ns, [this, a, b, epoch] {
                if (epoch == epoch_) {
                    change(a, b, -1);
                }
            });
        }
    };
    if (start_ns == 0) {
        begin();
    } else {
        events_.after(start_ns, begin);
    }
}

void network_links::close_both(const net_host& a, const net_host& b, bool symmetric, std::uint64_t duration_ns,
                               std::uint64_t start_ns) {
    close(a, b, duration_ns, start_ns);
    if (symmetric) {
        close(b, a, duration_ns, start_ns);
    }
}

void network_links::partition(partition_mode mode, bool symmetric, std::uint64_t duration_ns) {
    faults_.add(mode == partition_mode::uniform ? "net.partition_uniform" : "net.partition_isolate_one");
    faults_.add(symmetric ? "net.partition_symmetric" : "net.partition_asymmetric");
    std::vector<bool> first_side(hosts_.size());
    if (mode == partition_mode::isolate_one && !hosts_.empty()) {
        first_side[random_.below(hosts_.size())] = true;
    } else {
        for (std::size_t i = 0; i < hosts_.size(); ++i) {
            first_side[i] = random_.below(2) == 0;
        }
    }
    if (!symmetric && random_.below(2) == 0) {
        first_side.flip();
    }
    for (const net_host& a : hosts_) {
        for (const net_host& b : hosts_) {
            if (first_side[a.id] && !first_side[b.id]) {
                close_both(a, b, symmetric, duration_ns, 0);
            }
        }
    }
}

void network_links::swizzle(std::uint64_t duration_ns) {
    faults_.add("net.swizzle");
    for (const net_host& chosen : hosts_) {
        if (random_.below(2) == 0) {
            continue;
        }
        // Each stops in the first half and comes back in the second, at instants of its own.
        const std::uint64_t start = random_.below(duration_ns / 2 + 1);
        const std::uint64_t end = random_.between(duration_ns / 2, duration_ns);
        for (const net_host& other : hosts_) {
            close_both(chosen, other, true, end - start, start);
        }
    }
}

void network_links::disturb() {
    if (hosts_.size() < 2) {
        return;
    }
    const std::uint64_t duration = random_.between(1, profile_.outage_ns_max);
    const std::uint64_t what = random_.below(4);
    if (what == 0) {
        swizzle(duration);
    } else if (what == 1) {
        const auto mode = random_.below(2) == 0 ? partition_mode::uniform : partition_mode::isolate_one;
        partition(mode, random_.below(2) == 0, duration);
    } else {
        const std::uint64_t a = random_.below(hosts_.size());
        const std::uint64_t b = (a + 1 + random_.below(hosts_.size() - 1)) % hosts_.size();
        faults_.add(what == 2 ? "net.clog_one_way" : "net.clog_both_ways");
        close_both(hosts_[a], hosts_[b], what == 3, duration, 0);
    }
}

void network_links::heal() {
    ++epoch_;
    for (auto& row : closed_) {
        std::ranges::fill(row, 0U);
    }
    if (changed) {
        changed();
    }
}

}  // namespace shale::sim::detail
