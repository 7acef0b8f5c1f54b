// Names, headers and the life of segment files.
#include "segment_store.hh"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "../../core/base/error.hh"
#include "../../core/base/fault_point.hh"
#include "../../core/base/log.hh"
#include "../../core/shard/shard.hh"
#include "../directory.hh"
#include "segment_copy.hh"

namespace shale::detail {

namespace {

inline constinit logger log{"record_log"};

constexpr std::size_t id_digits = 16;

/// The id in "<id><kind>", or nothing.
std::optional<std::uint64_t> id_of(std::string_view name, std::string_view kind) noexcept {
    if (name.size() != id_digits + kind.size() || !name.ends_with(kind)) {
        return std::nullopt;
    }
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + id_digits, id, 16);
    if (error != std::errc() || end != name.data() + id_digits) {
        return std::nullopt;
    }
    return id;
}

std::uint64_t draw_nonce() noexcept {
    std::uint64_t nonce = 0;
    this_shard().entropy(std::as_writable_bytes(std::span(&nonce, 1)));
    return nonce;
}

std::span<std::byte, log_block> header_room(const io_buffer& block) noexcept {
    return std::span<std::byte, log_block>(block.data(), log_block);
}

}  // namespace

segment_store::segment_store(std::string directory, const record_log_options& options)
    : directory_(std::move(directory)),
      segment_bytes_(options.segment_bytes),
      free_max_(std::max(options.free_segments_max, options.reserved_segments)),
      reserved_(options.reserved_segments),
      owner_(options.owner),
      salvage_(options.salvage) {}

std::string segment_store::path_of(std::uint64_t id, const char* kind) const {
    return fmt::format("{}/{:016x}{}", directory_, id, kind);
}

segment_ptr segment_store::find(std::uint64_t id) const noexcept {
    const auto found = segments_.find(id);
    return found != segments_.end() ? found->second : nullptr;
}

void segment_store::give_slot(const segment_ptr& segment) {
    if (free_slots_.empty()) {
        SHALE_ASSERT(slots_.size() < (std::size_t{1} << log_location::slot_bits), "{} segments in {}", slots_.size(),
                     directory_);
        segment->slot = static_cast<std::uint32_t>(slots_.size());
        slots_.push_back(segment);
        return;
    }
    segment->slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[segment->slot] = segment;
}

// Finding what is there
// ------------------------------------------------------------------------------------------------

future<void> segment_store::load(bool read_only, std::vector<std::string>& damages, abort_source* abort) {
    const auto entries = co_await list_directory(directory_, abort);
    for (const directory_entry& entry : entries) {
        if (const auto id = id_of(entry.name, ".log")) {
            next_id_ = std::max(next_id_, *id + 1);
            co_await load_segment(*id, read_only, damages, abort);
        } else if (const auto free_id = id_of(entry.name, ".free"); free_id && !read_only) {
            next_id_ = std::max(next_id_, *free_id + 1);
            co_await load_free(*free_id, abort);
        } else if (id_of(entry.name, ".new") && !read_only) {
            PROBE("log.unfinished_segment_removed");
            co_await remove_file(directory_ + "/" + entry.name, abort);
        }
    }
    if (!read_only) {
        // Or a power loss would give a free file that is used again the name that it had in the log.
        co_await sync_directory(directory_);
    }
}

future<void> segment_store::load_segment(std::uint64_t id, bool read_only, std::vector<std::string>& damages,
                                         abort_source* abort) {
    auto segment = std::make_shared<log_segment>();
    segment->path = path_of(id, ".log");
    segment->data = co_await open_file_dma(segment->path, read_only ? open_flags::ro : open_flags::rw, {}, abort);
    segment->size = co_await segment->data.size(abort);
    const io_buffer block(log_block);
    const std::size_t size = co_await segment->data.dma_read(0, block.data(), log_block, abort);
    std::string_view wrong = "it is shorter than its header";
    if (size == log_block) {
        const auto header = decode_segment(header_room(block));
        if (header && header->id == id) {
            segment->header = *header;
            segment->seed = header->seed();
            give_slot(segment);
            segments_.emplace(id, std::move(segment));
            co_return;
        }
        wrong = header ? "its header is that of another segment" : header.error();
    }
    co_await segment->data.close();
    if (!salvage_) {
        throw shale::make_system_error(EBADMSG, "segment {}: {}", segment->path, wrong)
            .advise("Restore the file, or open the log with salvage to go on without its records.");
    }
    damages.push_back(fmt::format("segment {} passed over: {}", segment->path, wrong));
}

