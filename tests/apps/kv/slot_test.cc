// The promises of apps/kv/slot.hh.
#include <gtest/gtest.h>

#include <string>

#include <shale/apps/kv/slot.hh>

namespace shale::kv {
namespace {

unsigned crc16_by_bits(std::string_view data) {
    unsigned crc = 0;
    for (const char c : data) {
        crc ^= static_cast<unsigned>(static_cast<unsigned char>(c)) << 8;
        for (int i = 0; i < 8; ++i) {
            crc = (crc & 0x8000u) != 0 ? ((crc << 1) ^ 0x1021u) & 0xffffu : (crc << 1) & 0xffffu;
        }
    }
    return crc;
}

TEST(crc16, gives_the_check_value_of_the_specification) {
    EXPECT_EQ(crc16("123456789"), 0x31C3);
}

TEST(crc16, agrees_with_the_bitwise_definition_at_every_length) {
    std::string data;
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(crc16(data), crc16_by_bits(data)) << i;
        data += static_cast<char>(i * 151 + 7);
    }
}

TEST(slot, follows_the_hash_tag_rules_of_the_specification) {
    EXPECT_EQ(key_slot("{user1000}.following"), key_slot("{user1000}.followers"));
    EXPECT_EQ(key_slot("{user1000}.following"), key_slot("user1000"));
    EXPECT_EQ(hash_tag("foo{}{bar}"), "foo{}{bar}");
    EXPECT_EQ(hash_tag("foo{{bar}}zap"), "{bar");
    EXPECT_EQ(hash_tag("foo{bar}{zap}"), "bar");
    EXPECT_EQ(hash_tag("}foo{bar"), "}foo{bar");
    EXPECT_EQ(hash_tag(""), "");
}

// As CLUSTER KEYSLOT of redis 7.0.15 answers.
TEST(slot, equals_what_redis_says) {
    EXPECT_EQ(key_slot("foo"), 12182u);
    EXPECT_EQ(key_slot("bar"), 5061u);
    EXPECT_EQ(key_slot("somekey"), 11058u);
    EXPECT_EQ(key_slot(""), 0u);
}

TEST(slot_map, gives_contiguous_even_ranges_that_cover_all_slots) {
    for (const unsigned shards : {1u, 2u, 3u, 7u, 16u, 100u, 1000u}) {
        const slot_map map(shards);
        EXPECT_EQ(map.first(0), 0u);
        EXPECT_EQ(map.first(shards), slot_count);
        for (unsigned shard = 0; shard < shards; ++shard) {
            const unsigned size = map.first(shard + 1) - map.first(shard);
            EXPECT_GE(size, slot_count / shards);
            EXPECT_LE(size, slot_count / shards + 1);
            EXPECT_EQ(map.shard_of_slot(map.first(shard)), shard);
            EXPECT_EQ(map.shard_of_slot(map.first(shard + 1) - 1), shard);
        }
    }
}

}  // namespace
}  // namespace shale::kv
