// The storage without a disk. See memory_storage.hh: tests use it to bring about every order of events.
#include "memory_storage.hh"

#include <utility>
#include <vector>

#include "size_class.hh"

namespace shale::kv {

namespace {

constexpr std::uint64_t header_bytes = 32;

std::uint64_t record_bytes(const record& of) noexcept {
    return header_bytes + of.key.size() + of.value.size();
}

}  // namespace

std::expected<storage::appended, std::string_view> memory_storage::append_put(const record& added) {
    if (!refusal_.empty()) {
        return std::unexpected(std::string_view(refusal_));
    }
    const std::uint64_t bytes = record_bytes(added);
    const index_entry where{location_, size_class_of(bytes)};
    location_ = (location_ + (bytes + 15) / 16) & ((std::uint64_t{1} << index::location_bits) - 1);
    stats_.appended_bytes += bytes;
    if (keep_) {
        records_[where.location] = {std::string(added.key), std::string(added.value), added.expire_ms};
    }
    return appended{where, ++sequence_};
}

std::uint64_t memory_storage::append_erase(std::string_view key) {
    stats_.appended_bytes += header_bytes + key.size();
    return ++sequence_;
}

std::uint64_t memory_storage::append_flush() {
    records_.clear();
    return ++sequence_;
}

void memory_storage::retire(index_entry where, std::uint64_t) noexcept {
    records_.erase(where.location);
}

void memory_storage::commit() {
    committed_ = sequence_;
    ++stats_.commits;
    client_->committed(committed_);
}

void memory_storage::read(storage_read& read) noexcept {
    ++stats_.reads;
    if (held_) {
        reads_.push_back(&read);
    } else {
        complete(read);
    }
}

void memory_storage::finish_read() {
    storage_read* const read = reads_.front();
    reads_.pop_front();
    complete(*read);
}

void memory_storage::fail_read(std::string why) {
    storage_read* const read = reads_.front();
    reads_.pop_front();
    read->failure = std::move(why);
    read->done(*read);
}

void memory_storage::complete(storage_read& read) noexcept {
    // A record that has gone meanwhile gives one of no key, as a recycled segment would.
    const auto at = records_.find(read.where.location);
    const stored copy = at == records_.end() ? stored{} : at->second;
    read.found = {copy.key, copy.value, copy.expire_ms};
    read.done(read);
}

void memory_storage::move_everything() {
    std::vector<std::uint64_t> locations;
    for (const auto& [location, unused] : records_) {
        locations.push_back(location);
    }
    for (const std::uint64_t location : locations) {
        const stored copy = records_.at(location);
        const record moved{copy.key, copy.value, copy.expire_ms};
        if (client_->is_live(moved, location)) {
            client_->moved(moved, location, append_put(moved)->where);
        }
        records_.erase(location);
    }
}

}  // namespace shale::kv