future<void> segment_store::load_free(std::uint64_t id, abort_source* abort) {
    const std::string path = path_of(id, ".free");
    file data = co_await open_file_dma(path, open_flags::rw, {}, abort);
    const std::uint64_t size = co_await data.size(abort);
    const io_buffer block(log_block);
    const std::size_t got = co_await data.dma_read(0, block.data(), log_block, abort);
    if (got == log_block) {
        // A crash while it was to be used again leaves the new header under the old name.
        if (const auto header = decode_segment(header_room(block))) {
            if (header->id > id) {
                PROBE("log.crashed_while_reusing_a_segment");
            }
            next_id_ = std::max(next_id_, header->id + 1);
        }
    }
    if (size == segment_bytes_ && free_.size() < free_max_) {
        free_.push_back({path, std::move(data)});
        co_return;
    }
    co_await data.close();
    co_await remove_file(path, abort);
}

// Preparing a segment
// --------------------------------------------------------------------------------------------------

future<segment_store::free_file> segment_store::make_file(std::string path, std::uint64_t size) {
    free_file made{path, {}};
    made.data = co_await open_file_dma(path, open_flags::rw | open_flags::create | open_flags::truncate);
    const auto allocated = co_await as_result(made.data.allocate(0, size));
    if (!allocated) {
        co_await made.data.close();
        co_await as_result(remove_file(path));
        std::rethrow_exception(allocated.error());
    }
    co_return made;
}

// Gives a file its header and then its name, durably.
future<segment_ptr> segment_store::enter(std::string from, file data, std::uint64_t id, std::uint64_t size) {
    auto segment = std::make_shared<log_segment>();
    segment->header = {id, draw_nonce(), size, owner_.epoch, owner_.shard, owner_.shards};
    segment->seed = segment->header.seed();
    segment->path = path_of(id, ".log");
    segment->data = std::move(data);
    segment->size = size;
    const io_buffer block(log_block);
    encode(segment->header, header_room(block));
    co_await segment->data.dma_write(0, block.data(), log_block);
    co_await segment->data.flush();  // the size, too
    co_await rename_file(std::move(from), segment->path);
    segment->data.renamed(segment->path);
    co_await sync_directory(directory_);
    give_slot(segment);
    segments_.emplace(id, segment);
    co_return segment;
}

future<segment_ptr> segment_store::prepare_new(std::uint64_t size) {
    const std::uint64_t id = next_id_++;
    free_file made = co_await make_file(path_of(id, ".new"), size);
    const file data = made.data;
    auto entered = co_await as_result(enter(made.path, std::move(made.data), id, size));
    if (!entered) {
        file unused = data;
        co_await unused.close();
        co_await as_result(remove_file(path_of(id, ".new")));
        std::rethrow_exception(entered.error());
    }
    ++created;
    co_return std::move(*entered);
}

future<segment_ptr> segment_store::prepare_free() {
    free_file reused = std::move(free_.back());
    free_.pop_back();
    const std::uint64_t id = next_id_++;
    segment_ptr segment = co_await enter(reused.path, std::move(reused.data), id, segment_bytes_);
    segment->zeroed = segment_bytes_;
    ++recycled;
    PROBE("log.segment_recycled");
    co_return segment;
}

future<segment_ptr> segment_store::prepare(std::uint64_t bytes, bool for_cleaner) {
    const semaphore_units turn = co_await get_units(names_, 1);
    const bool usual = bytes <= usual_room();
    if (usual && free_.size() > reserved_) {
        co_return co_await prepare_free();
    }
    const std::uint64_t size = usual ? segment_bytes_ : align_up(bytes + log_block, log_block);
    auto made = co_await as_result(prepare_new(size));
    if (made) {
        co_return std::move(*made);
    }
    if (for_cleaner && usual && !free_.empty()) {
        segment_ptr reserve = co_await prepare_free();
        PROBE("log.reserve_taken_for_the_cleaner");
        reserve->for_cleaner = true;
        co_return reserve;
    }
    std::rethrow_exception(made.error());
}

