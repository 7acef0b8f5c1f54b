// The table of options Linux knows, as far as servers use them. See network_options.hh.
#include "network_options.hh"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "../../base/assert.hh"

namespace shale::sim::detail {

namespace {

enum class rule : std::uint8_t {
    flag,       ///< 0 or 1, whatever was given
    number,     ///< kept as it is
    doubled,    ///< twice what was given, as the kernel's bookkeeping needs it, and not less than `low`
    read_only,  ///< -ENOPROTOOPT to set
};

struct known_option {
    int level;
    int name;
    rule how;
    int initial;
    int low = INT_MIN;
    int high = INT_MAX;
};

constexpr known_option known[] = {
    {SOL_SOCKET, SO_REUSEADDR, rule::flag, 0},
    {SOL_SOCKET, SO_REUSEPORT, rule::flag, 0},
    {SOL_SOCKET, SO_KEEPALIVE, rule::flag, 0},
    {SOL_SOCKET, SO_BROADCAST, rule::flag, 0},
    {SOL_SOCKET, SO_OOBINLINE, rule::flag, 0},
    {SOL_SOCKET, SO_RCVBUF, rule::doubled, 131'072, 2'304},
    {SOL_SOCKET, SO_SNDBUF, rule::doubled, 87'040, 4'608},
    {SOL_SOCKET, SO_RCVLOWAT, rule::number, 1},
    {SOL_SOCKET, SO_PRIORITY, rule::number, 0, 0, 6},
    {SOL_SOCKET, SO_INCOMING_CPU, rule::number, -1},
    {SOL_SOCKET, SO_ACCEPTCONN, rule::read_only, 0},
    {SOL_SOCKET, SO_TYPE, rule::read_only, 0},
    {SOL_SOCKET, SO_DOMAIN, rule::read_only, 0},
    {SOL_SOCKET, SO_PROTOCOL, rule::read_only, 0},
    {IPPROTO_TCP, TCP_NODELAY, rule::flag, 0},
    {IPPROTO_TCP, TCP_CORK, rule::flag, 0},
    {IPPROTO_TCP, TCP_QUICKACK, rule::flag, 1},
    {IPPROTO_TCP, TCP_KEEPIDLE, rule::number, 7'200, 1, 32'767},
    {IPPROTO_TCP, TCP_KEEPINTVL, rule::number, 75, 1, 32'767},
    {IPPROTO_TCP, TCP_KEEPCNT, rule::number, 9, 1, 127},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, rule::number, 0, 0},
    {IPPROTO_TCP, TCP_SYNCNT, rule::number, 6, 1, 127},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, rule::number, 0},
    {IPPROTO_TCP, TCP_FASTOPEN, rule::number, 0, 0},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, rule::number, 0},
    {IPPROTO_TCP, TCP_MAXSEG, rule::number, 1'448, 88, 32'767},
    {IPPROTO_IP, IP_TOS, rule::number, 0},
    {IPPROTO_IP, IP_TTL, rule::number, 64, 1, 255},
    {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, rule::flag, 0},
    {IPPROTO_IPV6, IPV6_V6ONLY, rule::flag, 0},
    {IPPROTO_IPV6, IPV6_TCLASS, rule::number, 0, -1, 255},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, rule::number, 64, -1, 255},
};

const known_option* find(int level, int name) noexcept {
    const auto at =
        std::ranges::find_if(known, [&](const known_option& o) { return o.level == level && o.name == name; });
    return at == std::end(known) ? nullptr : at;
}

/// 0, or what Linux says to options of this level on such a socket.
std::int32_t level_error(int level, int family, int type) noexcept {
    if (level == SOL_SOCKET) {
        return 0;
    }
    if (family == AF_UNIX) {
        return -EOPNOTSUPP;
    }
    const bool there = level == IPPROTO_IP || (level == IPPROTO_TCP && type == SOCK_STREAM) ||
                       (level == IPPROTO_IPV6 && family == AF_INET6);
    return there ? 0 : -ENOPROTOOPT;
}

}  // namespace

std::int32_t socket_options::set(int level, int name, const void* value, std::uint32_t size) {
    if (const std::int32_t error = level_error(level, family_, type_); error != 0) {
        return error;
    }
    int given[2] = {};
    std::memcpy(given, value, std::min<std::size_t>(size, sizeof given));
    if (level == SOL_SOCKET && name == SO_LINGER) {
        if (size < sizeof(linger)) {
            return -EINVAL;
        }
        linger_on_ = given[0] != 0 ? 1 : 0;
        linger_seconds_ = given[1];
        return 0;
    }
    const known_option* option = find(level, name);
    if (option == nullptr || option->how == rule::read_only) {
        return -ENOPROTOOPT;
    }
    if (size < sizeof(int)) {
        return -EINVAL;
    }
    int kept = given[0];
    if (option->how == rule::flag) {
        kept = kept != 0 ? 1 : 0;
    } else if (option->how == rule::doubled) {
        kept = std::max(std::clamp(kept, 0, 1 << 28) * 2, option->low);
    } else if (kept < option->low || kept > option->high) {
        return -EINVAL;
    }
    const auto at = std::ranges::find_if(set_, [&](const changed& c) { return c.level == level && c.name == name; });
    if (at != set_.end()) {
        at->value = kept;
    } else {
        set_.push_back({level, name, kept});
    }
    return 0;
}

std::int32_t socket_options::get(int level, int name, void* room, std::uint32_t size) const noexcept {
    if (const std::int32_t error = level_error(level, family_, type_); error != 0) {
        return error;
    }
    int given[2] = {linger_on_, linger_seconds_};
    std::uint32_t length = sizeof given;
    if (level != SOL_SOCKET || name != SO_LINGER) {
        if (find(level, name) == nullptr) {
            return -ENOPROTOOPT;
        }
        given[0] = value(level, name);
        length = sizeof(int);
    }
    length = std::min(length, size);
    std::memcpy(room, given, length);
    return static_cast<std::int32_t>(length);
}

int socket_options::value(int level, int name) const noexcept {
    if (level == SOL_SOCKET && (name == SO_TYPE || name == SO_DOMAIN)) {
        return name == SO_TYPE ? type_ : family_;
    }
    if (level == SOL_SOCKET && name == SO_PROTOCOL) {
        return family_ == AF_UNIX ? 0 : type_ == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    }
    const auto at = std::ranges::find_if(set_, [&](const changed& c) { return c.level == level && c.name == name; });
    if (at != set_.end()) {
        return at->value;
    }
    const known_option* option = find(level, name);
    SHALE_ASSERT(option != nullptr, "option {} of level {}", name, level);
    return option->initial;
}

bool socket_options::keeps_alive() const noexcept {
    return value(SOL_SOCKET, SO_KEEPALIVE) != 0;
}

}  // namespace shale::sim::detail
