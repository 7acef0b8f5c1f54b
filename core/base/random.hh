// A small, fast, reproducible random number generator: xoshiro256++ by Blackman and Vigna (prng.di.unimi.it, public
// domain), seeded through splitmix64 so that seeds 1 and 2 give unrelated streams.
//
// It draws no entropy: a shard's generator is seeded from the platform, which makes the simulation repeat. All results
// are the same on every machine and compiler, which the standard's distributions do not promise. Not for secrets.
#pragma once

#include "assert.hh"

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

namespace shale {

/// One step of splitmix64: advances `state` and returns the next number. Also a decent mixer for hashes.
constexpr std::uint64_t splitmix64(std::uint64_t& state) noexcept {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/// A UniformRandomBitGenerator, so it also works with the standard library.
class random_engine {
public:
    using result_type = std::uint64_t;

    /// Every seed is good, 0 too.
    explicit constexpr random_engine(std::uint64_t seed) noexcept {
        for (std::uint64_t& word : state_) {
            word = splitmix64(seed);
        }
    }

    static constexpr result_type min() noexcept { return 0; }
    static constexpr result_type max() noexcept { return std::numeric_limits<result_type>::max(); }

    /// 64 random bits.
    constexpr std::uint64_t operator()() noexcept {
        const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
        const std::uint64_t t = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= t;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

    /// A number in [0, n), each equally likely (Lemire's method: no division save in rare rejections). n > 0.
    constexpr std::uint64_t below(std::uint64_t n) noexcept {
        SHALE_DEBUG_ASSERT(n > 0);
        __extension__ using wide = unsigned __int128;
        wide product = static_cast<wide>((*this)()) * n;
        if (static_cast<std::uint64_t>(product) < n) [[unlikely]] {
            const std::uint64_t threshold = (0 - n) % n;
            while (static_cast<std::uint64_t>(product) < threshold) {
                product = static_cast<wide>((*this)()) * n;
            }
        }
        return static_cast<std::uint64_t>(product >> 64);
    }

    /// A number in [low, high], both included.
    constexpr std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept {
        SHALE_DEBUG_ASSERT(low <= high, "low is {}, high is {}", low, high);
        const std::uint64_t span = high - low + 1;
        return span == 0 ? (*this)() : low + below(span);
    }

    /// A number in [0, 1) with 53 random bits.
    constexpr double uniform() noexcept { return static_cast<double>((*this)() >> 11) * 0x1.0p-53; }

    /// True with this probability: never at 0, always at 1.
    constexpr bool chance(double probability) noexcept { return uniform() < probability; }

    /// The time to the next of events that come at random, on average `mean` apart.
    double exponential(double mean) noexcept { return -mean * std::log1p(-uniform()); }

    /// Puts `items` (anything with size() and []) in random order.
    template <class Items>
    constexpr void shuffle(Items& items) noexcept {
        for (std::size_t i = items.size(); i > 1; --i) {
            using std::swap;
            swap(items[i - 1], items[below(i)]);
        }
    }

    /// A generator whose stream is unrelated to what this one goes on to give: one for each shard, file or test case.
    constexpr random_engine fork() noexcept { return random_engine((*this)()); }

private:
    std::array<std::uint64_t, 4> state_{};
};

}  // namespace shale
