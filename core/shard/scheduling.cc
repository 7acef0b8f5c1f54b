// Groups are numbered by shard 0, so that a number means the same group everywhere.
#include "scheduling.hh"

#include "shard.hh"
#include "smp.hh"

namespace shale {

future<scheduling_group> create_scheduling_group(std::string name, std::uint32_t shares) {
    auto number_it = [name, shares] {
        const unsigned id = this_shard().group_count();
        this_shard().add_group(id, name, shares);
        return id;
    };
    const unsigned id = co_await smp::submit_to(0, std::move(number_it));
    auto add_it = [name, shares, id] { this_shard().add_group(id, name, shares); };
    co_await smp::invoke_on_others(0, std::move(add_it));
    co_return scheduling_group(id);
}

future<void> scheduling_group::set_shares(std::uint32_t shares) const {
    return smp::invoke_on_all([id = id_, shares] { this_shard().group(id).set_shares(shares); });
}

}  // namespace shale
