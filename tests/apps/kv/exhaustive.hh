// What the exhaustive loops share: a server of one shard on a simulated machine, short sequences of commands for it,
// and what its keys may hold after each of them.
//
// A rig is one run in a world of its own, begun from a state: a disk and what is known about the keys on it. So every
// run repeats by itself, whatever ran before it, and thousands of them cost a few milliseconds each.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <shale/core/async/future.hh>
#include <shale/core/sim/sim.hh>

#include <shale/apps/kv/key_oracle.hh>
#include <shale/apps/kv/settings.hh>
#include <shale/apps/kv/sim_connection.hh>

namespace shale::kv::exhaustive {

/// Commands. The keys a and b exist at first, c never did, d was deleted.
enum class step : std::uint8_t {
    set,        ///< SET c
    overwrite,  ///< SET a, two blocks of the disk
    erase,      ///< DEL a
    expire,     ///< PEXPIRE a, to end while the server is down or soon after
    batch,      ///< MSET a b: all or nothing
    flush,      ///< FLUSHALL
    compact,    ///< BGREWRITEAOF: takes every segment but the newest from the front of the log
};
inline constexpr std::array all_steps{step::set,   step::overwrite, step::erase,  step::expire,
                                      step::batch, step::flush,     step::compact};

using sequence = std::vector<step>;
std::string to_string(const sequence& what);
/// Every one of `length` of these steps.
std::vector<sequence> sequences_of(std::span<const step> steps, std::size_t length);

/// What a power loss leaves of what was not flushed.
enum class fate : std::uint8_t { drop_all, keep_all, each_its_own };
std::string_view to_string(fate what) noexcept;

struct state {
    sim::detail::disk_image disk;
    std::vector<key_oracle> keys;
    std::uint64_t groups = 0;  ///< commands on several keys so far
};

/// A server that has kept, overwritten and deleted keys in several segments, and lost its power.
state first_state();

struct rig_options {
    fate at_power_loss = fate::drop_all;
    std::uint64_t seed = 1;
    fsync_policy appendfsync = fsync_policy::always;
};

class rig {
public:
    /// Null: an empty disk, and keys that do not exist.
    rig(const state* from, const rig_options& options);
    rig(const rig&) = delete;
    rig& operator=(const rig&) = delete;
    ~rig();

    /// Runs `body` on the tester's shard to its end. Throws what it fails with, or that it does not end.
    void run(const std::function<future<>(rig&)>& body);

    // For bodies.

    /// Starts the server and connects to it. False: it ended instead, by itself or by a planned power loss.
    future<bool> start();
    /// Another connection to a server that runs.
    future<bool> connect();
    /// start() for a server that has no reason not to start.
    future<> start_well();
    /// One command after another, until one gets no answer, then a while for what goes on by itself. True: the server
    /// is still there.
    future<bool> play(const sequence& steps);
    /// Reads every key and checks what it is told; a second time when everything that ends has ended.
    future<> look();
    /// Writes every key until that is taken, which must not take long, cuts the power, and looks at what comes back.
    future<> write_on();
    future<> cut_power();
    /// How the server is when it was not there any more.
    std::string describe_end() const;

    sim::machine& machine() noexcept { return *machine_; }
    sim::detail::disk& disk() noexcept { return *machine_->disk(); }
    /// As left by the last power loss.
    state leave() const;
    /// As if the server were killed in this instant, in the middle of what it does. The rig is of no use after that.
    state leave_at_once();
    unsigned refused() const noexcept { return refused_; }
    unsigned acknowledged() const noexcept { return acknowledged_; }
    std::vector<key_oracle>& keys() noexcept { return keys_; }
    sim::world& world() noexcept { return *world_; }
    /// Called when an answer takes longer than `patience`: whatever is broken is mended, so that one can be given.
    std::function<void()> heal = [this] { disk().plan = {}; };
    duration patience = std::chrono::seconds(3);
    /// The server may close a connection and live on.
    bool may_cut_off = false;

private:
    friend state first_state();

    struct part {
        std::size_t key;
        key_write what;
    };
    future<bool> send(std::vector<std::string> words, std::vector<part> parts);
    future<bool> send_step(step what);
    void take(const std::vector<part>& parts, const std::vector<std::size_t>& numbers, const reply_value& answer);
    future<> look_once();
    future<> write_and_erase(std::size_t key);
    void server_is_dead();
    std::string value(std::size_t size);

    std::unique_ptr<sim::world> world_;
    sim::machine* machine_ = nullptr;
    std::vector<key_oracle> keys_;
    std::uint64_t groups_ = 0;
    std::unique_ptr<sim_connection> connection_;
    std::uint64_t connections_ = 0;
    unsigned values_ = 0;
    unsigned refused_ = 0;
    unsigned acknowledged_ = 0;
};

/// The server must come up from there and know everything, and write on if so asked.
void check_recovery(const state& from, bool writes);

/// Counts runs and what failed in them.
class tally {
public:
    explicit tally(std::string what);
    tally(const tally&) = delete;
    tally& operator=(const tally&) = delete;
    ~tally();

    /// Runs `part` in a process of its own, which takes with it the memory that dead servers leave behind. If it
    /// crashes, the run that it was in has failed.
    void in_child(const std::function<void()>& part);
    /// One run, whose failure is what it throws. After some failures nothing is run any more.
    void run(const std::string& where, const std::function<void()>& one);
    bool go_on() const noexcept;
    /// A failure of the run that is under way.
    void fail(const std::string& what);

    /// Sums of the test's own, of all processes.
    void add(unsigned which, std::uint64_t count = 1) noexcept;
    std::uint64_t count(unsigned which) const noexcept;

    /// Prints the sum, and fails the test if a run failed.
    void finish(const std::string& how);

private:
    static constexpr unsigned failures_max = 5;
    struct shared;

    std::string what_;
    shared* shared_;
};

/// SHALE_EXHAUSTIVE=1: leave nothing out, however long it takes.
bool all_of_it();
/// How many times slower this build is: 1 for a release build.
unsigned slowness() noexcept;

}  // namespace shale::kv::exhaustive
