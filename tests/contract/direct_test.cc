// Direct I/O: what must be aligned, what is transferred, how it meets buffered I/O, and more of it than fits at once.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>

#include <cerrno>
#include <vector>

#include <shale/tests/core/linux/temporary.hh>
#include "contract.hh"

#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000U
#endif

namespace shale::contract {
namespace {

constexpr std::size_t block = 4096;  // more than any file system at hand demands

struct direct_operation : operation {
    direct_operation(io_op kind, int descriptor, void* memory, std::size_t bytes, std::uint64_t at)
        : operation(kind, descriptor, memory, bytes) {
        offset = at;
        flags = io_flag::direct;
    }
};

class direct_contract : public contract_case {
protected:
    int fd = opened("file", O_CREAT | O_RDWR | O_DIRECT);

    int direct(io_op op, void* data = nullptr, std::size_t size = 0, std::uint64_t offset = 0) {
        return direct_on(fd, op, data, size, offset);
    }
    int direct_on(int file, io_op op, void* data = nullptr, std::size_t size = 0, std::uint64_t offset = 0) {
        direct_operation o(op, file, data, size, offset);
        return run(o);
    }
    /// Blocks of 'a', 'b', … through the page cache.
    void fill(unsigned blocks) {
        std::string content;
        for (unsigned i = 0; i < blocks; ++i) {
            content.append(block, letter(i));
        }
        put("file", content);
        fd = opened("file", O_RDWR | O_DIRECT);
    }
    /// False on tmpfs, which takes O_DIRECT and does nothing about it.
    bool demands_alignment() {
        struct statfs about {};
        EXPECT_EQ(run(io_op::statfs, -1, text(path("")), 0, 0, &about), 0);
        return about.f_type != TMPFS_MAGIC;
    }
    static char letter(unsigned i) { return static_cast<char>('a' + i % 26); }
};
INSTANTIATE_TEST_SUITE_P(, direct_contract, all_sides(), name_of);

TEST_P(direct_contract, reads_what_was_written) {
    aligned_buffer out(2 * block, 'W');
    EXPECT_EQ(direct(io_op::write, out.data(), 2 * block, block), static_cast<int>(2 * block));
    EXPECT_EQ(size_of(fd), 3 * block);
    aligned_buffer in(2 * block);
    EXPECT_EQ(direct(io_op::read, in.data(), 2 * block, block), static_cast<int>(2 * block));
    EXPECT_TRUE(in.all('W'));
    EXPECT_EQ(direct(io_op::read, in.data(), block, 0), static_cast<int>(block));
    EXPECT_EQ(in.data()[0], '\0') << "what was never written is zero";
}

TEST_P(direct_contract, a_read_is_short_at_the_end_of_the_file) {
    put("file", std::string(block + 100, 'a'));
    const int again = opened("file", O_RDONLY | O_DIRECT);
    aligned_buffer in(4 * block, '.');
    EXPECT_EQ(direct_on(again, io_op::read, in.data(), 4 * block, 0), static_cast<int>(block + 100));
    EXPECT_EQ(in.data()[block + 99], 'a');
    EXPECT_EQ(direct_on(again, io_op::read, in.data(), block, block), 100);
    EXPECT_EQ(direct_on(again, io_op::read, in.data(), block, 2 * block), 0);
    EXPECT_EQ(direct_on(again, io_op::read, in.data(), block, 1000 * block), 0);
}

TEST_P(direct_contract, memory_must_be_aligned) {
    if (!demands_alignment()) {
        GTEST_SKIP() << "the file system takes direct I/O however it is aligned";
    }
    fill(2);
    aligned_buffer buffer(2 * block);
    EXPECT_EQ(direct(io_op::read, buffer.data() + 1, block), -EINVAL);
    EXPECT_EQ(direct(io_op::write, buffer.data() + 1, block), -EINVAL);
    EXPECT_EQ(get("file").substr(0, block), std::string(block, 'a'));
}

TEST_P(direct_contract, sizes_must_be_aligned) {
    if (!demands_alignment()) {
        GTEST_SKIP() << "the file system takes direct I/O however it is aligned";
    }
    fill(2);
    aligned_buffer buffer(2 * block);
    EXPECT_EQ(direct(io_op::read, buffer.data(), 100), -EINVAL);
    EXPECT_EQ(direct(io_op::write, buffer.data(), 100), -EINVAL);
    EXPECT_EQ(get("file").substr(0, block), std::string(block, 'a'));
}

TEST_P(direct_contract, offsets_must_be_aligned) {
    if (!demands_alignment()) {
        GTEST_SKIP() << "the file system takes direct I/O however it is aligned";
    }
    fill(2);
    aligned_buffer buffer(2 * block);
    EXPECT_EQ(direct(io_op::read, buffer.data(), block, 100), -EINVAL);
    EXPECT_EQ(direct(io_op::write, buffer.data(), block, 100), -EINVAL);
    EXPECT_EQ(size_of(fd), 2 * block);
}

TEST_P(direct_contract, every_part_of_a_vector_must_be_aligned) {
    if (!demands_alignment()) {
        GTEST_SKIP() << "the file system takes direct I/O however it is aligned";
    }
    fill(2);
    aligned_buffer buffer(4 * block);
    iovec odd_address[] = {{buffer.data(), block}, {buffer.data() + block + 1, block}};
    EXPECT_EQ(direct(io_op::readv, odd_address, 2), -EINVAL);
    iovec odd_size[] = {{buffer.data(), 100}, {buffer.data() + block, block - 100}};
    EXPECT_EQ(direct(io_op::readv, odd_size, 2), -EINVAL);
    EXPECT_EQ(direct(io_op::writev, odd_size, 2), -EINVAL);
}

TEST_P(direct_contract, what_stat_says_of_alignment_suffices) {
    fill(2);
    struct statx about {};
    ASSERT_EQ(run(io_op::stat, fd, nullptr, 0, 0, &about), 0);
    if ((about.stx_mask & STATX_DIOALIGN) == 0) {
        GTEST_SKIP() << "the file system does not say what direct I/O demands (Linux 6.1 and later do)";
    }
    std::uint32_t fields[2];  // newer than Debian 12's headers: stx_dio_mem_align, stx_dio_offset_align
    std::memcpy(fields, reinterpret_cast<const char*>(&about) + 0x98, sizeof fields);
    ASSERT_GT(fields[0], 0u);
    ASSERT_GT(fields[1], 0u);
    ASSERT_LE(fields[0], block);
    ASSERT_LE(fields[1], block);
    aligned_buffer buffer(3 * block);
    EXPECT_EQ(direct(io_op::read, buffer.data() + fields[0], fields[1], fields[1]), static_cast<int>(fields[1]));
    EXPECT_EQ(direct(io_op::write, buffer.data() + fields[0], fields[1], fields[1]), static_cast<int>(fields[1]));
}

TEST_P(direct_contract, transfers_of_nothing_are_0) {
    fill(1);
    aligned_buffer buffer(block);
    EXPECT_EQ(direct(io_op::read, buffer.data(), 0), 0);
    EXPECT_EQ(direct(io_op::write, buffer.data(), 0, 10 * block), 0);
    EXPECT_EQ(size_of(fd), block);
}

TEST_P(direct_contract, vectors_scatter_and_gather) {
    aligned_buffer a(block, 'A');
    aligned_buffer b(2 * block, 'B');
    iovec out[] = {{a.data(), block}, {b.data(), 2 * block}};
    EXPECT_EQ(direct(io_op::writev, out, 2, block), static_cast<int>(3 * block));
    aligned_buffer in(3 * block);
    iovec parts[] = {{in.data() + 2 * block, block}, {nullptr, 0}, {in.data(), 2 * block}};
    EXPECT_EQ(direct(io_op::readv, parts, 3, block), static_cast<int>(3 * block));
    EXPECT_EQ(std::string(in.data(), 3 * block), std::string(2 * block, 'B') + std::string(block, 'A'));
}

TEST_P(direct_contract, vectors_have_1024_parts_at_most) {
    constexpr std::size_t parts_max = 1024;
    aligned_buffer data((parts_max + 1) * block, 'D');
    std::vector<iovec> parts;
    for (std::size_t i = 0; i < parts_max; ++i) {
        parts.push_back({data.data() + i * block, block});
    }
    EXPECT_EQ(direct(io_op::writev, parts.data(), parts_max), static_cast<int>(parts_max * block));
    EXPECT_EQ(direct(io_op::readv, parts.data(), parts_max), static_cast<int>(parts_max * block));
    EXPECT_TRUE(data.all('D'));
    parts.push_back({data.data() + parts_max * block, block});
    EXPECT_EQ(direct(io_op::readv, parts.data(), parts.size()), -EINVAL);
    EXPECT_EQ(direct(io_op::writev, parts.data(), parts.size()), -EINVAL);
}

TEST_P(direct_contract, a_direct_write_is_seen_by_buffered_reads) {
    fill(2);
    EXPECT_EQ(get("file").size(), 2 * block);
    aligned_buffer out(block, 'W');
    EXPECT_EQ(direct(io_op::write, out.data(), block, block), static_cast<int>(block));
    EXPECT_EQ(get("file"), std::string(block, 'a') + std::string(block, 'W'));
}

TEST_P(direct_contract, a_buffered_write_is_seen_by_direct_reads) {
    fill(2);
    const int plain = opened("file", O_RDWR);
    EXPECT_EQ(write(plain, std::string(block, 'P')), static_cast<int>(block));
    aligned_buffer in(block);
    EXPECT_EQ(direct(io_op::read, in.data(), block), static_cast<int>(block));
    EXPECT_TRUE(in.all('P'));
}

TEST_P(direct_contract, a_truncated_file_gives_no_more_than_its_length) {
    fill(4);
    EXPECT_EQ(run(io_op::truncate, fd, nullptr, 0, block + 10), 0);
    aligned_buffer in(4 * block, '.');
    EXPECT_EQ(direct(io_op::read, in.data(), 4 * block), static_cast<int>(block + 10));
    EXPECT_EQ(run(io_op::truncate, fd, nullptr, 0, 4 * block), 0);
    EXPECT_EQ(direct(io_op::read, in.data(), block, block), static_cast<int>(block));
    EXPECT_EQ(std::string(in.data(), block), std::string(10, 'b') + std::string(block - 10, '\0'));
}

TEST_P(direct_contract, allocated_space_reads_as_zeros) {
    EXPECT_EQ(run(io_op::fallocate, fd, nullptr, 0, 0, reinterpret_cast<void*>(4 * block)), 0);
    aligned_buffer out(block, 'W');
    EXPECT_EQ(direct(io_op::write, out.data(), block, block), static_cast<int>(block));
    aligned_buffer in(4 * block, '.');
    EXPECT_EQ(direct(io_op::read, in.data(), 4 * block), static_cast<int>(4 * block));
    EXPECT_EQ(std::string(in.data(), 4 * block),
              std::string(block, '\0') + std::string(block, 'W') + std::string(2 * block, '\0'));
}

TEST_P(direct_contract, append_writes_at_the_end_whatever_the_offset) {
    fill(1);
    const int end = opened("file", O_RDWR | O_DIRECT | O_APPEND);
    aligned_buffer out(block, 'W');
    EXPECT_EQ(direct_on(end, io_op::write, out.data(), block, 0), static_cast<int>(block));
    EXPECT_EQ(get("file"), std::string(block, 'a') + std::string(block, 'W'));
}

TEST_P(direct_contract, dsync_writes_count_like_others) {
    aligned_buffer out(block, 'W');
    direct_operation o(io_op::write, fd, out.data(), block, 0);
    o.rw_flags = RWF_DSYNC;
    EXPECT_EQ(run(o), static_cast<int>(block));
    const int synced = opened("file", O_RDWR | O_DIRECT | O_DSYNC);
    EXPECT_EQ(direct_on(synced, io_op::write, out.data(), block, block), static_cast<int>(block));
    EXPECT_EQ(size_of(fd), 2 * block);
}

TEST_P(direct_contract, flushes_are_0) {
    aligned_buffer out(block, 'W');
    EXPECT_EQ(direct(io_op::write, out.data(), block), static_cast<int>(block));
    EXPECT_EQ(direct(io_op::fdatasync), 0);
    EXPECT_EQ(direct(io_op::fsync), 0);
}

TEST_P(direct_contract, bad_descriptors_are_ebadf) {
    aligned_buffer buffer(block);
    for (const int bad : {-1, 987'654}) {
        for (const io_op op : {io_op::read, io_op::write, io_op::fsync, io_op::fdatasync}) {
            EXPECT_EQ(direct_on(bad, op, buffer.data(), block), -EBADF) << static_cast<int>(op);
        }
    }
    const int reader = opened("file", O_RDONLY | O_DIRECT);
    EXPECT_EQ(direct_on(reader, io_op::write, buffer.data(), block), -EBADF);
    const int writer = opened("file", O_WRONLY | O_DIRECT);
    EXPECT_EQ(direct_on(writer, io_op::read, buffer.data(), block), -EBADF);
}

TEST_P(direct_contract, negative_offsets_are_einval) {
    aligned_buffer buffer(block);
    const std::uint64_t negative = ~std::uint64_t{0} - (block - 1);
    EXPECT_EQ(direct(io_op::read, buffer.data(), block, negative), -EINVAL);
    EXPECT_EQ(direct(io_op::write, buffer.data(), block, negative), -EINVAL);
}

TEST_P(direct_contract, a_bad_request_fails_alone_in_its_batch) {
    fill(4);
    aligned_buffer in(4 * block);
    direct_operation closed(io_op::read, 987'654, in.data(), block, 0);
    direct_operation good(io_op::read, fd, in.data(), block, block);
    direct_operation misaligned(io_op::read, fd, in.data() + block + 1, block, 0);
    direct_operation also_good(io_op::read, fd, in.data() + 2 * block, block, 2 * block);
    submit({&closed, &good, &misaligned, &also_good});
    EXPECT_EQ(finish(closed), -EBADF);
    EXPECT_EQ(finish(good), static_cast<int>(block));
    EXPECT_EQ(finish(misaligned), demands_alignment() ? -EINVAL : static_cast<int>(block));
    EXPECT_EQ(finish(also_good), static_cast<int>(block));
    EXPECT_EQ(in.data()[0], 'b');
    EXPECT_EQ(in.data()[2 * block], 'c');
}

TEST_P(direct_contract, writes_of_one_batch_are_all_there_once_done) {
    constexpr unsigned count = 64;
    aligned_buffer out(count * block);
    std::vector<std::unique_ptr<direct_operation>> writes;
    for (unsigned i = 0; i < count; ++i) {
        std::memset(out.data() + i * block, letter(i), block);
        writes.push_back(
            std::make_unique<direct_operation>(io_op::write, fd, out.data() + i * block, block, i * block));
        submit(*writes.back());
    }
    for (auto& o : writes) {
        EXPECT_EQ(finish(*o), static_cast<int>(block));
    }
    EXPECT_EQ(get("file"), std::string(out.data(), out.size()));
}

TEST_P(direct_contract, more_requests_than_there_are_slots_all_complete_once) {
    constexpr unsigned count = 3000;
    fill(26);
    aligned_buffer in(count * block);
    std::vector<std::unique_ptr<direct_operation>> reads;
    std::vector<io_request*> batch;
    for (unsigned i = 0; i < count; ++i) {
        reads.push_back(std::make_unique<direct_operation>(io_op::read, fd, in.data() + std::size_t{i} * block, block,
                                                           i % 26 * block));
        batch.push_back(reads.back().get());
    }
    submit(batch);
    for (auto& o : reads) {
        ASSERT_EQ(finish(*o), static_cast<int>(block));
    }
    settle();
    for (unsigned i = 0; i < count; ++i) {
        EXPECT_EQ(reads[i]->completions, 1);
        EXPECT_EQ(in.data()[std::size_t{i} * block + 7], letter(i));
    }
}

}  // namespace
}  // namespace shale::contract
