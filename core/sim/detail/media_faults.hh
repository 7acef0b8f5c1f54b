// What the media of a disk have done to a file: sectors that cannot be read, bits that rotted, writes that landed
// elsewhere.
//
// They are kept beside the file's bytes, as overlays that reads pass through, and never in them. So each can be taken
// back, a checker can ask what was damaged where, and a write heals what it covers, as on a real disk. A misdirected
// write is two overlays of one fault: the target shows what it was, the victim what was written.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "page_map.hh"

namespace shale::sim::detail {

enum class media_fault_kind : std::uint8_t { unreadable, bit_rot, misdirected_write, misdirected_read, stale_read };

/// One damage that was done, for checkers. Faults of reads strike once and are never active.
struct media_fault {
    std::uint64_t id = 0;
    media_fault_kind kind = media_fault_kind::unreadable;
    std::uint64_t inode = 0;
    std::string path;  ///< when it happened
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::uint64_t victim = 0;  ///< of a misdirected write: where it landed; of a misdirected read: whence it came
    bool active = false;       ///< some of it is still to be seen: neither written over nor undone
};

class media_overlays {
public:
    bool empty() const noexcept { return overlays_.empty(); }

    void make_unreadable(std::uint64_t id, std::uint64_t begin, std::uint64_t end);
    void flip(std::uint64_t id, std::uint64_t offset, std::byte mask);
    void show(std::uint64_t id, extent content);

    /// False: a part of the range cannot be read.
    bool readable(std::uint64_t begin, std::uint64_t end) const noexcept;
    /// Changes what was read at `offset` into what the media give.
    void apply(std::uint64_t offset, std::span<std::byte> bytes) const;

    /// Something was written there.
    void overwritten(std::uint64_t begin, std::uint64_t end) {
        if (!overlays_.empty()) {
            subtract(overlays_, begin, end);
        }
    }
    void undo(std::uint64_t id);
    void undo_all() noexcept { overlays_.clear(); }
    bool has(std::uint64_t id) const noexcept;

private:
    enum class effect : std::uint8_t { unreadable, flip, show };
    struct overlay {
        std::uint64_t id;
        effect what;
        std::byte mask;
        extent range;
    };
    std::vector<overlay> overlays_;  // in the order of application
};

}  // namespace shale::sim::detail
