// The slot numbers of shard_local, and the shard's vector of them. See shard_local.hh.
#include "shard_local.hh"

#include <atomic>

namespace shale::detail {

namespace {

/// Numbers given out so far. Process-wide because variables at namespace scope exist before any runtime does.
constinit std::atomic<unsigned> slots_given{0};

}  // namespace

unsigned next_local_slot() noexcept {
    return slots_given.fetch_add(1, std::memory_order_relaxed);  // no partner: only uniqueness matters
}

std::shared_ptr<void>& local_slot(unsigned slot) {
    auto& locals = this_shard().locals();
    if (slot >= locals.size()) {
        locals.resize(slot + 1);
    }
    return locals[slot];
}

}  // namespace shale::detail
