// The bytes of simulated files: 4 KiB pages that are shared and never changed, and none at all for zeros.
//
// What a program writes is captured once, as an `extent`; the file as it is seen, the file as it is durable, the list
// of what is not flushed and every snapshot then share those pages. So a large file of zeros costs nothing, and a
// flush costs a pointer a page.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace shale::sim::detail {

inline constexpr std::uint64_t page_bytes = 4096;
inline constexpr std::uint64_t end_of_all = std::numeric_limits<std::uint64_t>::max();

struct page {
    std::byte bytes[page_bytes];
};
using page_ptr = std::shared_ptr<const page>;  ///< null: zeros
inline const page_ptr no_page;

/// A range of a file and what is in it. Without pages: zeros, and the range may be endless.
struct extent {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t first_page = 0;  ///< the number of pages[0] in the file; that page holds `begin`, or comes before it
    std::vector<page_ptr> pages;

    std::uint64_t size() const noexcept { return end - begin; }
    bool overlaps(std::uint64_t from, std::uint64_t to) const noexcept { return begin < to && from < end; }
    const page_ptr& page_at(std::uint64_t number) const noexcept {
        return number < first_page || number - first_page >= pages.size() ? no_page : pages[number - first_page];
    }
    void read(std::uint64_t offset, std::span<std::byte> to) const;
    /// The same range narrowed to [from, to), sharing the pages.
    extent part(std::uint64_t from, std::uint64_t to) const;
    /// The same bytes elsewhere in the file.
    extent moved_to(std::uint64_t offset) const;
};

/// The first `size` bytes of the program's memory as they are now, as a range of a file.
extent capture(std::uint64_t offset, std::span<const iovec> parts, std::uint64_t size);
extent capture(std::uint64_t offset, std::span<const std::byte> bytes);
/// Whether the program's memory still holds what was captured.
bool matches(const extent& captured, std::span<const iovec> parts);

/// Takes [begin, end) out of the `range`, an extent, of each item. An item in its midst becomes two, one within it
/// none.
template <class Item>
void subtract(std::vector<Item>& items, std::uint64_t begin, std::uint64_t end) {
    const auto touched = [&](const Item& item) { return item.range.overlaps(begin, end); };
    if (std::ranges::none_of(items, touched)) {
        return;
    }
    std::vector<Item> left;
    for (Item& each : items) {
        if (!touched(each)) {
            left.push_back(std::move(each));
            continue;
        }
        const extent whole = each.range;
        if (whole.begin < begin) {
            left.push_back(each);
            left.back().range = whole.part(whole.begin, begin);
        }
        if (end < whole.end) {
            left.push_back(each);
            left.back().range = whole.part(end, whole.end);
        }
    }
    items = std::move(left);
}

/// All bytes of a file, from 0 to wherever, in chunks of pages.
class page_map {
public:
    void read(std::uint64_t offset, std::span<std::byte> to) const;
    void write(const extent& from);
    /// Zeros in [begin, end).
    void zero(std::uint64_t begin, std::uint64_t end);
    /// What is there now, sharing pages.
    extent cut(std::uint64_t begin, std::uint64_t end) const;
    /// Pages in memory.
    std::size_t pages() const noexcept { return pages_; }

private:
    static constexpr std::uint64_t chunk_pages = 64;
    /// Neighbours, which keeps the map small enough to be fast: a file of 64 MiB has 256 of them.
    struct chunk {
        std::array<page_ptr, chunk_pages> pages;
        unsigned count = 0;  ///< of pages that are there
    };

    const page_ptr& page_at(std::uint64_t number) const noexcept;
    void put(std::uint64_t number, page_ptr content);
    /// Bytes [from, to) of one page, taken from `content`.
    void merge(std::uint64_t number, std::size_t from, std::size_t to, const page_ptr& content);

    std::map<std::uint64_t, chunk> chunks_;
    std::size_t pages_ = 0;
};

}  // namespace shale::sim::detail
