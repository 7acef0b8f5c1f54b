// Reads, writes and flushes of a simulated disk, with the faults that strike them.
#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "../../base/align.hh"
#include "disk.hh"

namespace shale::sim::detail {

namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t sector_bytes = 512;

/// What is done in part is done in whole blocks of the disk: within one, a direct transfer ends only at the file's end.
std::uint64_t part_unit(const disk_profile& profile) noexcept {
    return std::max<std::uint64_t>(sector_bytes, profile.offset_alignment);
}
constexpr std::uint32_t parts_max = 1024;
constexpr std::uint64_t transfer_bytes_max = 0x7ffff000;
constexpr std::uint64_t offset_max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
// Newer than Debian 12's headers, and without effect here.
constexpr std::uint16_t rwf_no_append = 0x20;
constexpr std::uint16_t rwf_known = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | rwf_no_append;

bool is_write(io_op op) noexcept {
    return op == io_op::write || op == io_op::writev;
}

std::uint32_t access_of(std::uint32_t flags) noexcept {
    return flags & O_ACCMODE;
}

}  // namespace

bool disk::wants_dsync(const operation& o) const noexcept {
    return (o.asked.rw_flags & (RWF_DSYNC | RWF_SYNC)) != 0 || (o.handle->flags & O_DSYNC) != 0;
}

std::int32_t disk::prepare_transfer(operation& o) {
    const io_request& r = o.asked;
    const bool writes = is_write(r.op);
    if (access_of(o.handle->flags) == (writes ? O_RDONLY : O_WRONLY)) {
        return -EBADF;
    }
    if (r.offset > offset_max) {
        return -EINVAL;
    }
    if ((r.rw_flags & ~rwf_known) != 0) {
        return -EOPNOTSUPP;
    }
    if (o.handle->file->is_directory) {
        return -EISDIR;
    }
    if (r.op == io_op::read || r.op == io_op::write) {
        o.single = {r.data, r.size};
        o.size = r.size;
    } else {
        if (r.size > parts_max) {
            return -EINVAL;
        }
        const auto* parts = static_cast<const iovec*>(r.data);
        o.many.assign(parts, parts + r.size);
        for (const iovec& part : o.many) {
            o.size += part.iov_len;
        }
    }
    o.size = std::min(o.size, transfer_bytes_max);
    if (r.offset + o.size > offset_max) {
        return -EINVAL;
    }
    const bool appends = writes && ((r.rw_flags & RWF_APPEND) != 0 || (o.handle->flags & O_APPEND) != 0);
    if ((o.handle->flags & O_DIRECT) != 0 && o.size != 0) {
        bool fits = appends || is_aligned(r.offset, profile_.offset_alignment);
        for (const iovec& part : o.parts()) {
            fits = fits && is_aligned(part.iov_base, profile_.memory_alignment) &&
                   is_aligned(part.iov_len, std::size_t{profile_.offset_alignment});
        }
        if (!fits) {
            return -EINVAL;
        }
    }
    if (writes) {
        o.data = capture(appends ? o.handle->file->data.size() : r.offset, o.parts(), o.size);
    }
    return 0;
}

std::int32_t disk::read(operation& o) {
    if (!o.from->alive()) {
        return 0;
    }
    const disk_faults& faults = profile_.faults;
    if (strikes(faults.interrupted, "disk.interrupted")) {
        return -EINTR;
    }
    if ((o.asked.rw_flags & RWF_NOWAIT) != 0 && strikes(faults.nowait_again, "disk.nowait_again")) {
        return -EAGAIN;
    }
    if (strikes(faults.read_error, "disk.read_error")) {
        return -EIO;
    }
    inode& file = *o.handle->file;
    const std::uint64_t offset = o.asked.offset;
    if (offset >= file.data.size()) {
        return 0;
    }
    std::uint64_t size = std::min(o.size, file.data.size() - offset);
    if (const std::uint64_t unit = part_unit(profile_); size > unit && strikes(faults.short_read, "disk.short_read")) {
        size = random_.between(1, (size - 1) / unit) * unit;
    }
    if (!damage_before_read(file, offset, size)) {
        return -EIO;
    }
    std::uint64_t done = 0;
    for (const iovec& part : o.parts()) {
        const std::span to(static_cast<std::byte*>(part.iov_base), std::min<std::uint64_t>(part.iov_len, size - done));
        file.data.read(offset + done, to);
        if (!file.media.empty()) {
            file.media.apply(offset + done, to);
        }
        done += to.size();
    }
    damage_read(file, offset, o.parts(), size);
    return static_cast<std::int32_t>(size);
}

