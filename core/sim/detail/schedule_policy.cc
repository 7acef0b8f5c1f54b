// See schedule_policy.hh.
#include "schedule_policy.hh"

#include <algorithm>

#include "../../base/assert.hh"

namespace shale::sim::detail {

namespace {

class uniform_policy final : public schedule_policy {
public:
    using schedule_policy::schedule_policy;

private:
    std::size_t pick(std::span<const candidate> from) override { return random_.below(from.size()); }
};

class min_time_policy final : public schedule_policy {
public:
    using schedule_policy::schedule_policy;

private:
    std::size_t pick(std::span<const candidate> from) override {
        const std::uint64_t last_ns =
            std::ranges::min_element(from, {}, &candidate::ready_ns)->ready_ns + options_.jitter_ns;
        std::size_t left = random_.below(static_cast<std::uint64_t>(
            std::ranges::count_if(from, [&](const candidate& c) { return c.ready_ns <= last_ns; })));
        std::size_t at = 0;
        while (from[at].ready_ns > last_ns || left-- > 0) {
            ++at;
        }
        return at;
    }
};

// Probabilistic concurrency testing. Drawn priorities are above all those that a change point or a fruitless turn
// gives; each of the latter is below all before it.
class pct_policy final : public schedule_policy {
public:
    pct_policy(const schedule_options& options, random_engine random) : schedule_policy(options, random) {
        for (unsigned i = 0; i < options.change_points; ++i) {
            change_points_.push_back(random_.below(std::max<std::uint64_t>(1, options.turns_expected)));
        }
    }

    // Who only looks for something to do waits for somebody: in front of that one it would look for ever.
    void stepped(unsigned number, bool progress) noexcept override {
        if (!progress) {
            demote(number);
        }
    }

private:
    std::size_t pick(std::span<const candidate> from) override {
        const bool change = std::ranges::find(change_points_, turn_++) != change_points_.end();
        std::size_t best = highest(from);
        if (change) {
            demote(from[best].number);
            best = highest(from);
        }
        return best;
    }

    std::size_t highest(std::span<const candidate> from) {
        const auto best = std::ranges::max_element(from, {}, [&](const candidate& c) { return priority(c.number); });
        return static_cast<std::size_t>(best - from.begin());
    }

    std::int64_t& priority(unsigned number) {
        while (number >= priorities_.size()) {
            priorities_.push_back(static_cast<std::int64_t>(random_() >> 1));
        }
        return priorities_[number];
    }

    void demote(unsigned number) noexcept {
        if (number < priorities_.size()) {
            priorities_[number] = --lowest_;
        }
    }

    std::vector<std::uint64_t> change_points_;
    std::vector<std::int64_t> priorities_;  ///< by number
    std::int64_t lowest_ = 0;
    std::uint64_t turn_ = 0;
};

class starve_one_policy final : public schedule_policy {
public:
    using schedule_policy::schedule_policy;

private:
    std::size_t pick(std::span<const candidate> from) override {
        const auto starved = std::ranges::find(from, options_.starved, &candidate::number);
        if (starved == from.end()) {
            return random_.below(from.size());
        }
        const std::size_t at = random_.below(from.size() - 1);
        return at < static_cast<std::size_t>(starved - from.begin()) ? at : at + 1;
    }
};

// Where the recorded choice cannot be made, the run is not the recorded one any more, and goes on as it may.
class replay_policy final : public schedule_policy {
public:
    using schedule_policy::schedule_policy;

private:
    std::size_t pick(std::span<const candidate> from) override {
        if (next_ < options_.choices.size()) {
            const auto at = std::ranges::find(from, options_.choices[next_++], &candidate::number);
            return at == from.end() ? 0 : static_cast<std::size_t>(at - from.begin());
        }
        return 0;
    }

    std::size_t next_ = 0;
};

}  // namespace

std::unique_ptr<schedule_policy> schedule_policy::make(const schedule_options& options, random_engine random) {
    switch (options.kind) {
        case schedule::uniform:
            return std::make_unique<uniform_policy>(options, random);
        case schedule::min_time:
            return std::make_unique<min_time_policy>(options, random);
        case schedule::pct:
            return std::make_unique<pct_policy>(options, random);
        case schedule::starve_one:
            return std::make_unique<starve_one_policy>(options, random);
        case schedule::replay:
            return std::make_unique<replay_policy>(options, random);
    }
    SHALE_UNREACHABLE("schedule {}", static_cast<int>(options.kind));
}

void schedule_policy::stepped(unsigned, bool) noexcept {}

std::size_t schedule_policy::choose(std::span<const candidate> from) {
    SHALE_ASSERT(!from.empty(), "nobody to choose from");
    if (from.back().number >= passed_over_.size()) {
        passed_over_.resize(from.back().number + 1);
    }
    std::size_t chosen = pick(from);
    // A replay makes the recorded choice, which was fair already.
    if (options_.kind != schedule::replay) {
        for (std::size_t i = 0; i < from.size(); ++i) {
            if (passed_over_[from[i].number] >= options_.passed_over_max) {
                chosen = i;
                break;
            }
        }
    }
    for (std::size_t i = 0; i < from.size(); ++i) {
        unsigned& count = passed_over_[from[i].number];
        count = i == chosen ? 0 : count + 1;
    }
    if (options_.record_choices) {
        choices_.push_back(from[chosen].number);
    }
    return chosen;
}

}  // namespace shale::sim::detail
