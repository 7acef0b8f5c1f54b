// A kernel for the AIO context that does what the test says: submits less than asked, refuses, completes on demand,
// with or without a completion ring in user memory.
#pragma once

#include <gtest/gtest.h>
#include <libaio.h>
#include <shale/core/linux/aio_kernel.hh>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace shale {

/// What io_submit is to answer, call by call: at most so many, or -errno. Empty: takes all.
class scripted_answers : public std::deque<int> {
public:
    using std::deque<int>::deque;
    /// The next call's: lowers `count`, or gives the errno (0 is none taken) to end the call with.
    std::optional<int> next(long& count) noexcept {
        if (empty()) {
            return std::nullopt;
        }
        const int answer = front();
        pop_front();
        if (answer <= 0) {
            return answer;
        }
        count = std::min<long>(count, answer);
        return std::nullopt;
    }
};

class fake_aio_kernel : public aio_kernel {
public:
    struct ring_header {
        unsigned id, nr, head, tail, magic, compat, incompat, header_length;
    };

    /// `ring_slots` 0: no ring that could be believed.
    explicit fake_aio_kernel(unsigned ring_slots = 0)
        : memory_(sizeof(ring_header) + (ring_slots + 1) * sizeof(io_event)) {
        header() = {1, ring_slots, 0, 0, ring_slots != 0 ? 0xa10a10a1u : 0u, 1, 0, sizeof(ring_header)};
    }

    // What the test sets.
    unsigned grants = ~0u;  ///< io_setup of more gives setup_error
    int setup_error = -EAGAIN;
    aio_limits limits_are{65024, 65536};
    scripted_answers answers;
    std::map<int, int> bad;  ///< descriptor -> -errno, when it comes first in a submit
    int cancel_answer = -EINVAL;

    // What the test looks at.
    std::deque<iocb> held;  ///< taken and not completed
    unsigned setups = 0, submits = 0, get_events_calls = 0, destroys = 0;

    ring_header& header() { return *reinterpret_cast<ring_header*>(memory_.data()); }

    /// Completes the oldest operation held.
    void complete(std::int64_t result) {
        ASSERT_FALSE(held.empty());
        io_event event{};
        event.data = held.front().data;
        event.res = static_cast<unsigned long>(result);
        held.pop_front();
        if (header().nr != 0) {
            reinterpret_cast<io_event*>(&header() + 1)[header().tail] = event;
            header().tail = (header().tail + 1) % header().nr;
            ASSERT_NE(header().tail, header().head) << "the fake ring is too small for this test";
        } else {
            events_.push_back(event);
        }
    }

    void complete_all(std::int64_t result) {
        while (!held.empty()) {
            complete(result);
        }
    }

    int setup(unsigned capacity, io_context** context) noexcept override {
        ++setups;
        if (capacity > grants) {
            return setup_error;
        }
        *context = reinterpret_cast<io_context*>(memory_.data());
        return 0;
    }
    int destroy(io_context*) noexcept override {
        ++destroys;
        return 0;
    }
    int submit(io_context*, long count, iocb** operations) noexcept override {
        ++submits;
        if (const auto ended = answers.next(count)) {
            return *ended;
        }
        int taken = 0;
        for (; taken < count; ++taken) {
            if (const auto found = bad.find(operations[taken]->aio_fildes); found != bad.end()) {
                return taken == 0 ? found->second : taken;
            }
            held.push_back(*operations[taken]);
        }
        return taken;
    }
    int get_events(io_context*, long, long max, io_event* events, const timespec*, const sigset_t*) noexcept override {
        ++get_events_calls;
        int n = 0;
        for (; n < max && header().head != header().tail; ++n) {
            events[n] = reinterpret_cast<io_event*>(&header() + 1)[header().head];
            header().head = (header().head + 1) % header().nr;
        }
        for (; n < max && !events_.empty(); ++n) {
            events[n] = events_.front();
            events_.pop_front();
        }
        return n;
    }
    int cancel(io_context*, iocb*) noexcept override { return cancel_answer; }
    aio_limits limits() noexcept override { return limits_are; }

private:
    struct alignas(32) chunk {
        char bytes[32];
    };
    struct aligned_memory {
        explicit aligned_memory(std::size_t bytes) : chunks(bytes / sizeof(chunk) + 1) {}
        char* data() { return chunks.data()->bytes; }
        std::vector<chunk> chunks;
    };
    aligned_memory memory_;
    std::deque<io_event> events_;
};

}  // namespace shale
