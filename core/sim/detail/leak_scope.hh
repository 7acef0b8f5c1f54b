// What is allocated while one of these lives may be leaked: the leak sanitizer, where there is one, passes over it and
// over what it refers to. A program that is killed leaves all it has behind, as in life.
#pragma once

extern "C" {
[[gnu::weak]] void __lsan_disable();
[[gnu::weak]] void __lsan_enable();
int __lsan_is_turned_off();
}

namespace shale::sim::detail {

class leak_scope {
public:
    explicit leak_scope(bool on) noexcept : on_(on && &__lsan_disable != nullptr) {
        if (on_) {
            __lsan_disable();
        }
    }
    leak_scope(const leak_scope&) = delete;
    leak_scope& operator=(const leak_scope&) = delete;
    ~leak_scope() {
        if (on_) {
            __lsan_enable();
        }
    }

private:
    const bool on_;
};

/// A run was given up in its middle, with coroutines that wait for ever: the leak sanitizer is not to look when this
/// process ends.
void leave_memory_behind() noexcept;

}  // namespace shale::sim::detail
