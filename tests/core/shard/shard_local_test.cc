// Variables of which each shard has its own, on simulated shards.
#include <shale/core/shard/shard_local.hh>
#include <shale/core/shard/smp.hh>
#include <shale/core/testing/testing.hh>

namespace {

using namespace shale;

struct value {
    unsigned made_on = this_shard_id();
    int count = 0;
};
shard_local<value> global;

SHALE_TEST_EVERY_SHARD(shard_local, gives_each_shard_its_own) {
    EXPECT_EQ(global->made_on, this_shard_id());
    EXPECT_EQ(global->count, 0) << "a world has values of its own";
    global->count = static_cast<int>(this_shard_id()) + 1;
    for (unsigned id : smp::all_shards()) {
        const unsigned made_on = co_await smp::submit_to(id, [] { return global->made_on; });
        EXPECT_EQ(made_on, id);
    }
    EXPECT_EQ(global.get().count, static_cast<int>(this_shard_id()) + 1);
}

TEST(shard_local, destroys_its_values_with_their_shards) {
    auto witness = std::make_shared<int>();
    const shard_local<std::shared_ptr<int>> keeper([&] { return std::make_shared<std::shared_ptr<int>>(witness); });
    const shard_local<int> other;
    {
        sim::world world({.shards = 3});
        for (unsigned id : {0U, 2U}) {
            world.on(id, [&] {
                *other = static_cast<int>(id);
                EXPECT_EQ(**keeper, 0);
            });
        }
        EXPECT_EQ(witness.use_count(), 3);
        world.on(0, [&] { EXPECT_EQ(*other, 0); });
        world.on(2, [&] { EXPECT_EQ(*other, 2); });
    }
    EXPECT_EQ(witness.use_count(), 1);
}

}  // namespace
