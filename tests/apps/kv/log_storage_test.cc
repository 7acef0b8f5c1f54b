// The promises of apps/kv/log_storage.hh that need no server.
#include <gtest/gtest.h>

#include <shale/core/testing/testing.hh>
#include <shale/file/record_log.hh>

#include <shale/apps/kv/engine.hh>
#include <shale/apps/kv/log_storage.hh>

namespace shale::kv {
namespace {

TEST(log_storage, refuses_a_log_with_unknown_records_in_words_and_leaves_nothing_open) {
    sim::world_options options;
    options.disk.emplace();
    test::run(options, []() -> future<> {
        record_log_options made;
        made.segment_bytes = std::uint64_t{1} << 20;
        auto log = co_await record_log::open("/log", std::move(made), nullptr);
        constexpr std::uint32_t unknown_tag = 77;
        const auto added = log->append({}, 1, unknown_tag);
        EXPECT_TRUE(added.has_value());
        co_await log->close();

        log_storage_options again;
        again.directory = "/log";
        again.segment_bytes = std::uint64_t{1} << 20;
        log_storage store(std::move(again));
        engine keys(store, {});
        const auto opened = co_await as_result(store.open(keys, 0));
        std::string why;
        if (!opened) {
            try {
                std::rethrow_exception(opened.error());
            } catch (const std::exception& error) {
                why = error.what();
            }
        }
        EXPECT_TRUE(why.contains("1 records are of an unknown kind")) << why;
    });
}

}  // namespace
}  // namespace shale::kv
