// Options: every type takes what it should, every mistake gets its sentence, and the help is fit to read.
#include <shale/core/app/options.hh>

#include <unistd.h>

#include <fstream>

#include <gtest/gtest.h>

namespace shale {
namespace {

using outcome = option_set::outcome;

enum class durability { always, everysec, no };

struct settings {
    bool verbose = false;
    bool pin = true;
    std::uint16_t port = 6379;
    int offset = -1;
    std::optional<unsigned> shards;
    double ratio = 0.5;
    std::string dir = "data";
    std::vector<std::string> nodes{"localhost"};
    duration timeout = 30s;
    std::uint64_t cache = 64 << 20;
    durability fsync = durability::always;
    std::vector<std::string> files;
};

struct fixture {
    settings got;
    option_set options{"kv", "a durable key-value server", "0.1.0"};

    fixture() {
        options.add_option("port,p", &got.port, "TCP port to listen on", {.min = 1});
        options.add_option("offset", &got.offset, "how far to go, backwards when negative");
        options.add_option("dir", &got.dir, "where the data lives");
        options.begin_group("Storage");
        options.add_size("cache", &got.cache, "memory for values that were read");
        options.add_choice(
            "fsync", &got.fsync,
            {{"always", durability::always}, {"everysec", durability::everysec}, {"no", durability::no}},
            "when a write is flushed: before it is acknowledged, once a second, or when the system likes");
        options.begin_group("Runtime");
        options.add_option("smp,c", &got.shards, "number of shards; all allowed CPUs when absent", {1, 1024});
        options.add_option("pin", &got.pin, "leave shards free to move between CPUs");
        options.add_option("verbose,v", &got.verbose, "say more");
        options.add_option("ratio", &got.ratio, "share of the cache that is young");
        options.add_option("stop-timeout", &got.timeout, "how long an orderly stop may take");
        options.add_option("node", &got.nodes, "a seed node; may be repeated");
    }

