// Asking the outside world from a coroutine: `co_await submit_io(request)` gives the request's result.
//
// The request lies in the awaiting coroutine's frame, so an operation allocates nothing; the frame cannot go away
// before the request is complete because the coroutine is suspended in it. The result is what the platform gave:
// >= 0, or -errno. Turning it into a value or an exception is the caller's business, who knows what it asked for.
#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>

#include "../async/abort_source.hh"
#include "../async/coroutine.hh"
#include "platform.hh"

namespace shale {

/// Awaiting it submits the request and gives its result. With an abort source, a request in flight when the source
/// fires is withdrawn where the kernel allows (sockets, polls, what is still queued: result -ECANCELED) and otherwise
/// runs to its end; either way the memory is the caller's again only once the co_await returns.
class submit_io : private io_request {
public:
    explicit submit_io(const io_request& request, abort_source* abort = nullptr,
                       std::source_location site = std::source_location::current()) noexcept
        : io_request(request), abort_(abort), site_(site) {}
    submit_io(const submit_io&) = delete;
    submit_io& operator=(const submit_io&) = delete;

    bool await_ready() const noexcept { return false; }

    template <class P>
    bool await_suspend(std::coroutine_handle<P> waiting) {
        task& t = waiting.promise();
        t.set_site(site_);
        return start(t);
    }

    std::int32_t await_resume() noexcept {
        subscription_.reset();
        return result;
    }

private:
    bool start(task& waiter);

    abort_source* abort_;
    task* waiter_ = nullptr;
    std::source_location site_;
    std::optional<abort_source::subscription> subscription_;
};

}  // namespace shale
