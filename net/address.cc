// Addresses as text and as values. inet_pton and inet_ntop are pure functions; nothing here looks anything up.
#include "address.hh"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <stdexcept>

namespace shale::net {

namespace {

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

template <class Number>
std::optional<Number> number(std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
        return std::nullopt;
    }
    return value;
}

std::expected<std::uint16_t, std::string> port_of(std::string_view text) {
    const auto port = number<std::uint16_t>(text);
    if (!port) {
        return std::unexpected(fmt::format("\"{}\" is not a port: it is a number from 0 to 65535.", text));
    }
    return *port;
}

bool is_path(std::string_view text) {
    return text.starts_with('/') || text.starts_with('@') || text.starts_with("./") || text.starts_with('\0');
}

std::expected<socket_address, std::string> parse_path(std::string_view text) {
    try {
        return socket_address(unix_domain_addr(std::string(text)));
    } catch (const std::invalid_argument& wrong) {
        return std::unexpected(std::string(wrong.what()));
    }
}

std::optional<in_addr> parse_v4(std::string_view text) {
    in_addr ip{};
    return ::inet_pton(AF_INET, std::string(text).c_str(), &ip) == 1 ? std::optional(ip) : std::nullopt;
}

std::optional<in6_addr> parse_v6(std::string_view text) {
    in6_addr ip{};
    return ::inet_pton(AF_INET6, std::string(text).c_str(), &ip) == 1 ? std::optional(ip) : std::nullopt;
}

/// Throws what parse() says, or that the address is of the other kind.
socket_address require(std::string_view text, std::expected<socket_address, std::string> parsed, int family) {
    if (!parsed) {
        throw std::invalid_argument(parsed.error());
    }
    if (parsed->family() != family) {
        throw std::invalid_argument(fmt::format("\"{}\" is not an IPv{} address.", text, family == AF_INET ? 4 : 6));
    }
    return *parsed;
}

std::expected<socket_address, std::string> parse_with_or_without_port(std::string_view text) {
    const bool bare = text.starts_with('[') ? text.ends_with(']') : std::ranges::count(text, ':') != 1;
    return bare ? socket_address::parse(text, 0) : socket_address::parse(text);
}

ipv4_addr as_v4(const socket_address& address) {
    const auto& v4 = *reinterpret_cast<const sockaddr_in*>(address.data());
    return {ntohl(v4.sin_addr.s_addr), address.port()};
}
ipv6_addr as_v6(const socket_address& address) {
    return {reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr, address.port()};
}

}  // namespace

ipv4_addr::ipv4_addr(std::string_view text)
    : ipv4_addr(as_v4(require(text, parse_with_or_without_port(text), AF_INET))) {}
ipv4_addr::ipv4_addr(std::string_view text, std::uint16_t port_number)
    : ipv4_addr(as_v4(require(text, socket_address::parse(text, port_number), AF_INET))) {}
ipv6_addr::ipv6_addr(std::string_view text)
    : ipv6_addr(as_v6(require(text, parse_with_or_without_port(text), AF_INET6))) {}
ipv6_addr::ipv6_addr(std::string_view text, std::uint16_t port_number)
    : ipv6_addr(as_v6(require(text, socket_address::parse(text, port_number), AF_INET6))) {}

socket_address::socket_address(const ipv4_addr& address) noexcept : length_(sizeof(sockaddr_in)) {
    storage_.v4.sin_family = AF_INET;
    storage_.v4.sin_port = htons(address.port);
    storage_.v4.sin_addr.s_addr = htonl(address.ip);
}

socket_address::socket_address(const ipv6_addr& address, std::uint32_t scope) noexcept : length_(sizeof(sockaddr_in6)) {
    storage_.v6.sin6_family = AF_INET6;
    storage_.v6.sin6_port = htons(address.port);
    storage_.v6.sin6_addr = address.ip;
    storage_.v6.sin6_scope_id = scope;
}

socket_address::socket_address(const unix_domain_addr& address) {
    const std::string& path = address.path;
    if (path.empty() || path.size() >= sizeof storage_.local.sun_path) {
        throw std::invalid_argument(
            fmt::format("\"{}\" cannot be the path of a Unix socket: it has {} bytes, and 1 to {} are allowed.", path,
                        path.size(), sizeof storage_.local.sun_path - 1));
    }
    storage_.local.sun_family = AF_UNIX;
    std::ranges::copy(path, storage_.local.sun_path);
    const bool abstract = path[0] == '@' || path[0] == '\0';
    if (abstract) {
        storage_.local.sun_path[0] = '\0';
    }
    length_ = static_cast<socklen_t>(path_offset + path.size() + (abstract ? 0 : 1));
}

socket_address::socket_address(const sockaddr* address, socklen_t length) noexcept
    : length_(std::min<socklen_t>(length, sizeof storage_)) {
    std::memcpy(&storage_, address, length_);
    if (length_ < sizeof(sa_family_t)) {
        *this = socket_address();
    }
}

