// The simulated disk under everything at once: random requests, drawn faults, kills and power losses. Each request ends
// once or with its process, no room is lost, and the same seed gives the same run.
#include <algorithm>
#include <cerrno>
#include <iterator>

#include "disk_fixture.hh"

namespace shale::sim::detail {
namespace {

class disk_swarm : public disk_test {
protected:
    struct flight {
        asked_request request{io_op::read};
        block_buffer room{16'384, 'r'};
        std::string path;
        std::string other;
    };

    static std::string any_path(random_engine& random) {
        std::string path;
        for (std::uint64_t depth = random.between(1, 3); depth != 0; --depth) {
            path += std::string{'/', static_cast<char>('a' + random.below(3))};
        }
        return path;
    }

    /// What the request needs beside a descriptor and a path.
    static void fill(flight& f, random_engine& random) {
        asked_request& r = f.request;
        r.fd = handle_table::first + static_cast<int>(random.below(6));
        r.data = f.path.data();
        switch (r.op) {
            case io_op::open:
                r.size = random.chance(0.7) ? O_RDWR | O_CREAT | (random.chance(0.2) ? O_TRUNC : 0) : O_RDONLY;
                break;
            case io_op::rename:
                r.extra = f.other.data();
                r.size = static_cast<std::uint32_t>(random.below(3));
                break;
            case io_op::unlink:
                r.size = random.chance(0.3) ? AT_REMOVEDIR : 0;
                break;
            case io_op::mkdir:
                r.size = 0755;
                break;
            case io_op::lock:
                r.size = 1U << random.below(4);
                break;
            case io_op::stat:
                r.extra = f.room.data();
                break;
            case io_op::fallocate:
                r.extra = reinterpret_cast<void*>(static_cast<std::uintptr_t>(random.below(40'000)));
                r.size = static_cast<std::uint32_t>(random.below(4));
                r.offset = random.below(100'000);
                break;
            case io_op::sync_dir:
                break;
            default:
                r.data = f.room.data();
                r.size = static_cast<std::uint32_t>(random.below(f.room.size()));
                r.offset = random.below(100'000);
                r.rw_flags = static_cast<std::uint16_t>(random.chance(0.5) ? 0 : random.below(32));
                break;
        }
    }

    void submit(random_engine& random) {
        constexpr io_op ops[] = {io_op::read,     io_op::read,      io_op::write, io_op::write, io_op::write,
                                 io_op::fsync,    io_op::fdatasync, io_op::open,  io_op::open,  io_op::close,
                                 io_op::rename,   io_op::unlink,    io_op::mkdir, io_op::mkdir, io_op::fallocate,
                                 io_op::truncate, io_op::sync_dir,  io_op::lock,  io_op::stat,  io_op::readdir};
        flights.push_back(std::make_unique<flight>());
        flight& f = *flights.back();
        f.path = any_path(random);
        f.other = any_path(random);
        f.request = make(ops[random.below(std::size(ops))], -1);
        fill(f, random);
        begin(f.request);
    }

    void lose_process(bool power) {
        process->is_alive = false;
        if (power) {
            drive->power_loss();
        } else {
            drive->process_died(process->table);
        }
        dead.push_back(std::move(process));
        process = std::make_unique<fake_process>();
        std::ranges::move(flights, std::back_inserter(ended));
        flights.clear();
    }

    /// One run; gives all that came of it, in a number.
    std::uint64_t play(std::uint64_t seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        random_engine random(seed);
        disk_profile profile = disk_profile::swarm(random);
        disk_faults& faults = profile.faults;
        faults.read_error = faults.write_error = faults.sync_error = 0.02;
        faults.bit_rot = faults.latent_sector = faults.misdirected_write = 0.02;
        faults.misdirected_read = faults.stale_read = faults.lying_flush = 0.02;
        profile.capacity_bytes = random.between(50'000, 500'000);
        events = event_queue();
        use(profile, seed);
        std::uint64_t hash = 0;
        drive->on_event = [&](const disk_event& e) {
            hash = hash * 1'000'003 + static_cast<std::uint64_t>(e.result) + e.number + events.now_ns();
        };
        for (int i = 0; i < 1500; ++i) {
            const std::uint64_t choice = random.below(1000);
            if (choice < 550) {
                submit(random);
            } else if (choice < 975 && !events.empty()) {
                events.run_next();
            } else if (choice < 990 && !flights.empty()) {
                drive->withdraw(flights[random.below(flights.size())]->request, *process);
            } else if (choice >= 990) {
                lose_process(choice >= 995);
            }
        }
        drive->calm();
        run_events();
        check_end();
        return hash;
    }

    void check_end() {
        EXPECT_EQ(drive->in_flight(), 0U);
        EXPECT_TRUE(std::ranges::all_of(flights, [](const auto& f) { return f->request.completions == 1; }));
        EXPECT_TRUE(std::ranges::all_of(ended, [](const auto& f) { return f->request.completions <= 1; }));
        EXPECT_LE(drive->used_bytes(), drive->profile().capacity_bytes);
        lose_process(true);
        dead.clear();
        ended.clear();
        drive->set_capacity(std::uint64_t{1} << 30);
        remove_all("");
        EXPECT_EQ(drive->used_bytes(), 0U) << "room that belongs to no file";
    }

    void remove_all(const std::string& directory) {
        for (char c = 'a'; c < 'd'; ++c) {
            const std::string path = directory + "/" + c;
            if (unlink(path) == -EISDIR) {
                remove_all(path);
                EXPECT_EQ(rmdir(path), 0) << path;
            }
        }
    }

    std::vector<std::unique_ptr<flight>> flights;
    std::vector<std::unique_ptr<flight>> ended;
};

TEST_F(disk_swarm, ends_each_request_once_and_loses_no_room_whatever_happens) {
    for (std::uint64_t seed = 0; seed < 100 && !HasFailure(); ++seed) {
        play(seed);
    }
    for (const char* name :
         {"disk.read_error", "disk.write_error", "disk.sync_error", "disk.name_error", "disk.short_read",
          "disk.short_write", "disk.interrupted", "disk.nowait_again", "disk.bit_rot", "disk.latent_sector",
          "disk.misdirected_write", "disk.misdirected_read", "disk.stale_read", "disk.lying_flush", "disk.no_space",
          "disk.crash_torn", "disk.crash_garbled", "disk.crash_name_kept", "disk.crash_name_lost"}) {
        EXPECT_GT(counts.of(name), 0U) << name;
    }
}

TEST_F(disk_swarm, the_same_seed_gives_the_same_run) {
    for (std::uint64_t seed = 1000; seed < 1020; ++seed) {
        const std::uint64_t first = play(seed);
        EXPECT_EQ(play(seed), first) << seed;
    }
}

}  // namespace
}  // namespace shale::sim::detail
