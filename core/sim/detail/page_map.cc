// See page_map.hh.
#include "page_map.hh"

#include <algorithm>
#include <cstring>

#include "../../base/align.hh"
#include "../../base/assert.hh"

namespace shale::sim::detail {

namespace {

bool is_zero(const std::byte* bytes, std::size_t size) noexcept {
    return size == 0 || (bytes[0] == std::byte{0} && std::memcmp(bytes, bytes + 1, size - 1) == 0);
}

void copy_page(const page_ptr& from, std::size_t offset, std::byte* to, std::size_t size) noexcept {
    if (from) {
        std::memcpy(to, from->bytes + offset, size);
    } else {
        std::memset(to, 0, size);
    }
}

/// Walks the program's memory in steps that its own parts allow.
class cursor {
public:
    explicit cursor(std::span<const iovec> parts) noexcept : parts_(parts) {}

    /// Calls `each(memory, size, offset)` for the pieces of the next `size` bytes, until one says false.
    template <class F>
    bool next(std::size_t size, F&& each) {
        for (std::size_t done = 0; done < size;) {
            while (at_ == parts_.front().iov_len) {
                parts_ = parts_.subspan(1);
                at_ = 0;
            }
            const std::size_t step = std::min(size - done, parts_.front().iov_len - at_);
            if (!each(static_cast<const std::byte*>(parts_.front().iov_base) + at_, step, done)) {
                return false;
            }
            at_ += step;
            done += step;
        }
        return true;
    }

private:
    std::span<const iovec> parts_;
    std::size_t at_ = 0;
};

/// Calls `each(number, from, to)` for the parts of pages that make up [begin, end).
template <class F>
void for_pages(std::uint64_t begin, std::uint64_t end, F&& each) {
    while (begin < end) {
        const std::uint64_t number = begin / page_bytes;
        const std::uint64_t stop = std::min(end, (number + 1) * page_bytes);
        each(number, static_cast<std::size_t>(begin - number * page_bytes),
             static_cast<std::size_t>(stop - number * page_bytes));
        begin = stop;
    }
}

}  // namespace

void extent::read(std::uint64_t offset, std::span<std::byte> to) const {
    SHALE_DEBUG_ASSERT(offset >= begin && offset + to.size() <= end);
    for_pages(offset, offset + to.size(), [&](std::uint64_t number, std::size_t from, std::size_t until) {
        copy_page(page_at(number), from, to.data() + (number * page_bytes + from - offset), until - from);
    });
}

extent extent::part(std::uint64_t from, std::uint64_t to) const {
    extent narrow = *this;
    narrow.begin = std::max(begin, from);
    narrow.end = std::min(end, to);
    return narrow;
}

extent extent::moved_to(std::uint64_t offset) const {
    if (offset == begin) {
        return *this;
    }
    if (offset % page_bytes == begin % page_bytes) {
        extent moved = *this;
        moved.first_page = offset / page_bytes - (begin / page_bytes - first_page);
        moved.begin = offset;
        moved.end = offset + size();
        return moved;
    }
    std::vector<std::byte> bytes(size());
    read(begin, bytes);
    return capture(offset, bytes);
}

extent capture(std::uint64_t offset, std::span<const iovec> parts, std::uint64_t size) {
    extent made{offset, offset + size, offset / page_bytes, {}};
    made.pages.reserve((offset % page_bytes + size + page_bytes - 1) / page_bytes);
    cursor from(parts);
    for_pages(offset, offset + size, [&](std::uint64_t, std::size_t begin, std::size_t end) {
        auto fresh = std::make_shared_for_overwrite<page>();
        std::memset(fresh->bytes, 0, begin);
        std::memset(fresh->bytes + end, 0, page_bytes - end);
        from.next(end - begin, [&](const std::byte* memory, std::size_t step, std::size_t at) {
            std::memcpy(fresh->bytes + begin + at, memory, step);
            return true;
        });
        made.pages.push_back(is_zero(fresh->bytes, page_bytes) ? nullptr : std::move(fresh));
    });
    return made;
}

extent capture(std::uint64_t offset, std::span<const std::byte> bytes) {
    const iovec whole{const_cast<std::byte*>(bytes.data()), bytes.size()};
    return capture(offset, {&whole, 1}, bytes.size());
}

bool matches(const extent& captured, std::span<const iovec> parts) {
    cursor from(parts);
    bool same = true;
    for_pages(captured.begin, captured.end, [&](std::uint64_t number, std::size_t begin, std::size_t end) {
        const page_ptr& expected = captured.page_at(number);
        same = same && from.next(end - begin, [&](const std::byte* memory, std::size_t step, std::size_t at) {
            return expected ? std::memcmp(expected->bytes + begin + at, memory, step) == 0 : is_zero(memory, step);
        });
    });
    return same;
}

void page_map::read(std::uint64_t offset, std::span<std::byte> to) const {
    for_pages(offset, offset + to.size(), [&](std::uint64_t number, std::size_t from, std::size_t until) {
        copy_page(page_at(number), from, to.data() + (number * page_bytes + from - offset), until - from);
    });
}

const page_ptr& page_map::page_at(std::uint64_t number) const noexcept {
    const auto at = chunks_.find(number / chunk_pages);
    return at == chunks_.end() ? no_page : at->second.pages[number % chunk_pages];
}

void page_map::put(std::uint64_t number, page_ptr content) {
    auto at = chunks_.find(number / chunk_pages);
    if (at == chunks_.end()) {
        if (!content) {
            return;
        }
        at = chunks_.try_emplace(number / chunk_pages).first;
    }
    chunk& within = at->second;
    page_ptr& place = within.pages[number % chunk_pages];
    within.count += content ? 1 : 0;
    pages_ += content ? 1 : 0;
    within.count -= place ? 1 : 0;
    pages_ -= place ? 1 : 0;
    place = std::move(content);
    if (within.count == 0) {
        chunks_.erase(at);
    }
}

void page_map::merge(std::uint64_t number, std::size_t from, std::size_t to, const page_ptr& content) {
    auto fresh = std::make_shared_for_overwrite<page>();
    copy_page(page_at(number), 0, fresh->bytes, page_bytes);
    copy_page(content, from, fresh->bytes + from, to - from);
    put(number, is_zero(fresh->bytes, page_bytes) ? nullptr : std::move(fresh));
}

void page_map::write(const extent& from) {
    if (from.pages.empty()) {
        zero(from.begin, from.end);
        return;
    }
    for_pages(from.begin, from.end, [&](std::uint64_t number, std::size_t begin, std::size_t end) {
        if (end - begin == page_bytes) {
            put(number, from.page_at(number));
        } else {
            merge(number, begin, end, from.page_at(number));
        }
    });
}

void page_map::zero(std::uint64_t begin, std::uint64_t end) {
    // Only pages that are there can change.
    for (auto at = chunks_.lower_bound(begin / page_bytes / chunk_pages); at != chunks_.end();) {
        const std::uint64_t first = at->first * chunk_pages;
        ++at;  // before the chunk may go
        if (first * page_bytes >= end) {
            break;
        }
        const std::uint64_t until = std::min(end, (first + chunk_pages) * page_bytes);
        for_pages(std::max(begin, first * page_bytes), until,
                  [&](std::uint64_t number, std::size_t from, std::size_t to) {
                      if (to - from == page_bytes) {
                          put(number, nullptr);
                      } else if (page_at(number)) {
                          merge(number, from, to, nullptr);
                      }
                  });
    }
}

extent page_map::cut(std::uint64_t begin, std::uint64_t end) const {
    extent made{begin, end, begin / page_bytes, {}};
    for_pages(begin, end,
              [&](std::uint64_t number, std::size_t, std::size_t) { made.pages.push_back(page_at(number)); });
    return made;
}

}  // namespace shale::sim::detail
