// Pointers that travel between shards, on simulated shards.
#include <shale/core/shard/foreign_ptr.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/testing/testing.hh>

namespace {

using namespace shale;

/// Knows where it was made and notes where it dies.
class homebody {
public:
    explicit homebody(int* deaths) : deaths_(deaths) {}
    ~homebody() {
        EXPECT_EQ(this_shard_id(), home_);
        ++*deaths_;
    }
    unsigned home() const { return home_; }

private:
    unsigned home_ = this_shard_id();
    int* deaths_;
};
using unique = foreign_ptr<std::unique_ptr<homebody>>;
using shared = foreign_ptr<std::shared_ptr<homebody>>;

void on_two_shards(const test::body& body) {
    test::run({.shards = 2}, body);
}

future<unique> from_shard_1(int* deaths) {
    return smp::submit_to(1, [deaths] { return make_foreign(std::make_unique<homebody>(deaths)); });
}

TEST(foreign_ptr, destroys_the_object_where_it_was_made) {
    on_two_shards([]() -> future<> {
        int deaths = 0;
        {
            const unique p = co_await from_shard_1(&deaths);
            EXPECT_TRUE(p);
            EXPECT_EQ(p.get_owner_shard(), 1U);
            EXPECT_EQ(p->home(), 1U);
            EXPECT_EQ((*p).home(), 1U);
        }
        EXPECT_EQ(deaths, 0) << "on its way";
        co_await sleep(1ms);
        EXPECT_EQ(deaths, 1);
    });
}

TEST(foreign_ptr, destroys_an_object_of_its_own_shard_at_once) {
    on_two_shards([]() -> future<> {
        int deaths = 0;
        { const unique p = make_foreign(std::make_unique<homebody>(&deaths)); }
        EXPECT_EQ(deaths, 1);
        co_return;
    });
}

TEST(foreign_ptr, waits_for_the_destruction_on_request) {
    on_two_shards([]() -> future<> {
        int deaths = 0;
        unique p = co_await from_shard_1(&deaths);
        co_await p.destroy();
        EXPECT_EQ(deaths, 1);
        EXPECT_FALSE(p);
        co_await p.destroy();
    });
}

TEST(foreign_ptr, destroys_what_it_held_when_it_is_assigned_or_reset) {
    on_two_shards([]() -> future<> {
        int deaths = 0;
        unique p = co_await from_shard_1(&deaths);
        p = co_await from_shard_1(&deaths);
        co_await sleep(1ms);
        EXPECT_EQ(deaths, 1);
        p.reset(std::make_unique<homebody>(&deaths));
        EXPECT_EQ(p.get_owner_shard(), 0U);
        co_await sleep(1ms);
        EXPECT_EQ(deaths, 2);
        p.reset();
        EXPECT_EQ(deaths, 3);
        EXPECT_EQ(p.get(), nullptr);
    });
}

TEST(foreign_ptr, moves_without_touching_the_object) {
    on_two_shards([]() -> future<> {
        int deaths = 0;
        unique p = co_await from_shard_1(&deaths);
        unique q = std::move(p);
        EXPECT_FALSE(p);
        EXPECT_EQ(q.get_owner_shard(), 1U);
        co_await q.destroy();
        EXPECT_EQ(deaths, 1);
    });
}

TEST(foreign_ptr, gives_the_bare_pointer_away) {
    on_two_shards([]() -> future<> {
        int deaths = 0;
        unique p = co_await from_shard_1(&deaths);
        auto back = smp::submit_to(1, [p = std::move(p)]() mutable {
            const std::unique_ptr<homebody> bare = std::move(p).unwrap_on_owner_shard();
            return bare->home();
        });
        const unsigned home = co_await std::move(back);
        EXPECT_EQ(home, 1U);
        EXPECT_EQ(deaths, 1);

        unique q = make_foreign(std::make_unique<homebody>(&deaths));
        const std::unique_ptr<homebody> own = q.release();
        EXPECT_FALSE(q);
        EXPECT_EQ(own->home(), 0U);
    });
}

TEST(foreign_ptr, copies_on_the_objects_shard) {
    on_two_shards([]() -> future<> {
        int deaths = 0;
        shared first = co_await smp::submit_to(1, [&] { return make_foreign(std::make_shared<homebody>(&deaths)); });
        shared second = co_await first.copy();
        EXPECT_EQ(second.get_owner_shard(), 1U);
        EXPECT_EQ(second.get(), first.get());
        co_await first.destroy();
        EXPECT_EQ(deaths, 0);
        co_await second.destroy();
        EXPECT_EQ(deaths, 1);
    });
}

}  // namespace
