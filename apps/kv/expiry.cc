// The expiry queue's levels. See expiry.hh for why it is no heap.
#include "expiry.hh"

#include <algorithm>
#include <iterator>
#include <utility>

namespace shale::kv {

void expiry_queue::insert(pair added) {
    ++size_;
    if (blocks_.empty()) {
        blocks_.emplace(added, block{added});
        return;
    }
    auto into = blocks_.upper_bound(added);
    if (into == blocks_.begin()) {
        // Lower than every bound: the first block takes it, under a new bound.
        auto node = blocks_.extract(into);
        node.key() = added;
        into = blocks_.insert(blocks_.begin(), std::move(node));
    } else {
        --into;
    }
    block& pairs = into->second;
    if (pairs.size() == block_max) {
        // Times mostly come in order: a pair behind the last of the queue starts a block instead of halving one.
        if (std::next(into) == blocks_.end() && pairs.back() <= added) {
            blocks_.emplace_hint(blocks_.end(), added, block{added});
            return;
        }
        block upper(pairs.begin() + block_max / 2, pairs.end());
        pairs.resize(block_max / 2);
        const auto split = blocks_.emplace_hint(std::next(into), upper.front(), std::move(upper));
        if (added >= split->first) {
            into = split;
        }
    }
    block& target = into->second;
    target.insert(std::upper_bound(target.begin(), target.end(), added), added);
}

void expiry_queue::take(blocks::iterator from, std::size_t at) {
    --size_;
    block& pairs = from->second;
    pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(at));
    if (pairs.empty()) {
        blocks_.erase(from);
        return;
    }
    const auto next = std::next(from);
    if (pairs.size() < block_max / 4 && next != blocks_.end() && next->second.size() < block_max / 4) {
        pairs.insert(pairs.end(), next->second.begin(), next->second.end());
        blocks_.erase(next);
    }
}

bool expiry_queue::erase(pair removed) {
    auto from = blocks_.upper_bound(removed);
    while (from != blocks_.begin()) {
        --from;
        const block& pairs = from->second;
        const auto found = std::lower_bound(pairs.begin(), pairs.end(), removed);
        if (found != pairs.end() && *found == removed) {
            take(from, static_cast<std::size_t>(found - pairs.begin()));
            return true;
        }
        if (from->first < removed) {
            return false;  // equal pairs may reach back over several blocks, but not beyond this one
        }
    }
    return false;
}

std::optional<expiry_queue::pair> expiry_queue::front() const {
    if (blocks_.empty()) {
        return std::nullopt;
    }
    return blocks_.begin()->second.front();
}

std::optional<expiry_queue::pair> expiry_queue::pop_due(std::int64_t now_ms) {
    const auto first = front();
    if (!first || first->expire_ms > now_ms) {
        return std::nullopt;
    }
    take(blocks_.begin(), 0);
    return first;
}

std::size_t expiry_queue::memory_bytes() const noexcept {
    constexpr std::size_t node = 48 + sizeof(blocks::value_type);
    return blocks_.size() * (node + block_max * sizeof(pair) * 3 / 4);
}

void expiry_queue::clear() noexcept {
    blocks_.clear();
    size_ = 0;
}

}  // namespace shale::kv
