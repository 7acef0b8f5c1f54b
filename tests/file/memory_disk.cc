// The disk in memory: requests, what is durable, and what a power loss leaves.
#include "memory_disk.hh"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000U
#endif

namespace shale::test {

namespace {

constexpr std::size_t sector = 512;

const char* text(const void* pointer) {
    return static_cast<const char*>(pointer);
}

std::string parent(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
}

bool is_direct(const io_request& r) {
    return (static_cast<unsigned>(r.flags) & static_cast<unsigned>(io_flag::direct)) != 0;
}

void put(std::vector<std::byte>& to, std::uint64_t offset, std::span<const std::byte> bytes) {
    if (to.size() < offset + bytes.size()) {
        to.resize(offset + bytes.size());
    }
    std::copy(bytes.begin(), bytes.end(), to.begin() + static_cast<std::ptrdiff_t>(offset));
}

}  // namespace

memory_disk::memory_disk(memory_disk_options options, memory_image image)
    : capacity(options.capacity),
      options_(options),
      random_(options.seed),
      names_(std::move(image.names)),
      durable_names_(names_) {}

void memory_disk::entropy(std::span<std::byte> out) noexcept {
    for (std::byte& each : out) {
        each = static_cast<std::byte>(random_());
    }
}

unsigned memory_disk::submit(io_request* const* requests, unsigned count) noexcept {
    for (unsigned i = 0; i < count; ++i) {
        const auto latency = static_cast<std::uint64_t>(random_.exponential(static_cast<double>(options_.latency_ns)));
        in_flight_.push_back({now_ns_ + latency, requests[i]});
    }
    return count;
}

unsigned memory_disk::reap(io_request** done, unsigned max) noexcept {
    unsigned n = 0;
    std::ranges::sort(in_flight_, {}, &in_flight::done_ns);
    while (n < max && !in_flight_.empty() && in_flight_.front().done_ns <= now_ns_) {
        io_request& r = *in_flight_.front().request;
        in_flight_.erase(in_flight_.begin());
        r.result = perform(r);
        done[n++] = &r;
    }
    return n;
}

void memory_disk::wait(std::uint64_t deadline) noexcept {
    for (const in_flight& each : in_flight_) {
        deadline = std::min(deadline, each.done_ns);
    }
    SHALE_ASSERT(deadline != no_deadline, "the test waits for something that will never happen");
    now_ns_ = std::max(now_ns_, deadline);
}

std::int32_t memory_disk::perform(io_request& r) {
    ++counts_[r.op];
    if (r.op == io_op::close) {
        open_.erase(r.fd);
        return 0;
    }
    if (off_) {
        return -EIO;
    }
    if (fault) {
        if (const std::int32_t result = fault(r); result < 0) {
            return result;
        }
    }
    switch (r.op) {
        case io_op::open:
            return open(r);
        case io_op::read:
            return read(r, {static_cast<std::byte*>(r.data), r.size}, r.offset);
        case io_op::write:
            return write(r, {static_cast<const std::byte*>(r.data), r.size}, r.offset);
        case io_op::readv:
        case io_op::writev:
            return vectored(r);
        case io_op::fsync:
        case io_op::fdatasync:
            sync(*open_.at(r.fd).data);
            return 0;
        case io_op::stat:
            return fill_stat(r);
        case io_op::rename:
            return rename(r);
        case io_op::unlink: {
            const std::string path = text(r.data);
            if (!exists(path)) {
                return -ENOENT;
            }
            if (names_.at(path) == nullptr && r.size != AT_REMOVEDIR) {
                return -EISDIR;
            }
            change_names(parent(path), [path](memory_names& names) { names.erase(path); });
            return 0;
        }
        case io_op::mkdir: {
            const std::string path = text(r.data);
            if (exists(path)) {
                return -EEXIST;
            }
            change_names(parent(path), [path](memory_names& names) { names[path] = nullptr; });
            return 0;
        }
        case io_op::readdir:
            return list(r);
        case io_op::fallocate:
            return resize(r, r.offset + reinterpret_cast<std::uintptr_t>(r.extra), true);
        case io_op::truncate:
            return resize(r, r.offset, false);
        case io_op::sync_dir: {
            const std::string path = text(r.data);
            std::erase_if(unsynced_names_, [&](const name_change& c) {
                if (c.directory != path) {
                    return false;
                }
                c.apply(durable_names_);
                return true;
            });
            return 0;
        }
        case io_op::cancel:
            return -EALREADY;
        default:
            return -ENOSYS;
    }
}

std::int32_t memory_disk::open(const io_request& r) {
    const std::string path = text(r.data);
    const bool there = exists(path);
    if (there && names_.at(path) == nullptr && (r.size & O_DIRECTORY) == 0) {
        return -EISDIR;
    }
    if ((r.size & O_DIRECT) != 0 && options_.alignment == 0) {
        return -EINVAL;
    }
    if (!there && (r.size & O_CREAT) == 0) {
        return -ENOENT;
    }
    if (there && (r.size & O_EXCL) != 0) {
        return -EEXIST;
    }
    if (!there) {
        if (!exists(parent(path))) {
            return -ENOENT;
        }
        auto made = std::make_shared<memory_file>();
        change_names(parent(path), [path, made](memory_names& names) { names[path] = made; });
    } else if ((r.size & O_TRUNC) != 0) {
        names_.at(path)->seen.clear();
    }
    open_[next_fd_] = {path, names_.at(path)};
    return next_fd_++;
}

std::int32_t memory_disk::read(const io_request& r, std::span<std::byte> to, std::uint64_t offset) {
    const unsigned unit = options_.alignment;
    if (is_direct(r) && unit != 0 &&
        (offset % unit != 0 || to.size() % unit != 0 || reinterpret_cast<std::uintptr_t>(to.data()) % unit != 0)) {
        return -EINVAL;
    }
    const auto& data = open_.at(r.fd).data->seen;
    if (offset >= data.size()) {
        return 0;
    }
    std::size_t size = std::min(to.size(), data.size() - offset);
    if (short_transfers && size > sector && random_.chance(0.3)) {
        size = random_.between(1, size / sector - (size % sector == 0 ? 1 : 0)) * sector;
    }
    std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(offset), size, to.begin());
    return static_cast<std::int32_t>(size);
}

