// A shard that is busy with one file and nothing else: 4 KiB direct reads or writes at random places, a fixed depth.
//
// No Google Benchmark here: scripts/bench.d/syscalls runs it under strace. It prints one line of JSON: operations,
// seconds, and batches, the turns of the shard that had something to submit. The file is there already; writes
// overwrite it.
#include <fmt/core.h>

#include <shale/core/app/app_template.hh>
#include <shale/core/async/loop.hh>
#include <shale/core/base/random.hh>
#include <shale/core/shard/shard.hh>
#include <shale/file/file.hh>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace {

using shale::future;

constexpr std::size_t block = 4096;

struct settings {
    std::string path;
    std::uint64_t operations = 20'000;
    std::uint64_t depth = 32;
    bool write = false;
};

class load {
public:
    load(shale::file target, std::uint64_t blocks, settings conf)
        : target_(std::move(target)), blocks_(blocks), left_(conf.operations), write_(conf.write) {}

    future<> run(std::uint64_t depth) {
        std::vector<future<>> lanes;
        for (std::uint64_t i = 0; i < depth; ++i) {
            lanes.push_back(lane());
        }
        for (future<>& one : lanes) {
            co_await std::move(one);
        }
    }

    std::uint64_t batches() const noexcept { return batches_; }

private:
    future<> lane() {
        auto buffer = shale::temporary_buffer<char>::aligned(block, block);
        std::fill_n(buffer.get_write(), block, 'x');
        while (left_ > 0) {
            --left_;
            const std::uint64_t turn = shale::this_shard().turns();
            batches_ += turn != last_turn_ ? 1 : 0;
            last_turn_ = turn;
            const std::uint64_t position = random_.below(blocks_) * block;
            if (write_) {
                co_await target_.dma_write(position, buffer.get(), block);
            } else {
                co_await target_.dma_read(position, buffer.get_write(), block);
            }
        }
    }

    shale::file target_;
    shale::random_engine random_{1};
    std::uint64_t blocks_;
    std::uint64_t left_;
    bool write_;
    std::uint64_t last_turn_ = 0;
    std::uint64_t batches_ = 0;
};

future<int> measure(settings conf) {
    shale::file target = co_await shale::open_file_dma(conf.path, shale::open_flags::rw);
    const std::uint64_t bytes = co_await target.size();
    load work(target, std::max<std::uint64_t>(bytes / block, 1), conf);
    const auto begin = shale::clock::now();
    co_await work.run(conf.depth);
    const std::chrono::duration<double> spent = shale::clock::now() - begin;
    fmt::print("{{\"operations\": {}, \"batches\": {}, \"seconds\": {:.6f}, \"direct\": {}}}\n", conf.operations,
               work.batches(), spent.count(), target.is_direct());
    co_await target.close();
    co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
    settings conf;
    shale::app_template app({.name = "bench_disk", .description = "reads or writes one file", .version = "0.1.0"});
    app.add_option("file", &conf.path, "the file, which exists");
    app.add_option("operations,n", &conf.operations, "4 KiB reads in all");
    app.add_option("depth,d", &conf.depth, "at a time");
    app.add_option("write", &conf.write, "write instead of reading");
    return app.run(argc, argv, [&] { return measure(conf); });
}
