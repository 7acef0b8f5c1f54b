// The parts of the histogram that are not hot.
#include "histogram.hh"

#include <algorithm>
#include <cmath>

namespace shale {

void histogram::merge(const histogram& other) noexcept {
    for (std::size_t i = 0; i < bucket_count; ++i) {
        buckets_[i] += other.buckets_[i];
    }
    count_ += other.count_;
    sum_ += other.sum_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
}

std::uint64_t histogram::quantile(double q) const noexcept {
    if (count_ == 0) {
        return 0;
    }
    if (!(q > 0)) {
        return min_;
    }
    if (q >= 1) {
        return max_;
    }
    // The rank of the wanted value, counted from 1: ceil(q * count), guarded against rounding past the ends.
    const double exact_rank = std::ceil(q * static_cast<double>(count_));
    const auto rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(exact_rank), 1, count_);
    std::uint64_t seen = 0;
    for (std::size_t i = bucket_of(min_); i < bucket_count; ++i) {
        seen += buckets_[i];
        if (seen >= rank) {
            const std::uint64_t middle = bucket_first(i) + (bucket_last(i) - bucket_first(i)) / 2;
            return std::clamp(middle, min_, max_);
        }
    }
    return max_;
}

std::uint64_t histogram::count_at_most(std::uint64_t value) const noexcept {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < bucket_count && bucket_last(i) <= value; ++i) {
        total += buckets_[i];
    }
    return total;
}

}  // namespace shale
