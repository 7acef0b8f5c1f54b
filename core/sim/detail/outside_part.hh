// A part of the simulated outside, a disk or a network, as the platforms see it; and the machine it belongs to.
//
// A part takes requests over and finishes each exactly once, at once or in an event, unless the program that asked has
// died meanwhile. A machine without such a part answers ENOSYS in its place.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "outside.hh"

namespace shale::sim::detail {

class outside_part {
public:
    outside_part() = default;
    outside_part(const outside_part&) = delete;
    outside_part& operator=(const outside_part&) = delete;
    virtual ~outside_part() = default;

    /// Takes `request` over, and calls from.finish() with it once.
    virtual void begin(io_request& request, requester& from) = 0;

    /// io_op::cancel of a request it has begun. True: the part finishes it with -ECANCELED. False: it runs to its end.
    virtual bool withdraw(io_request& request, requester& from) = 0;

    /// The incarnation with these handles has ended, in order or not; none of its requesters is alive any more. The
    /// kernel lives on: what it was given it keeps, and the handles are closed.
    virtual void process_died(handle_table& handles) = 0;

    /// The machine has lost its power, after process_died() if a program ran.
    virtual void power_loss() = 0;

    /// The machine starts its program; after a power loss, its power is back.
    virtual void power_on() {}

    /// The removal of this name is for this part, though the part for names in general is another.
    virtual bool has_name(std::string_view) const { return false; }
};

/// A simulated computer, as its parts know it. It outlives all incarnations of its program.
struct host {
    std::string name;
    std::string address;
    unsigned number = 0;  ///< in the world, in the order in which machines were added
    std::unique_ptr<outside_part> disk;
    std::unique_ptr<outside_part> network;
    std::int64_t wall_offset_ns = 0;  ///< of its wall clock from the world's
    double wall_drift = 0;            ///< how much too fast its wall clock runs: 1e-6 is a millionth
};

}  // namespace shale::sim::detail
