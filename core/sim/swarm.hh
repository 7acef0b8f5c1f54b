// What is drawn for one run of a campaign: a world as harsh as its seed wants it.
//
// Not everything goes wrong in every run: which policy, which costs, which faults are on is drawn first, how much of
// each then, so that each run has a character of its own. to_string() says all of it in one line, and set() overrides
// what it names, to find out which of it makes a seed fail, or to replay it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "chaos.hh"
#include "world_options.hh"

namespace shale::sim {

struct swarm_options {
    world_options world;  ///< with a disk and a network
    chaos_options storm;

    /// Kind: nothing goes wrong.
    swarm_options();

    /// The same for the same seed.
    static swarm_options draw(std::uint64_t seed);

    /// "seed=42 order=pct change_points=2 ...": each option once, in an order that does not change.
    std::string to_string() const;

    /// Applies "order=pct stalls=0" from left to right: what to_string() gives, or any part of it. Also
    /// "fault.platform.take_fewer=0.5", the probability with which that fault point fires, activated for sure; 0 is
    /// off. Or says in a sentence what is wrong, having applied what stands before.
    std::expected<void, std::string> set(std::string_view text);
};

}  // namespace shale::sim
