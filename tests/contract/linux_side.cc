// The real side of the contract: linux_platforms on this thread, a directory beside the binary (which unlike /tmp is
// hardly ever a tmpfs, so that direct I/O works), the time that really passes.
#include <shale/core/linux/linux_platform.hh>

#include <csignal>
#include <filesystem>
#include <optional>
#include <thread>

#include <shale/tests/core/linux/temporary.hh>
#include "side.hh"

namespace shale::contract {
namespace {

class linux_side final : public side {
public:
    explicit linux_side(bool asleep) : asleep_(asleep) { ::signal(SIGPIPE, SIG_IGN); }

    // Made when first asked for: most cases use one.
    platform& at(unsigned shard) override {
        auto& there = platforms_[shard];
        // Every transfer in a batch where it can be, which is the way with the most to go wrong.
        const detail::socket_batch_options batching{
            .least = 1, .batches_before_context = 0, .transfers_before_batches = 1};
        return there ? *there : there.emplace(linux_platform_options{.aio_capacity = 256, .socket_batching = batching});
    }

    void rest(std::uint64_t deadline) override {
        if (asleep_ && platforms_[0] && !platforms_[1]) {
            platforms_[0]->wait(deadline);
        }
    }

    void pass() override {}

    void wait(unsigned shard, std::uint64_t deadline) override { at(shard).wait(deadline); }

    void wake_from_elsewhere(unsigned shard) override {
        platform& target = at(shard);
        std::thread([&target] { target.wake(); }).join();
    }

    std::string working_directory() const override { return std::filesystem::current_path(); }
    std::string scratch() const override { return std::filesystem::path(directory_.path()).filename(); }

    void abandon(std::span<const int> descriptors) override {
        for (auto& one : platforms_) {
            one.reset();
        }
        for (const int fd : descriptors) {
            ::close(fd);
        }
    }

private:
    bool asleep_;
    temporary_directory directory_;
    std::optional<linux_platform> platforms_[shard_count];
};

}  // namespace

std::unique_ptr<side> make_linux_side(bool asleep) {
    return std::make_unique<linux_side>(asleep);
}

}  // namespace shale::contract
