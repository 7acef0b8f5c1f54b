// The test helpers fail when they should: dropped failures, bodies that throw.
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <shale/core/async/coroutine.hh>
#include <shale/core/testing/testing.hh>

using namespace shale;

TEST(testing, fails_a_test_that_drops_a_failed_future_and_names_the_site) {
    EXPECT_NONFATAL_FAILURE(test::run({},
                                      []() -> future<> {
                                          { auto dropped = make_exception_future<>(std::runtime_error("unseen")); }
                                          co_return;
                                      }),
                            "testing_test.cc");
}

TEST(testing, fails_a_test_that_gives_up_a_promise) {
    EXPECT_NONFATAL_FAILURE(test::run({},
                                      []() -> future<> {
                                          promise<> given_up;
                                          {
                                              auto f = given_up.get_future();
                                              promise<> last = std::move(given_up);
                                              (void)f.then([] {});
                                          }
                                          co_return;
                                      }),
                            "broken promise");
}

TEST(testing, fails_a_test_whose_body_throws) {
    EXPECT_NONFATAL_FAILURE(test::run({},
                                      []() -> future<> {
                                          co_await yield_now();
                                          throw std::runtime_error("thrown");
                                      }),
                            "thrown");
}

TEST(testing_death, ends_a_test_that_waits_for_ever) {
    EXPECT_DEATH(test::run({},
                           []() -> future<> {
                               promise<> never;
                               co_await never.get_future();
                           }),
                 "");
}

SHALE_TEST_EVERY_SHARD(testing, runs_on_every_shard) {
    static unsigned runs = 0;
    ++runs;
    EXPECT_LE(runs, 7U) << "1 + 2 + 4 shards";
    co_return;
}
