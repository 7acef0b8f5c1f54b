// Allocations of this test binary that fail on purpose: the n-th, or the n-th and all after it.
//
// Replaces operator new in all its forms. What is allocated by other means, as the buffers of disks and networks are
// (aligned_pool), does not fail; nor do exceptions themselves, which the C++ runtime has a reserve for. Sanitizers
// bring an operator new of their own, with checks that a replacement would lose: there nothing fails, see works.
#pragma once

#include <cstdint>

namespace shale::kv::exhaustive {

struct allocation_plan {
    std::uint64_t fail_at = 0;  ///< 0: none
    bool for_ever = false;      ///< and all after it
    /// Whether an allocation at this moment counts.
    bool (*counts)(const void* context) noexcept = nullptr;
    const void* context = nullptr;
    std::uint64_t seen = 0;
    std::uint64_t failed = 0;
};

/// From now on goes by this plan; null: nothing fails. For a single thread.
void use_allocation_plan(allocation_plan* plan) noexcept;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool failing_new_works = false;
#else
inline constexpr bool failing_new_works = true;
#endif

}  // namespace shale::kv::exhaustive
