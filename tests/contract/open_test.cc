// Opening and closing: which flags do what, and which errors there are.
#include <fcntl.h>

#include <cerrno>
#include <vector>

#include "contract.hh"

namespace shale::contract {
namespace {

class open_contract : public contract_case {};
INSTANTIATE_TEST_SUITE_P(, open_contract, all_sides(), name_of);

TEST_P(open_contract, a_missing_file_is_enoent) {
    EXPECT_EQ(open(path("missing"), O_RDONLY), -ENOENT);
    EXPECT_EQ(open(path("missing"), O_RDWR | O_TRUNC), -ENOENT);
}

TEST_P(open_contract, creat_makes_an_empty_file) {
    const int fd = opened("new", O_CREAT | O_RDWR);
    EXPECT_EQ(size_of(fd), 0u);
    EXPECT_GE(open(path("new"), O_RDONLY), 0);
}

TEST_P(open_contract, creat_leaves_an_existing_file_as_it_is) {
    put("file", "content");
    opened("file", O_CREAT | O_RDWR);
    EXPECT_EQ(get("file"), "content");
}

TEST_P(open_contract, creat_with_excl_refuses_what_exists) {
    put("file", "content");
    EXPECT_EQ(open(path("file"), O_CREAT | O_EXCL | O_RDWR), -EEXIST);
    EXPECT_EQ(mkdir(path("folder")), 0);
    EXPECT_EQ(open(path("folder"), O_CREAT | O_EXCL | O_RDWR), -EEXIST);
    EXPECT_EQ(get("file"), "content");
}

TEST_P(open_contract, only_one_of_many_creators_with_excl_succeeds) {
    const std::string where = path("lock");
    operation tries[8] = {operation(io_op::open), operation(io_op::open), operation(io_op::open),
                          operation(io_op::open), operation(io_op::open), operation(io_op::open),
                          operation(io_op::open), operation(io_op::open)};
    for (operation& o : tries) {
        o.data = text(where);
        o.size = O_CREAT | O_EXCL | O_RDWR;
        o.offset = 0600;
        submit(o);
    }
    unsigned made = 0;
    for (operation& o : tries) {
        const int fd = finish(o);
        if (fd >= 0) {
            ++made;
            keep(fd);
        } else {
            EXPECT_EQ(fd, -EEXIST);
        }
    }
    EXPECT_EQ(made, 1u);
}

TEST_P(open_contract, trunc_empties_a_file) {
    put("file", "content");
    const int fd = opened("file", O_RDWR | O_TRUNC);
    EXPECT_EQ(size_of(fd), 0u);
    EXPECT_EQ(read(fd, 10), "");
}

TEST_P(open_contract, a_directory_cannot_be_written) {
    ASSERT_EQ(mkdir(path("folder")), 0);
    EXPECT_EQ(open(path("folder"), O_RDWR), -EISDIR);
    EXPECT_EQ(open(path("folder"), O_WRONLY), -EISDIR);
    EXPECT_EQ(open(path("folder"), O_CREAT | O_RDONLY), -EISDIR);
}

TEST_P(open_contract, the_directory_flag_refuses_a_file) {
    put("file", "content");
    EXPECT_EQ(open(path("file"), O_RDONLY | O_DIRECTORY), -ENOTDIR);
    ASSERT_EQ(mkdir(path("folder")), 0);
    EXPECT_GE(open(path("folder"), O_RDONLY | O_DIRECTORY), 0);
}

TEST_P(open_contract, a_file_on_the_way_is_enotdir) {
    put("file", "content");
    EXPECT_EQ(open(path("file/below"), O_RDONLY), -ENOTDIR);
    EXPECT_EQ(open(path("file/below"), O_CREAT | O_RDWR), -ENOTDIR);
}

TEST_P(open_contract, a_missing_folder_is_enoent_even_with_creat) {
    EXPECT_EQ(open(path("missing/new"), O_CREAT | O_RDWR), -ENOENT);
}

TEST_P(open_contract, an_empty_path_is_enoent) {
    EXPECT_EQ(open("", O_RDONLY), -ENOENT);
    EXPECT_EQ(open("", O_CREAT | O_RDWR), -ENOENT);
}

TEST_P(open_contract, names_may_have_255_bytes_and_no_more) {
    EXPECT_GE(open(path(std::string(255, 'n')), O_CREAT | O_RDWR), 0);
    EXPECT_EQ(open(path(std::string(256, 'n')), O_CREAT | O_RDWR), -ENAMETOOLONG);
    EXPECT_EQ(open(path(std::string(256, 'n')), O_RDONLY), -ENAMETOOLONG);
}

TEST_P(open_contract, paths_may_have_4095_bytes_and_no_more) {
    put("file", "content");
    const std::string name = "file";
    std::string longest = path("");
    while (longest.size() + name.size() < 4095) {
        longest += '/';
    }
    EXPECT_GE(open(longest + name, O_RDONLY), 0);
    EXPECT_EQ(open(longest + "/" + name, O_RDONLY), -ENAMETOOLONG);
}

TEST_P(open_contract, a_slash_at_the_end_demands_a_directory) {
    put("file", "content");
    EXPECT_EQ(open(path("file/"), O_RDONLY), -ENOTDIR);
    ASSERT_EQ(mkdir(path("folder")), 0);
    EXPECT_GE(open(path("folder/"), O_RDONLY), 0);
    EXPECT_EQ(open(path("new/"), O_CREAT | O_RDWR), -EISDIR);
}

TEST_P(open_contract, paths_may_hold_dots_and_doubled_slashes) {
    ASSERT_EQ(mkdir(path("folder")), 0);
    put("folder/file", "content");
    EXPECT_EQ(get("folder/./file"), "content");
    EXPECT_EQ(get("folder//file"), "content");
    EXPECT_EQ(get("folder/../folder/file"), "content");
    EXPECT_EQ(open(path("missing/../folder/file"), O_RDONLY), -ENOENT);
}

TEST_P(open_contract, relative_paths_begin_in_the_working_directory) {
    put("file", "content");
    const int fd = open(relative("file"), O_RDONLY);
    ASSERT_GE(fd, 0);
    EXPECT_EQ(read(fd, 100), "content");
    EXPECT_GE(open(relative("other"), O_CREAT | O_RDWR), 0);
    EXPECT_GE(open(path("other"), O_RDONLY), 0);
    EXPECT_GE(open("./" + relative("file"), O_RDONLY), 0);
}

TEST_P(open_contract, names_are_bytes) {
    const std::string odd = "\x01 \xff\xc3\xa4*?\n";
    put(odd, "content");
    EXPECT_EQ(get(odd), "content");
    EXPECT_EQ(open(path("FILE"), O_CREAT | O_EXCL | O_RDWR) >= 0, true);
    EXPECT_GE(open(path("file"), O_CREAT | O_EXCL | O_RDWR), 0) << "upper and lower case differ";
}

TEST_P(open_contract, a_descriptor_opened_for_reading_cannot_write) {
    put("file", "content");
    const int fd = opened("file", O_RDONLY);
    EXPECT_EQ(write(fd, "x"), -EBADF);
    EXPECT_EQ(get("file"), "content");
}

TEST_P(open_contract, a_descriptor_opened_for_writing_cannot_read) {
    const int fd = opened("file", O_CREAT | O_WRONLY);
    EXPECT_EQ(write(fd, "x"), 1);
    EXPECT_EQ(read(fd, 1), "error " + std::to_string(EBADF));
}

TEST_P(open_contract, each_open_gives_a_descriptor_of_its_own) {
    const int one = opened("file", O_CREAT | O_RDWR);
    const int two = opened("file", O_RDWR);
    EXPECT_NE(one, two);
    EXPECT_EQ(close(one), 0);
    EXPECT_EQ(write(two, "still open"), 10);
}

TEST_P(open_contract, close_ends_a_descriptor_once) {
    // Lower numbers are free when `fd` is closed: what a platform opens for itself meanwhile does not take fd's.
    int lower[4];
    for (int& each : lower) {
        each = opened("file", O_CREAT | O_RDWR);
    }
    const int fd = opened("file", O_RDWR);
    for (const int each : lower) {
        EXPECT_EQ(close(each), 0);
    }
    EXPECT_EQ(close(fd), 0);
    EXPECT_EQ(run(io_op::close, fd), -EBADF);
    EXPECT_EQ(read(fd, 1), "error " + std::to_string(EBADF));
    EXPECT_EQ(write(fd, "x"), -EBADF);
    EXPECT_EQ(run(io_op::fsync, fd), -EBADF);
}

TEST_P(open_contract, close_of_what_was_never_open_is_ebadf) {
    EXPECT_EQ(run(io_op::close, -1), -EBADF);
    EXPECT_EQ(run(io_op::close, 987'654), -EBADF);
}

TEST_P(open_contract, a_directory_can_be_opened_and_closed) {
    ASSERT_EQ(mkdir(path("folder")), 0);
    const int fd = opened("folder", O_RDONLY);
    EXPECT_EQ(close(fd), 0);
}

TEST_P(open_contract, many_files_are_open_at_once) {
    std::vector<int> fds;
    for (int i = 0; i < 200; ++i) {
        fds.push_back(opened(std::to_string(i), O_CREAT | O_RDWR));
        EXPECT_EQ(write(fds.back(), std::to_string(i)), static_cast<int>(std::to_string(i).size()));
    }
    for (int i = 0; i < 200; ++i) {
        EXPECT_EQ(read(fds[static_cast<std::size_t>(i)], 10), std::to_string(i));
    }
}

}  // namespace
}  // namespace shale::contract
