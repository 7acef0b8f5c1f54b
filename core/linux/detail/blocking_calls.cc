// The blocking system calls, one short function each where one line is not enough. Runs on helper threads; touches
// nothing but the request and what it points to.
#include "blocking_calls.hh"

#include <fcntl.h>
#include <netdb.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>

#include "raw_syscall.hh"

// Newer than Debian 12's headers.
#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000U
#endif

namespace shale::detail {

namespace {

const char* text(const void* pointer) noexcept {
    return static_cast<const char*>(pointer);
}

// preadv2 and pwritev2 take the offset in two halves; on 64-bit machines the second is not looked at.
long transfer(long number, const io_request& r, const iovec* parts, std::uint32_t count, unsigned flags) noexcept {
    return system_call(number, r.fd, parts, count, r.offset, 0, flags);
}

long transfer_one(long number, const io_request& r, unsigned flags) noexcept {
    const iovec part{r.data, r.size};
    return transfer(number, r, &part, 1, flags);
}

long make_stat(const io_request& r) noexcept {
    const bool no_follow = (static_cast<unsigned>(r.flags) & static_cast<unsigned>(io_flag::no_follow)) != 0;
    const int flags = (r.fd >= 0 ? AT_EMPTY_PATH : 0) | (no_follow ? AT_SYMLINK_NOFOLLOW : 0);
    return system_call(SYS_statx, r.fd >= 0 ? r.fd : AT_FDCWD, r.fd >= 0 ? "" : text(r.data), flags,
                       STATX_BASIC_STATS | STATX_BTIME | STATX_DIOALIGN, r.extra);
}

long sync_directory(const char* path) noexcept {
    const long fd = system_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fd;
    }
    const long result = system_call(SYS_fsync, fd);
    system_call(SYS_close, fd);
    return result;
}

long resolve_error(int code) noexcept {
    switch (code) {
        case EAI_SYSTEM:
            return errno != 0 ? -errno : -EIO;
        case EAI_AGAIN:
            return -EAGAIN;
        case EAI_MEMORY:
            return -ENOMEM;
        case EAI_NONAME:
        case EAI_NODATA:
        case EAI_ADDRFAMILY:
            return -ENOENT;
        default:
            return -EIO;
    }
}

long resolve(const char* name, resolve_answer& answer) noexcept {
    addrinfo wanted{};
    wanted.ai_family = AF_UNSPEC;
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int code = ::getaddrinfo(name, nullptr, &wanted, &found);
    if (code != 0) {
        return resolve_error(code);
    }
    answer.count = 0;
    for (const addrinfo* at = found; at != nullptr && answer.count < resolve_answer::capacity; at = at->ai_next) {
        if (at->ai_family == AF_INET || at->ai_family == AF_INET6) {
            resolve_answer::address& to = answer.addresses[answer.count++];
            std::memcpy(to.bytes, at->ai_addr, at->ai_addrlen);
            to.length = at->ai_addrlen;
        }
    }
    ::freeaddrinfo(found);
    return answer.count != 0 ? 0 : -ENOENT;
}

long make_call(const io_request& r) noexcept {
    const auto* parts = static_cast<const iovec*>(r.data);
    const int size = static_cast<int>(r.size);
    switch (r.op) {
        case io_op::read:
            return transfer_one(SYS_preadv2, r, r.rw_flags);
        case io_op::write:
            return transfer_one(SYS_pwritev2, r, r.rw_flags);
        case io_op::readv:
            return transfer(SYS_preadv2, r, parts, r.size, r.rw_flags);
        case io_op::writev:
            return transfer(SYS_pwritev2, r, parts, r.size, r.rw_flags);
        case io_op::fsync:
            return system_call(SYS_fsync, r.fd);
        case io_op::fdatasync:
            return system_call(SYS_fdatasync, r.fd);
        case io_op::open:
            return system_call(SYS_openat, AT_FDCWD, text(r.data), size | O_CLOEXEC, r.offset);
        case io_op::close:
            return system_call(SYS_close, r.fd);
        case io_op::stat:
            return make_stat(r);
        case io_op::rename:
            return system_call(SYS_renameat2, AT_FDCWD, text(r.data), AT_FDCWD, text(r.extra), size);
        case io_op::unlink:
            return system_call(SYS_unlinkat, AT_FDCWD, text(r.data), size);
        case io_op::mkdir:
            return system_call(SYS_mkdirat, AT_FDCWD, text(r.data), size);
        case io_op::readdir:
            return system_call(SYS_getdents64, r.fd, r.data, size);
        case io_op::fallocate:
            return system_call(SYS_fallocate, r.fd, size, r.offset, r.extra);
        case io_op::truncate:
            return system_call(SYS_ftruncate, r.fd, r.offset);
        case io_op::sync_dir:
            return sync_directory(text(r.data));
        case io_op::lock:
            return system_call(SYS_flock, r.fd, size | LOCK_NB);
        case io_op::statfs:
            return system_call(SYS_statfs, r.data, r.extra);
        case io_op::resolve:
            return resolve(text(r.data), *static_cast<resolve_answer*>(r.extra));
        default:
            return -EOPNOTSUPP;
    }
}

}  // namespace

std::int32_t blocking_call(const io_request& r) noexcept {
    long result = make_call(r);
    // A close that was interrupted has closed. The others have done nothing yet; signals are blocked in helpers, so
    // this is for file systems that give EINTR by themselves.
    for (int tries = 0; result == -EINTR && r.op != io_op::close && tries < 100; ++tries) {
        result = make_call(r);
    }
    return static_cast<std::int32_t>(result);
}

std::int32_t read_page_cache(const io_request& r) noexcept {
    const long result = transfer_one(SYS_preadv2, r, RWF_NOWAIT);
    // Fewer bytes than asked may be the end of the file or the end of what is cached: let a helper find out.
    return result == 0 || result == static_cast<long>(r.size) ? static_cast<std::int32_t>(result) : -EAGAIN;
}

}  // namespace shale::detail
