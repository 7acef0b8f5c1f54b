// Runs a test body as a coroutine on one shard: on a disk in memory, under virtual time, or on this machine's real one
// in a directory of its own.
#pragma once

#include <shale/core/linux/linux_platform.hh>
#include <shale/core/shard/shard.hh>
#include <shale/core/testing/testing.hh>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

namespace shale::test {

/// Steps one shard on `outside` until `f` is done; what it throws fails the test.
inline void run_on(platform& outside, const std::function<future<void>()>& f) {
    shard one(outside, {});
    shard* all[] = {&one};
    one.connect(all);
    run_queue_scope scope(&one);
    fail_on_dropped_failures(one);
    auto done = futurize_invoke(f);
    while (!done.available()) {
        if (!one.step()) {
            one.sleep();
        }
    }
    report_outcome(done);
    // What was left to the background: closing of files.
    for (int idle = 0; idle < 5;) {
        if (one.step()) {
            idle = 0;
        } else {
            outside.wait(outside.now() + 1'000'000);
            ++idle;
        }
    }
}

/// The same with the disks of this machine.
inline void run_on_linux(const std::function<future<void>()>& f) {
    linux_platform outside;
    run_on(outside, f);
}

/// A directory that goes with the object.
class scratch_directory {
public:
    explicit scratch_directory(const char* under = nullptr) {
        const char* base = under != nullptr ? under : std::getenv("TMPDIR");
        path_ = std::string(base != nullptr ? base : "/tmp") + "/shale_file_XXXXXX";
        if (::mkdtemp(path_.data()) == nullptr) {
            ADD_FAILURE() << "no scratch directory " << path_;
        }
    }
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;
    ~scratch_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const noexcept { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

}  // namespace shale::test
