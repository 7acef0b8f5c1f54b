// The sides by name.
#include "side.hh"

#include <ostream>

namespace shale::contract {

void PrintTo(side_kind kind, std::ostream* out) {
    constexpr const char* names[] = {"linux_spinning", "linux_sleeping", "linux_batching", "simulated"};
    *out << names[static_cast<unsigned>(kind)];
}

std::unique_ptr<side> make_side(side_kind kind) {
    return kind == side_kind::simulated ? make_sim_side() : make_linux_side(kind);
}

}  // namespace shale::contract
