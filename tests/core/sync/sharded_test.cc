// Sharded services, on simulated shards.
#include <gmock/gmock.h>

#include <functional>
#include <shale/core/shard/sleep.hh>
#include <shale/core/sync/sharded.hh>
#include <shale/core/testing/testing.hh>
#include <string>
#include <vector>

namespace {

using namespace shale;

/// On shard 0 of worlds of 1, 2 and 4 shards.
void on_worlds(const test::body& body) {
    for (unsigned shards : {1U, 2U, 4U}) {
        SCOPED_TRACE(testing::Message() << shards << " shards");
        test::run({.shards = shards}, body);
    }
}

struct events {
    std::vector<unsigned> made = std::vector<unsigned>(8);
    std::vector<unsigned> stopped = std::vector<unsigned>(8);
    std::vector<unsigned> destroyed = std::vector<unsigned>(8);
};
unsigned sum(const std::vector<unsigned>& values) {
    unsigned total = 0;
    for (unsigned value : values) {
        total += value;
    }
    return total;
}

class counter {
public:
    explicit counter(events& e, int start = 0, std::string name = {})
        : events_(e), home_(this_shard_id()), value_(start), name_(std::move(name)) {
        ++events_.made[home_];
    }
    ~counter() {
        EXPECT_EQ(home_, this_shard_id());
        ++events_.destroyed[home_];
    }
    future<> stop() {
        co_await sleep(1ms);
        EXPECT_EQ(home_, this_shard_id());
        EXPECT_EQ(sum(events_.destroyed), 0U) << "all are stopped before one is destroyed";
        ++events_.stopped[home_];
    }
    void add(int n) { value_ += n; }
    int get() const { return value_; }
    future<int> get_later() {
        co_await sleep(1ms);
        co_return value_;
    }
    unsigned home() const { return home_; }
    const std::string& name() const { return name_; }

private:
    events& events_;
    unsigned home_;
    int value_;
    std::string name_;
};

TEST(sharded, starts_and_stops_one_instance_a_shard) {
    on_worlds([]() -> future<> {
        const unsigned n = smp::shard_count();
        events seen;
        sharded<counter> counters;
        EXPECT_FALSE(counters.local_is_initialized());
        co_await counters.start(std::ref(seen), 5, std::string("name"));
        EXPECT_TRUE(counters.local_is_initialized());
        EXPECT_EQ(sum(seen.made), n);
        for (unsigned id : smp::all_shards()) {
            EXPECT_EQ(seen.made[id], 1U);
            auto name = counters.invoke_on(id, [](counter& c) { return c.name(); });
            const std::string got = co_await std::move(name);
            EXPECT_EQ(got, "name");
        }
        co_await counters.stop();
        EXPECT_EQ(sum(seen.stopped), n);
        EXPECT_EQ(sum(seen.destroyed), n);
        EXPECT_FALSE(counters.local_is_initialized());
        co_await counters.stop();  // nothing to do
    });
}

TEST(sharded, can_be_started_again) {
    on_worlds([]() -> future<> {
        sharded<counter> counters;
        for (int round = 0; round < 2; ++round) {
            events seen;
            co_await counters.start(std::ref(seen));
            co_await counters.stop();
            EXPECT_EQ(sum(seen.destroyed), smp::shard_count());
        }
    });
}

TEST(sharded, starts_on_shard_0_alone) {
    on_worlds([]() -> future<> {
        events seen;
        sharded<counter> counters;
        co_await counters.start_single(std::ref(seen), 3);
        EXPECT_EQ(sum(seen.made), 1U);
        const unsigned last = smp::shard_count() - 1;
        const bool there = co_await smp::submit_to(last, [&] { return counters.local_is_initialized(); });
        EXPECT_EQ(there, last == 0);
        co_await counters.stop();
        EXPECT_EQ(sum(seen.stopped), 1U);
    });
}

TEST(sharded, names_the_service_where_there_is_no_instance) {
    on_worlds([]() -> future<> {
        sharded<counter> counters;
        try {
            counters.local();
            ADD_FAILURE();
        } catch (const no_sharded_instance_exception& e) {
            EXPECT_THAT(e.what(), testing::HasSubstr("counter"));
        }
        co_return;
    });
}

class fails_on_last_shard {
public:
    explicit fails_on_last_shard(events& e) : events_(e) {
        if (this_shard_id() + 1 == smp::shard_count()) {
            throw std::runtime_error("no room");
        }
        ++events_.made[this_shard_id()];
    }
    ~fails_on_last_shard() { ++events_.destroyed[this_shard_id()]; }
    void stop() { ++events_.stopped[this_shard_id()]; }

private:
    events& events_;
};

TEST(sharded, stops_what_was_started_when_one_shard_fails) {
    on_worlds([]() -> future<> {
        events seen;
        sharded<fails_on_last_shard> services;
        auto outcome = co_await as_result(services.start(std::ref(seen)));
        EXPECT_FALSE(outcome.has_value());
        EXPECT_EQ(sum(seen.made), smp::shard_count() - 1);
        EXPECT_EQ(seen.stopped, seen.made);
        EXPECT_EQ(seen.destroyed, seen.made);
        EXPECT_FALSE(services.local_is_initialized());
    });
}

TEST(sharded, invokes_on_one_some_all_and_others) {
    on_worlds([]() -> future<> {
        const int n = static_cast<int>(smp::shard_count());
        events seen;
        sharded<counter> counters;
        co_await counters.start(std::ref(seen));
        co_await counters.invoke_on_all(&counter::add, 1);
        co_await counters.invoke_on_others([](counter& c) { c.add(10); });
        co_await counters.invoke_on(std::views::iota(0U, smp::shard_count()), [](counter& c) { c.add(100); });
        co_await counters.invoke_on(smp::shard_count() - 1, &counter::add, 1000);
        const int total = co_await counters.map_reduce0(std::mem_fn(&counter::get), 0, std::plus<int>());
        EXPECT_EQ(total, n + (n - 1) * 10 + n * 100 + 1000);
        const int later = co_await counters.invoke_on(0, &counter::get_later);
        EXPECT_EQ(later, n == 1 ? 1101 : 101);
        co_await counters.stop();
    });
}

TEST(sharded, maps_and_reduces_in_the_order_of_shards) {
    on_worlds([]() -> future<> {
        events seen;
        sharded<counter> counters;
        co_await counters.start(std::ref(seen), 2);
        const auto homes = co_await counters.map([](counter& c) { return c.home(); });
        for (unsigned id : smp::all_shards()) {
            EXPECT_EQ(homes[id], id);
        }
        const int added = co_await counters.map_reduce(adder<int>(), &counter::get_later);
        EXPECT_EQ(added, 2 * static_cast<int>(smp::shard_count()));
        std::string digits;
        co_await counters.map_reduce(
            [&digits](std::string digit) -> future<> {
                co_await sleep(1us);
                digits += digit;
            },
            [](counter& c) { return std::to_string(c.home()); });
        EXPECT_EQ(digits, std::string("0123").substr(0, smp::shard_count()));
        co_await counters.stop();
    });
}

TEST(sharded, waits_for_all_shards_when_a_map_fails) {
    on_worlds([]() -> future<> {
        events seen;
        sharded<counter> counters;
        co_await counters.start(std::ref(seen));
        std::vector<std::uint8_t> done(smp::shard_count());
        auto mapped = counters.map([&done](counter&) -> future<int> {
            co_await sleep(1ms);
            done[this_shard_id()] = 1;
            throw std::runtime_error("no");
        });
        auto outcome = co_await as_result(std::move(mapped));
        EXPECT_FALSE(outcome.has_value());
        EXPECT_THAT(done, testing::Each(1));
        co_await counters.stop();
    });
}

/// Gets the local counter, and a number that each shard computes.
class user : public peering_sharded_service<user> {
public:
    user(counter& c, unsigned number) : counter_(c), number_(number) {}
    unsigned number() const { return number_; }
    unsigned home_of_counter() const { return counter_.home(); }
    future<unsigned> sum_of_numbers() {
        return container().map_reduce0(std::mem_fn(&user::number), 0U, std::plus<unsigned>());
    }

private:
    counter& counter_;
    unsigned number_;
};

TEST(sharded, gives_each_shard_its_own_instances_and_parameters) {
    on_worlds([]() -> future<> {
        const unsigned n = smp::shard_count();
        events seen;
        sharded<counter> counters;
        sharded<user> users;
        co_await counters.start(std::ref(seen));
        co_await users.start(
            std::ref(counters),
            sharded_parameter([](unsigned base, counter& c) { return base + c.home(); }, 100U, std::ref(counters)));
        const auto numbers = co_await users.map(std::mem_fn(&user::number));
        const auto homes = co_await users.map(std::mem_fn(&user::home_of_counter));
        for (unsigned id : smp::all_shards()) {
            EXPECT_EQ(numbers[id], 100 + id);
            EXPECT_EQ(homes[id], id);
        }
        const unsigned total = co_await users.invoke_on(n - 1, &user::sum_of_numbers);
        EXPECT_EQ(total, n * 100 + n * (n - 1) / 2);
        co_await users.stop();
        co_await counters.stop();
    });
}

}  // namespace
