// What every case of the contract stands on: requests run to their end on whichever side is tested, and a few words for
// the usual ones. A case states what holds on both sides, in requests alone: no system call, no time that is measured.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include <shale/tests/core/linux/operation.hh>
#include "side.hh"

namespace shale::contract {

/// A path as the requests want it.
inline void* text(const std::string& path) {
    return const_cast<char*>(path.c_str());
}

class contract_case : public ::testing::TestWithParam<side_kind> {
protected:
    ~contract_case() override;

    /// Offers requests in order; what the platform does not take is offered again by later turns.
    void submit(std::span<io_request* const> all, unsigned shard = 0);
    void submit(std::initializer_list<io_request*> all, unsigned shard = 0) {
        submit(std::span(std::data(all), all.size()), shard);
    }
    void submit(io_request& one, unsigned shard = 0) { submit({&one}, shard); }

    /// One look at what has finished on all shards that were used; returns how much.
    unsigned turn();

    /// Turns until `condition`, at most half a minute, which only a hang needs.
    bool until(const std::function<bool()>& condition);

    /// Turns for as long as something that could happen by itself usually takes: for what must not happen.
    void settle();

    /// Submits, waits, gives the result.
    int run(operation& o, unsigned shard = 0);
    int run(io_op op, int fd = -1, void* data = nullptr, std::size_t size = 0, std::uint64_t offset = 0,
            void* extra = nullptr, unsigned shard = 0);

    /// Waits for a request that was submitted before, and gives its result.
    int finish(operation& o);

    /// io_op::cancel.
    int cancel(operation& target, unsigned shard = 0) { return run(io_op::cancel, -1, nullptr, 0, 0, &target, shard); }

    /// A name in the directory of this case, absolute.
    std::string path(std::string_view name) const;
    /// The same from the working directory.
    std::string relative(std::string_view name) const;

    int open(const std::string& where, int flags, unsigned mode = 0600);
    /// Opens what must be there.
    int opened(std::string_view name, int flags, unsigned mode = 0600);
    int close(int fd);
    int mkdir(const std::string& where) { return run(io_op::mkdir, -1, text(where), 0700); }
    int unlink(const std::string& where, unsigned flags = 0) { return run(io_op::unlink, -1, text(where), flags); }
    int rename(const std::string& from, const std::string& to, unsigned flags = 0) {
        return run(io_op::rename, -1, text(from), flags, 0, text(to));
    }

    int write(int fd, std::string_view data, std::uint64_t offset = 0);
    /// What a read of `size` bytes gives; "error 9" for -EBADF.
    std::string read(int fd, std::size_t size, std::uint64_t offset = 0);
    /// A file with that content, closed.
    void put(std::string_view name, std::string_view content);
    /// The whole of a file of at most 1 MiB.
    std::string get(std::string_view name);
    std::uint64_t size_of(int fd);

    /// A descriptor that the end of the case closes.
    int keep(int fd);

    side& outside() { return *side_; }

private:
    void offer(unsigned shard);

    std::unique_ptr<side> side_ = make_side(GetParam());
    std::deque<io_request*> offered_[shard_count];
    bool used_[shard_count] = {true};
    std::set<int> open_;
};

/// For INSTANTIATE_TEST_SUITE_P.
inline auto all_sides() {
    return ::testing::Values(side_kind::linux_spinning, side_kind::linux_sleeping, side_kind::linux_batching,
                             side_kind::simulated);
}
/// Those on which a Unix socket's path is a file: the simulated disk and network do not know each other's names yet.
inline auto sides_with_socket_files() {
    return ::testing::Values(side_kind::linux_spinning, side_kind::linux_sleeping, side_kind::linux_batching);
}
std::string name_of(const ::testing::TestParamInfo<side_kind>& info);

}  // namespace shale::contract
