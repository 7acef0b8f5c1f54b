// The hash of a key: XXH3 with a seed that is drawn at start, so that nobody can prepare keys that collide.
//
// 64 bits place a key in the index and the cache; 128 bits stand for the key itself where the keys are not at hand
// (recovery compares the versions of a key without reading them again).
#pragma once

#include <cstdint>
#include <string_view>

namespace shale::kv {

std::uint64_t hash_key(std::string_view key, std::uint64_t seed) noexcept;

struct key_digest {
    std::uint64_t low;
    std::uint64_t high;
    friend bool operator==(const key_digest&, const key_digest&) = default;
};

/// Equal keys have equal digests, and different keys different ones as far as anyone will ever see.
key_digest digest_key(std::string_view key, std::uint64_t seed) noexcept;

}  // namespace shale::kv
