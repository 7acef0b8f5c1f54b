// A platform whose disk is in memory: for tests of what files and logs do when the disk misbehaves.
//
// It keeps two states of every file and name: what reads see, and what would be left after a power loss. Requests take
// a random, virtual time and complete in any order. power_off() draws what the disk holds afterwards - unsynced writes
// by 512-byte sectors, names by a prefix of what was done - and fails everything from then on, so that the program
// under test can unwind; disk() of the next platform is that. Errors are planted with `fault`. One shard.
#pragma once

#include <shale/core/base/random.hh>
#include <shale/core/shard/platform.hh>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace shale::test {

struct memory_file {
    std::vector<std::byte> seen;     ///< what reads give
    std::vector<std::byte> durable;  ///< what a power loss leaves
    struct write {
        std::uint64_t offset;
        std::vector<std::byte> bytes;
    };
    std::vector<write> unsynced;
};

using memory_names = std::map<std::string, std::shared_ptr<memory_file>>;  ///< null: a directory

/// Files by path. "/" is there.
struct memory_image {
    memory_names names{{"/", nullptr}};

    /// With files of its own.
    memory_image copy() const {
        memory_image made = *this;
        for (auto& [path, file] : made.names) {
            file = file ? std::make_shared<memory_file>(*file) : nullptr;
        }
        return made;
    }
};

struct memory_disk_options {
    std::uint64_t seed = 1;
    std::uint64_t capacity = ~std::uint64_t{0};  ///< bytes of all files
    std::uint64_t latency_ns = 100'000;          ///< on average
    unsigned alignment = 512;                    ///< 0: no direct I/O
};

class memory_disk final : public platform {
public:
    explicit memory_disk(memory_disk_options options = {}, memory_image image = {});

    std::uint64_t now() noexcept override { return now_ns_; }
    std::int64_t wall() noexcept override { return static_cast<std::int64_t>(now_ns_); }
    void entropy(std::span<std::byte> out) noexcept override;
    unsigned submit(io_request* const* requests, unsigned count) noexcept override;
    unsigned reap(io_request** done, unsigned max) noexcept override;
    void wait(std::uint64_t deadline) noexcept override;
    void wake() noexcept override {}

    /// What is on the disk as programs see it. Its files are shared with the platform.
    memory_image image() const { return {names_}; }
    /// The file's bytes, to be looked at and changed behind the program's back.
    std::vector<std::byte>& bytes(const std::string& path) { return names_.at(path)->seen; }

    /// Cuts the power and gives what is left.
    memory_image power_off();
    bool is_off() const noexcept { return off_; }

    /// Asked before each request is done; a negative result is its outcome. Null: none.
    std::function<std::int32_t(const io_request&)> fault;
    /// Writes take a part only, now and then.
    bool short_transfers = false;
    std::uint64_t capacity;

    std::uint64_t count(io_op op) const { return counts_.contains(op) ? counts_.at(op) : 0; }
    std::uint64_t dsync_writes = 0;
    unsigned open_files() const noexcept { return static_cast<unsigned>(open_.size()); }

private:
    struct in_flight {
        std::uint64_t done_ns;
        io_request* request;
    };
    struct name_change {
        std::function<void(memory_names&)> apply;
        std::string directory;
    };

    std::int32_t perform(io_request& r);
    std::int32_t open(const io_request& r);
    std::int32_t read(const io_request& r, std::span<std::byte> to, std::uint64_t offset);
    std::int32_t write(const io_request& r, std::span<const std::byte> from, std::uint64_t offset);
    std::int32_t vectored(io_request& r);
    std::int32_t fill_stat(const io_request& r);
    std::int32_t rename(const io_request& r);
    std::int32_t list(const io_request& r);
    std::int32_t resize(const io_request& r, std::uint64_t size, bool reserve);
    void sync(memory_file& f);
    void change_names(std::string directory, std::function<void(memory_names&)> apply);
    std::uint64_t used() const;
    bool exists(const std::string& path) const { return names_.contains(path); }

    memory_disk_options options_;
    random_engine random_;
    std::uint64_t now_ns_ = 1'000'000'000;
    memory_names names_;
    memory_names durable_names_;
    std::vector<name_change> unsynced_names_;
    struct opened {
        std::string path;
        std::shared_ptr<memory_file> data;
        bool listed = false;
    };
    std::map<int, opened> open_;
    int next_fd_ = 3;
    std::vector<in_flight> in_flight_;
    std::map<io_op, std::uint64_t> counts_;
    bool off_ = false;
};

}  // namespace shale::test
