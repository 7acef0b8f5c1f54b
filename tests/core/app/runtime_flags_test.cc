// The runtime's options: each reaches its field, and mistakes get their sentence.
#include <shale/core/app/detail/runtime_flags.hh>

#include <gtest/gtest.h>

namespace shale::detail {
namespace {

struct fixture {
    runtime_options got;
    std::string log_levels;
    option_set options{"hello", "says hello", "1"};

    fixture() { add_runtime_flags(options, got, log_levels); }

    std::string error(std::vector<const char*> arguments) {
        arguments.insert(arguments.begin(), "hello");
        const auto result = options.parse(static_cast<int>(arguments.size()), arguments.data());
        return result ? "no error" : result.error();
    }
};

TEST(runtime_flags, fill_in_runtime_options) {
    fixture f;
    EXPECT_EQ(f.error({"-c", "2", "--cpuset", "3,0-1", "--placement", "pack", "--no-pin", "--poll", "--idle-poll-us",
                       "0", "--task-quota-us", "200", "--stop-timeout", "5s", "--log-level", "info"}),
              "no error");
    EXPECT_EQ(f.got.placement.shards, 2U);
    EXPECT_EQ(f.got.placement.cpuset, (std::vector<unsigned>{3, 0, 1}));
    EXPECT_EQ(f.got.placement.policy, placement_policy::pack);
    EXPECT_FALSE(f.got.placement.pin);
    EXPECT_TRUE(f.got.poll);
    EXPECT_EQ(f.got.idle_poll, 0us);
    EXPECT_EQ(f.got.task_quota, 200us);
    EXPECT_EQ(f.got.stop_timeout, 5s);
    EXPECT_EQ(f.log_levels, "info");
}

TEST(runtime_flags, refuse_mistakes_in_a_sentence) {
    fixture f;
    EXPECT_EQ(f.error({"--smp", "0"}), "--smp 0: out of range; give a whole number from 1 to 1024");
    EXPECT_EQ(f.error({"--cpuset", "0-x"}),
              "--cpuset 0-x: '0-x' is neither a CPU number (0-8191) nor a range of them; give a list such as 0-3,8");
    EXPECT_EQ(f.error({"--cpuset", ""}), "--cpuset : an empty list; give one such as 0-3,8");
    EXPECT_EQ(f.error({"--cpuset", "0-1,1"}),
              "--cpuset 0-1,1: CPU 1 is named twice; name each once, and use --smp for more shards than CPUs");
    EXPECT_EQ(f.error({"--idle-poll-us", "2000000"}),
              "--idle-poll-us 2000000: out of range; give a whole number from 0 to 1000000");
    EXPECT_EQ(f.error({"--placement", "random"}), "--placement random: unknown; give one of spread, pack");
    EXPECT_TRUE(f.error({"--log-level", "loud"}).starts_with("--log-level loud: "));
}

TEST(runtime_flags, are_explained_in_the_help) {
    fixture f;
    EXPECT_EQ(f.options.help(), R"(hello 1: says hello

Usage: hello [options]

Runtime:
  -c, --smp N              shards to run; one on each allowed CPU when absent
      --cpuset LIST        CPUs to choose from, such as 0-3,8; all that are
                           allowed when absent
      --placement spread|pack
                           with fewer shards than CPUs: over all NUMA nodes, or
                           on as few as possible [spread]
      --no-pin             leave each shard free to move between the chosen CPUs
      --poll               never sleep: lowest latency, all of every CPU
      --idle-poll-us N     microseconds that an idle shard spins before it
                           sleeps [50]
      --task-quota-us N    microseconds that tasks run in a turn; longer ones
                           are asked to give way [500]
      --stop-timeout TIME  limit of an orderly stop; 0 waits for ever [30s]
      --log-level LEVELS   such as warn, or info,net=debug for one logger [info]

Always:
      --config FILE        read options from a TOML or INI file: port = 7000
  -h, --help               show this and exit
      --version            show the version and exit
)");
}

}  // namespace
}  // namespace shale::detail
