// See contract.hh.
#include "contract.hh"

#include <fcntl.h>
#include <sys/stat.h>

#include <sstream>
#include <vector>

namespace shale::contract {

std::string name_of(const ::testing::TestParamInfo<side_kind>& info) {
    std::ostringstream out;
    PrintTo(info.param, &out);
    return out.str();
}

contract_case::~contract_case() {
    side_->abandon(std::vector<int>(open_.begin(), open_.end()));
}

void contract_case::submit(std::span<io_request* const> all, unsigned shard) {
    used_[shard] = true;
    offered_[shard].insert(offered_[shard].end(), all.begin(), all.end());
    offer(shard);
}

void contract_case::offer(unsigned shard) {
    auto& waiting = offered_[shard];
    if (waiting.empty()) {
        return;
    }
    const std::vector<io_request*> batch(waiting.begin(), waiting.end());
    const unsigned taken = side_->at(shard).submit(batch.data(), static_cast<unsigned>(batch.size()));
    ASSERT_LE(taken, batch.size());
    waiting.erase(waiting.begin(), waiting.begin() + taken);
}

unsigned contract_case::turn() {
    unsigned sum = 0;
    for (unsigned shard = 0; shard < shard_count; ++shard) {
        if (!used_[shard]) {
            continue;
        }
        io_request* finished[64];
        const unsigned n = side_->at(shard).reap(finished, 64);
        for (unsigned i = 0; i < n; ++i) {
            finished[i]->complete(*finished[i]);
        }
        offer(shard);
        sum += n;
    }
    return sum;
}

bool contract_case::until(const std::function<bool()>& condition) {
    const std::uint64_t deadline = side_->at(0).now() + 30'000'000'000;
    while (!condition()) {
        if (turn() == 0) {
            if (side_->at(0).now() >= deadline) {
                return false;
            }
            side_->rest(deadline);
        }
    }
    return true;
}

void contract_case::settle() {
    for (int i = 0; i < 200; ++i) {
        turn();
        side_->pass();
    }
}

int contract_case::finish(operation& o) {
    EXPECT_TRUE(until([&] { return o.done(); })) << "request " << static_cast<int>(o.op) << " never completed";
    EXPECT_EQ(o.completions, 1);
    return o.result;
}

int contract_case::run(operation& o, unsigned shard) {
    o.completions = 0;
    submit(o, shard);
    return finish(o);
}

int contract_case::run(io_op op, int fd, void* data, std::size_t size, std::uint64_t offset, void* extra,
                       unsigned shard) {
    operation o(op, fd, data, size);
    o.offset = offset;
    o.extra = extra;
    return run(o, shard);
}

std::string contract_case::relative(std::string_view name) const {
    return side_->scratch() + "/" + std::string(name);
}

std::string contract_case::path(std::string_view name) const {
    const std::string from = side_->working_directory();
    return (from == "/" ? from : from + "/") + relative(name);
}

int contract_case::open(const std::string& where, int flags, unsigned mode) {
    const int fd = run(io_op::open, -1, text(where), static_cast<unsigned>(flags), mode);
    return fd < 0 ? fd : keep(fd);
}

int contract_case::opened(std::string_view name, int flags, unsigned mode) {
    const int fd = open(path(name), flags, mode);
    EXPECT_GE(fd, 0) << name;
    return fd;
}

int contract_case::close(int fd) {
    open_.erase(fd);
    return run(io_op::close, fd);
}

int contract_case::write(int fd, std::string_view data, std::uint64_t offset) {
    return run(io_op::write, fd, const_cast<char*>(data.data()), data.size(), offset);
}

std::string contract_case::read(int fd, std::size_t size, std::uint64_t offset) {
    std::string into(size, '?');
    const int n = run(io_op::read, fd, into.data(), size, offset);
    return n < 0 ? "error " + std::to_string(-n) : into.substr(0, static_cast<std::size_t>(n));
}

void contract_case::put(std::string_view name, std::string_view content) {
    const int fd = opened(name, O_WRONLY | O_CREAT | O_TRUNC);
    EXPECT_EQ(write(fd, content), static_cast<int>(content.size()));
    EXPECT_EQ(close(fd), 0);
}

std::string contract_case::get(std::string_view name) {
    const int fd = open(path(name), O_RDONLY);
    if (fd < 0) {
        return "error " + std::to_string(-fd);
    }
    std::string content = read(fd, 1 << 20);
    close(fd);
    return content;
}

std::uint64_t contract_case::size_of(int fd) {
    struct statx about {};
    EXPECT_EQ(run(io_op::stat, fd, nullptr, 0, 0, &about), 0);
    return about.stx_size;
}

int contract_case::keep(int fd) {
    EXPECT_GE(fd, 0);
    open_.insert(fd);
    return fd;
}

}  // namespace shale::contract
