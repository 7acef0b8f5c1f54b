// Messages between shards: one bounded single-producer single-consumer ring for each ordered pair, and how a shard
// sleeps without missing a message.
//
// Each shard owns one mailbox. What it reads of others stands in its own memory: for each sender a ring of message
// pointers, and the published tails of all those rings side by side in one array, so that finding nothing costs a scan
// of a few cache lines and sending costs no locked instruction. A full ring never blocks: what does not fit waits in
// the sender's list of that edge, in order, and the sender goes on receiving, so no cycle of full rings can deadlock.
// Requests and the replies to the other side's requests share a ring. Sleeping is asymmetric: the sleeper announces
// itself, makes all threads fence (membarrier) and looks again; the sender needs only a compiler fence and a load.
// The code is a template over the atomics policy so that tests/model can explore every interleaving of it.
//
// Access rules. Let R be the mailbox of the receiver and S that of the sender.
//  1. R.tails_[s]: written by S in flush(), read by R. R.slots_ of s: written by S while staged - consumed < capacity,
//     read by R below the tail; nobody else touches either.
//  2. S.edges_[r].consumed: written by R at the end of drain(), read by S in has_room().
//  3. R.sleeping_: set by R in try_sleep(), cleared by R in awake() or by whoever is about to wake R.
//  4. R.foreign_: pushed to by any thread, emptied by R alone. R.options_ is constant from the constructor on.
//  5. Everything else belongs to the mailbox's own thread. Counters too: others ask by message.
//  6. A message belongs to its sender before publish() and to its receiver from then on.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <span>
#include <utility>

#include "../../base/assert.hh"
#include "../../base/atomics.hh"
#include "line_array.hh"

namespace shale::detail {

/// How a mailbox is made; the same for all of a runtime but `self` and `wake_context`.
struct mailbox_options {
    unsigned self = 0;        ///< this shard
    unsigned shards = 1;      ///< of the runtime
    unsigned capacity = 256;  ///< messages in one ring: a power of two

    /// Orders the memory accesses of all threads of the process, as membarrier(2) does. Null where there is no such
    /// thing: senders then pay a locked instruction for each batch.
    void (*heavy_barrier)() noexcept = nullptr;

    /// Ends this shard's current or next wait. Called from other threads.
    void (*wake)(void* context) noexcept = nullptr;
    void* wake_context = nullptr;
};

/// What the sender of an edge counts.
struct edge_sent {
    std::uint64_t messages = 0;
    std::uint64_t batches = 0;     ///< publications of one or more messages
    std::uint64_t wakes = 0;       ///< of them, those that found the receiver asleep and woke it
    std::uint64_t full_waits = 0;  ///< messages that found the ring full
};

/// What the receiver of an edge counts. One message in 64 is timed from send() to its turn at the receiver.
struct edge_received {
    std::uint64_t messages = 0;
    std::uint64_t samples = 0;
    std::uint64_t latency_total_ns = 0;
    std::uint64_t latency_max_ns = 0;
};

/// `Message` has a `Message* next`, which belongs to the mailbox until the message is received, and a
/// `std::uint64_t stamp`, which send() sets and the receiver checks: of one message in 64 on an edge, the first of
/// them, the time in ns, of the others their number after it. So each arrives once and in the order in which it was
/// sent, or the program stops.
template <class Atomics, class Message>
class basic_mailbox {
public:
    /// On the shard's own thread, so that the memory lies near it.
    explicit basic_mailbox(const mailbox_options& options);
    basic_mailbox(const basic_mailbox&) = delete;
    basic_mailbox& operator=(const basic_mailbox&) = delete;

    /// On the shard's own thread, once all of `all` are constructed and before any other call.
    void connect(std::span<basic_mailbox* const> all) noexcept;