/// How much of the range, from its beginning, finds room.
std::uint64_t disk::room_for(inode& file, std::uint64_t begin, std::uint64_t end) {
    if (now_ns() >= no_space_until_ns_ && strikes(profile_.faults.no_space_spell, "disk.no_space_spell")) {
        no_space_until_ns_ = now_ns() + random_.between(10 * ms, 1000 * ms);
    }
    const std::uint64_t left = now_ns() < no_space_until_ns_ ? 0 : tree_->space.left();
    if (file.blocks.missing(begin, end) <= left) {
        return end - begin;
    }
    // As many pages as there is room for, from the first on.
    std::uint64_t fits = 0;
    for (std::uint64_t to = align_down(begin, page_bytes) + page_bytes; to < end; to += page_bytes) {
        if (file.blocks.missing(begin, to) > left) {
            break;
        }
        fits = to - begin;
    }
    return fits;
}

std::int32_t disk::write(operation& o) {
    if (o.size == 0) {
        return 0;
    }
    const disk_faults& faults = profile_.faults;
    inode& file = *o.handle->file;
    const bool direct = (o.handle->flags & O_DIRECT) != 0;
    const bool appends = (o.asked.rw_flags & RWF_APPEND) != 0 || (o.handle->flags & O_APPEND) != 0;
    const std::uint64_t offset = appends ? file.data.size() : o.asked.offset;
    if (direct && !is_aligned(offset, profile_.offset_alignment)) {
        return -EINVAL;
    }
    if (offset >= profile_.file_bytes_max) {
        return -EFBIG;
    }
    if ((o.asked.rw_flags & RWF_NOWAIT) != 0) {
        // As ext4, which would have to wait for its journal.
        if ((direct && offset + o.size > file.data.size()) || strikes(faults.nowait_again, "disk.nowait_again")) {
            return -EAGAIN;
        }
    }
    if (strikes(faults.interrupted, "disk.interrupted")) {
        return -EINTR;
    }
    o.data = o.data.moved_to(offset);
    std::uint64_t size = std::min(o.size, profile_.file_bytes_max - offset);
    if (const std::uint64_t unit = part_unit(profile_);
        size > unit && strikes(faults.short_write, "disk.short_write")) {
        size = random_.between(1, (size - 1) / unit) * unit;
    }
    if (const std::uint64_t room = room_for(file, offset, offset + size); room < size) {
        counts_.add("disk.no_space");
        size = room;
        if (size == 0) {
            return -ENOSPC;
        }
    }
    return write_now(o, size);
}

std::int32_t disk::write_now(operation& o, std::uint64_t size) {
    inode& file = *o.handle->file;
    const std::uint64_t offset = o.data.begin;
    const bool fails = strikes(profile_.faults.write_error, "disk.write_error");
    if (fails && random_.chance(0.5)) {
        return -EIO;
    }
    const extent data = size == o.size ? o.data : o.data.part(offset, offset + size);
    tree_->allocate(file, offset, offset + size);
    const bool durable = !fails && wants_dsync(o) && flushed_up_to(serial_ + 1) == serial_ + 1;
    land(file, data, durable);
    touch(file);
    return fails ? -EIO : static_cast<std::int32_t>(size);
}

void disk::touch(inode& file) {
    file.modified_ns = file.changed_ns = wall_ns();
}

/// Up to which change a flush of those up to `serial` really goes.
std::uint64_t disk::flushed_up_to(std::uint64_t serial) {
    if (!strikes(profile_.faults.lying_flush, "disk.lying_flush")) {
        return serial;
    }
    const std::uint64_t left_out = random_.between(1, std::max(profile_.faults.lying_flush_depth, 1U));
    const std::uint64_t last = std::max(serial, serial_);
    return std::min(serial, last - std::min(last, left_out));
}

std::int32_t disk::sync(operation& o) {
    inode& file = *o.handle->file;
    if (strikes(profile_.faults.sync_error, "disk.sync_error")) {
        file.data.lose(o.serial);
        return -EIO;
    }
    const std::uint64_t reached = flushed_up_to(o.serial);
    if (file.is_directory) {
        tree_->sync_directory(file.number, reached);
        return 0;
    }
    file.data.flush(reached);
    if (profile_.fsync_keeps_new_name) {
        tree_->sync_new_name(file, reached);
    }
    return 0;
}

}  // namespace shale::sim::detail
