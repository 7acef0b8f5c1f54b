// A fault plan for unit tests: the points named fire always, or with a chance that a seed draws; all others never.
//
//     chosen_faults plan({"log.batch_cut_early"});
//     ...
//     EXPECT_GT(plan.fired("log.batch_cut_early"), 0U);
//     EXPECT_GT(plan.probed("log.segment_rolled"), 0U);
//
// It is installed while it lives and may be asked from any thread. In a simulated world, which brings its own plan, use
// world_options::faults instead.
#pragma once

#include <initializer_list>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "../base/fault_point.hh"
#include "../base/random.hh"

namespace shale::test {

class chosen_faults final : public fault_plan {
public:
    /// A name "x.*" stands for all that begin with "x.".
    explicit chosen_faults(std::initializer_list<std::string> names, double chance = 1, std::uint64_t seed = 1)
        : names_(names), chance_(chance), random_(seed), before_(install_fault_plan(this)) {}
    chosen_faults(const chosen_faults&) = delete;
    chosen_faults& operator=(const chosen_faults&) = delete;
    ~chosen_faults() { install_fault_plan(before_); }

    bool fire(std::string_view name, std::uint64_t) noexcept override {
        const std::lock_guard one_at_a_time(mutex_);
        const bool fires = is_chosen(name) && random_.chance(chance_);
        fired_[std::string(name)] += fires ? 1 : 0;
        return fires;
    }
    void hit(std::string_view name, std::uint64_t) noexcept override {
        const std::lock_guard one_at_a_time(mutex_);
        ++probed_[std::string(name)];
    }

    /// How often so far.
    std::uint64_t fired(const std::string& name) const { return of(fired_, name); }
    std::uint64_t probed(const std::string& name) const { return of(probed_, name); }

private:
    bool is_chosen(std::string_view name) const {
        return names_.contains(std::string(name)) ||
               names_.contains(std::string(name.substr(0, name.find('.') + 1)) + "*");
    }
    std::uint64_t of(const std::map<std::string, std::uint64_t>& in, const std::string& name) const {
        const std::lock_guard one_at_a_time(mutex_);
        const auto at = in.find(name);
        return at == in.end() ? 0 : at->second;
    }

    const std::set<std::string> names_;
    const double chance_;
    mutable std::mutex mutex_;
    random_engine random_;
    std::map<std::string, std::uint64_t> fired_;
    std::map<std::string, std::uint64_t> probed_;
    fault_plan* const before_;
};

}  // namespace shale::test
