// The real kernel under an AIO context: libaio's calls, and io_pgetevents where it exists.
#include "aio_kernel.hh"

#include <fcntl.h>
#include <libaio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace shale {

namespace {

std::uint64_t read_number(const char* path) noexcept {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    char text[32] = {};
    const ssize_t length = ::read(fd, text, sizeof text - 1);
    ::close(fd);
    return length > 0 ? std::strtoull(text, nullptr, 10) : 0;
}

}  // namespace

int real_aio_kernel::setup(unsigned capacity, io_context** context) noexcept {
    return ::io_setup(static_cast<int>(capacity), context);
}

int real_aio_kernel::destroy(io_context* context) noexcept {
    return ::io_destroy(context);
}

int real_aio_kernel::submit(io_context* context, long count, iocb** operations) noexcept {
    return ::io_submit(context, count, operations);
}

int real_aio_kernel::get_events(io_context* context, long min, long max, io_event* events, const timespec* timeout,
                                const sigset_t* blocked) noexcept {
    // libaio takes both pointers without const and writes to neither.
    auto* until = const_cast<timespec*>(timeout);
    if (blocked != nullptr) {
        const int n = ::io_pgetevents(context, min, max, events, until, const_cast<sigset_t*>(blocked));
        if (n != -ENOSYS) {
            return n;
        }
    }
    return ::io_getevents(context, min, max, events, until);
}

int real_aio_kernel::cancel(io_context* context, iocb* operation) noexcept {
    io_event unused{};
    return ::io_cancel(context, operation, &unused);
}

aio_limits real_aio_kernel::limits() noexcept {
    return {read_number("/proc/sys/fs/aio-nr"), read_number("/proc/sys/fs/aio-max-nr")};
}

}  // namespace shale
