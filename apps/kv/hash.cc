// The hash of a key: seeded, so that nobody outside can choose keys that fall on each other.
#include "hash.hh"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace shale::kv {

std::uint64_t hash_key(std::string_view key, std::uint64_t seed) noexcept {
    return XXH3_64bits_withSeed(key.data(), key.size(), seed);
}

key_digest digest_key(std::string_view key, std::uint64_t seed) noexcept {
    const XXH128_hash_t digest = XXH3_128bits_withSeed(key.data(), key.size(), seed);
    return {digest.low64, digest.high64};
}

}  // namespace shale::kv
