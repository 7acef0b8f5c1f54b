// The simulated disk against a simple model: programs drawn at random, a power loss, and for each sector the set of
// what it may hold - what was flushed last, or anything that was written there since and not flushed.
#include <algorithm>
#include <array>
#include <cerrno>

#include "disk_fixture.hh"

namespace shale::sim::detail {
namespace {

constexpr std::size_t sector = 512;
constexpr std::size_t sectors = 64;

/// One sector of the file: what a program reads, what is durable, what else a power loss may leave.
struct model_sector {
    int seen = 0;
    std::vector<int> possible{0};
    bool garbage = false;
};

class disk_model : public disk_test {
protected:
    /// Sector contents are numbers, one in each of its 128 words.
    static void fill(char* to, int number) {
        for (std::size_t i = 0; i < sector; i += sizeof number) {
            std::memcpy(to + i, &number, sizeof number);
        }
    }
    /// -1: a mixture.
    static int number_in(const char* from) {
        int number = 0;
        std::memcpy(&number, from, sizeof number);
        std::vector<char> expected(sector);
        fill(expected.data(), number);
        return std::equal(expected.begin(), expected.end(), from) ? number : -1;
    }

    void run_program(random_engine& random, std::uint64_t seed, bool garble);
    void begin_write(random_engine& random, int fd, bool dsync);
    void finish_write(std::size_t which, bool garble);

    struct pending {
        std::size_t first;
        std::size_t count;
        int number;
        bool dsync;
        block_buffer bytes;
        asked_request request{io_op::write};
    };
    std::array<model_sector, sectors> model;
    std::vector<std::unique_ptr<pending>> writes;
    int next_number = 1;
};

void disk_model::begin_write(random_engine& random, int fd, bool dsync) {
    const std::size_t first = random.below(sectors);
    const std::size_t count = random.between(1, std::min<std::size_t>(16, sectors - first));
    // One at a time in each place, so that the model knows the order.
    for (const auto& other : writes) {
        if (first < other->first + other->count && other->first < first + count) {
            return;
        }
    }
    auto made = std::make_unique<pending>(first, count, next_number++, dsync, block_buffer(count * sector));
    for (std::size_t i = 0; i < count; ++i) {
        fill(made->bytes.data() + i * sector, made->number);
    }
    made->request =
        make(io_op::write, fd, made->bytes.data(), count * sector, first * sector, 0, dsync ? unsigned{RWF_DSYNC} : 0U);
    begin(made->request);
    writes.push_back(std::move(made));
}

void disk_model::finish_write(std::size_t which, bool garble) {
    pending& w = *writes[which];
    wait_for(w.request);
    ASSERT_EQ(w.request.result, static_cast<int>(w.count * sector));
    for (std::size_t i = w.first; i < w.first + w.count; ++i) {
        model_sector& at = model[i];
        at.seen = w.number;
        if (w.dsync) {
            at = {w.number, {w.number}, false};
        } else {
            at.possible.push_back(w.number);
            at.garbage = at.garbage || garble;
        }
    }
    writes.erase(writes.begin() + static_cast<std::ptrdiff_t>(which));
}

void disk_model::run_program(random_engine& random, std::uint64_t seed, bool garble) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    disk_profile profile;
    profile.crash.garble = garble ? 0.3 : 0;
    use(profile, seed);
    model = {};
    writes.clear();
    int fd = open("/f", O_RDWR | O_CREAT | O_DIRECT);
    ASSERT_EQ(fallocate(fd, 0, 0, sectors * sector), 0);
    ASSERT_EQ(sync(fd), 0);
    ASSERT_EQ(sync_dir("/"), 0);
    for (int life = 0; life < 3; ++life) {
        const std::uint64_t steps = random.below(40);
        for (std::uint64_t i = 0; i < steps; ++i) {
            const std::uint64_t choice = random.below(10);
            if (choice < 6) {
                begin_write(random, fd, random.chance(0.2));
            } else if (choice < 8 && !writes.empty()) {
                finish_write(random.below(writes.size()), garble);
            } else if (choice == 8) {
                // Those that complete meanwhile may or may not be covered: end them first.
                while (!writes.empty()) {
                    finish_write(0, garble);
                }
                ASSERT_EQ(sync(fd), 0);
                for (model_sector& each : model) {
                    each = {each.seen, {each.seen}, false};
                }
            } else {
                block_buffer whole(sectors * sector);
                const auto before = model;
                while (!writes.empty()) {
                    finish_write(0, garble);
                }
                ASSERT_EQ(run(io_op::read, fd, whole.data(), whole.size()), static_cast<int>(whole.size()));
                for (std::size_t s = 0; s < sectors; ++s) {
                    ASSERT_EQ(number_in(whole.data() + s * sector), model[s].seen) << s;
                }
            }
        }
        // What is in flight may have happened, even whole and even if it was completed without being waited for.
        for (const auto& w : writes) {
            for (std::size_t s = w->first; s < w->first + w->count; ++s) {
                if (w->dsync && w->request.done()) {
                    model[s] = {w->number, {w->number}, false};
                } else {
                    model[s].possible.push_back(w->number);
                    model[s].garbage = model[s].garbage || garble;
                }
            }
        }
        cycle();
        writes.clear();
        const std::string left = content("/f").value_or("");
        ASSERT_EQ(left.size(), sectors * sector);
        for (std::size_t s = 0; s < sectors; ++s) {
            const int found = number_in(left.data() + s * sector);
            const bool expected = std::ranges::find(model[s].possible, found) != model[s].possible.end();
            ASSERT_TRUE(expected || model[s].garbage) << "sector " << s << " holds " << found;
            // Garbage is taken for what it is from now on: write it anew.
            model[s] = {found, {found}, false};
        }
        fd = open("/f", O_RDWR | O_DIRECT);
        block_buffer whole(left);
        for (std::size_t s = 0; s < sectors; ++s) {
            if (model[s].seen == -1) {
                fill(whole.data() + s * sector, next_number);
                model[s] = {next_number, {next_number}, false};
            }
        }
        ++next_number;
        ASSERT_EQ(run(io_op::write, fd, whole.data(), whole.size(), 0, 0, RWF_DSYNC), static_cast<int>(whole.size()));
    }
}

TEST_F(disk_model, holds_what_was_flushed_and_otherwise_old_or_new_whatever_is_torn) {
    random_engine random(1);
    for (std::uint64_t seed = 0; seed < 300 && !HasFatalFailure(); ++seed) {
        run_program(random, seed, false);
    }
    EXPECT_GT(counts.of("disk.crash_torn"), 100U);
    EXPECT_EQ(counts.of("disk.crash_garbled"), 0U);
}

TEST_F(disk_model, holds_garbage_only_where_unflushed_writes_were) {
    random_engine random(2);
    for (std::uint64_t seed = 0; seed < 300 && !HasFatalFailure(); ++seed) {
        run_program(random, seed, true);
    }
    EXPECT_GT(counts.of("disk.crash_garbled"), 100U);
}

}  // namespace
}  // namespace shale::sim::detail
