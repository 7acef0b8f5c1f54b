// The sides by name.
#include "side.hh"

#include <ostream>

namespace shale::contract {

void PrintTo(side_kind kind, std::ostream* out) {
    constexpr const char* names[] = {"linux_spinning", "linux_sleeping", "simulated"};
    *out << names[static_cast<unsigned>(kind)];
}

std::unique_ptr<side> make_side(side_kind kind) {
    if (kind == side_kind::simulated) {
        return make_sim_side();
    }
    return make_linux_side(kind == side_kind::linux_sleeping);
}

}  // namespace shale::contract
