// The histogram covers 64 bits without gaps, keeps its error bound, and merges as if recorded together.
#include <gtest/gtest.h>

#include <shale/core/base/histogram.hh>
#include <shale/core/base/random.hh>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

namespace {

using namespace shale;

constexpr std::uint64_t top = std::numeric_limits<std::uint64_t>::max();

TEST(histogram, buckets_follow_each_other_without_gap_or_overlap) {
    EXPECT_EQ(histogram::bucket_first(0), 0u);
    for (std::size_t i = 0; i < histogram::bucket_count; ++i) {
        ASSERT_EQ(histogram::bucket_of(histogram::bucket_first(i)), i);
        ASSERT_EQ(histogram::bucket_of(histogram::bucket_last(i)), i);
        if (i + 1 < histogram::bucket_count) {
            ASSERT_EQ(histogram::bucket_last(i) + 1, histogram::bucket_first(i + 1));
        }
    }
    EXPECT_EQ(histogram::bucket_last(histogram::bucket_count - 1), top);
}

TEST(histogram, buckets_are_at_most_a_sixteenth_wide) {
    for (std::size_t i = 1; i < histogram::bucket_count; ++i) {
        const std::uint64_t width = histogram::bucket_last(i) - histogram::bucket_first(i);
        ASSERT_LE(width, histogram::bucket_first(i) / 16) << i;
    }
}

TEST(histogram, of_nothing_is_all_zero) {
    const auto h = std::make_unique<histogram>();
    EXPECT_EQ(h->count(), 0u);
    EXPECT_EQ(h->min(), 0u);
    EXPECT_EQ(h->max(), 0u);
    EXPECT_EQ(h->mean(), 0.0);
    EXPECT_EQ(h->quantile(0.5), 0u);
    EXPECT_EQ(h->count_at_most(top), 0u);
}

TEST(histogram, of_one_value_answers_it_at_every_quantile) {
    for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{123'456'789}, top}) {
        histogram h;
        h.record(value);
        for (const double q : {0.0, 0.001, 0.5, 0.999, 1.0}) {
            EXPECT_EQ(h.quantile(q), value);
        }
        EXPECT_EQ(h.min(), value);
        EXPECT_EQ(h.max(), value);
        EXPECT_DOUBLE_EQ(h.mean(), static_cast<double>(value));
    }
}

TEST(histogram, is_exact_for_small_values) {
    histogram h;
    for (std::uint64_t value = 0; value < 32; ++value) {
        h.record(value);
    }
    for (std::uint64_t value = 0; value < 32; ++value) {
        EXPECT_EQ(h.quantile(static_cast<double>(value + 1) / 32), value);
        EXPECT_EQ(h.count_at_most(value), value + 1);
    }
}

TEST(histogram, quantiles_are_within_a_thirty_second_of_the_truth) {
    random_engine random(1);
    histogram h;
    std::vector<std::uint64_t> values;
    for (int i = 0; i < 50'000; ++i) {
        values.push_back(static_cast<std::uint64_t>(random.exponential(80'000)) >> random.below(12));
        h.record(values.back());
    }
    std::sort(values.begin(), values.end());
    for (const double q : {0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
        const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size())));
        const auto truth = static_cast<double>(values[std::max<std::size_t>(rank, 1) - 1]);
        EXPECT_NEAR(static_cast<double>(h.quantile(q)), truth, truth / 32 + 0.5) << q;
    }
    EXPECT_EQ(h.min(), values.front());
    EXPECT_EQ(h.max(), values.back());
}

TEST(histogram, quantiles_never_fall_as_q_grows) {
    random_engine random(2);
    histogram h;
    for (int i = 0; i < 1000; ++i) {
        h.record(random() >> random.below(64));
    }
    std::uint64_t last = 0;
    for (double q = 0; q <= 1; q += 0.001) {
        ASSERT_GE(h.quantile(q), last);
        last = h.quantile(q);
    }
}

TEST(histogram, merging_equals_recording_together) {
    random_engine random(3);
    histogram a;
    histogram b;
    histogram both;
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t value = random() >> random.below(64);
        (i % 3 == 0 ? a : b).record(value);
        both.record(value);
    }
    a.merge(b);
    EXPECT_EQ(a.count(), both.count());
    EXPECT_EQ(a.min(), both.min());
    EXPECT_EQ(a.max(), both.max());
    EXPECT_NEAR(a.mean(), both.mean(), both.mean() * 1e-9);
    for (std::size_t i = 0; i < histogram::bucket_count; ++i) {
        ASSERT_EQ(a.count_in(i), both.count_in(i));
    }
    both.merge(histogram());
    EXPECT_EQ(a.min(), both.min());
}

TEST(histogram, records_a_value_many_times_at_once) {
    histogram h;
    h.record(100, 3);
    h.record(7, 0);
    EXPECT_EQ(h.count(), 3u);
    EXPECT_EQ(h.min(), 100u);
    EXPECT_DOUBLE_EQ(h.mean(), 100.0);
}

TEST(histogram, takes_durations_as_nanoseconds) {
    histogram h;
    h.record(25us);
    h.record(-5ns);
    EXPECT_EQ(h.max(), 25'000u);
    EXPECT_EQ(h.min(), 0u);
}

TEST(histogram, forgets_when_cleared) {
    histogram h;
    h.record(5);
    h.clear();
    EXPECT_EQ(h.count(), 0u);
    EXPECT_EQ(h.quantile(1), 0u);
}

}  // namespace
