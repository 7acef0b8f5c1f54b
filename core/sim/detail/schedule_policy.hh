// Who takes the next turn: the policies of world_options::order.
//
// A policy chooses among the shards that may step now, the world offering only those (in the order of their numbers)
// and only if there are two or more. It draws from a stream of its own, so that a recorded list of choices replays the
// run whatever made them. Whatever the policy, nobody is passed over for ever.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "../../base/random.hh"
#include "../world_options.hh"

namespace shale::sim::detail {

/// A shard that may step.
struct candidate {
    unsigned number = 0;         ///< the shard's, in the world
    std::uint64_t ready_ns = 0;  ///< since when, by its own clock; may lie a little ahead of the world's time
};

class schedule_policy {
public:
    /// The policy that `options` name.
    static std::unique_ptr<schedule_policy> make(const schedule_options& options, random_engine random);

    schedule_policy(schedule_options options, random_engine random) : options_(std::move(options)), random_(random) {}
    schedule_policy(const schedule_policy&) = delete;
    schedule_policy& operator=(const schedule_policy&) = delete;
    virtual ~schedule_policy() = default;

    /// Which of `from`, by its place there.
    std::size_t choose(std::span<const candidate> from);

    /// The shard that has stepped found something to do, or not.
    virtual void stepped(unsigned number, bool progress) noexcept;

    /// The shards chosen so far, of two candidates or more, if options.record_choices: for schedule::replay.
    const std::vector<std::uint32_t>& choices() const noexcept { return choices_; }

protected:
    virtual std::size_t pick(std::span<const candidate> from) = 0;

    const schedule_options options_;
    random_engine random_;

private:
    std::vector<std::uint32_t> choices_;
    std::vector<unsigned> passed_over_;  ///< times in a row, by number
};

}  // namespace shale::sim::detail
