// The price of one command inside a shard of kv: parse, look up, run, reply, with no socket and no disk.
//
// 100-byte values, keys as redis-benchmark makes them, 16 commands a pipeline. The bar is 1.5 million pipelined GETs a
// second and core (PERFORMANCE.md, sockets): 667 ns a command, of which the kernel's send and receive take the most.
#include <benchmark/benchmark.h>

#include <fmt/core.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <shale/apps/kv/command.hh>
#include <shale/apps/kv/expiry.hh>
#include <shale/apps/kv/hash.hh>
#include <shale/apps/kv/memory_storage.hh>
#include <shale/apps/kv/resp.hh>
#include <shale/apps/kv/slot.hh>

namespace {

using namespace shale::kv;

constexpr std::size_t depth = 16;

std::string key_of(std::uint64_t i) {
    return fmt::format("key:{:012}", i);
}

std::string encode(std::initializer_list<std::string_view> words) {
    std::string text = fmt::format("*{}\r\n", words.size());
    for (const std::string_view word : words) {
        text += fmt::format("${}\r\n{}\r\n", word.size(), word);
    }
    return text;
}

// Pipelines of one command over random keys of a shard that holds `keys` of them.
struct fixture {
    fixture(std::string_view command, std::uint64_t keys)
        : state(0, 1, store, {.cache_bytes = std::size_t(-1), .hash_seed = 42}, settings(), server_identity()) {
        state.db.set_now_ms(1000);
        for (std::uint64_t i = 0; i < keys; ++i) {
            const std::string key = key_of(i);
            (void)state.db.put(state.db.key(key), nullptr, value, 0);
        }
        std::mt19937_64 random(1);
        for (int i = 0; i < 4096; ++i) {
            std::string pipeline;
            for (std::size_t j = 0; j < depth; ++j) {
                const std::string key = key_of(random() % keys);
                pipeline += command == "SET" ? encode({command, key, value}) : encode({command, key});
            }
            pipelines.push_back(std::move(pipeline));
        }
    }

    const std::string value = std::string(100, 'v');
    memory_storage store;
    shard_state state;
    std::vector<std::string> pipelines;
};

void run_pipelines(benchmark::State& bench, std::string_view command) {
    fixture f(command, static_cast<std::uint64_t>(bench.range(0)));
    request_parser parser;
    output out;
    wanted wants;
    session client;
    std::size_t next = 0;
    for (auto _ : bench) {
        std::string_view input = f.pipelines[next++ % f.pipelines.size()];
        while (parser.parse(input) == request_parser::status::command) {
            input.remove_prefix(parser.consumed());
            const shale::kv::command* const of = find_command(parser.arguments()[0]);
            reply to(out, false);
            call in{f.state, f.state.db, parser.arguments(), to, wants, &client};
            of->run(in);
        }
        benchmark::DoNotOptimize(out.size());
        out.clear();
    }
    bench.SetItemsProcessed(bench.iterations() * static_cast<std::int64_t>(depth));
}

void get(benchmark::State& bench) {
    run_pipelines(bench, "GET");
}
void set(benchmark::State& bench) {
    run_pipelines(bench, "SET");
}
BENCHMARK(get)->Arg(1000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(set)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

void parse(benchmark::State& bench) {
    std::string pipeline;
    for (std::size_t i = 0; i < depth; ++i) {
        pipeline += encode({"GET", key_of(i)});
    }
    request_parser parser;
    for (auto _ : bench) {
        std::string_view input = pipeline;
        while (parser.parse(input) == request_parser::status::command) {
            input.remove_prefix(parser.consumed());
        }
    }
    bench.SetItemsProcessed(bench.iterations() * static_cast<std::int64_t>(depth));
}
BENCHMARK(parse);

void look_up_command(benchmark::State& bench) {
    const std::string_view names[] = {"GET", "set", "INCRBYFLOAT", "mget", "Ping", "nonsense"};
    std::size_t i = 0;
    for (auto _ : bench) {
        benchmark::DoNotOptimize(find_command(names[i++ % 6]));
    }
}
BENCHMARK(look_up_command);

void slot_of_key(benchmark::State& bench) {
    const std::string key = key_of(123);
    for (auto _ : bench) {
        benchmark::DoNotOptimize(key_slot(key));
    }
}
BENCHMARK(slot_of_key);

void insert_into_index(benchmark::State& bench) {
    for (auto _ : bench) {
        shale::kv::index in;
        for (std::uint64_t i = 0; i < 1'000'000; ++i) {
            in.insert(i * 0x9e3779b97f4a7c15, {i, 3});
        }
        bench.counters["bytes_a_key"] = static_cast<double>(in.memory_bytes()) / 1e6;
    }
    bench.SetItemsProcessed(bench.iterations() * 1'000'000);
}
BENCHMARK(insert_into_index)->Unit(benchmark::kMillisecond);

void index_find(benchmark::State& bench) {
    shale::kv::index in;
    for (std::uint64_t i = 0; i < 1'000'000; ++i) {
        in.insert(i * 0x9e3779b97f4a7c15, {i, 3});
    }
    std::uint64_t i = 0;
    for (auto _ : bench) {
        const std::uint64_t key = i++ * 7919 % 1'000'000;
        benchmark::DoNotOptimize(
            in.find(key * 0x9e3779b97f4a7c15, [&](index_entry entry) { return entry.location == key; }));
    }
}
BENCHMARK(index_find);

void expiry_insert_and_erase(benchmark::State& bench) {
    expiry_queue queue;
    std::mt19937_64 random(1);
    for (int i = 0; i < 1'000'000; ++i) {
        queue.insert({static_cast<std::int64_t>(random() % 3'600'000), random()});
    }
    for (auto _ : bench) {
        const expiry_queue::pair one{static_cast<std::int64_t>(random() % 3'600'000), random()};
        queue.insert(one);
        queue.erase(one);
    }
}
BENCHMARK(expiry_insert_and_erase);

}  // namespace

BENCHMARK_MAIN();
