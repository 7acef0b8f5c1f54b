// Named places where a test or the simulation may make something go wrong, or see that the code has been there.
//
//     if (FAULT("aio.take_fewer")) { n = 1 + n / 2; }      // io_submit accepted only a part
//     PROBE("mailbox.full");                               // the campaign must reach this at least once
//
// Off, as in production, each is one relaxed load and a branch predicted untaken. When a plan is installed it is asked:
// it decides by name, and gets the name's hash so that it need not compare strings. Base knows no plan of its own; the
// simulation brings one. The macros have short names, so include this file from .cc files and detail headers only.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

namespace shale {

/// Decides which fault points fire. Called from every shard's thread while it is installed.
class fault_plan {
public:
    virtual ~fault_plan() = default;

    /// Whether the fault `name` happens now.
    virtual bool fire(std::string_view name, std::uint64_t name_hash) noexcept = 0;

    /// Control has come to the probe `name`.
    virtual void hit(std::string_view name, std::uint64_t name_hash) noexcept = 0;
};

/// Installs `plan` (null: off) and returns the one before it. The caller keeps it alive until every shard that may be
/// inside a fault point has passed it: install before the shards start, remove after they stopped.
fault_plan* install_fault_plan(fault_plan* plan) noexcept;

namespace detail {

extern constinit std::atomic<fault_plan*> active_fault_plan;

/// FNV-1a: the same number in every build, so a plan can be written down.
consteval std::uint64_t fault_name_hash(std::string_view name) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : name) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    return hash;
}

bool fault_fires(std::string_view name, std::uint64_t name_hash) noexcept;
void probe_hit(std::string_view name, std::uint64_t name_hash) noexcept;

inline bool faults_are_on() noexcept {
    // Only a hint; fault_fires() and probe_hit() load the pointer again, with acquire, before they use it.
    return active_fault_plan.load(std::memory_order_relaxed) != nullptr;
}

}  // namespace detail
}  // namespace shale

#define FAULT(name)                                           \
    (__builtin_expect(::shale::detail::faults_are_on(), 0) && \
     ::shale::detail::fault_fires(name, ::shale::detail::fault_name_hash(name)))

#define PROBE(name)                                                                   \
    do {                                                                              \
        if (::shale::detail::faults_are_on()) [[unlikely]] {                          \
            ::shale::detail::probe_hit(name, ::shale::detail::fault_name_hash(name)); \
        }                                                                             \
    } while (false)
