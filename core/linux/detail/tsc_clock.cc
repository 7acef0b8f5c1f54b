// Anchoring the time stamp counter to CLOCK_MONOTONIC and measuring its rate, away from the inlined fast path.
#include "tsc_clock.hh"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "monotonic.hh"

namespace shale::detail {

namespace {

// How long an anchor holds, which is also the shortest stretch that gives a first rate; and the stretch that gives a
// good one.
constexpr std::uint64_t interval_ns = 10'000'000;
constexpr std::uint64_t stretch_ns = 1'000'000'000;

struct reading {
    std::uint64_t tsc;
    std::uint64_t ns;
};

// Both clocks at one moment: again when something came between.
reading read_both() noexcept {
    constexpr std::uint64_t undisturbed_tsc = 2000;
    reading r{};
    for (int tries = 0; tries < 3; ++tries) {
        const std::uint64_t before = read_tsc();
        r.ns = monotonic_ns();
        const std::uint64_t after = read_tsc();
        r.tsc = before + (after - before) / 2;
        if (after - before < undisturbed_tsc) {
            break;
        }
    }
    return r;
}

}  // namespace

bool tsc_is_trusted() noexcept {
#if defined(__x86_64__)
    const int fd = ::open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    char name[16] = {};
    const ssize_t length = ::read(fd, name, sizeof name - 1);
    ::close(fd);
    return length > 0 && std::strncmp(name, "tsc\n", 4) == 0;
#else
    return false;
#endif
}

tsc_clock::tsc_clock(bool use_tsc) noexcept : use_tsc_(use_tsc) {
    if (use_tsc_) {
        const reading r = read_both();
        base_tsc_ = r.tsc;
        base_ns_ = r.ns;
    }
}

std::uint64_t tsc_clock::anchor_anew() noexcept {
    if (!use_tsc_) {
        const std::uint64_t ns = monotonic_ns();
        return floor_ns_ = ns > floor_ns_ ? ns : floor_ns_;
    }
    if (interval_tsc_ != 0) {
        // What the old anchor would say is at most what now() has said; nothing earlier may follow.
        const std::uint64_t last = anchor_ns_ + (interval_tsc_ * ns_per_tsc_ >> scale_bits);
        floor_ns_ = last > floor_ns_ ? last : floor_ns_;
    }
    const reading r = read_both();
    const std::uint64_t stretch = r.ns - base_ns_;
    if (r.tsc <= base_tsc_) {
        // The counter went back: start over from here.
        interval_tsc_ = 0;
        base_tsc_ = r.tsc;
        base_ns_ = r.ns;
    } else if (stretch >= (interval_tsc_ == 0 ? interval_ns : stretch_ns)) {
        const auto rate = static_cast<unsigned __int128>(stretch) << scale_bits;
        ns_per_tsc_ = static_cast<std::uint64_t>(rate / (r.tsc - base_tsc_));
        interval_tsc_ = ns_per_tsc_ != 0 ? (interval_ns << scale_bits) / ns_per_tsc_ : 0;
        if (stretch >= stretch_ns) {  // else the first estimate, which a longer stretch will better
            base_tsc_ = r.tsc;
            base_ns_ = r.ns;
        }
    }
    anchor_tsc_ = r.tsc;
    anchor_ns_ = r.ns;
    return r.ns > floor_ns_ ? r.ns : floor_ns_;
}

}  // namespace shale::detail