    std::expected<outcome, std::string> parse(std::vector<const char*> arguments) {
        arguments.insert(arguments.begin(), "kv");
        return options.parse(static_cast<int>(arguments.size()), arguments.data());
    }
    std::string error(std::vector<const char*> arguments) {
        const auto result = parse(std::move(arguments));
        return result ? "no error" : result.error();
    }
};

TEST(options, leaves_defaults_alone) {
    fixture f;
    EXPECT_EQ(f.parse({}), outcome::run);
    EXPECT_EQ(f.got.port, 6379);
    EXPECT_EQ(f.got.nodes, std::vector<std::string>{"localhost"});
    EXPECT_FALSE(f.got.shards);
    EXPECT_TRUE(f.got.pin);
}

TEST(options, takes_values_of_every_type) {
    fixture f;
    ASSERT_EQ(f.parse({"--port=7000", "--offset",    "-5",      "-c",       "3",        "--ratio",        "0.25",
                       "--dir",       "/var/lib/kv", "--node",  "a",        "--node=b", "--stop-timeout", "1.5s",
                       "--cache",     "2G",          "--fsync", "everysec", "-v",       "--no-pin"}),
              outcome::run);
    EXPECT_EQ(f.got.port, 7000);
    EXPECT_EQ(f.got.offset, -5);
    EXPECT_EQ(f.got.shards, 3U);
    EXPECT_EQ(f.got.ratio, 0.25);
    EXPECT_EQ(f.got.dir, "/var/lib/kv");
    EXPECT_EQ(f.got.nodes, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(f.got.timeout, 1500ms);
    EXPECT_EQ(f.got.cache, 2ULL << 30);
    EXPECT_EQ(f.got.fsync, durability::everysec);
    EXPECT_TRUE(f.got.verbose);
    EXPECT_FALSE(f.got.pin);
}

TEST(options, the_last_of_several_counts) {
    fixture f;
    ASSERT_EQ(f.parse({"-p", "1", "--port", "2", "--no-pin", "--pin", "--verbose=no"}), outcome::run);
    EXPECT_EQ(f.got.port, 2);
    EXPECT_TRUE(f.got.pin);
    EXPECT_FALSE(f.got.verbose);
}

TEST(options, an_empty_text_is_a_text) {
    fixture f;
    ASSERT_EQ(f.parse({"--dir", ""}), outcome::run);
    EXPECT_EQ(f.got.dir, "");
}

TEST(options, reads_sizes_and_durations_as_people_write_them) {
    EXPECT_EQ(detail::read_size("4096"), 4096U);
    EXPECT_EQ(detail::read_size("64M"), 64ULL << 20);
    EXPECT_EQ(detail::read_size("64MiB"), 64ULL << 20);
    EXPECT_EQ(detail::read_size("1.5k"), 1536U);
    EXPECT_EQ(detail::read_size("10B"), 10U);
    EXPECT_EQ(detail::read_size("18446744073709551615"), 18446744073709551615ULL);
    EXPECT_FALSE(detail::read_size("-1"));
    EXPECT_FALSE(detail::read_size("1.5"));
    EXPECT_FALSE(detail::read_size("64X"));
    EXPECT_FALSE(detail::read_size("9999999999T"));
    EXPECT_EQ(detail::read_duration("500us"), 500us);
    EXPECT_EQ(detail::read_duration("2m"), 2min);
    EXPECT_EQ(detail::read_duration("1.5h"), 90min);
    EXPECT_EQ(detail::read_duration("0"), 0ns);
    EXPECT_FALSE(detail::read_duration("5"));
    EXPECT_FALSE(detail::read_duration("-5s"));
    EXPECT_FALSE(detail::read_duration("9e99s"));
}

TEST(options, writes_what_it_reads) {
    for (const char* text : {"0", "1", "1000", "4K", "3M", "64G", "2T"}) {
        EXPECT_EQ(detail::write_size(*detail::read_size(text)), text);
    }
    for (const char* text : {"0", "1ns", "50us", "1500ms", "30s", "2m", "1h"}) {
        EXPECT_EQ(detail::write_duration(*detail::read_duration(text)), text);
    }
}

TEST(options, says_what_is_wrong_with_a_value_and_what_would_be_right) {
    fixture f;
    EXPECT_EQ(f.error({"--port", "abc"}), "--port abc: not a whole number; give one from 1 to 65535");
    EXPECT_EQ(f.error({"--port", "70000"}), "--port 70000: out of range; give a whole number from 1 to 65535");
    EXPECT_EQ(f.error({"-p", "0"}), "--port 0: out of range; give a whole number from 1 to 65535");
    EXPECT_EQ(f.error({"-c-1"}), "--smp -1: out of range; give a whole number from 1 to 1024");
    EXPECT_EQ(f.error({"--smp", "12x"}), "--smp 12x: not a whole number; give one from 1 to 1024");
    EXPECT_EQ(f.error({"--ratio", "half"}), "--ratio half: not a number; give one such as 0.5");
    EXPECT_EQ(f.error({"--cache", "64X"}), "--cache 64X: not a size; give bytes, or a number with K, M, G or T");
    EXPECT_EQ(f.error({"--stop-timeout", "5"}),
              "--stop-timeout 5: a time without its unit; give ns, us, ms, s, m or h behind it");
    EXPECT_EQ(f.error({"--stop-timeout", "soon"}),
              "--stop-timeout soon: not a time; give a number with ns, us, ms, s, m or h behind it");
    EXPECT_EQ(f.error({"--fsync", "sometimes"}), "--fsync sometimes: unknown; give one of always, everysec, no");
    EXPECT_EQ(f.error({"--verbose=maybe"}), "--verbose maybe: neither yes nor no; give one of these");
}

TEST(options, says_that_a_value_is_missing) {
    fixture f;
    EXPECT_EQ(f.error({"--port"}), "--port: a value is missing; give --port N");
    EXPECT_EQ(f.error({"--port", "--smp", "2"}), "--port: a value is missing; give --port N");
    EXPECT_EQ(f.error({"--fsync"}), "--fsync: a value is missing; give --fsync always|everysec|no");
}

TEST(options, guesses_what_was_meant) {
    fixture f;
    EXPECT_EQ(f.error({"--prot", "7000"}), "unknown option --prot; did you mean --port? kv --help lists them all");
    EXPECT_EQ(f.error({"--prot=7000"}), "unknown option --prot; did you mean --port? kv --help lists them all");
    EXPECT_EQ(f.error({"--stop"}), "unknown option --stop; did you mean --stop-timeout? kv --help lists them all");
    EXPECT_EQ(f.error({"--hlep"}), "unknown option --hlep; did you mean --help? kv --help lists them all");
    EXPECT_EQ(f.error({"--reticulate"}), "unknown option --reticulate; kv --help lists them all");
    EXPECT_EQ(f.error({"-x"}), "unknown option -x; kv --help lists them all");
    EXPECT_EQ(f.error({"start"}), "unexpected argument 'start'; options start with --, and kv --help lists them");
}

TEST(options, gives_arguments_without_a_name_to_the_positional) {
    fixture f;
    f.options.add_positional("FILE", &f.got.files, "files to load first");
    EXPECT_EQ(f.error({"a", "--port", "7", "b", "--", "-c"}), "no error");
    EXPECT_EQ(f.got.files, (std::vector<std::string>{"a", "b", "-c"}));
    EXPECT_EQ(f.got.port, 7);
    EXPECT_EQ(f.error({"a", "--prot"}), "unknown option --prot; did you mean --port? kv --help lists them all");
}

TEST(options, help_and_version_win_over_mistakes) {
    fixture f;
    EXPECT_EQ(f.parse({"--port", "abc", "--help"}), outcome::show_help);
    EXPECT_EQ(f.parse({"-h"}), outcome::show_help);
    EXPECT_EQ(f.parse({"--version"}), outcome::show_version);
    EXPECT_EQ(f.options.version(), "kv 0.1.0");
}

class config_file {
public:
    explicit config_file(const std::string& text) {
        path_ = ::testing::TempDir() + "shale-options-XXXXXX";
        const int fd = mkstemp(path_.data());
        EXPECT_GE(fd, 0);
        close(fd);
        std::ofstream(path_) << text;
    }
    config_file(const config_file&) = delete;
    config_file& operator=(const config_file&) = delete;
    ~config_file() { unlink(path_.c_str()); }
    const char* path() const { return path_.c_str(); }

private:
    std::string path_;
};

TEST(options, reads_a_config_file_below_the_command_line) {
    const config_file file("port = 7000\ncache = \"1G\"\nnode = [\"a\", \"b\"]\nverbose = true\n");
    fixture f;
    ASSERT_EQ(f.parse({"--config", file.path(), "--cache", "2G"}), outcome::run);
    EXPECT_EQ(f.got.port, 7000);
    EXPECT_EQ(f.got.cache, 2ULL << 30);
    EXPECT_EQ(f.got.nodes, (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(f.got.verbose);
}

TEST(options, says_what_is_wrong_with_a_config_file) {
    fixture f;
    const config_file unknown("prot = 7000\n");
    EXPECT_EQ(f.error({"--config", unknown.path()}),
              "--config: unknown option --prot; did you mean --port? kv --help lists them all");
    const config_file wrong("port = 70000\n");
    EXPECT_EQ(f.error({"--config", wrong.path()}), "--port 70000: out of range; give a whole number from 1 to 65535");
    EXPECT_EQ(f.error({"--config", "/nowhere/kv.toml"}),
              "--config: /nowhere/kv.toml was not readable (missing?); give a file that exists");
}

TEST(options, help_is_grouped_and_fits_the_width) {
    fixture f;
    f.options.add_positional("FILE", &f.got.files, "files to load first");
    EXPECT_EQ(f.options.help(), R"(kv 0.1.0: a durable key-value server

Usage: kv [options] [FILE...]

Options:
  -p, --port N             TCP port to listen on [6379]
      --offset N           how far to go, backwards when negative [-1]
      --dir TEXT           where the data lives [data]

Storage:
      --cache SIZE         memory for values that were read [64M]
      --fsync always|everysec|no
                           when a write is flushed: before it is acknowledged,
                           once a second, or when the system likes [always]

Runtime:
  -c, --smp N              number of shards; all allowed CPUs when absent
      --no-pin             leave shards free to move between CPUs
  -v, --verbose            say more
      --ratio X            share of the cache that is young [0.5]
      --stop-timeout TIME  how long an orderly stop may take [30s]
      --node TEXT          a seed node; may be repeated [localhost]

Arguments:
      FILE                 files to load first

Always:
      --config FILE        read options from a TOML or INI file: port = 7000
  -h, --help               show this and exit
      --version            show the version and exit
)");
    for (const unsigned columns : {60U, 80U, 100U}) {
        const std::string text = f.options.help(columns);
        for (std::size_t start = 0; start < text.size();) {
            const auto end = text.find('\n', start);
            EXPECT_LE(end - start, columns) << text.substr(start, end - start);
            start = end + 1;
        }
    }
}

TEST(options_death, refuses_a_name_twice_and_the_built_in_ones) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    fixture f;
    int value = 0;
    EXPECT_DEATH(f.options.add_option("port", &value, ""), "defined already");
    EXPECT_DEATH(f.options.add_option("pages,p", &value, ""), "defined already");
    EXPECT_DEATH(f.options.add_option("help", &value, ""), "built in");
    EXPECT_DEATH(f.options.add_option("--dashes", &value, ""), "no dashes");
}

}  // namespace
}  // namespace shale
