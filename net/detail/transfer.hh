// One read or write of a socket, lying in the coroutine that awaits it: nothing is allocated, nothing copied.
//
// A write of everything goes on by itself after a part was taken, without waking its coroutine. The memory it reads or
// fills belongs to the operation until the co_await returns, also when it is aborted or the connection is closed.
#pragma once

#include <sys/uio.h>

#include <coroutine>
#include <optional>
#include <source_location>
#include <span>

#include "../../core/async/abort_source.hh"
#include "../../core/async/coroutine.hh"
#include "../../core/shard/platform.hh"
#include "connection.hh"

namespace shale::net::detail {

class [[nodiscard]] transfer : private io_request {
public:
    enum class kind : std::uint8_t { read_some, write_some, write_all, poll };

    // Inline, for the kind is a constant where they are called.
    transfer(kind k, connection& on, std::span<const char> bytes, abort_source* abort,
             std::source_location site) noexcept
        : io_request{.op = k == kind::read_some ? io_op::recv : io_op::send, .data = const_cast<char*>(bytes.data())},
          kind_(k),
          on_(on),
          abort_(abort),
          site_(site),
          left_(bytes.size()) {}
    transfer(kind k, connection& on, std::span<iovec> pieces, abort_source* abort, std::source_location site) noexcept
        : io_request{.op = io_op::sendmsg, .data = pieces.data()},
          kind_(k),
          on_(on),
          abort_(abort),
          site_(site),
          left_(pieces.size()) {}
    /// Waits for poll events.
    transfer(connection& on, short events, abort_source* abort, std::source_location site) noexcept
        : io_request{.op = io_op::poll},
          kind_(kind::poll),
          on_(on),
          abort_(abort),
          site_(site),
          left_(static_cast<std::size_t>(events)) {}
    transfer(const transfer&) = delete;
    transfer& operator=(const transfer&) = delete;

    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> waiting) {
        task& t = waiting.promise();
        t.set_site(site_);
        return start(t);
    }
    /// Bytes, or the events of a poll. Throws std::system_error, or the abort source's reason.
    std::size_t await_resume();

protected:
    /// Bytes, or -errno.
    std::int64_t outcome() const noexcept {
        return result < 0 || kind_ != kind::write_all ? result : static_cast<std::int64_t>(done_);
    }

private:
    bool start(task& waiter);
    bool heed_abort();
    void submit() noexcept;
    bool go_on() noexcept;
    std::uint32_t less_than(std::uint32_t all) const noexcept;
    static void completed(io_request& self) noexcept;
    [[noreturn]] void fail();

    bool of_pieces() const noexcept { return op == io_op::sendmsg; }

    kind kind_;
    connection& on_;
    abort_source* abort_;
    std::source_location site_;
    task* waiter_ = nullptr;
    std::size_t left_;      ///< bytes or pieces from `data` on, not done yet
    std::size_t done_ = 0;  ///< bytes
    std::optional<abort_source::subscription> subscription_;
};

/// The same for those who expect failures: bytes, or -errno, and -ECANCELED for an abort. Never throws.
class [[nodiscard]] try_transfer : public transfer {
public:
    using transfer::transfer;
    std::int64_t await_resume() const noexcept { return outcome(); }
};

}  // namespace shale::net::detail
