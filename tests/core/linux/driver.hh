// Drives a linux_platform without a shard: submit requests, turn until they are done, in polling or in sleep.
#pragma once

#include <gtest/gtest.h>
#include <shale/core/linux/linux_platform.hh>

#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "operation.hh"

namespace shale {

/// How the driver passes the time until something happens; `batch` spins, and its sockets transfer in batches only.
enum class pastime { spin, sleep, batch };

inline std::string to_string(pastime how) {
    return how == pastime::spin ? "spinning" : how == pastime::sleep ? "sleeping" : "batching";
}

inline linux_platform_options options_for(pastime how) {
    linux_platform_options o;
    if (how == pastime::batch) {
        o.socket_batching = detail::batch_everything;
    }
    return o;
}

class driver {
public:
    explicit driver(linux_platform_options o = {}, pastime p = pastime::spin) : platform(std::move(o)), how(p) {}

    void submit(io_request& r) {
        io_request* one = &r;
        ASSERT_EQ(platform.submit(&one, 1), 1u);
    }

    void submit(std::initializer_list<io_request*> all) {
        ASSERT_EQ(platform.submit(std::data(all), static_cast<unsigned>(all.size())), all.size());
    }

    /// One look at what has finished; returns how much.
    unsigned turn(unsigned max = 64) {
        io_request* finished[64];
        const unsigned n = platform.reap(finished, max);
        for (unsigned i = 0; i < n; ++i) {
            finished[i]->complete(*finished[i]);
        }
        return n;
    }

    /// Turns until `condition`, at most half a minute, which only a hang needs.
    template <class F>
    bool until(F&& condition) {
        const std::uint64_t deadline = platform.now() + 30'000'000'000;
        while (!condition()) {
            if (turn() == 0) {
                if (platform.now() > deadline) {
                    return false;
                }
                if (how == pastime::sleep) {
                    platform.wait(deadline);
                }
            }
        }
        return true;
    }

    /// Submits and waits; gives the result.
    int run(operation& o) {
        o.completions = 0;
        submit(o);
        EXPECT_TRUE(until([&] { return o.done(); })) << "request " << static_cast<int>(o.op) << " never completed";
        EXPECT_EQ(o.completions, 1);
        return o.result;
    }

    int run(io_op kind, int fd = -1, void* data = nullptr, std::size_t size = 0, std::uint64_t offset = 0,
            void* extra = nullptr) {
        operation o(kind, fd, data, size);
        o.offset = offset;
        o.extra = extra;
        return run(o);
    }

    int open(const std::string& path, int flags, unsigned mode = 0600) {
        return run(io_op::open, -1, const_cast<char*>(path.c_str()), static_cast<unsigned>(flags), mode);
    }

    linux_platform platform;
    pastime how;
};

}  // namespace shale
