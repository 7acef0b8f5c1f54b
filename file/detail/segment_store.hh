// The directory of a record log: its segment files, their names and slots, and the free ones kept for reuse.
//
// A file is called `<id>.new` while it is made, `<id>.log` while it is part of the log, and `<id>.free` after that. It
// gets its header before it gets its name, and both are durable before anything is written to it. Ids grow for ever and
// are found again from names and headers, the free files' too, so that no id is used twice. Space for a whole segment
// is reserved when it is prepared: what does not fit is known then. After a stop that was not in order the last segment
// gets another file of the same name. Belongs to one shard.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../../core/sync/semaphore.hh"
#include "../record_log.hh"
#include "log_segment.hh"

namespace shale::detail {

class segment_store {
public:
    segment_store(std::string directory, const record_log_options& options);

    /// Finds what is there. A segment with a damaged header is an error, or with `salvage` a line in `damages`.
    future<void> load(bool read_only, std::vector<std::string>& damages, abort_source* abort);

    /// A segment with room for `bytes` of batches, ready to be written to. Fails with ENOSPC and the like.
    future<segment_ptr> prepare(std::uint64_t bytes, bool for_cleaner);

    /// Makes the reserve complete as far as there is space.
    future<void> fill_reserve();

    /// Gives a segment another file with the same batches at the same places, and is ready once that is durable. Until
    /// then the old file is the one. Nobody else may use the segment. Fails with ENOSPC and the like.
    future<void> write_anew(segment_ptr segment);

    /// Takes a segment out of the log; ready once that is durable. In the order of the calls.
    future<void> retire(segment_ptr segment);

    /// Closes all files. With `remove` removes them and the directory.
    future<void> close(bool remove);

    const std::string& directory() const noexcept { return directory_; }
    /// By id.
    const std::map<std::uint64_t, segment_ptr>& segments() const noexcept { return segments_; }
    segment_ptr at_slot(std::uint32_t slot) const noexcept { return slot < slots_.size() ? slots_[slot] : nullptr; }
    segment_ptr find(std::uint64_t id) const noexcept;
    std::size_t free_count() const noexcept { return free_.size(); }
    std::uint64_t free_bytes() const noexcept { return free_.size() * segment_bytes_; }
    /// Bytes of batches that a segment of the usual size takes.
    std::uint64_t usual_room() const noexcept { return segment_bytes_ - log_block; }

    std::uint64_t created = 0;
    std::uint64_t recycled = 0;

private:
    struct free_file {
        std::string path;
        file data;
    };

    std::string path_of(std::uint64_t id, const char* kind) const;
    future<void> load_segment(std::uint64_t id, bool read_only, std::vector<std::string>& damages, abort_source* abort);
    future<void> load_free(std::uint64_t id, abort_source* abort);
    future<segment_ptr> enter(std::string from, file data, std::uint64_t id, std::uint64_t size);
    future<segment_ptr> prepare_new(std::uint64_t size);
    future<segment_ptr> prepare_free();
    future<free_file> file_for_copy(const log_segment& segment);
    future<segment_ptr> copy_to(free_file to, const segment_ptr& segment);
    future<free_file> make_file(std::string path, std::uint64_t size);
    void give_slot(const segment_ptr& segment);

    const std::string directory_;
    const std::uint64_t segment_bytes_;
    const unsigned free_max_;
    const unsigned reserved_;
    const log_owner owner_;
    const bool salvage_;
    std::uint64_t next_id_ = 1;
    std::map<std::uint64_t, segment_ptr> segments_;
    std::vector<segment_ptr> slots_;
    std::vector<std::uint32_t> free_slots_;
    std::vector<free_file> free_;
    semaphore names_{1};     ///< one change of the directory at a time
    semaphore retiring_{1};  ///< keeps the order of retire() while readers are waited for
};

}  // namespace shale::detail