std::int32_t memory_disk::write(const io_request& r, std::span<const std::byte> from, std::uint64_t offset) {
    const unsigned unit = options_.alignment;
    if (is_direct(r) && unit != 0 &&
        (offset % unit != 0 || from.size() % unit != 0 || reinterpret_cast<std::uintptr_t>(from.data()) % unit != 0)) {
        return -EINVAL;
    }
    memory_file& f = *open_.at(r.fd).data;
    const std::uint64_t grows = offset + from.size() > f.seen.size() ? offset + from.size() - f.seen.size() : 0;
    if (grows > capacity - std::min(capacity, used())) {
        return -ENOSPC;
    }
    if (short_transfers && from.size() > sector && random_.chance(0.3)) {
        from = from.first(random_.between(1, from.size() / sector - (from.size() % sector == 0 ? 1 : 0)) * sector);
    }
    put(f.seen, offset, from);
    if ((r.rw_flags & RWF_DSYNC) != 0) {
        ++dsync_writes;
        put(f.durable, offset, from);
        // What came before it to the same place is gone, whatever its fate would have been.
        for (memory_file::write& w : f.unsynced) {
            const std::uint64_t begin = std::max(offset, w.offset);
            const std::uint64_t end = std::min(offset + from.size(), w.offset + w.bytes.size());
            if (begin < end) {
                std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(begin - offset), end - begin,
                            w.bytes.begin() + static_cast<std::ptrdiff_t>(begin - w.offset));
            }
        }
    } else {
        f.unsynced.push_back({offset, {from.begin(), from.end()}});
    }
    return static_cast<std::int32_t>(from.size());
}

std::int32_t memory_disk::vectored(io_request& r) {
    std::int32_t total = 0;
    const auto* parts = static_cast<const iovec*>(r.data);
    for (std::uint32_t i = 0; i < r.size; ++i) {
        auto* at = static_cast<std::byte*>(parts[i].iov_base);
        const std::uint64_t offset = r.offset + static_cast<std::uint64_t>(total);
        const std::int32_t n =
            r.op == io_op::readv ? read(r, {at, parts[i].iov_len}, offset) : write(r, {at, parts[i].iov_len}, offset);
        if (n < 0) {
            return total != 0 ? total : n;
        }
        total += n;
        if (static_cast<std::size_t>(n) < parts[i].iov_len) {
            break;
        }
    }
    return total;
}

