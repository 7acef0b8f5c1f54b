// What one key of a server under test may hold, from all that its only writer sent and was told.
//
// The writer numbers its writes from 0 and settles each: acknowledged (it took effect), refused (it did not), or lost
// (its reply never came). A lost write may have taken effect, may not have, and may still do so at any later time, for
// the server can read the bytes of an abandoned connection long after those of its successor. So no write of a key is
// sent while one is lost, until the process that had it is known to be dead (server_died()): then it is decided, only
// nobody knows how. Lost writes of a key took effect in their order, each or not: a refusal may be among the replies
// that were lost.
// The oracle keeps every possibility, a value and how many writes lie before it, and each answer strikes those that it
// contradicts, once and for all: so what was read once can never be un-read, be it by a power loss. When none is left,
// somebody is wrong, and oracle_violation tells the key's story.
// Expiry is by the server's wall clock: a key with an end is there or not from its end less `slack` on, and gone at its
// end plus `slack`; once seen gone it is gone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace shale::kv {

/// What the server said cannot be. Several lines.
class oracle_violation : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct key_write {
    enum class action : std::uint8_t { set, erase, append, increment, expire, persist };
    enum class outcome : std::uint8_t { sent, done, refused, unclear, lost };

    action what = action::set;
    std::string value = {};         ///< of set and append
    std::uint64_t lifetime_ms = 0;  ///< of expire, and of set if not 0
    std::uint64_t group = 0;        ///< not 0: one of several writes of one command, all with this number
    std::uint64_t connection = 0;   ///< for the story
    std::uint64_t sent_ns = 0;
};

/// When a question was asked and answered, in virtual nanoseconds.
struct asked {
    std::uint64_t sent_ns;
    std::uint64_t answered_ns;
    std::uint64_t connection = 0;
};

class key_oracle {
public:
    /// Clocks may differ by so much on the way to a key's end, besides a thousandth of the way.
    explicit key_oracle(std::string key, std::uint64_t slack_ns = 10'000'000);

    const std::string& key() const noexcept { return key_; }

    /// A write is about to be sent; its number. None may be lost and undecided.
    std::size_t send(key_write what);

    /// Replies, in the order of the writes. `answer` is what integer replies said. Throws oracle_violation.
    void acknowledged(std::size_t number, std::uint64_t now_ns, std::optional<std::int64_t> answer = {});
    void refused(std::size_t number, std::uint64_t now_ns);
    /// The reply came and leaves open whether this part of the command was done: it is decided, though.
    void unclear(std::size_t number, std::uint64_t now_ns);

    /// The connection is gone: every write that was not settled is lost. True if there was one.
    bool connection_lost(std::uint64_t now_ns);
    /// Some write may still take effect.
    bool undecided() const noexcept { return undecided_; }
    /// The process that the lost writes were sent to is no more.
    void server_died(std::uint64_t now_ns);

    /// Writes sent so far: give it to reads sent now, which see those and no later ones.
    std::size_t sent() const noexcept { return writes_.size(); }
    /// Writes sent and not settled.
    std::size_t unsettled() const noexcept { return writes_.size() - settled_; }

    /// A read, sent after the first `seen` writes, answered this. Throws oracle_violation.
    void read(std::size_t seen, asked when, std::optional<std::string_view> value);
    void exists(std::size_t seen, asked when, bool there);

    enum class verdict : std::uint8_t { done, not_done, unknown };
    /// Whether the write that is in this group had taken effect when last read; unknown too if there is none.
    verdict in_effect(std::uint64_t group) const noexcept;
    /// The groups of the latest writes.
    std::vector<std::uint64_t> recent_groups() const;

    /// How many possibilities are left.
    std::size_t possibilities() const noexcept { return possible_.size(); }
    /// The writes with their times and outcomes, the latest last, and what the key may hold.
    std::string story() const;

private:
    struct state {
        std::shared_ptr<const std::string> value;  ///< null: absent
        std::uint64_t may_end_ns = 0;              ///< 0: never
        std::uint64_t must_end_ns = 0;
        std::size_t origin = 0;  ///< 1 + the write that it comes from; 0: before the first
    };
    struct possibility {
        std::size_t next;  ///< writes before this one have taken effect or never will
        state now;
    };
    struct sent_write {
        key_write what;
        std::shared_ptr<const std::string> value;
        std::size_t value_bytes;
        key_write::outcome ended = key_write::outcome::sent;
        std::uint64_t ended_ns = 0;
    };

    static bool same(const state& a, const state& b) noexcept;
    static void add(std::vector<possibility>& to, possibility what);
    static std::vector<state> with_expiry(const state& from, std::uint64_t earliest_ns, std::uint64_t latest_ns);
    static bool agrees(key_write::action what, const state& before, const state& after, std::int64_t answer);
    state apply(std::size_t number, const state& before, std::uint64_t now_ns) const;
    std::vector<possibility> advanced(std::size_t until, std::uint64_t now_ns) const;
    sent_write& settle(std::size_t number, std::uint64_t now_ns, key_write::outcome how);
    template <class Matches>
    void observe(std::size_t seen, asked when, const std::string& what, Matches matches);
    [[noreturn]] void violated(const std::string& what) const;
    std::string describe(const possibility& what) const;

    std::string key_;
    std::uint64_t slack_ns_;
    std::vector<sent_write> writes_;
    std::vector<possibility> possible_;
    std::size_t settled_ = 0;
    bool undecided_ = false;
};

/// Keys that one command read on one shard, and so at one instant. Throws oracle_violation when of a command that wrote
/// several of them some are done and some are not. They must share a hash tag, or the server a single shard.
void check_whole(const std::vector<key_oracle*>& read_together);

/// The beginning of a value and its size, for people.
std::string describe_value(std::string_view value);

}  // namespace shale::kv
