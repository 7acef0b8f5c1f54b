// See network_address.hh.
#include "network_address.hh"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace shale::sim::detail {

namespace {

constexpr std::size_t mapped = 12;  ///< bytes before the IPv4 address in the mapped form

}  // namespace

ip_address ip_address::v4(std::uint32_t host_order) noexcept {
    ip_address made;
    made.bytes[10] = made.bytes[11] = 0xff;
    for (std::size_t i = 0; i < 4; ++i) {
        made.bytes[mapped + i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
    }
    return made;
}

ip_address ip_address::loopback(int family) noexcept {
    if (family == AF_INET) {
        return v4(INADDR_LOOPBACK);
    }
    ip_address made;
    made.bytes[15] = 1;
    return made;
}

ip_address ip_address::any(int family) noexcept {
    return family == AF_INET ? v4(INADDR_ANY) : ip_address{};
}

std::optional<ip_address> ip_address::parse(std::string_view literal) noexcept {
    char text[INET6_ADDRSTRLEN + 1] = {};
    if (literal.size() >= sizeof text) {
        return std::nullopt;
    }
    std::ranges::copy(literal, text);
    in_addr four{};
    if (::inet_pton(AF_INET, text, &four) == 1) {
        return v4(ntohl(four.s_addr));
    }
    ip_address six;
    if (::inet_pton(AF_INET6, text, six.bytes.data()) == 1) {
        return six;
    }
    return std::nullopt;
}

bool ip_address::is_v4() const noexcept {
    return std::all_of(bytes.begin(), bytes.begin() + 10, [](std::uint8_t b) { return b == 0; }) && bytes[10] == 0xff &&
           bytes[11] == 0xff;
}

bool ip_address::is_any() const noexcept {
    return *this == ip_address{} || *this == v4(INADDR_ANY);
}

bool ip_address::is_loopback() const noexcept {
    return is_v4() ? bytes[mapped] == 127 : *this == loopback(AF_INET6);
}

std::int32_t read_name(const void* address, std::uint32_t size, socket_name& name) noexcept {
    if (address == nullptr || size < sizeof(sa_family_t)) {
        return -EINVAL;
    }
    sockaddr_storage copy{};
    std::memcpy(&copy, address, std::min<std::size_t>(size, sizeof copy));
    name.family = copy.ss_family;
    if (name.family == AF_INET) {
        const auto& four = reinterpret_cast<const sockaddr_in&>(copy);
        name.ip = {ip_address::v4(ntohl(four.sin_addr.s_addr)), ntohs(four.sin_port)};
        return size < sizeof(sockaddr_in) ? -EINVAL : 0;
    }
    if (name.family == AF_INET6) {
        const auto& six = reinterpret_cast<const sockaddr_in6&>(copy);
        std::memcpy(name.ip.ip.bytes.data(), &six.sin6_addr, name.ip.ip.bytes.size());
        name.ip.port = ntohs(six.sin6_port);
        return size < offsetof(sockaddr_in6, sin6_scope_id) ? -EINVAL : 0;
    }
    if (name.family != AF_UNIX) {
        return -EAFNOSUPPORT;
    }
    const auto& local = reinterpret_cast<const sockaddr_un&>(copy);
    const std::size_t room = size - offsetof(sockaddr_un, sun_path);
    if (room == 0 || room > sizeof local.sun_path) {
        return -EINVAL;
    }
    name.path.assign(local.sun_path, local.sun_path[0] == '\0' ? room : ::strnlen(local.sun_path, room));
    return 0;
}

std::int32_t write_name(const socket_name& name, void* room) noexcept {
    if (name.family == AF_INET) {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = htons(name.ip.port);
        if (name.ip.ip.is_v4()) {
            std::memcpy(&four.sin_addr, name.ip.ip.bytes.data() + mapped, sizeof four.sin_addr);
        }
        std::memcpy(room, &four, sizeof four);
        return sizeof four;
    }
    if (name.family == AF_INET6) {
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(name.ip.port);
        std::memcpy(&six.sin6_addr, name.ip.ip.bytes.data(), name.ip.ip.bytes.size());
        std::memcpy(room, &six, sizeof six);
        return sizeof six;
    }
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    std::memcpy(local.sun_path, name.path.data(), name.path.size());
    // An abstract name has its length, a path its NUL; no name at all is the family alone.
    const std::size_t path = name.path.empty() ? 0 : name.path.size() + (name.path.front() == '\0' ? 0 : 1);
    const std::size_t length = std::min(offsetof(sockaddr_un, sun_path) + path, sizeof local);
    std::memcpy(room, &local, length);
    return static_cast<std::int32_t>(length);
}

}  // namespace shale::sim::detail
