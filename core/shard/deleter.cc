// Counting owners. See deleter.hh.
#include "deleter.hh"

namespace shale {

namespace {

struct freeing_deleter final : deleter::impl {
    explicit freeing_deleter(void* owned) noexcept : block(owned) {}
    ~freeing_deleter() override { std::free(block); }
    void* block;
};

}  // namespace

deleter deleter::share() {
    if (word_ == 0) {
        return {};
    }
    if (is_malloc()) {
        impl* counted = new freeing_deleter(reinterpret_cast<void*>(word_ & ~raw_tag));
        word_ = reinterpret_cast<std::uintptr_t>(counted);
    }
    impl* counted = reinterpret_cast<impl*>(word_);
    ++counted->references;
    return deleter(counted);
}

void deleter::release(std::uintptr_t word) noexcept {
    if ((word & raw_tag) != 0) {
        std::free(reinterpret_cast<void*>(word & ~raw_tag));
        return;
    }
    impl* counted = reinterpret_cast<impl*>(word);
    if (--counted->references == 0) {
        delete counted;
    }
}

}  // namespace shale
