// The calls on names and whole files: what each does, and which error it gives.
#include <dirent.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "../../base/align.hh"
#include "disk.hh"

// Newer than Debian 12's headers.
#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000U
#endif

namespace shale::sim::detail {

namespace {

constexpr std::uint32_t umask_bits = 022;
constexpr std::uint64_t stat_unit = 512;
constexpr std::uint64_t offset_max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
constexpr std::uint64_t inodes_max = 1 << 24;

bool writable(std::uint32_t flags) noexcept {
    return (flags & O_ACCMODE) != O_RDONLY;
}

statx_timestamp to_timestamp(std::int64_t wall_ns) noexcept {
    constexpr std::int64_t second = 1'000'000'000;
    statx_timestamp made{};
    made.tv_sec = wall_ns / second;
    made.tv_nsec = static_cast<std::uint32_t>(wall_ns % second);
    return made;
}

}  // namespace

std::int32_t disk::open(operation& o) {
    const std::uint32_t flags = o.asked.size;
    const bool creates = (flags & O_CREAT) != 0;
    if (creates && (flags & O_DIRECTORY) != 0) {
        return -EINVAL;
    }
    if (o.from->alive() && o.from->handles().full()) {
        return -EMFILE;
    }
    const auto at = tree_->walk(o.path);
    if (!at) {
        return at.error();
    }
    if (creates && at->found && (flags & O_EXCL) != 0) {
        return -EEXIST;
    }
    if (creates && (at->slash || at->last != name_space::place::plain)) {
        return -EISDIR;
    }
    if (!at->found && !creates) {
        return -ENOENT;
    }
    if (at->found) {
        if (at->slash && !at->found->is_directory) {
            return -ENOTDIR;
        }
        return open_found(o, at->found);
    }
    const auto made =
        tree_->create(*at, static_cast<std::uint32_t>(o.asked.offset) & ~umask_bits, false, wall_ns(), ++serial_);
    return made ? open_found(o, *made) : made.error();
}

std::int32_t disk::open_found(operation& o, const inode_ptr& file) {
    const std::uint32_t flags = o.asked.size;
    if (file->is_directory && (writable(flags) || (flags & (O_CREAT | O_TRUNC)) != 0)) {
        return -EISDIR;
    }
    if (!file->is_directory && (flags & O_DIRECTORY) != 0) {
        return -ENOTDIR;
    }
    if ((flags & O_DIRECT) != 0 && (file->is_directory || profile_.offset_alignment == 0)) {
        return -EINVAL;
    }
    if ((flags & O_TRUNC) != 0 && file->data.size() != 0) {
        set_size(*file, 0);
    }
    if (!o.from->alive()) {
        return 0;
    }
    return o.from->handles().add(std::make_shared<file_handle>(tree_, file, flags, next_handle_++));
}

std::int32_t disk::stat(operation& o) {
    inode_ptr file = o.handle ? o.handle->file : nullptr;
    if (!file) {
        const auto found = tree_->find(o.path);
        if (!found) {
            return found.error();
        }
        file = *found;
    }
    if (!o.from->alive()) {
        return 0;
    }
    auto& to = *static_cast<struct statx*>(o.asked.extra);
    to = {};
    to.stx_mask = STATX_BASIC_STATS | STATX_BTIME;
    to.stx_blksize = page_bytes;
    to.stx_nlink = tree_->links_of(*file);
    to.stx_mode = static_cast<std::uint16_t>((file->is_directory ? S_IFDIR : S_IFREG) | file->mode);
    to.stx_ino = file->number;
    to.stx_size = file->is_directory ? page_bytes : file->data.size();
    to.stx_blocks = (file->is_directory ? page_bytes : file->blocks.total()) / stat_unit;
    to.stx_btime = to_timestamp(file->born_ns);
    to.stx_mtime = to.stx_atime = to_timestamp(file->modified_ns);
    to.stx_ctime = to_timestamp(file->changed_ns);
    to.stx_dev_major = 8;
    if (!file->is_directory) {
        to.stx_mask |= STATX_DIOALIGN;
        to.stx_dio_offset_align = profile_.offset_alignment;
        to.stx_dio_mem_align = profile_.offset_alignment != 0 ? profile_.memory_alignment : 0;
    }
    return 0;
}

std::int32_t disk::statfs(operation& o) {
    const auto found = tree_->find(o.path);
    if (!found) {
        return found.error();
    }
    if (!o.from->alive()) {
        return 0;
    }
    auto& to = *static_cast<struct statfs*>(o.asked.extra);
    to = {};
    to.f_type = EXT4_SUPER_MAGIC;
    to.f_bsize = to.f_frsize = page_bytes;
    to.f_blocks = tree_->space.capacity / page_bytes;
    to.f_bfree = to.f_bavail = tree_->space.left() / page_bytes;
    to.f_files = inodes_max;
    to.f_ffree = inodes_max - std::min<std::uint64_t>(inodes_max, tree_->files().size());
    to.f_namelen = 255;
    return 0;
}

std::int32_t disk::make_directory(operation& o) {
    const auto at = tree_->walk(o.path);
    if (!at) {
        return at.error();
    }
    if (at->found) {
        return -EEXIST;
    }
    const auto made = tree_->create(*at, o.asked.size & ~umask_bits, true, wall_ns(), ++serial_);
    return made ? 0 : made.error();
}

std::int32_t disk::list(operation& o) {
    file_handle& handle = *o.handle;
    if (!handle.file->is_directory) {
        return -ENOTDIR;
    }
    if (!o.from->alive()) {
        return 0;
    }
    if (!handle.has_listing) {
        handle.has_listing = true;
        const std::uint64_t self = handle.file->number;
        handle.listing = {{".", self, true}, {"..", tree_->parent_of(self), true}};
        for (const auto& [name, file] : tree_->entries_of(self)) {
            handle.listing.push_back({name, file->number, file->is_directory});
        }
        random_.shuffle(handle.listing);  // no file system promises an order
    }
    std::size_t size = 0;
    for (; handle.listed < handle.listing.size(); ++handle.listed) {
        const file_handle::entry& each = handle.listing[handle.listed];
        const std::size_t needs = align_up(offsetof(dirent64, d_name) + each.name.size() + 1, alignof(dirent64));
        if (size + needs > o.asked.size) {
            return size != 0 ? static_cast<std::int32_t>(size) : -EINVAL;
        }
        std::byte* at = static_cast<std::byte*>(o.asked.data) + size;
        dirent64 head{};
        head.d_ino = each.inode;
        head.d_off = static_cast<off64_t>(handle.listed + 1);
        head.d_reclen = static_cast<unsigned short>(needs);
        head.d_type = each.is_directory ? DT_DIR : DT_REG;
        std::memset(at, 0, needs);
        std::memcpy(at, &head, offsetof(dirent64, d_name));
        std::memcpy(at + offsetof(dirent64, d_name), each.name.data(), each.name.size());
        size += needs;
    }
    return static_cast<std::int32_t>(size);
}

std::int32_t disk::set_size(inode& file, std::uint64_t size) {
    file.data.resize(size, ++serial_);
    file.media.overwritten(size, end_of_all);
    tree_->release(file, size, end_of_all);
    touch(file);
    return 0;
}

std::int32_t disk::truncate(operation& o) {
    const std::uint64_t size = o.asked.offset;
    if (size > offset_max || o.handle->file->is_directory || !writable(o.handle->flags)) {
        return -EINVAL;
    }
    return size > profile_.file_bytes_max ? -EFBIG : set_size(*o.handle->file, size);
}

std::int32_t disk::allocate(operation& o) {
    constexpr std::uint32_t keep_size = FALLOC_FL_KEEP_SIZE;
    constexpr std::uint32_t punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    const std::uint32_t mode = o.asked.size;
    const auto length = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(o.asked.extra));
    const std::uint64_t begin = o.asked.offset;
    if (begin > offset_max || length == 0 || length > offset_max) {
        return -EINVAL;
    }
    if (mode != punch && (mode & ~std::uint32_t{keep_size | FALLOC_FL_ZERO_RANGE}) != 0) {
        return -EOPNOTSUPP;
    }
    if (!writable(o.handle->flags)) {
        return -EBADF;
    }
    if (begin + length > profile_.file_bytes_max) {
        return -EFBIG;
    }
    inode& file = *o.handle->file;
    const std::uint64_t end = begin + length;
    if (mode == punch) {
        file.data.zero(begin, end, 0, ++serial_);
        file.media.overwritten(begin, end);
        tree_->release(file, begin, end);
        touch(file);
        return 0;
    }
    if (room_for(file, begin, end) < length) {
        counts_.add("disk.no_space");
        return -ENOSPC;
    }
    tree_->allocate(file, begin, end);
    const std::uint64_t size = (mode & keep_size) != 0 ? 0 : end;
    if ((mode & FALLOC_FL_ZERO_RANGE) != 0) {
        file.data.zero(begin, end, size, ++serial_);
        file.media.overwritten(begin, end);
    } else if (size > file.data.size()) {
        file.data.zero(0, 0, size, ++serial_);
    }
    touch(file);
    return 0;
}

