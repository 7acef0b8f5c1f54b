// See file_data.hh.
#include "file_data.hh"

#include <algorithm>
#include <utility>

#include "../../base/align.hh"
#include "../../base/assert.hh"

namespace shale::sim::detail {

namespace {

constexpr std::uint64_t sector_bytes = 512;
constexpr std::size_t remembered_max = 8;

/// Calls `each(begin, end)` for the units, aligned in the file, that make up the range.
template <class F>
void for_units(const extent& range, std::uint64_t unit, F&& each) {
    for (std::uint64_t at = range.begin; at < range.end;) {
        const std::uint64_t stop = std::min(range.end, align_down(at, unit) + unit);
        each(at, stop);
        at = stop;
    }
}

}  // namespace

void file_data::add(change made) {
    SHALE_DEBUG_ASSERT(changes_.empty() || changes_.back().serial <= made.serial);
    if (made.is_write) {
        seen_.write(made.range);
    } else {
        seen_.zero(made.range.begin, made.range.end);
    }
    size_ = made.new_size.value_or(size_);
    changes_.push_back(std::move(made));
}

void file_data::remember(std::uint64_t begin, std::uint64_t end) {
    if (remembered_.size() == remembered_max) {
        remembered_.erase(remembered_.begin());
    }
    remembered_.push_back(seen_.cut(begin, end));
}

const extent* file_data::remembered(std::uint64_t begin, std::uint64_t end) const noexcept {
    const auto at =
        std::find_if(remembered_.rbegin(), remembered_.rend(), [&](const extent& e) { return e.overlaps(begin, end); });
    return at != remembered_.rend() ? &*at : nullptr;
}

void file_data::write(const extent& data, std::uint64_t serial) {
    add({serial, data, true, data.end > size_ ? std::optional(data.end) : std::nullopt});
}

void file_data::resize(std::uint64_t size, std::uint64_t serial) {
    add({serial, {size, end_of_all, 0, {}}, false, size});
}

void file_data::zero(std::uint64_t begin, std::uint64_t end, std::uint64_t size, std::uint64_t serial) {
    add({serial, {begin, end, 0, {}}, false, size > size_ ? std::optional(size) : std::nullopt});
}

void file_data::make_durable(const change& made) {
    if (made.is_write) {
        durable_.write(made.range);
        durable_size_ =
            std::max(durable_size_, made.range.end);  // its growth may have been lost by a flush that failed
    } else {
        durable_.zero(made.range.begin, made.range.end);
    }
    durable_size_ = made.new_size.value_or(durable_size_);
}

// The journal's entries go to the disk together and in order; the data of writes that wait beside them do not.
void file_data::make_sizes_durable() {
    std::vector<change> left;
    for (change& each : changes_) {
        durable_size_ = std::exchange(each.new_size, std::nullopt).value_or(durable_size_);
        if (each.is_write) {
            left.push_back(std::move(each));
        } else {
            subtract(left, each.range.begin, each.range.end);
            durable_.zero(each.range.begin, each.range.end);
        }
    }
    changes_ = std::move(left);
}

void file_data::write_durably(const extent& data, std::uint64_t serial) {
    const bool zeros_wait = std::ranges::any_of(
        changes_, [&](const change& c) { return !c.is_write && c.range.overlaps(data.begin, data.end); });
    if (data.end > durable_size_ || zeros_wait) {
        make_sizes_durable();
    }
    subtract(changes_, data.begin, data.end);
    const change made{serial, data, true, data.end > durable_size_ ? std::optional(data.end) : std::nullopt};
    make_durable(made);
    seen_.write(data);
    size_ = std::max(size_, data.end);
}

void file_data::flush(std::uint64_t serial) {
    const auto end = std::ranges::find_if(changes_, [&](const change& c) { return c.serial > serial; });
    std::for_each(changes_.begin(), end, [this](const change& c) { make_durable(c); });
    changes_.erase(changes_.begin(), end);
}

void file_data::lose(std::uint64_t serial) {
    std::erase_if(changes_, [&](const change& c) { return c.serial <= serial; });
}

void file_data::lose_power(const crash_draw& draw) {
    const auto in_journal = [](const change& c) { return !c.is_write || c.new_size; };
    std::uint64_t entries_left =
        draw.journal_part(static_cast<std::uint64_t>(std::ranges::count_if(changes_, in_journal)));
    for (const change& each : changes_) {
        const bool kept = in_journal(each) && entries_left != 0;
        if (kept) {
            --entries_left;
            durable_size_ = each.new_size.value_or(durable_size_);
        }
        if (each.is_write) {
            land(each, draw);
        } else if (kept) {
            durable_.zero(each.range.begin, each.range.end);
        }
    }
    changes_.clear();
    remembered_.clear();
    durable_.zero(durable_size_, end_of_all);
    seen_ = durable_;
    size_ = durable_size_;
}

void file_data::land(const change& write, const crash_draw& draw) {
    if (draw.fate == crash_fate::keep_all) {
        durable_.write(write.range);
    }
    if (draw.fate != crash_fate::each_its_own) {
        return;
    }
    const crash_rules& rules = draw.rules;
    double share = draw.random.uniform() * (rules.keep + rules.drop + rules.tear + rules.garble);
    if ((share -= rules.keep) < 0) {
        draw.counts.add("disk.crash_kept");
        durable_.write(write.range);
        return;
    }
    if ((share -= rules.drop) < 0) {
        draw.counts.add("disk.crash_dropped");
        return;
    }
    const std::uint64_t unit = draw.random.chance(0.5) ? sector_bytes : page_bytes;
    if ((share -= rules.tear) < 0) {
        draw.counts.add("disk.crash_torn");
        for_units(write.range, unit, [&](std::uint64_t begin, std::uint64_t end) {
            if (draw.random.chance(0.5)) {
                durable_.write(write.range.part(begin, end));
            }
        });
        return;
    }
    draw.counts.add("disk.crash_garbled");
    land_garbled(write.range, unit, draw);
}

void file_data::land_garbled(const extent& write, std::uint64_t unit, const crash_draw& draw) {
    enum : std::uint64_t { old_bytes, new_bytes, mixture, noise };
    for_units(write, unit, [&](std::uint64_t begin, std::uint64_t end) {
        const std::uint64_t fate = draw.random.below(4);
        if (fate == old_bytes) {
            return;
        }
        if (fate == new_bytes) {
            durable_.write(write.part(begin, end));
            return;
        }
        if (fate == mixture) {
            const std::uint64_t middle = draw.random.between(begin, end);
            durable_.write(draw.random.chance(0.5) ? write.part(begin, middle) : write.part(middle, end));
            return;
        }
        std::vector<std::byte> bytes(end - begin);
        std::ranges::generate(bytes, [&] { return static_cast<std::byte>(draw.random()); });
        durable_.write(capture(begin, bytes));
    });
}

}  // namespace shale::sim::detail
