// How often each class of fault has struck in a simulated run, by name, so that a campaign can tell whether what it
// wants to test has happened at all. One table a world; its parts add to it, and it influences nothing.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace shale::sim {

struct fault_counts {
    std::map<std::string, std::uint64_t, std::less<>> by_name;

    void add(std::string_view name) {
        const auto at = by_name.find(name);
        if (at != by_name.end()) {
            ++at->second;
        } else {
            by_name.emplace(name, 1);
        }
    }
    /// 0: it has not struck.
    std::uint64_t of(std::string_view name) const {
        const auto at = by_name.find(name);
        return at != by_name.end() ? at->second : 0;
    }
};

}  // namespace shale::sim
