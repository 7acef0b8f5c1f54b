// One simulated shard's outside: its own virtual clock, seeded entropy, and the way of its requests to the disk and
// the network of its machine.
//
// The shard's clock stands still during a turn, save for what the turn is charged with, and is ahead of the world's by
// what the last turn cost. A request belongs to the part it was routed to until that part calls finish(); what has
// finished comes back in an order drawn from the seed. Once dead it answers nobody and touches nothing of the shard's.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "outside_part.hh"
#include "world_core.hh"

namespace shale::sim::detail {

class process;

class sim_platform final : public platform, public requester {
public:
    sim_platform(world_core& world, host& at, handle_table& handles, unsigned shard, unsigned number)
        : world_(world),
          host_(at),
          handles_(handles),
          shard_(shard),
          number_(number),
          name_(at.name + '/' + std::to_string(shard)) {}

    // -- For the shard ---------------------------------------------------------------------------------------------

    std::uint64_t now() noexcept override { return vtime_ns_; }
    std::int64_t wall() noexcept override;
    void entropy(std::span<std::byte> out) noexcept override;
    unsigned submit(io_request* const* requests, unsigned count) noexcept override;
    unsigned reap(io_request** done, unsigned max) noexcept override;
    /// Never blocks: the world decides who steps and when time moves. Remembers that the shard may be left alone.
    void wait(std::uint64_t deadline) noexcept override;
    void wake() noexcept override;

    // -- For the disk and the network ------------------------------------------------------------------------------

    void finish(io_request& request, std::int32_t result) override;
    bool alive() const noexcept override { return alive_; }
    handle_table& handles() noexcept override { return handles_; }

    // -- For the world ---------------------------------------------------------------------------------------------

    /// When the shard may take its next turn; no_deadline: only once it is woken.
    std::uint64_t ready_ns() const noexcept { return std::max(vtime_ns_, asleep_ ? asleep_until_ns_ : woken_ns_); }
    /// It has gone to sleep and nothing has woken it. Its deadline may have passed.
    bool asleep() const noexcept { return asleep_; }

    void begin_turn(std::uint64_t now_ns) noexcept;
    void end_turn(std::uint64_t cost_ns) noexcept { vtime_ns_ += cost_ns; }
    /// Time that passes on this shard's clock within a turn.
    void charge(std::uint64_t ns) noexcept { vtime_ns_ += ns; }
    /// From now on nothing that the program submits is done, and what is under way is forgotten.
    void die() noexcept { alive_ = false; }

    host& at() noexcept { return host_; }
    /// In the middle of a turn the simulator works for the program: what it does, and allocates, is not the program's.
    bool simulator_works() const noexcept { return simulator_works_; }
    unsigned shard_id() const noexcept { return shard_; }
    /// The shard's number in the world, the same for all incarnations.
    unsigned number() const noexcept { return number_; }
    /// "kv/0".
    const std::string& name() const noexcept { return name_; }
    /// "2 read, 1 accept" of what is under way; empty if nothing is.
    std::string describe_requests() const;
    std::size_t in_flight() const noexcept { return in_flight_.size(); }
    world_core& world() noexcept { return world_; }

private:
    void begin(io_request& request);
    void cancel(io_request& request);
    outside_part* part_for(const io_request& request) noexcept;
    void tell(world_event::kind what, const io_request& request);

    world_core& world_;
    host& host_;
    handle_table& handles_;
    const unsigned shard_;
    const unsigned number_;
    const std::string name_;
    bool alive_ = true;
    bool simulator_works_ = false;
    bool asleep_ = false;
    bool woken_ = false;  ///< since the turn began
    std::uint64_t vtime_ns_ = world_.events.now_ns();
    std::uint64_t asleep_until_ns_ = 0;
    std::uint64_t woken_ns_ = 0;
    std::unordered_map<io_request*, outside_part*> in_flight_;  ///< never iterated where the order would matter
    std::vector<io_request*> finished_;
};

}  // namespace shale::sim::detail
