// Runs test bodies in simulated worlds. See testing.hh.
#include "testing.hh"

#include <algorithm>
#include <cstdlib>

namespace shale::test {

std::uint64_t seed() {
    const char* text = std::getenv("SHALE_TEST_SEED");
    return text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
}

void fail_on_dropped_failures(run_queue& queue) noexcept {
    queue.on_dropped_failure = [](run_queue*, const char* message) noexcept { ADD_FAILURE() << message; };
}

expect_dropped_failures::expect_dropped_failures()
    : queue_(this_run_queue()), hook_(queue_->on_dropped_failure), before_(queue_->dropped_failures) {
    queue_->on_dropped_failure = [](run_queue*, const char*) noexcept {};
}

expect_dropped_failures::~expect_dropped_failures() {
    queue_->on_dropped_failure = hook_;
}

void report_outcome(future<void>& done) {
    try {
        done.get();
    } catch (const std::exception& e) {
        ADD_FAILURE() << "the test body failed: " << e.what();
    } catch (...) {
        ADD_FAILURE() << "the test body failed with something that is no std::exception";
    }
}

namespace {

void run_on(sim::world_options options, const body& f, unsigned shards_used) {
    options.seed = options.seed == 1 ? seed() : options.seed;
    SCOPED_TRACE(::testing::Message() << "SHALE_TEST_SEED=" << options.seed);
    sim::world world(options);
    for (unsigned id = 0; id < world.shard_count(); ++id) {
        fail_on_dropped_failures(world.at(id));
    }
    std::vector<future<void>> bodies;
    for (unsigned id = 0; id < shards_used; ++id) {
        bodies.push_back(world.on(id, [&] { return futurize_invoke(f); }));
    }
    const bool ended = world.run_until(
        [&] { return std::ranges::all_of(bodies, [](const future<void>& b) { return b.available(); }); });
    EXPECT_TRUE(ended) << "the test waits for something that will never happen";
    if (!ended) {
        std::abort();  // the coroutines of the body still refer to the world; there is no way to unwind them
    }
    for (unsigned id = 0; id < shards_used; ++id) {
        world.on(id, [&] { report_outcome(bodies[id]); });
    }
    world.settle();
}

}  // namespace

void run(sim::world_options options, const body& f) {
    run_on(options, f, 1);
}

void run_everywhere(sim::world_options options, const body& f) {
    run_on(options, f, options.shards);
}

}  // namespace shale::test
