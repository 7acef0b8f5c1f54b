// A histogram of latencies (or sizes) that is cheap to record into, small, and mergeable: quantiles of all shards are
// the quantiles of their merged histograms.
//
// Log-linear, like HdrHistogram: each power of two is divided into 16 equal buckets, so a reported quantile is off by
// at most 1/32 (3.1 %) whatever its size; values under 32 are exact. The whole range of 64 bits is covered, so nothing
// is ever clamped. Recording is a few instructions and touches one bucket and four words. Belongs to one shard; copy it
// to carry a snapshot elsewhere.
#pragma once

#include "time.hh"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace shale {

class histogram {
public:
    static constexpr unsigned sub_bits = 4;
    static constexpr std::size_t bucket_count = (64 - sub_bits + 1) << sub_bits;

    void record(std::uint64_t value) noexcept { record(value, 1); }
    void record(duration d) noexcept { record(d.count() < 0 ? 0 : static_cast<std::uint64_t>(d.count())); }

    /// As `times` calls of record(value).
    void record(std::uint64_t value, std::uint64_t times) noexcept {
        buckets_[bucket_of(value)] += times;
        count_ += times;
        sum_ += static_cast<double>(value) * static_cast<double>(times);
        min_ = times > 0 && value < min_ ? value : min_;
        max_ = times > 0 && value > max_ ? value : max_;
    }

    void merge(const histogram& other) noexcept;
    void clear() noexcept { *this = histogram(); }

    std::uint64_t count() const noexcept { return count_; }
    double sum() const noexcept { return sum_; }
    double mean() const noexcept { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

    /// Exact. 0 when nothing was recorded.
    std::uint64_t min() const noexcept { return count_ == 0 ? 0 : min_; }
    std::uint64_t max() const noexcept { return max_; }

    /// A value that a share `q` (0 to 1) of the recorded ones does not exceed, within 1/32. 0 when nothing was
    /// recorded. q = 0 and q = 1 are exact.
    std::uint64_t quantile(double q) const noexcept;

    /// How many recorded values lie in buckets wholly at or below `value`: for exporters with bounds of their own.
    std::uint64_t count_at_most(std::uint64_t value) const noexcept;

    /// The buckets themselves: bucket i holds the values from bucket_first(i) to bucket_last(i).
    std::uint64_t count_in(std::size_t bucket) const noexcept { return buckets_[bucket]; }

    static constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
        constexpr std::uint64_t linear = std::uint64_t{2} << sub_bits;
        if (value < linear) {
            return static_cast<std::size_t>(value);
        }
        const auto shift = static_cast<unsigned>(std::bit_width(value)) - (sub_bits + 1);
        return (static_cast<std::size_t>(shift) << sub_bits) + static_cast<std::size_t>(value >> shift);
    }

    static constexpr std::uint64_t bucket_first(std::size_t bucket) noexcept {
        const std::size_t octave = bucket >> sub_bits;
        if (octave < 2) {
            return bucket;
        }
        const std::size_t digit = (bucket & ((1U << sub_bits) - 1)) | (1U << sub_bits);
        return static_cast<std::uint64_t>(digit) << (octave - 1);
    }

    static constexpr std::uint64_t bucket_last(std::size_t bucket) noexcept {
        return bucket + 1 == bucket_count ? std::numeric_limits<std::uint64_t>::max() : bucket_first(bucket + 1) - 1;
    }

private:
    std::uint64_t count_ = 0;
    double sum_ = 0;
    std::uint64_t min_ = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t max_ = 0;
    std::array<std::uint64_t, bucket_count> buckets_{};
};

}  // namespace shale
