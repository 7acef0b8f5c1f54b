// Ending connections. See connection.hh.
#include "connection.hh"

#include <sys/socket.h>

#include <cerrno>
#include <new>

#include "../../core/base/error.hh"
#include "../../core/base/log.hh"
#include "../../core/shard/shard.hh"

namespace shale::net::detail {

namespace {

/// Frees itself when done.
struct forgotten_request final : io_request {
    explicit forgotten_request(const io_request& request) noexcept : io_request(request) {
        complete = [](io_request& self) noexcept { delete static_cast<forgotten_request*>(&self); };
    }
    static void* operator new(std::size_t size) { return task::operator new(size); }
    static void operator delete(void* block, std::size_t size) noexcept { task::operator delete(block, size); }

    linger room{};
};

}  // namespace

void submit_and_forget(const io_request& request, int value) {
    auto* kept = new forgotten_request(request);
    if (request.op == io_op::set_option) {
        kept->room.l_onoff = value;
        kept->data = &kept->room;
        kept->size = sizeof value;
    }
    this_shard().submit(*kept);
}

void connection::reset() noexcept {
    if (fd_ < 0) {
        return;
    }
    try {
        auto* lingers = new forgotten_request(
            io_request{.op = io_op::set_option, .fd = fd_, .offset = socket_option(SOL_SOCKET, SO_LINGER)});
        lingers->room = {.l_onoff = 1, .l_linger = 0};
        lingers->data = &lingers->room;
        lingers->size = sizeof lingers->room;
        this_shard().submit(*lingers);
    } catch (const std::bad_alloc&) {
        // Then the peer sees an ordinary end.
    }
    start_close();
}

void connection::shutdown(int how) noexcept {
    if (fd_ < 0) {
        return;
    }
    try {
        submit_and_forget(io_request{.op = io_op::shutdown, .fd = fd_, .size = static_cast<std::uint32_t>(how)});
    } catch (const std::bad_alloc&) {
        start_close();  // the end it must come to, with less grace
    }
}

future<void> connection::close() {
    if (fd_ < 0) {
        return make_ready_future<void>();
    }
    start_close();
    return closed_.emplace().get_future();
}

void connection::start_close() noexcept {
    closing_ = true;
    io_request::fd = std::exchange(fd_, -1);
    complete = [](io_request& self) noexcept { static_cast<connection&>(self).closed(); };
    this_shard().submit(*this);
}

void connection::closed() noexcept {
    closing_ = false;
    if (counts_) {
        counts_->end();
        counts_ = nullptr;
    }
    if (closed_) {
        closed_->set_value();
    }
    delete_if_unused();
}

void connection::let_go() noexcept {
    if (fd_ >= 0) {
        start_close();
    } else {
        delete_if_unused();
    }
}

void connection::delete_if_unused() noexcept {
    if (references_ == 0 && pins_ == 0 && !closing_) {
        delete this;
    }
}

}  // namespace shale::net::detail
