// Which blocks of a file take room on its disk, as ranges of bytes in whole pages, and how much room there is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

#include "../../base/align.hh"
#include "page_map.hh"

namespace shale::sim::detail {

class block_ranges {
public:
    std::uint64_t total() const noexcept { return total_; }

    /// Bytes of the pages that touch [begin, end) and take no room yet.
    std::uint64_t missing(std::uint64_t begin, std::uint64_t end) const noexcept {
        if (begin >= end) {
            return 0;
        }
        begin = align_down(begin, page_bytes);
        end = align_up(end, page_bytes);
        std::uint64_t there = 0;
        for (auto at = first_touching(begin); at != ranges_.end() && at->first < end; ++at) {
            there += std::min(at->second, end) - std::max(at->first, begin);
        }
        return end - begin - there;
    }

    /// Gives room to the pages that touch [begin, end).
    void add(std::uint64_t begin, std::uint64_t end) {
        total_ += missing(begin, end);
        if (begin >= end) {
            return;
        }
        begin = align_down(begin, page_bytes);
        end = align_up(end, page_bytes);
        auto at = first_touching(begin == 0 ? 0 : begin - 1);  // one that ends here is joined
        while (at != ranges_.end() && at->first <= end) {
            begin = std::min(begin, at->first);
            end = std::max(end, at->second);
            at = ranges_.erase(at);
        }
        ranges_.emplace(begin, end);
    }

    /// Takes it back from the pages that lie in [begin, end) wholly.
    void remove(std::uint64_t begin, std::uint64_t end) {
        begin = align_up(begin, page_bytes);
        end = align_down(end, page_bytes);
        if (begin >= end) {
            return;
        }
        for (auto at = first_touching(begin); at != ranges_.end() && at->first < end;) {
            const auto [from, to] = *at;
            at = ranges_.erase(at);
            total_ -= std::min(to, end) - std::max(from, begin);
            if (from < begin) {
                ranges_.emplace(from, begin);
            }
            if (to > end) {
                at = ranges_.emplace(end, to).first;
            }
        }
    }

private:
    std::map<std::uint64_t, std::uint64_t>::const_iterator first_touching(std::uint64_t begin) const noexcept {
        auto at = ranges_.upper_bound(begin);
        if (at != ranges_.begin() && std::prev(at)->second > begin) {
            --at;
        }
        return at;
    }

    std::map<std::uint64_t, std::uint64_t> ranges_;  // begin to end, neither touching another
    std::uint64_t total_ = 0;
};

/// The room of a disk.
struct disk_space {
    std::uint64_t capacity = end_of_all;
    std::uint64_t used = 0;

    std::uint64_t left() const noexcept { return capacity > used ? capacity - used : 0; }
};

}  // namespace shale::sim::detail
