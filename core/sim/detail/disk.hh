// The simulated disk of one machine, with the one file system on it: takes the requests on files and paths that
// programs make, finishes them in virtual time and in any order, and survives its machine's power losses.
//
// A request is judged when it is submitted (is the descriptor one, does direct I/O fit), takes a place and a drawn
// time, and is done in one instant at its end: that is when a write is seen, a read reads, a name changes. What is
// written was captured at submission, and compared then: a program that changes a buffer the disk owns is stopped.
// The results are those of Linux on ext4. Faults strike by the profile's chances, or exactly as planned.
#pragma once

#include <sys/uio.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../disk_profile.hh"
#include "../fault_counts.hh"
#include "disk_timing.hh"
#include "event_queue.hh"
#include "file_handle.hh"
#include "media_faults.hh"
#include "name_space.hh"
#include "outside_part.hh"

namespace shale::sim::detail {

/// What an observer of a disk is told.
struct disk_event {
    enum class phase : std::uint8_t { submitted, completed };

    phase when;
    io_op op;
    std::string_view path;  ///< of the file, or the first that the request names; valid during the call
    std::uint64_t number;   ///< of the I/O; 0 for close, lock, statfs and poll, which are none
    std::int32_t result;    ///< of one that is completed
};

/// Faults at exactly one place of a run.
struct disk_plan {
    std::uint64_t fail_at_io = 0;  ///< the number of the I/O that fails, without effect; 0: none
    bool fail_for_ever = false;    ///< and all after it
    std::int32_t error = -EIO;
    /// Calls `power_cut` as soon as this I/O is completed; 0: never.
    std::uint64_t power_loss_after_io = 0;
};

/// All that is on a disk, to be put back later, on this disk or another.
class disk_image {
public:
    disk_image() = default;

private:
    friend class disk;
    std::shared_ptr<const name_space> tree_;
    std::vector<media_fault> media_faults_;
};

class disk final : public outside_part {
public:
    disk(event_queue& events, random_engine random, const disk_profile& profile, fault_counts& counts);
    ~disk() override;

    /// Takes over a request on a file or a path: io_op::read to statfs, close and poll. Finished once, unless its
    /// requester dies.
    void begin(io_request& request, requester& from) override;
    /// True: it had not been begun, and is finished with -ECANCELED. False: it runs to its end, or is not here.
    bool withdraw(io_request& request, requester& from) override;
    /// A process ended. What it has submitted goes on, and once that is done its descriptors close and its locks go.
    void process_died(handle_table& handles) override;
    /// What was not durable is drawn, everything in flight is forgotten, and old descriptors are none any more.
    void power_loss(crash_fate fate);
    void power_loss() override { power_loss(crash_fate::each_its_own); }

    /// No more faults and spells; what was stuck goes on. What the media have done stays: see undo_media_faults().
    void calm();

    /// What is on the disk now, durable or not; requests in flight are not in it.
    disk_image snapshot() const;
    /// Puts it back. Requests in flight are forgotten and descriptors are none any more, as at a power loss.
    void restore(const disk_image& image);

    // Damage to the media: drawn ones and those done here.
    /// Makes a range unreadable, or flips bits of a byte. There must be such a file.
    std::uint64_t damage_sector(std::string_view path, std::uint64_t offset, std::uint64_t size);
    std::uint64_t damage_byte(std::string_view path, std::uint64_t offset, std::byte mask);
    /// All there were, in order.
    std::vector<media_fault> media_faults() const;
    void undo_media_fault(std::uint64_t id);
    void undo_media_faults();

    /// What a read of the whole file would give, damage included. Nothing: there is no such file.
    std::optional<std::vector<std::byte>> content(std::string_view path) const;
    std::uint64_t used_bytes() const noexcept { return tree_->space.used; }
    std::size_t in_flight() const noexcept { return in_flight_.size(); }
    /// I/Os that were submitted.
    std::uint64_t io_count() const noexcept { return io_count_; }
    std::uint64_t io_completed() const noexcept { return io_completed_; }
    const disk_profile& profile() const noexcept { return profile_; }
    disk_faults& faults() noexcept { return profile_.faults; }
    void set_capacity(std::uint64_t bytes) noexcept { tree_->space.capacity = profile_.capacity_bytes = bytes; }

