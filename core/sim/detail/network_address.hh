// Names of sockets as the simulated network keeps them, and their translation from and to the kernel's structures.
//
// An IPv4 address is kept in its IPv6-mapped form, so that there is one kind of address to compare; the family in which
// a program sees it is a property of its socket.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shale::sim::detail {

struct ip_address {
    std::array<std::uint8_t, 16> bytes{};

    static ip_address v4(std::uint32_t host_order) noexcept;
    static ip_address loopback(int family) noexcept;
    static ip_address any(int family) noexcept;
    /// Of "10.0.0.1" or "fd00::1"; nothing when it is neither.
    static std::optional<ip_address> parse(std::string_view literal) noexcept;

    bool is_v4() const noexcept;
    bool is_any() const noexcept;
    bool is_loopback() const noexcept;
    friend auto operator<=>(const ip_address&, const ip_address&) = default;
};

struct ip_endpoint {
    ip_address ip;
    std::uint16_t port = 0;
    friend auto operator<=>(const ip_endpoint&, const ip_endpoint&) = default;
};

struct socket_name {
    int family = 0;  ///< AF_INET, AF_INET6 or AF_UNIX
    ip_endpoint ip;
    std::string path;  ///< AF_UNIX; begins with NUL in the abstract name space, empty when it has none
};

/// Reads a sockaddr; the result is 0, or -EINVAL or -EAFNOSUPPORT.
std::int32_t read_name(const void* address, std::uint32_t size, socket_name& name) noexcept;

/// Writes into the room of a sockaddr_storage, and gives the length.
std::int32_t write_name(const socket_name& name, void* room) noexcept;

}  // namespace shale::sim::detail
