// What a missed deadline says. See deadline.hh.
#include "deadline.hh"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace shale::sim {

deadline_missed::deadline_missed(const world& of, duration limit)
    : text_(fmt::format("not done after {} ms of virtual time; who waits for what:\n  {}", limit.count() / 1'000'000,
                        fmt::join(of.stuck(), "\n  "))) {}

}  // namespace shale::sim
