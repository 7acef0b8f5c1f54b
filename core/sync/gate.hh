// A gate counts the operations that are using something, and lets its owner wait until the last has left.
//
// Entering a closed gate fails; closing twice is a programming error, and so is destroying a gate with operations
// inside. Enter with hold() or with_gate(): they cannot forget to leave, and the gate can tell who is still inside and
// since which line, which is what a stop that takes too long wants to know. Belongs to one shard.
#pragma once

#include <boost/intrusive/list.hpp>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

#include "../async/coroutine.hh"

namespace shale {

/// The gate was closed before somebody could enter.
class gate_closed_exception : public std::exception {
public:
    const char* what() const noexcept override { return "gate closed"; }
};

class gate {
public:
    /// One operation inside, from construction to destruction. A copy is another operation, and may be made while the
    /// gate is closing.
    class holder : public boost::intrusive::list_base_hook<> {
    public:
        holder() noexcept = default;
        holder(const holder& other) noexcept : site_(other.site_) { join(other.gate_); }
        holder(holder&& other) noexcept : site_(other.site_) { take(other); }
        holder& operator=(holder other) noexcept {
            release();
            site_ = other.site_;
            take(other);
            return *this;
        }
        ~holder() { release(); }

        /// Leaves now.
        void release() noexcept;

        explicit operator bool() const noexcept { return gate_ != nullptr; }
        std::source_location site() const noexcept { return site_; }

    private:
        friend class gate;
        holder(gate& inside, std::source_location site) noexcept : site_(site) { join(&inside); }
        void join(gate* inside) noexcept;
        void take(holder& other) noexcept;

        gate* gate_ = nullptr;
        std::source_location site_;
    };

    gate() noexcept = default;
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;
    ~gate();

    /// Counts an operation in; throws gate_closed_exception. Each needs its leave().
    void enter();
    bool try_enter() noexcept;
    void leave() noexcept;

    /// Throws gate_closed_exception if the gate is closed: for long operations to ask on their way.
    void check() const;

    /// Enters, and leaves when the holder is destroyed. Throws gate_closed_exception.
    [[nodiscard]] holder hold(std::source_location site = std::source_location::current());
    [[nodiscard]] std::optional<holder> try_hold(std::source_location site = std::source_location::current()) noexcept;

    /// Lets nobody in any more; the future is ready once the last has left. Once only.
    future<void> close(std::source_location site = std::source_location::current());

    /// Operations inside.
    std::size_t get_count() const noexcept { return count_; }
    bool is_closed() const noexcept { return closed_.has_value(); }

    /// Where those inside entered, as far as they are holders.
    std::vector<std::source_location> held_from() const;

private:
    friend std::vector<std::string> describe_closing_gates();
    friend struct closing_gates;
    using closing_hook = boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

    std::size_t count_ = 0;
    std::optional<promise<void>> closed_;
    std::source_location closed_from_;
    closing_hook closing_;  ///< among the shard's gates whose close() waits
    boost::intrusive::list<holder, boost::intrusive::constant_time_size<false>> holders_;
};

/// One sentence for each gate of this shard whose close() still waits: where that was called, and from where those
/// inside have entered. What a stop that takes too long wants to know. Only on a shard.
std::vector<std::string> describe_closing_gates();

/// Calls `func` inside the gate and leaves once its future is done; `func` is kept until then. Fails with
/// gate_closed_exception, without a call, when the gate is closed.
template <class Func>
futurize_t<std::invoke_result_t<Func&>> with_gate(gate& inside, Func func,
                                                  std::source_location site = std::source_location::current()) {
    const gate::holder held = inside.hold(site);
    co_return co_await futurize_invoke(func);
}

/// As with_gate.
template <class Func>
auto try_with_gate(gate& inside, Func func, std::source_location site = std::source_location::current()) {
    return with_gate(inside, std::move(func), site);
}

}  // namespace shale
