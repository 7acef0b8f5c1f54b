// One seed of many in a process of its own: what its machines leave behind when they are killed goes with it, and a
// seed that ends its process by a failed assertion is one that failed, and not the end of all.
#pragma once

#include <expected>
#include <functional>
#include <string>

#include "../../sim/run_report.hh"

namespace shale::detail {

/// Calls `run` in a child of this process, which must have no other thread, and waits for its end. Gives what it added
/// to the totals, `code` what it returned; or says in words how the child ended instead.
std::expected<sim::run_totals, std::string> run_in_child(const std::function<int(sim::run_totals&)>& run, int& code);

}  // namespace shale::detail
