// Hello from every shard: the smallest program there is.
//
// Its main runs on shard 0 and sends a call to each shard, which prints a line with its own id. When main returns the
// shards stop in order and the process ends with what main gave.
#include <fmt/core.h>

#include <shale/core/app/app_template.hh>
#include <shale/core/shard/smp.hh>

int main(int argc, char** argv) {
    std::string whom = "world";
    shale::app_template app({.name = "hello", .description = "greets from every shard", .version = "0.1.0"});
    app.add_option("whom,w", &whom, "whom to greet");
    return app.run(argc, argv, [&]() -> shale::future<> {
        co_await shale::smp::invoke_on_all([&whom] {
            fmt::print("hello {} from shard {} of {}\n", whom, shale::this_shard_id(), shale::smp::shard_count());
        });
    });
}
