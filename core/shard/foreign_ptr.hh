// A pointer that may travel between shards while what it points to stays at home.
//
// It remembers the shard that made it, and destroys the object there, whichever shard it dies on. To look at the object
// go to its shard (`submit_to(p.get_owner_shard(), ...)`); reading through the pointer from another shard is for
// objects that nobody changes. P is any owning pointer: std::unique_ptr, std::shared_ptr.
// check: allow closure, a call is made of futures, coroutines and the shard it goes to
#pragma once

#include <memory>
#include <utility>

#include "smp.hh"

namespace shale {

template <class P>
class foreign_ptr {
public:
    using element_type = typename std::pointer_traits<P>::element_type;
    using pointer = element_type*;

    /// Owns nothing.
    foreign_ptr() noexcept : owner_(this_shard_id()) {}
    foreign_ptr(std::nullptr_t) noexcept : foreign_ptr() {}

    /// Owns what `value` does; the object belongs to this shard.
    foreign_ptr(P value) noexcept : value_(std::move(value)), owner_(this_shard_id()) {}

    foreign_ptr(foreign_ptr&& other) noexcept : value_(std::exchange(other.value_, P())), owner_(other.owner_) {}
    foreign_ptr& operator=(foreign_ptr&& other) noexcept {
        if (this != &other) {
            drop();
            value_ = std::exchange(other.value_, P());
            owner_ = other.owner_;
        }
        return *this;
    }
    /// The object is destroyed on its shard; not waited for.
    ~foreign_ptr() { drop(); }

    /// Another pointer to the same object, for a P that can be copied. The copy is made on the object's shard, so that
    /// reference counts need not be atomic.
    future<foreign_ptr> copy() const {
        return smp::submit_to(owner_, [this]() mutable { return foreign_ptr(P(value_)); });
    }

    element_type& operator*() const noexcept { return *value_; }
    pointer operator->() const noexcept { return get(); }
    pointer get() const noexcept { return std::to_address(value_); }
    explicit operator bool() const noexcept { return static_cast<bool>(value_); }

    /// The shard the object belongs to.
    unsigned get_owner_shard() const noexcept { return owner_; }

    /// Gives the bare pointer away, with the duty to destroy it on its shard.
    P release() noexcept { return std::exchange(value_, P()); }

    /// The bare pointer, for use on the object's own shard, which this must be.
    P unwrap_on_owner_shard() && noexcept {
        SHALE_ASSERT(owner_ == this_shard_id(), "an object of shard {} unwrapped on shard {}", owner_, this_shard_id());
        return release();
    }

    /// Owns what `value` does, of this shard, instead of what it did.
    void reset(P value = P()) noexcept { *this = foreign_ptr(std::move(value)); }

    /// As reset(); ready once the object is destroyed.
    future<void> destroy() noexcept { return destroy_on(release(), owner_); }

private:
    static future<void> destroy_on(P value, unsigned owner) {
        if (!value || owner == this_shard_id()) {
            return make_ready_future<>();
        }
        return smp::submit_to(owner, [value = std::move(value)]() mutable { P dies_here(std::move(value)); });
    }
    void drop() noexcept {
        if (value_) {
            (void)destroy();  // cannot fail
        }
    }

    P value_{};
    unsigned owner_;
};

template <class P>
foreign_ptr<P> make_foreign(P value) noexcept {
    return foreign_ptr<P>(std::move(value));
}

}  // namespace shale
