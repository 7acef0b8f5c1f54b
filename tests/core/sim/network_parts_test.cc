// The parts below sockets: addresses, pipes and links.

#include "network_fixture.hh"

#include <shale/core/sim/detail/network_pipe.hh>

namespace shale::sim::detail {
namespace {

TEST(network_address, literals_of_both_families_are_read) {
    EXPECT_EQ(ip_address::parse("10.0.0.1"), ip_address::v4(0x0a000001));
    EXPECT_TRUE(ip_address::parse("10.0.0.1")->is_v4());
    EXPECT_FALSE(ip_address::parse("fd00::1")->is_v4());
    EXPECT_EQ(ip_address::parse("::ffff:10.0.0.1"), ip_address::v4(0x0a000001));
    EXPECT_TRUE(ip_address::parse("127.8.9.1")->is_loopback());
    EXPECT_TRUE(ip_address::parse("::1")->is_loopback());
    EXPECT_TRUE(ip_address::parse("0.0.0.0")->is_any());
    EXPECT_TRUE(ip_address::parse("::")->is_any());
    for (const char* wrong : {"", "10.0.0", "10.0.0.256", "beta", "fd00::1::2"}) {
        EXPECT_FALSE(ip_address::parse(wrong)) << wrong;
    }
    EXPECT_FALSE(ip_address::parse(std::string(100, '1')));
}

TEST(network_address, names_survive_the_way_through_a_sockaddr) {
    const socket_name names[] = {{AF_INET, {ip_address::v4(0x0a000001), 80}, {}},
                                 {AF_INET6, {*ip_address::parse("fd00::7"), 81}, {}},
                                 {AF_UNIX, {}, "/run/kv"},
                                 {AF_UNIX, {}, std::string("\0kv", 3)}};
    for (const socket_name& name : names) {
        sockaddr_storage room{};
        const std::int32_t length = write_name(name, &room);
        socket_name read;
        EXPECT_EQ(read_name(&room, static_cast<std::uint32_t>(length), read), 0);
        EXPECT_EQ(read.family, name.family);
        EXPECT_EQ(read.ip, name.ip);
        EXPECT_EQ(read.path, name.path);
    }
    socket_name read;
    EXPECT_EQ(read_name(nullptr, 16, read), -EINVAL);
}

TEST(network_pipe, gives_bytes_in_order_around_the_ring) {
    byte_pipe pipe(1000);
    random_engine random(3);
    unsigned char next_in = 0;
    unsigned char next_out = 0;
    for (int round = 0; round < 5'000; ++round) {
        std::vector<unsigned char> bytes(random.between(1, 300));
        const std::size_t size = std::min(bytes.size(), pipe.space());
        for (std::size_t i = 0; i < size; ++i) {
            bytes[i] = next_in++;
        }
        const iovec out[] = {{bytes.data(), size / 2}, {bytes.data() + size / 2, size - size / 2}};
        pipe.put(out, size);
        pipe.add({packet::kind::data, static_cast<std::uint32_t>(size), 0});
        pipe.accept(pipe.pop().bytes);
        const std::size_t count = random.below(pipe.arrived() + 1);
        const iovec in[] = {{bytes.data(), count / 3}, {bytes.data() + count / 3, bytes.size()}};
        const std::size_t taken = std::min(count, bytes.size());
        pipe.take(in, taken, true);
        for (std::size_t i = 0; i < taken; ++i) {
            ASSERT_EQ(bytes[i], next_out++);
        }
    }
}

TEST(network_pipe, loses_only_what_has_not_arrived_and_only_at_the_end) {
    byte_pipe pipe(100);
    std::string text = "abcdef";
    const iovec out{text.data(), text.size()};
    pipe.put({&out, 1}, 6);
    for (const std::uint32_t size : {1U, 2U, 3U}) {
        pipe.add({packet::kind::data, size, 0});
    }
    pipe.accept(pipe.pop().bytes);
    EXPECT_EQ(pipe.packets(), 2U);
    pipe.lose(1);
    EXPECT_EQ(pipe.packets(), 1U);
    EXPECT_EQ(pipe.space(), 97U);
    pipe.refuse(pipe.pop().bytes);
    EXPECT_EQ(pipe.arrived(), 1U);
    EXPECT_EQ(pipe.space(), 99U);
    pipe.discard_arrived();
    EXPECT_EQ(pipe.space(), 100U);
}

TEST(network_pipe, room_is_the_senders_once_it_has_heard_of_it) {
    byte_pipe pipe(10);
    char text[10] = {};
    const iovec all{text, sizeof text};
    pipe.put({&all, 1}, 10);
    pipe.add({packet::kind::data, 10, 0});
    pipe.accept(pipe.pop().bytes);
    pipe.take({&all, 1}, 4, false);
    EXPECT_EQ(pipe.space(), 0U);
    pipe.sender_hears();
    EXPECT_EQ(pipe.space(), 4U);
}

class network_links_test : public network_test {
protected:
    net_profile profile;
    network_links links{events, random, profile, faults};
    net_host& one = links.attach("one", {ip_address::v4(1)});
    net_host& two = links.attach("two", {ip_address::v4(2)});
};

TEST_F(network_links_test, a_host_always_reaches_itself) {
    links.close(one, one, no_deadline);
    links.partition(partition_mode::uniform, true, no_deadline);
    EXPECT_FALSE(links.blocked(one, one));
}

TEST_F(network_links_test, a_host_without_power_is_reached_by_nobody) {
    two.up = false;
    EXPECT_TRUE(links.blocked(one, two));
    EXPECT_FALSE(links.blocked(two, one)) << "what it has sent is still under way";
}

TEST_F(network_links_test, each_change_is_told) {
    int changes = 0;
    links.changed = [&] { ++changes; };
    links.close(one, two, s);
    EXPECT_EQ(changes, 1);
    EXPECT_TRUE(links.blocked(one, two));
    EXPECT_FALSE(links.blocked(two, one));
    pass(2 * s);
    EXPECT_EQ(changes, 2);
    EXPECT_FALSE(links.blocked(one, two));
    links.close(one, two, s);
    links.heal();
    EXPECT_FALSE(links.blocked(one, two));
    const int before = changes;
    pass(2 * s);
    EXPECT_EQ(changes, before) << "its end was forgotten with it";
}

TEST_F(network_links_test, asymmetric_partitions_close_one_direction) {
    for (int i = 0; i < 20; ++i) {
        links.heal();
        links.partition(partition_mode::isolate_one, false, no_deadline);
        EXPECT_NE(links.blocked(one, two), links.blocked(two, one));
    }
}

TEST_F(network_links_test, latencies_stay_between_their_bounds) {
    profile = net_profile::lan();
    for (int i = 0; i < 10'000; ++i) {
        const std::uint64_t ns = links.latency_ns(one, two);
        EXPECT_GE(ns, profile.latency_ns_min);
        EXPECT_LE(ns, profile.latency_tail_ns_max);
    }
    EXPECT_GT(faults.of("net.latency_tail"), 0U);
    EXPECT_LT(faults.of("net.latency_tail"), 100U);
    EXPECT_EQ(links.latency_ns(one, one), profile.loopback_ns);
}

}  // namespace
}  // namespace shale::sim::detail
