// Where a socket is: an IPv4 or IPv6 address with a port, or the path of a Unix socket.
//
// A socket_address is a value in the form the kernel takes, so nothing is converted on the way. Reading and writing it
// as text never looks anything up: names are resolve.hh's business. "127.0.0.1:6379", "[::1]:80", "[fe80::1%2]:80",
// "*:80" and ":80" (every IPv4 address), "/run/kv.sock" and "@name" (a Unix socket, and an abstract one).
#pragma once

#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <compare>
#include <cstdint>
#include <cstring>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

namespace shale::net {

/// An IPv4 address and port in the machine's byte order, as Seastar's users write it: ipv4_addr("127.0.0.1", 80).
struct ipv4_addr {
    std::uint32_t ip = 0;
    std::uint16_t port = 0;

    ipv4_addr() noexcept = default;
    /// Every address of this machine.
    ipv4_addr(std::uint16_t port_number) noexcept : port(port_number) {}
    ipv4_addr(std::uint32_t address, std::uint16_t port_number) noexcept : ip(address), port(port_number) {}
    /// "1.2.3.4:80", "1.2.3.4" (port 0). Throws std::invalid_argument with a sentence.
    ipv4_addr(std::string_view text);
    ipv4_addr(const char* text) : ipv4_addr(std::string_view(text)) {}
    ipv4_addr(std::string_view text, std::uint16_t port_number);
    auto operator<=>(const ipv4_addr&) const noexcept = default;
};

/// An IPv6 address and port.
struct ipv6_addr {
    in6_addr ip{};
    std::uint16_t port = 0;

    ipv6_addr() noexcept = default;
    ipv6_addr(std::uint16_t port_number) noexcept : port(port_number) {}
    ipv6_addr(const in6_addr& address, std::uint16_t port_number) noexcept : ip(address), port(port_number) {}
    /// "[::1]:80", "::1" (port 0). Throws std::invalid_argument with a sentence.
    ipv6_addr(std::string_view text);
    ipv6_addr(const char* text) : ipv6_addr(std::string_view(text)) {}
    ipv6_addr(std::string_view text, std::uint16_t port_number);
    bool operator==(const ipv6_addr& other) const noexcept {
        return port == other.port && std::memcmp(&ip, &other.ip, sizeof ip) == 0;
    }
};

/// The path of a Unix socket; "@name" or a leading NUL is one in the abstract name space.
struct unix_domain_addr {
    std::string path;
    explicit unix_domain_addr(std::string where) : path(std::move(where)) {}
};

class socket_address {
public:
    /// Nowhere: family() is AF_UNSPEC.
    socket_address() noexcept : length_(sizeof(sa_family_t)) { storage_.any.sa_family = AF_UNSPEC; }
    socket_address(const ipv4_addr& address) noexcept;
    socket_address(const ipv6_addr& address, std::uint32_t scope = 0) noexcept;
    /// Throws std::invalid_argument when the path is too long for the kernel (107 bytes).
    socket_address(const unix_domain_addr& address);
    /// As the kernel gave it.
    socket_address(const sockaddr* address, socklen_t length) noexcept;

    /// What `text` says, or a sentence about what is wrong with it.
    static std::expected<socket_address, std::string> parse(std::string_view text);

    /// An address without a port ("127.0.0.1", "::1", "*", "/run/x.sock") and a port.
    static std::expected<socket_address, std::string> parse(std::string_view host, std::uint16_t port);

    int family() const noexcept { return storage_.any.sa_family; }
    bool is_unspecified() const noexcept { return family() == AF_UNSPEC; }
    bool is_ip() const noexcept { return family() == AF_INET || family() == AF_INET6; }
    bool is_unix() const noexcept { return family() == AF_UNIX; }
    /// True for 0.0.0.0 and [::].
    bool is_wildcard() const noexcept;
    /// True for 127.0.0.0/8, ::1 and Unix sockets: only this machine can reach it.
    bool is_loopback() const noexcept;

    /// 0 where there is none.
    std::uint16_t port() const noexcept;
    socket_address with_port(std::uint16_t port) const noexcept;

    /// The path of a Unix socket, "@name" for an abstract one, "" for an unnamed one.
    std::string path() const;

    /// As parse() takes it.
    std::string to_string() const;

    const sockaddr* data() const noexcept { return &storage_.any; }
    socklen_t length() const noexcept { return length_; }

    bool operator==(const socket_address& other) const noexcept { return (*this <=> other) == 0; }
    std::strong_ordering operator<=>(const socket_address& other) const noexcept;
    std::size_t hash() const noexcept;

private:
    union {
        sockaddr any;
        sockaddr_in v4;
        sockaddr_in6 v6;
        sockaddr_un local;
    } storage_{};
    socklen_t length_;
};

inline socket_address make_ipv4_address(ipv4_addr address) noexcept {
    return address;
}
inline socket_address make_ipv6_address(ipv6_addr address) noexcept {
    return address;
}

}  // namespace shale::net

template <>
struct std::hash<shale::net::socket_address> {
    std::size_t operator()(const shale::net::socket_address& address) const noexcept { return address.hash(); }
};

template <>
struct fmt::formatter<shale::net::socket_address> : fmt::formatter<fmt::string_view> {
    fmt::appender format(const shale::net::socket_address& address, fmt::format_context& context) const;
};

namespace shale {
// Where Seastar has them.
using net::ipv4_addr;
using net::ipv6_addr;
using net::make_ipv4_address;
using net::make_ipv6_address;
using net::socket_address;
using net::unix_domain_addr;
}  // namespace shale