future<void> segment_store::fill_reserve() {
    const semaphore_units turn = co_await get_units(names_, 1);
    while (free_.size() < reserved_) {
        const std::uint64_t id = next_id_++;
        auto made = co_await as_result(make_file(path_of(id, ".free"), segment_bytes_));
        if (!made) {
            log.warn("{}: no space for a reserve segment of {} bytes; cleaning may stop when the disk is full",
                     directory_, segment_bytes_);
            co_return;
        }
        free_.push_back(std::move(*made));
    }
}

// Another file for a segment
// -------------------------------------------------------------------------------------------

future<segment_store::free_file> segment_store::file_for_copy(const log_segment& segment) {
    if (!free_.empty() && segment.end <= segment_bytes_) {
        free_file reused = std::move(free_.back());
        free_.pop_back();
        co_return reused;
    }
    co_return co_await make_file(path_of(segment.header.id, ".new"), segment.end);
}

future<segment_ptr> segment_store::copy_to(free_file to, const segment_ptr& segment) {
    auto anew = std::make_shared<log_segment>();
    anew->data = std::move(to.data);
    anew->size = co_await anew->data.size();
    anew->header = segment->header;
    anew->header.nonce = draw_nonce();
    anew->header.size = anew->size;
    anew->seed = anew->header.seed();
    const io_buffer block(log_block);
    encode(anew->header, header_room(block));
    co_await anew->data.dma_write(0, block.data(), log_block);
    co_await copy_batches(segment, anew);
    co_await anew->data.flush();
    co_await rename_file(std::move(to.path), segment->path);
    co_await sync_directory(directory_);
    co_return anew;
}

future<void> segment_store::write_anew(segment_ptr segment) {
    const semaphore_units turn = co_await get_units(names_, 1);
    const free_file to = co_await file_for_copy(*segment);
    auto copied = co_await as_result(copy_to(to, segment));
    if (!copied) {
        file unused = to.data;
        co_await unused.close();
        co_await as_result(remove_file(to.path));  // it may have its new name by now, and the log is closed then
        std::rethrow_exception(copied.error());
    }
    const segment_ptr anew = std::move(*copied);
    co_await std::exchange(segment->data, std::move(anew->data)).close();
    segment->data.renamed(segment->path);
    segment->header = anew->header;
    segment->seed = anew->seed;
    segment->size = anew->size;
}

// The end of a segment
// -------------------------------------------------------------------------------------------------

future<void> segment_store::retire(segment_ptr segment) {
    const semaphore_units order = co_await get_units(retiring_, 1);
    if (!segment->readers.is_closed()) {
        co_await segment->readers.close();
    }
    const semaphore_units turn = co_await get_units(names_, 1);
    // Where an earlier attempt has failed its path says how far that came: of another name, or of none.
    const std::string free_path = path_of(segment->header.id, ".free");
    // What the reserve lacks is kept in any case.
    const bool spare = free_.size() >= reserved_;
    const bool kept = segment->size == segment_bytes_ && segment->data && free_.size() < free_max_ &&
                      !(spare && FAULT("log.segment_not_kept"));
    if (kept || segment->path == free_path) {
        if (segment->path != free_path) {
            co_await rename_file(segment->path, free_path);
            segment->path = free_path;
            segment->data.renamed(free_path);
        }
        co_await sync_directory(directory_);
        free_.push_back({free_path, segment->data});
    } else {
        if (segment->data) {
            co_await std::exchange(segment->data, {}).close();
        }
        if (!segment->path.empty()) {
            co_await remove_file(segment->path);
            segment->path.clear();
        }
        co_await sync_directory(directory_);
    }
    segments_.erase(segment->header.id);
    slots_[segment->slot] = nullptr;
    free_slots_.push_back(segment->slot);
}

future<void> segment_store::close(bool remove) {
    const semaphore_units order = co_await get_units(retiring_, 1);
    const semaphore_units turn = co_await get_units(names_, 1);
    std::vector<std::string> paths;
    for (auto& [id, segment] : segments_) {
        if (!segment->readers.is_closed()) {  // or its retirement has failed
            co_await segment->readers.close();
        }
        if (segment->data) {
            co_await segment->data.close();
        }
        if (!segment->path.empty()) {
            paths.push_back(segment->path);
        }
    }
    for (free_file& each : free_) {
        co_await each.data.close();
        paths.push_back(each.path);
    }
    segments_.clear();
    slots_.clear();
    free_.clear();
    if (remove) {
        for (const std::string& path : paths) {
            co_await remove_file(path);
        }
        co_await remove_file(directory_);
        co_await sync_directory(parent_directory(directory_));
    }
}

}  // namespace shale::detail
