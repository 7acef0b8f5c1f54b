// What a file holds: as programs see it, as it is durable, and the changes in between.
//
// A change is completed first: reads see it, and it stands in a list, in the order of completion. A flush makes the
// first part of that list durable, a write with DSYNC itself alone. At a power loss each write in the list has a fate
// of its own; what changes the size (or takes blocks away) are entries of a journal, of which a first part survives.
// All in all the bytes are old or new, or, where declared, garbage; those that were flushed are what they were.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "../../base/random.hh"
#include "../disk_profile.hh"
#include "../fault_counts.hh"
#include "page_map.hh"

namespace shale::sim::detail {

/// How a power loss is drawn: for the whole disk at once.
enum class crash_fate : std::uint8_t { each_its_own, keep_all, drop_all };

/// What draws the fates of one power loss.
struct crash_draw {
    crash_fate fate;
    const crash_rules& rules;
    random_engine& random;
    fault_counts& counts;

    /// How many of `all` entries of a journal are kept, from the first on.
    std::uint64_t journal_part(std::uint64_t all) const {
        return fate == crash_fate::keep_all ? all : fate == crash_fate::drop_all ? 0 : random.below(all + 1);
    }
};

class file_data {
public:
    std::uint64_t size() const noexcept { return size_; }
    std::uint64_t durable_size() const noexcept { return durable_size_; }
    /// Changes that are not durable.
    std::size_t unflushed() const noexcept { return changes_.size(); }
    /// Of the last of them; 0: there is none.
    std::uint64_t last_serial() const noexcept { return changes_.empty() ? 0 : changes_.back().serial; }

    /// What programs see; the range must lie within the size.
    void read(std::uint64_t offset, std::span<std::byte> to) const { seen_.read(offset, to); }
    extent cut(std::uint64_t begin, std::uint64_t end) const { return seen_.cut(begin, end); }

    /// Keeps what is in the range, for reads that give old bytes; of several, the last few.
    void remember(std::uint64_t begin, std::uint64_t end);
    /// What was remembered last of all that overlaps the range. Null: nothing.
    const extent* remembered(std::uint64_t begin, std::uint64_t end) const noexcept;

    // Changes. `serial` grows from one to the next on a disk.
    void write(const extent& data, std::uint64_t serial);
    /// Durable at once, with the size it needs; what came before it to the same place cannot come back.
    void write_durably(const extent& data, std::uint64_t serial);
    void resize(std::uint64_t size, std::uint64_t serial);
    /// Zeros in [begin, end), and a size that is at least `size`.
    void zero(std::uint64_t begin, std::uint64_t end, std::uint64_t size, std::uint64_t serial);

    /// Makes durable what was completed up to `serial`.
    void flush(std::uint64_t serial);
    /// A flush that failed: what was completed up to `serial` is seen still, and will never be durable.
    void lose(std::uint64_t serial);
    /// A power loss: afterwards there is one state only.
    void lose_power(const crash_draw& draw);

private:
    struct change {
        std::uint64_t serial;
        extent range;
        bool is_write;
        std::optional<std::uint64_t> new_size;
    };

    void add(change made);
    void make_durable(const change& made);
    void make_sizes_durable();
    void land(const change& write, const crash_draw& draw);
    void land_garbled(const extent& write, std::uint64_t unit, const crash_draw& draw);

    page_map seen_;
    page_map durable_;
    std::uint64_t size_ = 0;
    std::uint64_t durable_size_ = 0;
    std::vector<change> changes_;
    std::vector<extent> remembered_;
};

}  // namespace shale::sim::detail
