// Damage to the media of the simulated disk: what reads then give, that it is recorded, heals, and can be taken back.
#include <cerrno>

#include "disk_fixture.hh"

namespace shale::sim::detail {
namespace {

class disk_media : public disk_test {
protected:
    void SetUp() override {
        for (char c = 'a'; c < 'i'; ++c) {
            text += std::string(4096, c);
        }
        fd = open("/f");
        ASSERT_EQ(write(fd, 0, text), static_cast<int>(text.size()));
        ASSERT_EQ(sync(fd), 0);
        ASSERT_EQ(sync_dir("/"), 0);
    }
    const std::string eio = "error " + std::to_string(EIO);
    std::string text;
    int fd = -1;
};

TEST_F(disk_media, a_latent_sector_error_stays_until_it_is_written_over) {
    drive->faults().latent_sector = 1;
    EXPECT_EQ(read(fd, 4096, 4096), eio);
    drive->faults().latent_sector = 0;
    EXPECT_EQ(read(fd, 4096, 4096), eio);
    EXPECT_EQ(read(fd, 8191, 1), eio);
    EXPECT_EQ(read(fd, 0, 4096), std::string(4096, 'a'));
    cycle();
    fd = open("/f");
    EXPECT_EQ(read(fd, 0, 8192), eio) << "no power cycle heals it";
    ASSERT_EQ(drive->media_faults().size(), 1U);
    const media_fault fault = drive->media_faults()[0];
    EXPECT_EQ(fault.kind, media_fault_kind::unreadable);
    EXPECT_EQ(fault.path, "/f");
    EXPECT_EQ(fault.offset, 4096U);
    EXPECT_EQ(fault.size, 4096U);
    EXPECT_TRUE(fault.active);
    ASSERT_EQ(write(fd, 4096, std::string(4096, 'B')), 4096);
    EXPECT_EQ(read(fd, 4096, 4096), std::string(4096, 'B'));
    EXPECT_FALSE(drive->media_faults()[0].active);
    EXPECT_EQ(counts.of("disk.latent_sector"), 1U);
}

TEST_F(disk_media, a_rotten_bit_is_the_same_in_every_read_and_can_be_undone) {
    drive->faults().bit_rot = 1;
    const std::string first = read(fd, 0, 4096);
    drive->faults().bit_rot = 0;
    EXPECT_NE(first, std::string(4096, 'a'));
    EXPECT_EQ(read(fd, 0, 4096), first);
    EXPECT_EQ(sync(fd), 0);
    cycle(crash_fate::drop_all);
    fd = open("/f");
    EXPECT_EQ(read(fd, 0, 4096), first);
    const media_fault fault = drive->media_faults().at(0);
    const auto bits = static_cast<unsigned>(first[fault.offset] ^ 'a');
    EXPECT_EQ(bits & (bits - 1), 0U) << "one bit";
    drive->undo_media_fault(fault.id);
    EXPECT_EQ(read(fd, 0, 4096), std::string(4096, 'a'));
    EXPECT_FALSE(drive->media_faults().at(0).active);
}

TEST_F(disk_media, a_misdirected_write_changes_its_victim_and_not_its_target_until_undone) {
    drive->faults().misdirected_write = 1;
    media_fault fault;
    while (drive->media_faults().empty()) {
        ASSERT_EQ(write(fd, 4096, std::string(4096, 'N')), 4096);  // some find no victim apart from their target
    }
    drive->faults().misdirected_write = 0;
    fault = drive->media_faults().at(0);
    EXPECT_EQ(fault.offset, 4096U);
    EXPECT_EQ(fault.size, 4096U);
    EXPECT_EQ(read(fd, 4096, 4096), read(fd, 4096, 4096));
    EXPECT_NE(read(fd, 4096, 4096), std::string(4096, 'N'));
    EXPECT_EQ(read(fd, fault.victim, 4096), std::string(4096, 'N'));
    ASSERT_EQ(sync(fd), 0);
    cycle(crash_fate::drop_all);
    fd = open("/f");
    EXPECT_EQ(read(fd, fault.victim, 4096), std::string(4096, 'N'));
    drive->undo_media_faults();
    EXPECT_EQ(content("/f"), text.substr(0, 4096) + std::string(4096, 'N') + text.substr(8192));
}

TEST_F(disk_media, a_misdirected_read_gives_another_unit_once) {
    drive->faults().misdirected_read = 1;
    std::string got;
    while (drive->media_faults().empty()) {
        got = read(fd, 8192, 4096);
    }
    drive->faults().misdirected_read = 0;
    const media_fault fault = drive->media_faults().at(0);
    EXPECT_EQ(got, std::string(4096, text[fault.victim]));
    EXPECT_NE(fault.victim, 8192U);
    EXPECT_EQ(read(fd, 8192, 4096), std::string(4096, 'c'));
    EXPECT_FALSE(fault.active);
}

TEST_F(disk_media, a_stale_read_gives_what_was_there_before_once_even_if_it_was_flushed_away) {
    drive->faults().stale_read = 1;
    EXPECT_EQ(read(fd, 0, 4096), std::string(4096, 'a')) << "there is nothing older";
    ASSERT_EQ(write(fd, 0, std::string(4096, 'A')), 4096);
    ASSERT_EQ(sync(fd), 0);
    EXPECT_EQ(read(fd, 0, 8192), std::string(4096, 'a') + std::string(4096, 'b'));
    drive->faults().stale_read = 0;
    EXPECT_EQ(read(fd, 0, 4096), std::string(4096, 'A'));
    EXPECT_EQ(drive->media_faults().at(0).kind, media_fault_kind::stale_read);
}

TEST_F(disk_media, damages_only_where_that_is_allowed) {
    drive->faults() = {
        .latent_sector = 1, .bit_rot = 1, .misdirected_write = 1, .misdirected_read = 1, .stale_read = 1};
    drive->may_damage = [](std::string_view path, std::uint64_t, std::uint64_t) { return path != "/f"; };
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(write(fd, 4096, text.substr(4096, 4096)), 4096);
        EXPECT_EQ(read(fd, 0, 40'000), text);
    }
    EXPECT_TRUE(drive->media_faults().empty());
    const int other = open("/g");
    ASSERT_EQ(write(other, 0, "x"), 1);
    EXPECT_EQ(read(other, 0, 1), eio);
}

TEST_F(disk_media, damage_can_be_done_by_hand) {
    const std::uint64_t rot = drive->damage_byte("/f", 5000, std::byte{0x20});
    const std::uint64_t hole = drive->damage_sector("/f", 8192, 512);
    EXPECT_EQ(read(fd, 4999, 3), "bBb");
    EXPECT_EQ(read(fd, 8000, 1000), eio);
    EXPECT_EQ(read(fd, 8704, 3), "ccc");
    drive->undo_media_fault(hole);
    EXPECT_EQ(read(fd, 8191, 2), "bc");
    drive->undo_media_fault(rot);
    EXPECT_EQ(content("/f"), text);
}

TEST_F(disk_media, a_partial_write_heals_only_what_it_covers) {
    drive->damage_sector("/f", 0, 4096);
    ASSERT_EQ(write(fd, 1024, std::string(1024, 'Z')), 1024);
    EXPECT_EQ(read(fd, 1024, 1024), std::string(1024, 'Z'));
    EXPECT_EQ(read(fd, 1023, 1), eio);
    EXPECT_EQ(read(fd, 2048, 1), eio);
    ASSERT_EQ(truncate(fd, 0), 0);
    EXPECT_FALSE(drive->media_faults().at(0).active);
}

}  // namespace
}  // namespace shale::sim::detail