std::int32_t disk::sync_path(operation& o) {
    const auto found = tree_->find(o.path);
    if (!found) {
        return found.error();
    }
    if (!(*found)->is_directory) {
        return -ENOTDIR;
    }
    tree_->sync_directory((*found)->number, flushed_up_to(o.serial));
    return 0;
}

// A change of mode lets go first, as flock(2) does: who does not get the new lock has none.
std::int32_t disk::lock(operation& o) {
    std::uint32_t mode = o.asked.size & ~std::uint32_t{LOCK_NB};
    if (mode != LOCK_SH && mode != LOCK_EX && mode != LOCK_UN) {
        return -EINVAL;
    }
    auto& locks = o.handle->file->locks;
    const auto held = locks.find(o.handle->id);
    if (held != locks.end() && mode != LOCK_UN && held->second == (mode == LOCK_EX)) {
        return 0;
    }
    locks.erase(o.handle->id);
    if (mode == LOCK_UN) {
        return 0;
    }
    const bool others_alone = std::ranges::any_of(locks, [](const auto& lock) { return lock.second; });
    if (others_alone || (mode == LOCK_EX && !locks.empty())) {
        return -EWOULDBLOCK;
    }
    locks.emplace(o.handle->id, mode == LOCK_EX);
    return 0;
}

}  // namespace shale::sim::detail
