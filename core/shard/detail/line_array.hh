// An array of fixed length that starts on a cache line and never moves, for cells that several threads touch.
//
// std::vector can neither hold atomics by value once made nor promise the alignment. The memory is written by the
// constructor, so it lies on the NUMA node of the thread that constructs it (first touch): construct it on the thread
// that will read it most.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include "../../base/atomics.hh"

namespace shale::detail {

template <class T>
class line_array {
public:
    explicit line_array(std::size_t size)
        : size_(size), data_(static_cast<T*>(::operator new(size * sizeof(T), alignment))) {
        static_assert(std::is_nothrow_default_constructible_v<T>);
        std::uninitialized_value_construct_n(data_, size_);
    }
    line_array(const line_array&) = delete;
    line_array& operator=(const line_array&) = delete;
    ~line_array() {
        std::destroy_n(data_, size_);
        ::operator delete(data_, alignment);
    }

    T& operator[](std::size_t i) noexcept { return data_[i]; }
    const T& operator[](std::size_t i) const noexcept { return data_[i]; }
    T* data() noexcept { return data_; }
    const T* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }

private:
    static constexpr std::align_val_t alignment{alignof(T) > cache_line ? alignof(T) : cache_line};

    std::size_t size_;
    T* data_;
};

}  // namespace shale::detail
