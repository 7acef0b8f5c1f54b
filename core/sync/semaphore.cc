// Taking and serving units. See semaphore.hh.
#include "semaphore.hh"

namespace shale {

semaphore::semaphore(std::size_t units) noexcept
    : wait_queue([] { return std::make_exception_ptr(semaphore_timed_out()); },
                 [](wait_queue& self) noexcept { static_cast<semaphore&>(self).serve(); }),
      count_(static_cast<std::ptrdiff_t>(units)) {}

future<void> semaphore::wait(std::size_t units, std::source_location site) {
    return wait(wait_limit(), units, site);
}

future<void> semaphore::wait(wait_limit limit, std::size_t units, std::source_location site) {
    if (try_wait(units)) {
        return make_ready_future<void>();
    }
    if (broken_with_) {
        return make_exception_future<void>(broken_with_, site);
    }
    return detail::wait_in<void>(
        *this, units, limit, [] {}, site);
}

future<semaphore_units> get_units(semaphore& from, std::size_t units, wait_limit limit, std::source_location site) {
    if (from.try_wait(units)) {
        return make_ready_future<semaphore_units>(from, units);
    }
    if (from.broken_with_) {
        return make_exception_future<semaphore_units>(from.broken_with_, site);
    }
    return detail::wait_in<semaphore_units>(
        from, units, limit, [&from, units] { return semaphore_units(from, units); }, site);
}

// Units granted to somebody who has gone away come back through signal() while this runs: each round looks anew.
void semaphore::serve() noexcept {
    while (!empty() && count_ >= static_cast<std::ptrdiff_t>(front().units())) {
        count_ -= static_cast<std::ptrdiff_t>(front().units());
        settle_front();
    }
}

void semaphore::broken(std::exception_ptr reason) noexcept {
    broken_with_ = std::move(reason);
    settle_all(broken_with_);
}

}  // namespace shale
