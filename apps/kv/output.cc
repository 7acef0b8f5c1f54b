// The chained buffer that replies are appended to. Blocks grow with what is queued and go when it has been sent.
#include "output.hh"

#include <algorithm>
#include <cstring>
#include <utility>

namespace shale::kv {

namespace {

constexpr std::size_t block_bytes = 16 * 1024;
constexpr std::size_t block_bytes_max = 256 * 1024;

}  // namespace

output::output(output&& other) noexcept
    : pieces_(std::move(other.pieces_)),
      first_(std::exchange(other.first_, 0)),
      end_(std::exchange(other.end_, nullptr)),
      limit_(std::exchange(other.limit_, nullptr)),
      size_(std::exchange(other.size_, 0)) {
    other.pieces_.clear();
}

output& output::operator=(output&& other) noexcept {
    if (this != &other) {
        release();
        pieces_ = std::move(other.pieces_);
        other.pieces_.clear();
        first_ = std::exchange(other.first_, 0);
        end_ = std::exchange(other.end_, nullptr);
        limit_ = std::exchange(other.limit_, nullptr);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

void output::seal() noexcept {
    if (end_ != nullptr) {
        pieces_.back().end = end_;
        end_ = nullptr;
        limit_ = nullptr;
    }
}

void output::add_block(std::size_t bytes) {
    seal();
    // Blocks grow with what is queued, so that a long queue is few pieces.
    const std::size_t wanted = std::clamp(size_, block_bytes, block_bytes_max);
    piece added;
    added.capacity = std::max(bytes, wanted);
    added.block = std::make_unique_for_overwrite<char[]>(added.capacity);
    added.begin = added.block.get();
    end_ = added.begin;
    limit_ = added.begin + added.capacity;
    pieces_.push_back(std::move(added));
}

void output::append_long(std::string_view text) {
    const auto fits = static_cast<std::size_t>(limit_ - end_);
    if (fits > 0) {
        std::memcpy(end_, text.data(), fits);
        commit(fits);
        text.remove_prefix(fits);
    }
    std::memcpy(reserve(text.size()), text.data(), text.size());
    commit(text.size());
}

void output::attach(std::string_view text, bytes_owner owner) {
    seal();
    piece added;
    added.begin = const_cast<char*>(text.data());  // never written through: an attached piece has no block
    added.end = added.begin + text.size();
    added.owner = owner;
    pieces_.push_back(std::move(added));
    size_ += text.size();
}

void output::append(output&& other) {
    other.seal();
    seal();
    for (std::size_t i = other.first_; i < other.pieces_.size(); ++i) {
        pieces_.push_back(std::move(other.pieces_[i]));
    }
    size_ += std::exchange(other.size_, 0);
    other.pieces_.clear();
    other.first_ = 0;
}

unsigned output::gather(iovec* pieces, unsigned max) const noexcept {
    unsigned count = 0;
    for (std::size_t i = first_; i < pieces_.size() && count < max; ++i) {
        const piece& from = pieces_[i];
        char* const end = i + 1 == pieces_.size() && end_ != nullptr ? end_ : from.end;
        if (end != from.begin) {
            pieces[count++] = {from.begin, static_cast<std::size_t>(end - from.begin)};
        }
    }
    return count;
}

void output::drop(piece& old) noexcept {
    if (old.owner.release != nullptr) {
        old.owner.release(old.owner.owner);
        old.owner = {};
    }
    old.block.reset();
}

void output::consume(std::size_t bytes) noexcept {
    SHALE_ASSERT(bytes <= size_, "{} of {}", bytes, size_);
    size_ -= bytes;
    if (size_ == 0) {
        clear();
        return;
    }
    while (true) {
        piece& front = pieces_[first_];
        char* const end = first_ + 1 == pieces_.size() && end_ != nullptr ? end_ : front.end;
        const auto length = static_cast<std::size_t>(end - front.begin);
        if (bytes < length) {
            front.begin += bytes;
            return;
        }
        bytes -= length;
        drop(front);
        ++first_;
    }
}

std::string output::take_copy() {
    seal();
    std::string all;
    all.reserve(size_);
    for (std::size_t i = first_; i < pieces_.size(); ++i) {
        all.append(pieces_[i].begin, pieces_[i].end);
    }
    clear();
    return all;
}

void output::clear() noexcept {
    seal();
    size_ = 0;
    first_ = 0;
    for (piece& old : pieces_) {
        if (&old != pieces_.data() || old.capacity != block_bytes) {
            drop(old);
        }
    }
    if (!pieces_.empty()) {
        pieces_.resize(pieces_.front().block != nullptr ? 1 : 0);
    }
    if (!pieces_.empty()) {
        piece& kept = pieces_.front();
        kept.begin = kept.block.get();
        end_ = kept.begin;
        limit_ = kept.begin + kept.capacity;
    }
}

void output::release() noexcept {
    for (piece& old : pieces_) {
        drop(old);
    }
    std::vector<piece>().swap(pieces_);
    first_ = 0;
    end_ = nullptr;
    limit_ = nullptr;
    size_ = 0;
}

}  // namespace shale::kv