    disk_plan plan;
    // Hooks; null: nobody cares.
    std::function<void(const disk_event&)> on_event;
    /// A submission blocked its shard for so long.
    std::function<void(requester&, std::uint64_t ns)> charge_ns;
    /// The plan wants the power cut. Called outside all requests; it is for the machine to call power_loss().
    std::function<void()> power_cut;
    /// Whether the media may be damaged there. Null: anywhere.
    std::function<bool(std::string_view path, std::uint64_t offset, std::uint64_t size)> may_damage;

private:
    struct operation {
        using handles = std::vector<std::shared_ptr<open_handle>>;

        io_request asked;  ///< a copy: the program may be gone when it is done
        io_request* request = nullptr;
        requester* from = nullptr;
        std::uint64_t io = 0;  ///< the number of the I/O; 0: it is none
        std::shared_ptr<file_handle> handle;
        std::shared_ptr<const handles>
            exit_waits;  ///< of its process, which has died: closed once nothing is in flight
        std::string path;
        std::string new_path;
        iovec single{};
        std::vector<iovec> many;
        std::uint64_t size = 0;    ///< of a transfer, all parts together
        extent data;               ///< of a write
        std::uint64_t serial = 0;  ///< of the last change before the submission
        std::uint64_t start_ns = 0;
        event_queue::id event;
        bool is_stuck = false;

        std::span<const iovec> parts() const noexcept {
            return many.empty() ? std::span(&single, 1) : std::span<const iovec>(many);
        }
    };

    // disk.cc: the way of a request.
    std::int32_t prepare(operation& o);
    void schedule(operation& o, std::uint64_t number);
    void complete(std::uint64_t number);
    std::int32_t perform(operation& o);
    void forget_all();
    void happen_at_power_loss(operation& o, crash_fate fate);
    void tell(disk_event::phase when, const operation& o, std::int32_t result);
    bool strikes(double chance, std::string_view name);
    std::uint64_t now_ns() const noexcept { return events_.now_ns(); }
    std::int64_t wall_ns() const noexcept { return static_cast<std::int64_t>(now_ns()) + profile_.wall_offset_ns; }

    // disk_transfer.cc: reads, writes, flushes.
    std::int32_t prepare_transfer(operation& o);
    std::int32_t read(operation& o);
    std::int32_t write(operation& o);
    std::int32_t write_now(operation& o, std::uint64_t size);
    std::int32_t sync(operation& o);
    std::uint64_t flushed_up_to(std::uint64_t serial);
    bool wants_dsync(const operation& o) const noexcept;
    std::uint64_t room_for(inode& file, std::uint64_t begin, std::uint64_t end);
    void touch(inode& file);

    // disk_damage.cc: what the media do.
    bool damage_before_read(inode& file, std::uint64_t offset, std::uint64_t size);
    void damage_read(inode& file, std::uint64_t offset, std::span<const iovec> parts, std::uint64_t size);
    void land(inode& file, const extent& data, bool durable);
    bool allowed(const inode& file, std::uint64_t offset, std::uint64_t size) const;
    std::uint64_t record(media_fault_kind kind, const inode& file, std::uint64_t offset, std::uint64_t size,
                         std::uint64_t victim = 0);
    inode_ptr named(std::string_view path) const;

    // disk_calls.cc: everything on names and whole files.
    std::int32_t open(operation& o);
    std::int32_t open_found(operation& o, const inode_ptr& file);
    std::int32_t stat(operation& o);
    std::int32_t statfs(operation& o);
    std::int32_t make_directory(operation& o);
    std::int32_t list(operation& o);
    std::int32_t allocate(operation& o);
    std::int32_t truncate(operation& o);
    std::int32_t set_size(inode& file, std::uint64_t size);
    std::int32_t sync_path(operation& o);
    std::int32_t lock(operation& o);

    event_queue& events_;
    random_engine random_;
    disk_profile profile_;
    fault_counts& counts_;
    disk_timing timing_;
    std::shared_ptr<name_space> tree_;
    std::map<std::uint64_t, std::unique_ptr<operation>> in_flight_;  // by number, in the order of submission
    std::uint64_t next_number_ = 1;
    std::uint64_t next_handle_ = 1;
    std::uint64_t serial_ = 0;  ///< of the last change
    std::uint64_t io_count_ = 0;
    std::uint64_t io_completed_ = 0;
    std::uint64_t no_space_until_ns_ = 0;
    std::vector<media_fault> media_faults_;
};

}  // namespace shale::sim::detail
