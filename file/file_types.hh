// The small words of the file wing: how to open a file, how to write, what a file is like.
//
// open_flags carry the values of the O_ flags they stand for. They and stat_data have Seastar's names and meanings.
#pragma once

#include <fcntl.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>

namespace shale {

enum class open_flags : unsigned {
    ro = O_RDONLY,
    wo = O_WRONLY,
    rw = O_RDWR,
    create = O_CREAT,       ///< make the file if there is none
    exclusive = O_EXCL,     ///< with create: fail with EEXIST if there is one
    truncate = O_TRUNC,     ///< throw away what it holds
    dsync = O_DSYNC,        ///< every write is durable when it completes
    no_follow = O_NOFOLLOW  ///< fail with ELOOP if the path's last part is a symbolic link
};

constexpr open_flags operator|(open_flags a, open_flags b) noexcept {
    return static_cast<open_flags>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool has(open_flags all, open_flags one) noexcept {
    return (static_cast<unsigned>(all) & static_cast<unsigned>(one)) == static_cast<unsigned>(one);
}

struct file_open_options {
    std::uint32_t create_permissions = 0666;    ///< before the process' umask
    bool direct = true;                         ///< false: go through the page cache and helper threads
    std::uint32_t request_bytes_max = 1 << 20;  ///< larger transfers are split; a multiple of 4096
};

struct write_options {
    bool dsync = false;  ///< durable, as after flush(), when it completes
};

enum class directory_entry_type : std::uint8_t {
    unknown,
    block_device,
    char_device,
    directory,
    fifo,
    link,
    regular,
    socket,
};

struct stat_data {
    std::uint64_t device_id = 0;
    std::uint64_t inode_number = 0;
    std::uint32_t mode = 0;  ///< permissions, without the type
    directory_entry_type type = directory_entry_type::unknown;
    std::uint64_t number_of_links = 0;
    std::uint64_t uid = 0;
    std::uint64_t gid = 0;
    std::uint64_t size = 0;            ///< bytes
    std::uint64_t block_size = 0;      ///< bytes, as the file system prefers transfers
    std::uint64_t allocated_size = 0;  ///< bytes on disk
    std::chrono::sys_time<std::chrono::nanoseconds> time_accessed{};
    std::chrono::sys_time<std::chrono::nanoseconds> time_modified{};
    std::chrono::sys_time<std::chrono::nanoseconds> time_changed{};
};

/// The room of a file system, in bytes. With std::filesystem's names and meanings.
struct space_info {
    std::uint64_t capacity = 0;
    std::uint64_t free = 0;
    std::uint64_t available = 0;  ///< free for programs without privileges
};

/// The file ended before dma_read_exactly had what it was asked for.
class eof_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace shale