std::int32_t memory_disk::fill_stat(const io_request& r) {
    std::shared_ptr<memory_file> f;
    bool directory = false;
    if (r.fd >= 0) {
        f = open_.at(r.fd).data;
    } else if (exists(text(r.data))) {
        f = names_.at(text(r.data));
        directory = f == nullptr;
    } else {
        return -ENOENT;
    }
    auto& to = *static_cast<struct statx*>(r.extra);
    to = {};
    to.stx_mode = static_cast<std::uint16_t>(directory ? S_IFDIR | 0755 : S_IFREG | 0644);
    to.stx_size = f ? f->seen.size() : 0;
    to.stx_mask = STATX_DIOALIGN;
    to.stx_dio_mem_align = options_.alignment;
    to.stx_dio_offset_align = options_.alignment;
    return 0;
}

std::int32_t memory_disk::rename(const io_request& r) {
    const std::string from = text(r.data);
    const std::string to = text(r.extra);
    if (!exists(from)) {
        return -ENOENT;
    }
    auto file = names_.at(from);
    change_names(parent(to), [=](memory_names& names) {
        names.erase(from);
        names[to] = file;
    });
    return 0;
}

// Everything at once: the caller's buffer is large.
std::int32_t memory_disk::list(const io_request& r) {
    opened& directory = open_.at(r.fd);
    if (directory.listed) {
        return 0;
    }
    directory.listed = true;
    std::size_t size = 0;
    for (const auto& [path, file] : names_) {
        if (path == "/" || parent(path) != directory.path) {
            continue;
        }
        const std::string name = path.substr(path.rfind('/') + 1);
        auto* entry = reinterpret_cast<dirent64*>(static_cast<std::byte*>(r.data) + size);
        entry->d_type = file ? DT_REG : DT_DIR;
        entry->d_reclen = static_cast<unsigned short>((offsetof(dirent64, d_name) + name.size() + 8) & ~std::size_t{7});
        SHALE_ASSERT(size + entry->d_reclen <= r.size, "too many files for one listing");
        std::memcpy(entry->d_name, name.c_str(), name.size() + 1);
        size += entry->d_reclen;
    }
    return static_cast<std::int32_t>(size);
}

std::int32_t memory_disk::resize(const io_request& r, std::uint64_t size, bool reserve) {
    memory_file& f = *open_.at(r.fd).data;
    if (size > f.seen.size() && reserve && size - f.seen.size() > capacity - std::min(capacity, used())) {
        return -ENOSPC;
    }
    if (!reserve || size > f.seen.size()) {
        f.seen.resize(size);
    }
    return 0;
}

void memory_disk::sync(memory_file& f) {
    f.durable = f.seen;
    f.unsynced.clear();
}

void memory_disk::change_names(std::string directory, std::function<void(memory_names&)> apply) {
    apply(names_);
    unsynced_names_.push_back({std::move(apply), std::move(directory)});
}

std::uint64_t memory_disk::used() const {
    std::uint64_t sum = 0;
    for (const auto& [path, file] : names_) {
        sum += file ? file->seen.size() : 0;
    }
    return sum;
}

memory_image memory_disk::power_off() {
    off_ = true;
    // Writes in flight may have reached the disk, in part.
    for (const in_flight& each : in_flight_) {
        const io_request& r = *each.request;
        if (r.op == io_op::write && open_.contains(r.fd)) {
            const auto* from = static_cast<const std::byte*>(r.data);
            open_.at(r.fd).data->unsynced.push_back({r.offset, {from, from + r.size}});
        }
    }
    const std::size_t kept = random_.below(unsynced_names_.size() + 1);
    for (std::size_t i = 0; i < kept; ++i) {
        unsynced_names_[i].apply(durable_names_);
    }
    memory_image left;
    left.names.clear();
    for (const auto& [path, file] : durable_names_) {
        if (!file) {
            left.names[path] = nullptr;
            continue;
        }
        auto after = std::make_shared<memory_file>();
        after->seen = file->durable;
        for (const memory_file::write& w : file->unsynced) {
            const unsigned fate = static_cast<unsigned>(random_.below(4));  // lost, whole, torn, torn
            for (std::size_t at = 0; at < w.bytes.size(); at += sector) {
                if (fate == 1 || (fate >= 2 && random_.chance(0.5))) {
                    const auto size = std::min(sector, w.bytes.size() - at);
                    put(after->seen, w.offset + at, std::span(w.bytes).subspan(at, size));
                }
            }
        }
        after->durable = after->seen;
        left.names[path] = after;
    }
    return left;
}

}  // namespace shale::test
