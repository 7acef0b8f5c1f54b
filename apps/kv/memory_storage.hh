// A storage without a disk: for a server that need not be durable, and for tests.
//
// As `forget` it keeps nothing: the engine's cache, without a budget, is the store, and what is appended is durable at
// once. As `keep` it holds a copy of every live record, so that entries may be evicted and read back; commits and reads
// are then completed one by one when the test says so (hold()), which brings every order of events about on purpose.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "storage.hh"

namespace shale::kv {

class memory_storage final : public storage {
public:
    enum class mode : std::uint8_t { forget, keep };

    explicit memory_storage(mode kept = mode::forget) : keep_(kept == mode::keep) {}

    /// To be called before the first append.
    void set_client(storage_client& client) noexcept { client_ = &client; }

    /// From now on commits wait for commit() and reads for finish_read().
    void hold() noexcept { held_ = true; }
    void commit();
    std::size_t reads_waiting() const noexcept { return reads_.size(); }
    void finish_read();
    /// Fails the read that has waited longest.
    void fail_read(std::string why);
    void refuse(std::string why) { refusal_ = std::move(why); }

    /// Copies every record that is live to a new place, as compaction does.
    void move_everything();

    std::expected<appended, std::string_view> append_put(const record& added) override;
    std::uint64_t append_erase(std::string_view key) override;
    std::uint64_t append_flush() override;
    std::string_view begin_group(group_kind kind, std::size_t, std::uint64_t) override {
        return kind == group_kind::puts ? refusal() : std::string_view();
    }
    void end_group() noexcept override {}
    std::string_view refusal() const noexcept override { return refusal_; }
    std::uint64_t committed() const noexcept override { return held_ ? committed_ : sequence_; }
    std::uint64_t appended_sequence() const noexcept override { return sequence_; }
    void retire(index_entry where, std::uint64_t bytes) noexcept override;
    void read(storage_read& read) noexcept override;
    void compact() override {}
    storage_stats stats() const noexcept override { return stats_; }

private:
    struct stored {
        std::string key;
        std::string value;
        std::int64_t expire_ms;
    };

    void complete(storage_read& read) noexcept;

    storage_client* client_ = nullptr;
    const bool keep_;
    bool held_ = false;
    std::uint64_t sequence_ = 0;
    std::uint64_t committed_ = 0;
    std::uint64_t location_ = 0;
    std::map<std::uint64_t, stored> records_;
    std::deque<storage_read*> reads_;
    std::string refusal_;
    storage_stats stats_;
};

}  // namespace shale::kv
