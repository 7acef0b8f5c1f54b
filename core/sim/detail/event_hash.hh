// One number for everything that has happened in a run, and its value every so often.
//
// Two runs that were the same have the same number; two that were not differ from the first difference on, all but
// certainly. The checkpoints let a difference be narrowed down without keeping the whole run.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace shale::sim::detail {

class event_hash {
public:
    static constexpr std::uint64_t interval = 1'024;  ///< entries between checkpoints

    /// A part of the entry under way: order matters.
    void fold(std::uint64_t word) noexcept {
        value_ = (std::rotl(value_, 27) ^ word) * 0x9e3779b97f4a7c15;
        value_ ^= value_ >> 32;
    }

    /// Ends an entry. True: a checkpoint is due; fold what belongs to it and call checkpoint().
    bool end_entry() noexcept { return ++entries_ % interval == 0; }
    void checkpoint() { checkpoints_.push_back(value_); }

    std::uint64_t value() const noexcept { return value_; }
    std::uint64_t entries() const noexcept { return entries_; }
    const std::vector<std::uint64_t>& checkpoints() const noexcept { return checkpoints_; }

private:
    std::uint64_t value_ = 0xcbf29ce484222325;
    std::uint64_t entries_ = 0;
    std::vector<std::uint64_t> checkpoints_;
};

}  // namespace shale::sim::detail
