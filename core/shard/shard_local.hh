// A variable of which each shard has its own: what a global would be, without being shared.
//
//     shale::shard_local<request_counters> counters;   // at namespace scope
//     ++counters->gets;                                // this shard's
//
// The value is made on a shard when it is first used there, and destroyed with the shard, on its thread. Several
// runtimes in one process, and each simulated world, have values of their own. Meant for the few things that cannot be
// passed along; the variable itself should live as long as the runtimes that use it.
#pragma once

#include <functional>
#include <memory>

#include "shard.hh"

namespace shale {

namespace detail {

/// A number that no other shard_local of this process has.
unsigned next_local_slot() noexcept;

/// The owner of this shard's value in `slot`; empty if there is none yet.
std::shared_ptr<void>& local_slot(unsigned slot);

}  // namespace detail

template <class T>
class shard_local {
public:
    /// Values are default-constructed.
    shard_local() requires std::default_initializable<T> : shard_local([] { return std::make_shared<T>(); }) {}

    /// `make` gives a shard's value, a std::shared_ptr<T>. It may be called on several shards at once.
    explicit shard_local(std::function<std::shared_ptr<T>()> make)
        : make_(std::move(make)), slot_(detail::next_local_slot()) {}

    shard_local(const shard_local&) = delete;
    shard_local& operator=(const shard_local&) = delete;

    /// This shard's value.
    T& get() const {
        auto& locals = this_shard().locals();
        if (slot_ < locals.size() && locals[slot_] != nullptr) [[likely]] {
            return *static_cast<T*>(locals[slot_].get());
        }
        return create();
    }
    T& operator*() const { return get(); }
    T* operator->() const { return &get(); }

private:
    [[gnu::noinline]] T& create() const {
        auto value = make_();
        T& result = *value;
        detail::local_slot(slot_) = std::move(value);
        return result;
    }

    std::function<std::shared_ptr<T>()> make_;
    unsigned slot_;
};

}  // namespace shale