    /// Takes over `m`, to arrive at shard `to` after everything sent there before. True: it leaves with the next
    /// publish(), or before. False: the ring is full, and it waits its turn; until then withdraw() takes it back.
    /// `hold_back`: as if the ring were full.
    bool send(unsigned to, Message& m, std::uint64_t now_ns, bool hold_back = false) noexcept;

    /// Takes back what send() left waiting. False: it does not wait any more, and will arrive.
    bool withdraw(unsigned to, Message& m) noexcept;

    /// Makes what was sent visible to the receivers, as far as their rings have room, and wakes those that sleep.
    /// Once a turn. True if something left.
    bool publish() noexcept;

    /// Something sent has not left yet. The shard must not sleep on it: nothing will wake it when room comes.
    bool has_unsent() const noexcept { return dirty_count_ != 0; }

    /// Calls `handle(Message&)` for each message that has arrived, per sender in order. It takes over the message and
    /// may send(), but neither publish() nor receive(). Handles at most a ring's capacity from each sender, which
    /// bounds the turn. Returns how many.
    template <class Handler>
    unsigned receive(std::uint64_t now_ns, Handler&& handle);

    /// Something has arrived; a scan of shards / 16 cache lines.
    bool has_arrived() const noexcept {
        return next_sender(0) != options_.shards || foreign_.load(std::memory_order_relaxed) != nullptr;
    }

    /// Announces that this shard will sleep. True: it may; whatever is published from now on wakes it, and it must call
    /// awake() before it goes on. False: there is something to do. The obvious cases cost no barrier and no system
    /// call.
    bool try_sleep() noexcept;
    void awake() noexcept;

    /// As send() and publish() in one, from any thread that is not a shard of this runtime: `m` comes after all that
    /// the same thread pushed before.
    void push_foreign(Message& m) noexcept;

    /// The mailbox of another shard, for its owner and for foreign threads.
    basic_mailbox& peer(unsigned shard) noexcept { return *edges_[shard].receiver; }

    const edge_sent& sent_to(unsigned shard) const noexcept { return edges_[shard].counters; }
    const edge_received& received_from(unsigned shard) const noexcept { return sources_[shard].counters; }
    unsigned shards() const noexcept { return options_.shards; }

private:
    template <class T>
    using atomic = typename Atomics::template atomic<T>;
    using slot = typename Atomics::template plain<Message*>;

    static constexpr unsigned sample_interval = 64;
    static constexpr unsigned prefetch_distance = 4;

    /// A batch that grows to this is published at once, so that the receiver works on it while the rest is made:
    /// a third more calls a second with 64 in flight.
    static constexpr unsigned batch_max = 16;

    /// The sender's side of an edge. The first line is the receiver's to write.
    struct edge {
        alignas(cache_line) atomic<std::uint32_t> consumed{0};

        alignas(cache_line) slot* slots = nullptr;  ///< in the receiver's memory
        atomic<std::uint32_t>* tail = nullptr;      ///< in the receiver's memory
        std::uint32_t staged = 0;                   ///< written to the ring
        std::uint32_t published = 0;                ///< visible to the receiver
        std::uint32_t consumed_seen = 0;            ///< `consumed` as of the last look
        bool dirty = false;                         ///< in dirty_
        Message* waiting = nullptr;                 ///< what did not fit, oldest first
        Message* waiting_last = nullptr;
        basic_mailbox* receiver = nullptr;
        edge_sent counters;
    };

    /// The receiver's side of an edge, beside tails_ and heads_.
    struct source {
        slot* slots = nullptr;
        atomic<std::uint32_t>* consumed = nullptr;  ///< in the sender's memory
        edge_received counters;
    };

    static std::uint32_t padded(unsigned shards) noexcept {
        constexpr unsigned line = Atomics::counters_per_line;
        return (shards + line - 1) / line * line;
    }
    slot* ring_of(unsigned from) noexcept { return slots_.data() + std::size_t{from} * ring_stride(); }
    /// Small rings do not share a line.
    std::size_t ring_stride() const noexcept {
        constexpr unsigned slots_per_line = cache_line / sizeof(Message*);
        return options_.capacity < slots_per_line ? slots_per_line : options_.capacity;
    }
    unsigned next_sender(unsigned begin) const noexcept {
        return Atomics::next_change(tails_.data(), heads_.data(), begin, options_.shards);
    }

