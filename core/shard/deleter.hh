// What to do with memory once its last user is gone: the owning half of temporary_buffer, usable with any memory.
//
// Most memory is malloc'ed and has one owner, so that case is one tagged word and no control block; sharing makes the
// block, with a count that is not atomic. A deleter belongs to one shard: only an unshared one of malloc'ed memory may
// move to another. The names and meanings are Seastar's.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <type_traits>
#include <utility>

#include "../base/assert.hh"

namespace shale {

class deleter {
public:
    /// What a shared or special deleter points to; whoever drops the last reference destroys it.
    struct impl {
        virtual ~impl() = default;
        unsigned references = 1;
    };

    deleter() noexcept = default;
    explicit deleter(impl* owned) noexcept : word_(reinterpret_cast<std::uintptr_t>(owned)) {}
    deleter(deleter&& other) noexcept : word_(std::exchange(other.word_, 0)) {}
    deleter& operator=(deleter&& other) noexcept {
        if (this != &other) {
            reset();
            word_ = std::exchange(other.word_, 0);
        }
        return *this;
    }
    ~deleter() { reset(); }

    /// Owns a block of malloc, aligned_alloc or the like.
    static deleter of_malloc(void* block) noexcept {
        SHALE_DEBUG_ASSERT((reinterpret_cast<std::uintptr_t>(block) & raw_tag) == 0, "block at {}", block);
        deleter made;
        made.word_ = block != nullptr ? reinterpret_cast<std::uintptr_t>(block) | raw_tag : 0;
        return made;
    }

    /// Another owner of the same memory. Allocates the control block the first time; throws std::bad_alloc.
    deleter share();

    explicit operator bool() const noexcept { return word_ != 0; }
    bool is_malloc() const noexcept { return (word_ & raw_tag) != 0; }

    /// Gives up this owner's hold.
    void reset() noexcept {
        if (word_ != 0) {
            release(std::exchange(word_, 0));
        }
    }

private:
    static constexpr std::uintptr_t raw_tag = 1;
    static void release(std::uintptr_t word) noexcept;

    std::uintptr_t word_ = 0;
};

namespace detail {
template <class F>
struct calling_deleter final : deleter::impl {
    explicit calling_deleter(F&& f) : action(std::move(f)) {}
    ~calling_deleter() override { action(); }
    F action;
};
template <class T>
struct object_deleter final : deleter::impl {
    explicit object_deleter(T&& o) : object(std::move(o)) {}
    T object;
};
}  // namespace detail

/// Calls `action`, which must not throw, when the last owner is gone.
template <std::invocable F>
deleter make_deleter(F action) {
    return deleter(new detail::calling_deleter<F>(std::move(action)));
}

/// Keeps `object` alive as long as there are owners.
template <class T>
requires(!std::is_lvalue_reference_v<T>) deleter make_object_deleter(T&& object) {
    return deleter(new detail::object_deleter<T>(std::move(object)));
}

/// Frees `block`, which malloc or aligned_alloc gave.
inline deleter make_free_deleter(void* block) noexcept {
    return deleter::of_malloc(block);
}

}  // namespace shale
