// Deleters: whose last owner frees what.
#include <gtest/gtest.h>
#include <shale/core/shard/deleter.hh>

#include <memory>

using shale::deleter;

TEST(deleter, keeps_an_object_until_the_last_owner_is_gone) {
    auto object = std::make_shared<int>(7);
    std::weak_ptr<int> watch = object;
    {
        deleter first = shale::make_object_deleter(std::move(object));
        deleter second = first.share();
        first = {};
        EXPECT_FALSE(watch.expired());
    }
    EXPECT_TRUE(watch.expired());
}

TEST(deleter, an_empty_one_shares_as_an_empty_one) {
    deleter none;
    EXPECT_FALSE(none.share());
    EXPECT_FALSE(shale::make_free_deleter(nullptr));
}
