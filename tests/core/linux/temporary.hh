// A directory of one test, on a real disk, and memory fit for direct I/O.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

namespace shale {

/// Below the build directory, which unlike /tmp is hardly ever a tmpfs.
class temporary_directory {
public:
    temporary_directory() {
        std::string pattern = "shale-test-XXXXXX";
        path_ = std::filesystem::absolute(::mkdtemp(pattern.data()));
    }
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string file(const std::string& name) const { return path_ + "/" + name; }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

/// 4096-aligned bytes.
class aligned_buffer {
public:
    explicit aligned_buffer(std::size_t size, char fill = 0)
        : data_(static_cast<char*>(std::aligned_alloc(4096, size)), &std::free), size_(size) {
        std::memset(data_.get(), fill, size);
    }
    char* data() { return data_.get(); }
    std::size_t size() const { return size_; }
    bool all(char c) const {
        return std::string_view(data_.get(), size_).find_first_not_of(c) == std::string_view::npos;
    }

private:
    std::unique_ptr<char, decltype(&std::free)> data_;
    std::size_t size_;
};

/// A file of `size` bytes of 'a', 'b', … changing every 4 KiB, opened with O_DIRECT for reading and writing.
inline int patterned_direct_file(const std::string& path, std::size_t size) {
    const int plain = ::open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    std::string content(size, ' ');
    for (std::size_t i = 0; i < size; ++i) {
        content[i] = static_cast<char>('a' + i / 4096 % 26);
    }
    EXPECT_EQ(::write(plain, content.data(), size), static_cast<ssize_t>(size));
    ::fsync(plain);
    ::close(plain);
    const int direct = ::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
    EXPECT_GE(direct, 0) << "no O_DIRECT on the file system of " << path;
    return direct;
}

}  // namespace shale
