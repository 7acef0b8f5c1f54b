// The simulated side of the contract: sim_platforms of one machine with its disk and network, kind profiles, virtual
// time.
//
// There is no world around them, because a case is no shard: it holds the platforms itself, and what a world does
// between the turns of shards (running events, moving time) is done here while the case waits.
#include <shale/core/sim/detail/disk.hh>
#include <shale/core/sim/detail/network.hh>
#include <shale/core/sim/detail/sim_platform.hh>

#include <gtest/gtest.h>

#include "side.hh"

namespace shale::contract {
namespace {

namespace inner = sim::detail;

/// The disk in the shape in which a platform wants it.
class disk_part final : public inner::outside_part {
public:
    disk_part(inner::world_core& world)
        : disk_(world.events, world.streams.disk.fork(), sim::disk_profile::ext4_like(), world.faults) {}

    void begin(io_request& request, inner::requester& from) override { disk_.begin(request, from); }
    bool withdraw(io_request& request, inner::requester& from) override { return disk_.withdraw(request, from); }
    void process_died(inner::handle_table& handles) override { disk_.process_died(handles); }
    void power_loss() override { disk_.power_loss(); }

private:
    inner::disk disk_;
};

/// The network of one host in that shape.
class network_part final : public inner::outside_part {
public:
    network_part(inner::world_core& world)
        : network_(world.events, world.streams.network, sim::net_profile{}, world.faults),
          host_(network_.attach("contract", {"10.0.0.2", "fd00::2"})) {}

    void begin(io_request& request, inner::requester& from) override { network_.begin(request, from, host_); }
    bool withdraw(io_request& request, inner::requester& from) override { return network_.withdraw(request, from); }
    void process_died(inner::handle_table& handles) override { network_.process_died(handles); }
    void power_loss() override { network_.host_down(host_); }

private:
    inner::network network_;
    inner::net_host& host_;
};

class sim_side final : public side {
public:
    sim_side() {
        host_.name = "contract";
        host_.disk = std::make_unique<disk_part>(world_);
        host_.network = std::make_unique<network_part>(world_);
        make_scratch();
    }

    platform& at(unsigned shard) override { return platforms_[shard]; }

    void rest(std::uint64_t deadline) override {
        bool all_asleep = true;
        for (auto& one : platforms_) {
            one.wait(deadline);
            all_asleep = all_asleep && one.asleep();
        }
        if (all_asleep) {
            next(deadline);
        }
        begin_turns();
    }

    void pass() override {
        constexpr std::uint64_t moment_ns = 1'000'000;
        const std::uint64_t end = world_.events.now_ns() + moment_ns;
        while (world_.events.next_ns() <= end) {
            world_.events.run_next();
        }
        world_.events.advance(end);
    }

    void wait(unsigned shard, std::uint64_t deadline) override {
        inner::sim_platform& here = platforms_[shard];
        here.wait(deadline);
        while (here.asleep() && world_.events.now_ns() < deadline) {
            ASSERT_FALSE(deadline == no_deadline && world_.events.empty()) << "this wait would never end";
            next(deadline);
        }
        here.begin_turn(world_.events.now_ns());
    }

    void wake_from_elsewhere(unsigned shard) override { platforms_[shard].wake(); }

    std::string working_directory() const override { return "/"; }
    std::string scratch() const override { return "scratch"; }

    void abandon(std::span<const int>) override {
        for (auto& one : platforms_) {
            one.die();
        }
    }

private:
    /// The next event, or the deadline where there is none before it.
    void next(std::uint64_t deadline) {
        if (world_.events.next_ns() <= deadline && !world_.events.empty()) {
            world_.events.run_next();
        } else {
            world_.events.advance(deadline);
        }
    }

    void begin_turns() {
        for (auto& one : platforms_) {
            one.begin_turn(world_.events.now_ns());
        }
    }

    void make_scratch() {
        char path[] = "/scratch";
        io_request request{.op = io_op::mkdir, .data = path, .size = 0700};
        io_request* one = &request;
        platforms_[0].submit(&one, 1);
        while (platforms_[0].reap(&one, 1) == 0) {
            world_.events.run_next();
        }
        EXPECT_EQ(request.result, 0);
        begin_turns();
    }

    inner::world_core world_{sim::world_options{}};
    inner::host host_;
    inner::handle_table handles_;
    inner::sim_platform platforms_[shard_count]{{world_, host_, handles_, 0, 0}, {world_, host_, handles_, 1, 1}};
};

}  // namespace

std::unique_ptr<side> make_sim_side() {
    return std::make_unique<sim_side>();
}

}  // namespace shale::contract
