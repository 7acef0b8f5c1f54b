// A simulated disk without shards: a process that asks and waits, in virtual time.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/uio.h>
#include <shale/core/sim/detail/disk.hh>

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace shale::sim::detail {

/// One request and what became of it.
struct asked_request : io_request {
    explicit asked_request(io_op what) : io_request{.op = what} {}
    int completions = 0;
    bool done() const { return completions != 0; }
};

/// Somebody who makes requests, and may die.
class fake_process final : public requester {
public:
    void finish(io_request& request, std::int32_t result) override {
        EXPECT_TRUE(is_alive) << "a request of the dead was finished";
        request.result = result;
        ++static_cast<asked_request&>(request).completions;
    }
    bool alive() const noexcept override { return is_alive; }
    handle_table& handles() noexcept override { return table; }

    bool is_alive = true;
    handle_table table;
};

/// Bytes at an address fit for direct I/O.
class block_buffer {
public:
    explicit block_buffer(std::size_t size, char fill = 0)
        : data_(static_cast<char*>(std::aligned_alloc(4096, (size + 4095) / 4096 * 4096)), &std::free), size_(size) {
        std::memset(data_.get(), fill, size);
    }
    explicit block_buffer(const std::string& text) : block_buffer(text.size()) {
        std::memcpy(data_.get(), text.data(), text.size());
    }
    char* data() { return data_.get(); }
    std::size_t size() const { return size_; }
    std::string text() const { return {data_.get(), size_}; }

private:
    std::unique_ptr<char, decltype(&std::free)> data_;
    std::size_t size_;
};

class disk_test : public testing::Test {
protected:
    /// Begins again with another disk.
    void use(const disk_profile& profile, std::uint64_t seed = 1) {
        drive.reset();
        process = std::make_unique<fake_process>();
        drive.emplace(events, random_engine(seed), profile, counts);
    }
    disk_test() { use({}); }
    ~disk_test() override { drive.reset(); }

    void begin(asked_request& r) { drive->begin(r, *process); }
    void run_events() {
        while (!events.empty()) {
            events.run_next();
        }
    }
    void wait_for(asked_request& r) {
        while (!r.done() && !events.empty()) {
            events.run_next();
        }
        EXPECT_EQ(r.completions, 1) << "operation " << static_cast<int>(r.op);
    }
    int run(asked_request& r) {
        begin(r);
        wait_for(r);
        return r.result;
    }
    int run(io_op op, int fd, const void* data = nullptr, std::uint64_t size = 0, std::uint64_t offset = 0,
            std::uint64_t extra = 0, unsigned rw_flags = 0) {
        asked_request r = make(op, fd, data, size, offset, extra, rw_flags);
        return run(r);
    }
    static asked_request make(io_op op, int fd, const void* data = nullptr, std::uint64_t size = 0,
                              std::uint64_t offset = 0, std::uint64_t extra = 0, unsigned rw_flags = 0) {
        asked_request r(op);
        r.fd = fd;
        r.data = const_cast<void*>(data);
        r.size = static_cast<std::uint32_t>(size);
        r.offset = offset;
        r.extra = reinterpret_cast<void*>(static_cast<std::uintptr_t>(extra));
        r.rw_flags = static_cast<std::uint16_t>(rw_flags);
        return r;
    }

    int open(const std::string& path, int flags = O_RDWR | O_CREAT, unsigned mode = 0644) {
        return run(io_op::open, -1, path.c_str(), static_cast<unsigned>(flags), mode);
    }
    int close(int fd) { return run(io_op::close, fd); }
    int write(int fd, std::uint64_t offset, const std::string& text, unsigned rw_flags = 0) {
        return run(io_op::write, fd, text.data(), text.size(), offset, 0, rw_flags);
    }
    /// What a read gives, or its error.
    std::string read(int fd, std::uint64_t offset, std::size_t size) {
        std::string text(size, '?');
        const int result = run(io_op::read, fd, text.data(), size, offset);
        return result < 0 ? "error " + std::to_string(-result) : text.substr(0, static_cast<std::size_t>(result));
    }
    int sync(int fd) { return run(io_op::fdatasync, fd); }
    int truncate(int fd, std::uint64_t size) { return run(io_op::truncate, fd, nullptr, 0, size); }
    int fallocate(int fd, unsigned mode, std::uint64_t offset, std::uint64_t length) {
        return run(io_op::fallocate, fd, nullptr, mode, offset, length);
    }
    int rename(const std::string& from, const std::string& to, unsigned flags = 0) {
        return run(io_op::rename, -1, from.c_str(), flags, 0, reinterpret_cast<std::uintptr_t>(to.c_str()));
    }
    int unlink(const std::string& path) { return run(io_op::unlink, -1, path.c_str()); }
    int rmdir(const std::string& path) { return run(io_op::unlink, -1, path.c_str(), AT_REMOVEDIR); }
    int mkdir(const std::string& path) { return run(io_op::mkdir, -1, path.c_str(), 0755); }
    int sync_dir(const std::string& path) { return run(io_op::sync_dir, -1, path.c_str()); }
    struct statx stat(const std::string& path) {
        struct statx found {};
        EXPECT_EQ(run(io_op::stat, -1, path.c_str(), 0, 0, reinterpret_cast<std::uintptr_t>(&found)), 0) << path;
        return found;
    }
    int stat_result(const std::string& path) {
        struct statx found {};
        return run(io_op::stat, -1, path.c_str(), 0, 0, reinterpret_cast<std::uintptr_t>(&found));
    }
    bool exists(const std::string& path) { return stat_result(path) == 0; }
    /// All of a file; nothing: it is not there.
    std::optional<std::string> content(const std::string& path) {
        const auto bytes = drive->content(path);
        return bytes ? std::optional(std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()))
                     : std::nullopt;
    }

    /// The power goes and comes back; a new process.
    void cycle(crash_fate fate = crash_fate::each_its_own) {
        process->is_alive = false;
        drive->power_loss(fate);
        dead.push_back(std::move(process));
        process = std::make_unique<fake_process>();
    }

    event_queue events;
    fault_counts counts;
    std::unique_ptr<fake_process> process;
    std::vector<std::unique_ptr<fake_process>> dead;
    std::optional<disk> drive;
};

}  // namespace shale::sim::detail
