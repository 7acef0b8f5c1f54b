// See failing_new.hh.
#include "failing_new.hh"

#include <cstdlib>
#include <new>

namespace shale::kv::exhaustive {

namespace {

// check: allow global, operator new has no other way to find it
constinit allocation_plan* current = nullptr;

}  // namespace

void use_allocation_plan(allocation_plan* plan) noexcept {
    current = plan;
}

// Whether the allocation that is asked for now fails.
bool allocation_fails() noexcept {
    if (current == nullptr || !current->counts(current->context)) {
        return false;
    }
    const std::uint64_t number = ++current->seen;
    const bool fails =
        current->fail_at != 0 && (number == current->fail_at || (current->for_ever && number > current->fail_at));
    current->failed += fails ? 1 : 0;
    return fails;
}

}  // namespace shale::kv::exhaustive

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {

void* take(std::size_t size, std::size_t alignment) noexcept {
    if (shale::kv::exhaustive::allocation_fails()) {
        return nullptr;
    }
    if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
        return std::malloc(size == 0 ? 1 : size);
    }
    return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* take_or_throw(std::size_t size, std::size_t alignment) {
    void* const taken = take(size, alignment);
    if (taken == nullptr) {
        throw std::bad_alloc();
    }
    return taken;
}

constexpr std::size_t usual = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

}  // namespace

// The forms for arrays call these.
void* operator new(std::size_t size) {
    return take_or_throw(size, usual);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return take_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return take(size, usual);
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return take(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

#endif
