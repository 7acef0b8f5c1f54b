// Addresses as text and as values.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <shale/net/address.hh>

#include <set>
#include <unordered_set>

using shale::net::ipv4_addr;
using shale::net::ipv6_addr;
using shale::net::socket_address;
using shale::net::unix_domain_addr;

TEST(socket_address, text_comes_back_as_it_went_in) {
    for (const char* text : {"127.0.0.1:6379", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[::]:0",
                             "[2001:db8::ff00:42:8329]:443", "[fe80::1%2]:80", "/run/kv.sock", "@hidden", "./here"}) {
        const auto address = socket_address::parse(text);
        ASSERT_TRUE(address.has_value()) << text << ": " << address.error();
        EXPECT_EQ(address->to_string(), text);
        EXPECT_EQ(fmt::format("{}", *address), text);
        EXPECT_EQ(*address, socket_address(address->data(), address->length())) << "as the kernel would give it back";
    }
}

TEST(socket_address, short_forms_mean_every_ipv4_address) {
    for (const char* text : {"*:80", ":80"}) {
        const auto address = socket_address::parse(text);
        ASSERT_TRUE(address.has_value());
        EXPECT_EQ(address->to_string(), "0.0.0.0:80");
        EXPECT_TRUE(address->is_wildcard());
    }
    EXPECT_EQ(socket_address::parse("*", 7)->to_string(), "0.0.0.0:7");
    EXPECT_EQ(socket_address::parse("::1", 7)->to_string(), "[::1]:7");
    EXPECT_EQ(socket_address::parse("[::1]", 7)->to_string(), "[::1]:7");
    EXPECT_EQ(socket_address::parse("/x", 7)->to_string(), "/x");
}

TEST(socket_address, nonsense_is_refused_with_the_reason) {
    const auto reason = [](const char* text) {
        const auto address = socket_address::parse(text);
        return address ? "accepted as " + address->to_string() : address.error();
    };
    EXPECT_NE(reason("127.0.0.1").find("no port"), std::string::npos) << reason("127.0.0.1");
    EXPECT_NE(reason("[::1]").find("no port"), std::string::npos) << reason("[::1]");
    EXPECT_NE(reason("::1:80").find("brackets"), std::string::npos) << reason("::1:80");
    for (const char* port : {"127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8x", "127.0.0.1: 8"}) {
        EXPECT_NE(reason(port).find("not a port"), std::string::npos) << reason(port);
    }
    for (const char* host : {"localhost:80", "1.2.3:80", "1.2.3.4.5:80", "256.1.1.1:80", "[::g]:80", "[1.2.3.4]:80"}) {
        EXPECT_NE(reason(host).find("not an IP address"), std::string::npos) << reason(host);
    }
    EXPECT_NE(reason("[fe80::1%eth0]:80").find("number"), std::string::npos);
    EXPECT_NE(reason(("/" + std::string(200, 'x')).c_str()).find("201 bytes"), std::string::npos);
    EXPECT_NE(reason("").find("no port"), std::string::npos);
}

TEST(socket_address, longest_unix_path_fits_and_one_more_does_not) {
    const std::string longest = "/" + std::string(106, 'x');
    EXPECT_EQ(socket_address(unix_domain_addr(longest)).path(), longest);
    EXPECT_THROW(socket_address(unix_domain_addr(longest + "x")), std::invalid_argument);
    EXPECT_THROW(socket_address(unix_domain_addr("")), std::invalid_argument);
}

TEST(socket_address, equality_and_order_go_by_meaning) {
    const auto at = [](const char* text) { return *socket_address::parse(text); };
    EXPECT_EQ(at("[0:0::1]:80"), at("[::1]:80"));
    EXPECT_NE(at("127.0.0.1:80"), at("127.0.0.1:81"));
    EXPECT_NE(at("127.0.0.1:80"), at("[::1]:80"));
    EXPECT_NE(at("[fe80::1%1]:80"), at("[fe80::1%2]:80"));
    const std::set<socket_address> ordered{at("1.2.3.4:1"), at("1.2.3.4:2"), at("[::1]:1"), at("/x"), at("1.2.3.4:1")};
    EXPECT_EQ(ordered.size(), 4U);
    const std::unordered_set<socket_address> hashed{at("[0:0::1]:80"), at("[::1]:80"), at("@x")};
    EXPECT_EQ(hashed.size(), 2U);
}

TEST(socket_address, knows_what_it_is) {
    const auto at = [](const char* text) { return *socket_address::parse(text); };
    EXPECT_TRUE(at("127.9.9.9:80").is_loopback());
    EXPECT_TRUE(at("[::1]:80").is_loopback());
    EXPECT_TRUE(at("/x").is_loopback());
    EXPECT_FALSE(at("10.0.0.1:80").is_loopback());
    EXPECT_TRUE(at("[::]:80").is_wildcard());
    EXPECT_FALSE(at("[::1]:80").is_wildcard());
    EXPECT_TRUE(at("@x").is_unix());
    EXPECT_TRUE(socket_address().is_unspecified());
    EXPECT_EQ(at("1.2.3.4:5").with_port(6).to_string(), "1.2.3.4:6");
    EXPECT_EQ(at("[::1]:5").with_port(6).to_string(), "[::1]:6");
}

TEST(socket_address, seastars_shorthands_work) {
    EXPECT_EQ(socket_address(ipv4_addr(80)).to_string(), "0.0.0.0:80");
    EXPECT_EQ(socket_address(ipv4_addr("127.0.0.1", 80)).to_string(), "127.0.0.1:80");
    EXPECT_EQ(socket_address(ipv4_addr("127.0.0.1:81")).to_string(), "127.0.0.1:81");
    EXPECT_EQ(socket_address(ipv4_addr("127.0.0.1")).to_string(), "127.0.0.1:0");
    EXPECT_EQ(socket_address(ipv6_addr("::1", 80)).to_string(), "[::1]:80");
    EXPECT_EQ(socket_address(ipv6_addr("[::1]:81")).to_string(), "[::1]:81");
    EXPECT_EQ(socket_address(ipv6_addr("::1")).to_string(), "[::1]:0");
    EXPECT_EQ(shale::make_ipv4_address({80}).port(), 80);
    EXPECT_THROW(ipv4_addr("::1"), std::invalid_argument);
    EXPECT_THROW(ipv6_addr("1.2.3.4"), std::invalid_argument);
    EXPECT_THROW(ipv4_addr("nobody"), std::invalid_argument);
}
