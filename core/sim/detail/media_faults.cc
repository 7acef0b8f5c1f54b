// See media_faults.hh.
#include "media_faults.hh"

#include <algorithm>
#include <utility>

namespace shale::sim::detail {

void media_overlays::make_unreadable(std::uint64_t id, std::uint64_t begin, std::uint64_t end) {
    overlays_.push_back({id, effect::unreadable, {}, {begin, end, 0, {}}});
}

void media_overlays::flip(std::uint64_t id, std::uint64_t offset, std::byte mask) {
    overlays_.push_back({id, effect::flip, mask, {offset, offset + 1, 0, {}}});
}

void media_overlays::show(std::uint64_t id, extent content) {
    overlays_.push_back({id, effect::show, {}, std::move(content)});
}

bool media_overlays::readable(std::uint64_t begin, std::uint64_t end) const noexcept {
    return std::ranges::none_of(
        overlays_, [&](const overlay& o) { return o.what == effect::unreadable && o.range.overlaps(begin, end); });
}

void media_overlays::apply(std::uint64_t offset, std::span<std::byte> bytes) const {
    for (const overlay& each : overlays_) {
        const std::uint64_t begin = std::max(each.range.begin, offset);
        const std::uint64_t end = std::min(each.range.end, offset + bytes.size());
        if (begin >= end || each.what == effect::unreadable) {
            continue;
        }
        if (each.what == effect::flip) {
            bytes[begin - offset] ^= each.mask;
        } else {
            each.range.read(begin, bytes.subspan(begin - offset, end - begin));
        }
    }
}

void media_overlays::undo(std::uint64_t id) {
    std::erase_if(overlays_, [id](const overlay& o) { return o.id == id; });
}

bool media_overlays::has(std::uint64_t id) const noexcept {
    return std::ranges::any_of(overlays_, [id](const overlay& o) { return o.id == id; });
}

}  // namespace shale::sim::detail
