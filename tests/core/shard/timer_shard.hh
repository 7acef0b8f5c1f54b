// For the tests of timers and sleeps: one shard to which nothing happens but the time that the test lets pass.
#pragma once

#include <gtest/gtest.h>

#include <shale/core/shard/shard.hh>

#include <vector>

namespace shale {

class time_only final : public platform {
public:
    std::uint64_t now() noexcept override { return now_ns; }
    std::int64_t wall() noexcept override { return 0; }
    void entropy(std::span<std::byte>) noexcept override {}
    unsigned submit(io_request* const*, unsigned) noexcept override { return 0; }
    unsigned reap(io_request**, unsigned) noexcept override { return 0; }
    void wait(std::uint64_t) noexcept override {}
    void wake() noexcept override {}

    std::uint64_t now_ns = 1'000'000'000;
};

class timer_shard : public testing::Test {
protected:
    timer_shard() : shard_(outside_, shard_options{}), scope_(&shard_) {
        std::vector<shard*> all{&shard_};
        shard_.connect(all);
        shard_.step();
    }

    /// A turn after `d`, and more turns while tasks are ready.
    void pass(duration d) {
        outside_.now_ns += static_cast<std::uint64_t>(d.count());
        shard_.step();
        while (shard_.has_tasks()) {
            shard_.step();
        }
    }

    time_only outside_;
    shard shard_;
    run_queue_scope scope_;
};

}  // namespace shale