    /// Of the message with this number on its edge.
    static std::uint64_t make_stamp(std::uint64_t number, std::uint64_t now_ns) noexcept {
        const std::uint64_t place = number % sample_interval;
        return place != 0 ? place : std::max<std::uint64_t>(now_ns, sample_interval);
    }
    static bool is_stamp_of(std::uint64_t stamp, std::uint64_t number) noexcept {
        const std::uint64_t place = number % sample_interval;
        return place != 0 ? stamp == place : stamp >= sample_interval;
    }

    bool has_room(edge& e) noexcept;
    void put(edge& e, Message& m) noexcept;
    void refill(edge& e) noexcept;
    bool flush(edge& e) noexcept;
    bool wake_if_asleep() noexcept;
    template <class Handler>
    unsigned drain(unsigned from, std::uint64_t now_ns, Handler& handle);
    template <class Handler>
    unsigned drain_foreign(Handler& handle);

    const mailbox_options options_;
    std::uint32_t mask_ = 0;

    // Read each turn by the owner, written by senders (tails_) or by the owner alone (heads_).
    line_array<atomic<std::uint32_t>> tails_;
    line_array<std::uint32_t> heads_;
    line_array<slot> slots_;
    line_array<source> sources_;

    // The sending side.
    line_array<edge> edges_;
    line_array<unsigned> dirty_;  ///< the edges with something unpublished
    unsigned dirty_count_ = 0;