std::expected<socket_address, std::string> socket_address::parse(std::string_view text) {
    if (is_path(text)) {
        return parse_path(text);
    }
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || text.ends_with(']')) {
        return std::unexpected(fmt::format("\"{}\" has no port; write it as in 127.0.0.1:6379 or [::1]:6379.", text));
    }
    const auto port = port_of(text.substr(colon + 1));
    if (!port) {
        return std::unexpected(port.error());
    }
    const std::string_view host = text.substr(0, colon);
    if (host.find(':') != std::string_view::npos && !host.starts_with('[')) {
        return std::unexpected(
            fmt::format("\"{}\" is ambiguous; put an IPv6 address in brackets, as in [::1]:6379.", text));
    }
    return parse(host, *port);
}

std::expected<socket_address, std::string> socket_address::parse(std::string_view host, std::uint16_t port) {
    if (is_path(host)) {
        return parse_path(host);
    }
    std::string_view ip = host;
    if (ip.starts_with('[') && ip.ends_with(']')) {
        ip = ip.substr(1, ip.size() - 2);
    } else if (ip.empty() || ip == "*") {
        return socket_address(ipv4_addr(port));
    } else if (const auto v4 = parse_v4(ip); v4) {
        return socket_address(ipv4_addr(ntohl(v4->s_addr), port));
    }
    std::uint32_t scope = 0;
    if (const std::size_t percent = ip.find('%'); percent != std::string_view::npos) {
        const auto index = number<std::uint32_t>(ip.substr(percent + 1));
        if (!index) {
            return std::unexpected(fmt::format("\"{}\" names an interface; give its number (ip link shows it).", host));
        }
        scope = *index;
        ip = ip.substr(0, percent);
    }
    if (const auto v6 = parse_v6(ip); v6) {
        return socket_address(ipv6_addr(*v6, port), scope);
    }
    return std::unexpected(fmt::format("\"{}\" is not an IP address. Names are not looked up here.", host));
}

bool socket_address::is_wildcard() const noexcept {
    return (family() == AF_INET && storage_.v4.sin_addr.s_addr == INADDR_ANY) ||
           (family() == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&storage_.v6.sin6_addr));
}

bool socket_address::is_loopback() const noexcept {
    return is_unix() || (family() == AF_INET && ntohl(storage_.v4.sin_addr.s_addr) >> 24 == 127) ||
           (family() == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&storage_.v6.sin6_addr));
}

std::uint16_t socket_address::port() const noexcept {
    return family() == AF_INET ? ntohs(storage_.v4.sin_port) : family() == AF_INET6 ? ntohs(storage_.v6.sin6_port) : 0;
}

socket_address socket_address::with_port(std::uint16_t port) const noexcept {
    socket_address other = *this;
    if (family() == AF_INET) {
        other.storage_.v4.sin_port = htons(port);
    } else if (family() == AF_INET6) {
        other.storage_.v6.sin6_port = htons(port);
    }
    return other;
}

std::string socket_address::path() const {
    if (!is_unix() || length_ <= path_offset) {
        return {};
    }
    const char* begin = storage_.local.sun_path;
    if (*begin == '\0') {
        return "@" + std::string(begin + 1, length_ - path_offset - 1);
    }
    return {begin, ::strnlen(begin, length_ - path_offset)};
}

std::string socket_address::to_string() const {
    char text[INET6_ADDRSTRLEN] = "";
    switch (family()) {
        case AF_INET:
            ::inet_ntop(AF_INET, &storage_.v4.sin_addr, text, sizeof text);
            return fmt::format("{}:{}", text, port());
        case AF_INET6:
            ::inet_ntop(AF_INET6, &storage_.v6.sin6_addr, text, sizeof text);
            return storage_.v6.sin6_scope_id == 0 ? fmt::format("[{}]:{}", text, port())
                                                  : fmt::format("[{}%{}]:{}", text, storage_.v6.sin6_scope_id, port());
        case AF_UNIX:
            return length_ <= path_offset ? "an unnamed Unix socket" : path();
        default:
            return "nowhere";
    }
}

// By what it means and not by its bytes: flow labels and padding are nobody's concern.
std::strong_ordering socket_address::operator<=>(const socket_address& other) const noexcept {
    if (const auto order = family() <=> other.family(); order != 0) {
        return order;
    }
    const auto bytes = [](const void* a, const void* b, std::size_t size) { return std::memcmp(a, b, size) <=> 0; };
    switch (family()) {
        case AF_INET:
            if (const auto order = bytes(&storage_.v4.sin_addr, &other.storage_.v4.sin_addr, sizeof(in_addr));
                order != 0) {
                return order;
            }
            return port() <=> other.port();
        case AF_INET6:
            if (const auto order = bytes(&storage_.v6.sin6_addr, &other.storage_.v6.sin6_addr, sizeof(in6_addr));
                order != 0) {
                return order;
            }
            if (const auto order = storage_.v6.sin6_scope_id <=> other.storage_.v6.sin6_scope_id; order != 0) {
                return order;
            }
            return port() <=> other.port();
        case AF_UNIX:
            return path() <=> other.path();
        default:
            return std::strong_ordering::equal;
    }
}

std::size_t socket_address::hash() const noexcept {
    return std::hash<std::string>()(to_string());
}

}  // namespace shale::net

fmt::appender fmt::formatter<shale::net::socket_address>::format(const shale::net::socket_address& address,
                                                                 fmt::format_context& context) const {
    return fmt::formatter<fmt::string_view>::format(address.to_string(), context);
}
