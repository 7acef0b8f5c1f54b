// See condition_variable.hh.
#include "condition_variable.hh"

namespace shale {

condition_variable::condition_variable() noexcept
    : wait_queue([] { return std::make_exception_ptr(condition_variable_timed_out()); }) {}

future<void> condition_variable::wait(wait_limit limit, std::source_location site) {
    if (ready_now()) {
        return broken_with_ ? make_exception_future<void>(broken_with_, site) : make_ready_future<void>();
    }
    return detail::wait_in<void>(
        *this, 1, limit, [] {}, site);
}

}  // namespace shale
