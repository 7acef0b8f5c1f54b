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
    explicit linux_side(side_kind kind) : kind_(kind) {
        if (kind == side_kind::linux_batching) {
            ::signal(SIGPIPE, SIG_IGN);  // as on a shard's thread: else there are no batches
        }
    }

    // Made when first asked for: most cases use one.
    platform& at(unsigned shard) override {
        auto& there = platforms_[shard];
        if (there) {
            return *there;
        }
        linux_platform_options options{.aio_capacity = 256};
        if (kind_ == side_kind::linux_batching) {
            options.socket_batching = detail::batch_everything;
        }
        return there.emplace(std::move(options));
    }

    void rest(std::uint64_t deadline) override {
        if (kind_ == side_kind::linux_sleeping && platforms_[0] && !platforms_[1]) {
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
    side_kind kind_;
    temporary_directory directory_;
    std::optional<linux_platform> platforms_[shard_count];
};

}  // namespace

std::unique_ptr<side> make_linux_side(side_kind kind) {
    return std::make_unique<linux_side>(kind);
}

}  // namespace shale::contract