    alignas(cache_line) atomic<bool> sleeping_{false};
    alignas(cache_line) atomic<Message*> foreign_{nullptr};  ///< newest first
};

template <class Atomics, class Message>
basic_mailbox<Atomics, Message>::basic_mailbox(const mailbox_options& options)
    : options_(options),
      mask_(options.capacity - 1),
      tails_(padded(options.shards)),
      heads_(padded(options.shards)),
      slots_(options.shards * ring_stride()),
      sources_(options.shards),
      edges_(options.shards),
      dirty_(options.shards) {
    SHALE_ASSERT(std::has_single_bit(options.capacity), "a ring of {} messages: not a power of two", options.capacity);
    SHALE_ASSERT(options.self < options.shards, "shard {} of {}", options.self, options.shards);
    SHALE_ASSERT(options.wake != nullptr);
}

template <class Atomics, class Message>
void basic_mailbox<Atomics, Message>::connect(std::span<basic_mailbox* const> all) noexcept {
    SHALE_ASSERT(all.size() == options_.shards, "{} mailboxes for {} shards", all.size(), options_.shards);
    for (unsigned other = 0; other < options_.shards; ++other) {
        edge& e = edges_[other];
        e.receiver = all[other];
        e.slots = all[other]->ring_of(options_.self);
        e.tail = &all[other]->tails_[options_.self];
        sources_[other].slots = ring_of(other);
        sources_[other].consumed = &all[other]->edges_[options_.self].consumed;
    }
}

template <class Atomics, class Message>
bool basic_mailbox<Atomics, Message>::has_room(edge& e) noexcept {
    if (e.staged - e.consumed_seen < options_.capacity) [[likely]] {
        return true;
    }
    // pairs with the release in drain(): the receiver has read the slots below
    e.consumed_seen = e.consumed.load(std::memory_order_acquire);
    return e.staged - e.consumed_seen < options_.capacity;
}

template <class Atomics, class Message>
void basic_mailbox<Atomics, Message>::put(edge& e, Message& m) noexcept {
    e.slots[e.staged & mask_] = &m;
    ++e.staged;
}

template <class Atomics, class Message>
bool basic_mailbox<Atomics, Message>::send(unsigned to, Message& m, std::uint64_t now_ns, bool hold_back) noexcept {
    SHALE_DEBUG_ASSERT(to < options_.shards && to != options_.self, "shard {} sends to {} of {}", options_.self, to,
                       options_.shards);
    edge& e = edges_[to];
    m.stamp = make_stamp(e.counters.messages, now_ns);
    ++e.counters.messages;
    const bool leaves = e.waiting == nullptr && !hold_back && has_room(e);
    if (leaves) [[likely]] {
        put(e, m);
        if (e.staged - e.published >= batch_max) {
            flush(e);
        }
    } else {
        ++e.counters.full_waits;
        m.next = nullptr;
        if (e.waiting == nullptr) {
            e.waiting = &m;
        } else {
            e.waiting_last->next = &m;
        }
        e.waiting_last = &m;
    }
    if (!e.dirty) {
        e.dirty = true;
        dirty_[dirty_count_++] = to;
    }
    return leaves;
}

template <class Atomics, class Message>
bool basic_mailbox<Atomics, Message>::withdraw(unsigned to, Message& m) noexcept {
    edge& e = edges_[to];
    Message* before = nullptr;
    for (Message* each = e.waiting; each != nullptr; before = each, each = each->next) {
        if (each == &m) {
            (before == nullptr ? e.waiting : before->next) = m.next;
            e.waiting_last = e.waiting_last == &m ? before : e.waiting_last;
            --e.counters.messages;
            for (Message* behind = m.next; behind != nullptr; behind = behind->next) {
                std::swap(m.stamp, behind->stamp);  // each moves up by one
            }
            return true;
        }
    }
    return false;
}

template <class Atomics, class Message>
void basic_mailbox<Atomics, Message>::refill(edge& e) noexcept {
    while (e.waiting != nullptr && has_room(e)) {
        Message& m = *e.waiting;
        e.waiting = m.next;
        put(e, m);
    }
}

template <class Atomics, class Message>
bool basic_mailbox<Atomics, Message>::flush(edge& e) noexcept {
    if (e.waiting != nullptr) [[unlikely]] {
        refill(e);
    }
    if (e.staged == e.published) {
        return false;
    }
    e.tail->store(e.staged, std::memory_order_release);  // pairs with the acquire in drain()
    e.published = e.staged;
    ++e.counters.batches;
    e.counters.wakes += e.receiver->wake_if_asleep();
    return true;
}

template <class Atomics, class Message>
bool basic_mailbox<Atomics, Message>::publish() noexcept {
    bool left = false;
    unsigned kept = 0;
    for (unsigned i = 0; i < dirty_count_; ++i) {
        edge& e = edges_[dirty_[i]];
        left |= flush(e);
        if (e.waiting != nullptr) [[unlikely]] {
            dirty_[kept++] = dirty_[i];
        } else {
            e.dirty = false;
        }
    }
    dirty_count_ = kept;
    return left;
}

template <class Atomics, class Message>
template <class Handler>
unsigned basic_mailbox<Atomics, Message>::receive(std::uint64_t now_ns, Handler&& handle) {
    unsigned count = 0;
    for (unsigned from = next_sender(0); from < options_.shards; from = next_sender(from + 1)) {
        count += drain(from, now_ns, handle);
    }
    if (foreign_.load(std::memory_order_relaxed) != nullptr) [[unlikely]] {
        count += drain_foreign(handle);
    }
    return count;
}

template <class Atomics, class Message>
template <class Handler>
unsigned basic_mailbox<Atomics, Message>::drain(unsigned from, std::uint64_t now_ns, Handler& handle) {
    source& s = sources_[from];
    const std::uint32_t first = heads_[from];
    const std::uint32_t tail = tails_[from].load(std::memory_order_acquire);  // pairs with the release in flush()
    std::uint32_t ahead = first;
    for (std::uint32_t head = first; head != tail; ++head) {
        for (; ahead != tail && ahead - head <= prefetch_distance; ++ahead) {
            Atomics::prefetch(s.slots[ahead & mask_]);
        }
        Message& m = *s.slots[head & mask_];
        const std::uint64_t number = s.counters.messages + (head - first);
        SHALE_ASSERT(is_stamp_of(m.stamp, number), "message {} of shard {} to {} has the stamp {}: lost or overtaken",
                     number, from, options_.self, m.stamp);
        if (m.stamp >= sample_interval) [[unlikely]] {
            const std::uint64_t latency_ns = now_ns > m.stamp ? now_ns - m.stamp : 0;
            ++s.counters.samples;
            s.counters.latency_total_ns += latency_ns;
            s.counters.latency_max_ns = std::max(s.counters.latency_max_ns, latency_ns);
        }
        handle(m);
    }
    heads_[from] = tail;
    s.counters.messages += tail - first;
    s.consumed->store(tail, std::memory_order_release);  // pairs with the acquire in has_room()
    return tail - first;
}

template <class Atomics, class Message>
bool basic_mailbox<Atomics, Message>::try_sleep() noexcept {
    if (has_unsent() || has_arrived()) {
        return false;
    }
    if (options_.heavy_barrier != nullptr) {
        sleeping_.store(true, std::memory_order_relaxed);  // pairs with the load in wake_if_asleep()
        options_.heavy_barrier();                          // pairs with the light barrier in wake_if_asleep()
    } else {
        // Either this comes after a sender's exchange of the same cell and acquires what it published, or the sender
        // finds true. Pairs with the exchange in wake_if_asleep().
        sleeping_.exchange(true, std::memory_order_acq_rel);
    }
    if (!has_arrived()) {
        return true;
    }
    awake();
    return false;
}

template <class Atomics, class Message>
void basic_mailbox<Atomics, Message>::awake() noexcept {
    if (options_.heavy_barrier != nullptr) {
        sleeping_.store(false, std::memory_order_relaxed);
    } else {
        // Not a store: that would end the release sequence by which try_sleep() acquires from senders.
        sleeping_.exchange(false, std::memory_order_acq_rel);  // pairs with the exchange in wake_if_asleep()
    }
}

template <class Atomics, class Message>
bool basic_mailbox<Atomics, Message>::wake_if_asleep() noexcept {
    if (options_.heavy_barrier != nullptr) {
        Atomics::light_barrier();                                     // pairs with the heavy barrier in try_sleep()
        if (!sleeping_.load(std::memory_order_relaxed)) [[likely]] {  // pairs with the store in try_sleep()
            return false;
        }
    }
    // Pairs with the exchange in try_sleep(). One of several senders finds true and wakes.
    if (!sleeping_.exchange(false, std::memory_order_acq_rel)) {
        return false;
    }
    options_.wake(options_.wake_context);
    return true;
}

template <class Atomics, class Message>
void basic_mailbox<Atomics, Message>::push_foreign(Message& m) noexcept {
    m.stamp = 0;
    Message* newest = foreign_.load(std::memory_order_relaxed);
    do {
        m.next = newest;
    } while (!foreign_.compare_exchange_weak(newest, &m, std::memory_order_release,  // pairs with drain_foreign()
                                             std::memory_order_relaxed));
    wake_if_asleep();
}

template <class Atomics, class Message>
template <class Handler>
unsigned basic_mailbox<Atomics, Message>::drain_foreign(Handler& handle) {
    // Pairs with the release in push_foreign(); each push continues the release sequence of those before.
    Message* newest = foreign_.exchange(nullptr, std::memory_order_acquire);
    Message* oldest = nullptr;
    while (newest != nullptr) {
        Message* const older = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    unsigned count = 0;
    for (; oldest != nullptr; ++count) {
        Message& m = *oldest;
        oldest = m.next;
        handle(m);
    }
    return count;
}

}  // namespace shale::detail
