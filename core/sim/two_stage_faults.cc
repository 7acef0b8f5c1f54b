// See two_stage_faults.hh.
#include "two_stage_faults.hh"

#include <algorithm>

namespace shale::sim {

two_stage_faults::point& two_stage_faults::find(std::string_view name, std::uint64_t name_hash) {
    if (const auto known = points_.find(name_hash); known != points_.end()) {
        return known->second;
    }
    point made{random_engine(seed_ ^ name_hash), 0};
    const auto special = std::ranges::find(options_.overrides, name, &fault_options::override_of::name);
    const bool is_special = special != options_.overrides.end();
    if (made.random.chance(is_special ? special->activate : options_.activate)) {
        made.fire = is_special ? special->fire : options_.fire;
    }
    return points_.emplace(name_hash, made).first->second;
}

bool two_stage_faults::fire(std::string_view name, std::uint64_t name_hash) noexcept {
    if (!is_ours()) {
        return false;
    }
    ++asked_;
    point& at = find(name, name_hash);
    if (at.fire == 0 || !at.random.chance(at.fire)) {
        return false;
    }
    fired_.add(name);
    return true;
}

void two_stage_faults::hit(std::string_view name, std::uint64_t) noexcept {
    if (is_ours()) {
        probes_.add(name);
    }
}

}  // namespace shale::sim
