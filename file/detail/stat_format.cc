// One field after another; nothing here suspends or fails.
#include "stat_format.hh"

#include <dirent.h>

namespace shale::detail {

namespace {

std::uint64_t device_number(std::uint32_t major, std::uint32_t minor) noexcept {
    return std::uint64_t{major} << 32 | minor;
}

std::chrono::sys_time<std::chrono::nanoseconds> to_time(const statx_timestamp& t) noexcept {
    return std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::seconds(t.tv_sec) +
                                                           std::chrono::nanoseconds(t.tv_nsec));
}

}  // namespace

directory_entry_type type_of_mode(unsigned mode) noexcept {
    switch (mode & S_IFMT) {
        case S_IFBLK:
            return directory_entry_type::block_device;
        case S_IFCHR:
            return directory_entry_type::char_device;
        case S_IFDIR:
            return directory_entry_type::directory;
        case S_IFIFO:
            return directory_entry_type::fifo;
        case S_IFLNK:
            return directory_entry_type::link;
        case S_IFREG:
            return directory_entry_type::regular;
        case S_IFSOCK:
            return directory_entry_type::socket;
        default:
            return directory_entry_type::unknown;
    }
}

directory_entry_type type_of_entry(unsigned char kind) noexcept {
    return type_of_mode(DTTOIF(kind));
}

stat_data to_stat_data(const struct statx& from) noexcept {
    stat_data to;
    to.device_id = device_number(from.stx_dev_major, from.stx_dev_minor);
    to.inode_number = from.stx_ino;
    to.mode = from.stx_mode & 07777U;
    to.type = type_of_mode(from.stx_mode);
    to.number_of_links = from.stx_nlink;
    to.uid = from.stx_uid;
    to.gid = from.stx_gid;
    to.size = from.stx_size;
    to.block_size = from.stx_blksize;
    to.allocated_size = from.stx_blocks * 512;
    to.time_accessed = to_time(from.stx_atime);
    to.time_modified = to_time(from.stx_mtime);
    to.time_changed = to_time(from.stx_ctime);
    return to;
}

}  // namespace shale::detail
