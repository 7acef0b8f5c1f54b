// What the media of a simulated disk do to bytes, by chance and on demand; and the list of it.
#include <algorithm>
#include <utility>

#include "../../base/align.hh"
#include "../../base/assert.hh"
#include "disk.hh"

namespace shale::sim::detail {

namespace {

constexpr std::uint64_t sector_step = 512;

/// The memory of a read, addressed as one piece.
void overwrite(std::span<const iovec> parts, std::uint64_t at, std::span<const std::byte> bytes) {
    for (const iovec& part : parts) {
        if (at < part.iov_len && !bytes.empty()) {
            const std::size_t size = std::min<std::size_t>(part.iov_len - at, bytes.size());
            std::copy_n(bytes.begin(), size, static_cast<std::byte*>(part.iov_base) + at);
            bytes = bytes.subspan(size);
            at = 0;
        } else {
            at -= std::min<std::uint64_t>(at, part.iov_len);
        }
    }
}

}  // namespace

bool disk::allowed(const inode& file, std::uint64_t offset, std::uint64_t size) const {
    return !may_damage || may_damage(tree_->path_of(file), offset, size);
}

std::uint64_t disk::record(media_fault_kind kind, const inode& file, std::uint64_t offset, std::uint64_t size,
                           std::uint64_t victim) {
    const std::uint64_t id = media_faults_.size() + 1;
    media_faults_.push_back({id, kind, file.number, tree_->path_of(file), offset, size, victim, false});
    return id;
}

// Sectors go bad and bits rot while nobody looks; a read is when it comes out.
bool disk::damage_before_read(inode& file, std::uint64_t offset, std::uint64_t size) {
    const disk_faults& faults = profile_.faults;
    if (faults.latent_sector > 0 && random_.chance(faults.latent_sector)) {
        const std::uint64_t unit = align_down(offset + random_.below(size), page_bytes);
        const std::uint64_t end = std::min(unit + page_bytes, align_up(file.data.size(), page_bytes));
        if (allowed(file, unit, end - unit)) {
            counts_.add("disk.latent_sector");
            file.media.make_unreadable(record(media_fault_kind::unreadable, file, unit, end - unit), unit, end);
        }
    }
    if (faults.bit_rot > 0 && random_.chance(faults.bit_rot)) {
        const std::uint64_t at = offset + random_.below(size);
        const auto mask = static_cast<std::byte>(1U << random_.below(8));
        if (allowed(file, at, 1)) {
            counts_.add("disk.bit_rot");
            file.media.flip(record(media_fault_kind::bit_rot, file, at, 1), at, mask);
        }
    }
    return file.media.empty() || file.media.readable(offset, offset + size);
}

// A read that gives something else for one of its units, this once.
void disk::damage_read(inode& file, std::uint64_t offset, std::span<const iovec> parts, std::uint64_t size) {
    const disk_faults& faults = profile_.faults;
    if (faults.misdirected_read > 0 && random_.chance(faults.misdirected_read)) {
        const std::uint64_t begin = align_down(offset + random_.below(size), page_bytes);
        const std::uint64_t whole_units = file.data.size() / page_bytes;
        const std::uint64_t from = whole_units != 0 ? random_.below(whole_units) * page_bytes : begin;
        if (begin >= offset && begin + page_bytes <= offset + size && from != begin &&
            allowed(file, begin, page_bytes)) {
            std::vector<std::byte> other(page_bytes);
            file.data.read(from, other);
            overwrite(parts, begin - offset, other);
            counts_.add("disk.misdirected_read");
            record(media_fault_kind::misdirected_read, file, begin, page_bytes, from);
        }
    }
    if (faults.stale_read > 0 && random_.chance(faults.stale_read)) {
        const extent* old = file.data.remembered(offset, offset + size);
        if (old != nullptr) {
            const std::uint64_t begin = std::max(offset, old->begin);
            std::vector<std::byte> bytes(std::min(offset + size, old->end) - begin);
            if (allowed(file, begin, bytes.size())) {
                old->read(begin, bytes);
                overwrite(parts, begin - offset, bytes);
                counts_.add("disk.stale_read");
                record(media_fault_kind::stale_read, file, begin, bytes.size());
            }
        }
    }
}

/// Puts a write where it belongs or, with the media's help, elsewhere.
void disk::land(inode& file, const extent& data, bool durable) {
    const disk_faults& faults = profile_.faults;
    std::vector<std::byte> before;
    std::uint64_t victim = data.begin;
    if (faults.misdirected_write > 0 && random_.chance(faults.misdirected_write) && file.data.size() > data.size()) {
        victim =
            random_.below((file.data.size() - data.size()) / sector_step + 1) * sector_step + data.begin % sector_step;
        const bool apart = victim + data.size() <= data.begin || data.end <= victim;
        if (!apart || victim + data.size() > file.data.size() || data.end > file.data.size() ||
            !allowed(file, data.begin, data.size()) || !allowed(file, victim, data.size())) {
            victim = data.begin;
        } else {
            before.resize(data.size());
            file.data.read(data.begin, before);
            file.media.apply(data.begin, before);
        }
    }
    if (faults.stale_read > 0) {
        file.data.remember(data.begin, data.end);
    }
    const std::uint64_t serial = ++serial_;
    if (durable) {
        file.data.write_durably(data, serial);
    } else {
        file.data.write(data, serial);
    }
    file.media.overwritten(data.begin, data.end);
    if (victim != data.begin) {
        counts_.add("disk.misdirected_write");
        const std::uint64_t id = record(media_fault_kind::misdirected_write, file, data.begin, data.size(), victim);
        file.media.overwritten(victim, victim + data.size());
        file.media.show(id, capture(data.begin, before));
        file.media.show(id, data.moved_to(victim));
    }
}

inode_ptr disk::named(std::string_view path) const {
    auto found = tree_->find(path);
    SHALE_ASSERT(found && !(*found)->is_directory, "there is no file {}", path);
    return std::move(*found);
}

std::uint64_t disk::damage_sector(std::string_view path, std::uint64_t offset, std::uint64_t size) {
    const inode_ptr file = named(path);
    const std::uint64_t id = record(media_fault_kind::unreadable, *file, offset, size);
    file->media.make_unreadable(id, offset, offset + size);
    return id;
}

std::uint64_t disk::damage_byte(std::string_view path, std::uint64_t offset, std::byte mask) {
    const inode_ptr file = named(path);
    const std::uint64_t id = record(media_fault_kind::bit_rot, *file, offset, 1);
    file->media.flip(id, offset, mask);
    return id;
}

std::vector<media_fault> disk::media_faults() const {
    std::vector<media_fault> all = media_faults_;
    for (const inode_ptr& file : tree_->files()) {
        for (media_fault& each : all) {
            each.active = each.active || (each.inode == file->number && file->media.has(each.id));
        }
    }
    return all;
}

void disk::undo_media_fault(std::uint64_t id) {
    for (const inode_ptr& file : tree_->files()) {
        file->media.undo(id);
    }
}

void disk::undo_media_faults() {
    for (const inode_ptr& file : tree_->files()) {
        file->media.undo_all();
    }
}

std::optional<std::vector<std::byte>> disk::content(std::string_view path) const {
    const auto found = tree_->find(path);
    if (!found || (*found)->is_directory) {
        return std::nullopt;
    }
    std::vector<std::byte> bytes((*found)->data.size());
    (*found)->data.read(0, bytes);
    (*found)->media.apply(0, bytes);
    return bytes;
}

}  // namespace shale::sim::detail
