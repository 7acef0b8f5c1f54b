// One side of the seam as the contract sees it: some platforms of one runtime, a scratch directory, and time that
// passes.
//
// A case knows nothing else of the side it runs on. What is not a request (waiting, being woken, cleaning up) is done
// through this interface; each side has its own file.
#pragma once

#include <shale/core/shard/platform.hh>

#include <iosfwd>
#include <memory>
#include <span>
#include <string>

namespace shale::contract {

/// The sides, and on the real one the two ways to pass the time, looking again and again and asleep in wait(), and
/// spinning with every transfer of a TCP socket in a batch, which otherwise takes some connections and some time.
enum class side_kind { linux_spinning, linux_sleeping, linux_batching, simulated };

void PrintTo(side_kind kind, std::ostream* out);

/// How many platforms a side has: two shards of one process, which share its descriptors.
inline constexpr unsigned shard_count = 2;

class side {
public:
    side() = default;
    side(const side&) = delete;
    side& operator=(const side&) = delete;
    virtual ~side() = default;

    virtual platform& at(unsigned shard) = 0;

    /// Nothing had finished when last looked: lets time pass until that may have changed, at most until `deadline`.
    virtual void rest(std::uint64_t deadline) = 0;

    /// Between two looks of a busy shard: a moment goes by.
    virtual void pass() = 0;

    /// platform::wait of one shard, in which the world around it goes on.
    virtual void wait(unsigned shard, std::uint64_t deadline) = 0;

    /// platform::wake of one shard, by something that is not this shard.
    virtual void wake_from_elsewhere(unsigned shard) = 0;

    /// Absolute, without a slash at the end. Relative paths begin here.
    virtual std::string working_directory() const = 0;

    /// The name of a directory of this case alone in the working directory.
    virtual std::string scratch() const = 0;

    /// The end of the case: requests still in flight are forgotten, `descriptors` closed.
    virtual void abandon(std::span<const int> descriptors) = 0;
};

std::unique_ptr<side> make_side(side_kind kind);

/// The real side; in linux_side.cc.
std::unique_ptr<side> make_linux_side(side_kind kind);

/// The simulated side, without faults; in sim_side.cc.
std::unique_ptr<side> make_sim_side();

}  // namespace shale::contract
