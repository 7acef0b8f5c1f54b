// One request of a test and what became of it: counts its completions, so that a second one is seen.
#pragma once

#include <shale/core/shard/platform.hh>

#include <cstddef>
#include <cstdint>

namespace shale {

struct operation : io_request {
    explicit operation(io_op kind, int descriptor = -1, void* memory = nullptr, std::size_t bytes = 0)
        : io_request{.op = kind, .fd = descriptor, .data = memory, .size = static_cast<std::uint32_t>(bytes)} {
        complete = [](io_request& self) noexcept { ++static_cast<operation&>(self).completions; };
    }
    operation(const operation&) = delete;

    bool done() const { return completions != 0; }

    int completions = 0;
};

}  // namespace shale
