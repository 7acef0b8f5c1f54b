// The public face of a log; the work is done in detail/log_core and its neighbours.
#include "record_log.hh"

#include "detail/log_core.hh"

namespace shale {

const char* to_string(append_refusal why) noexcept {
    switch (why) {
        case append_refusal::busy:
            return "no room at the moment";
        case append_refusal::no_space:
            return "the disk is full";
        case append_refusal::too_large:
            return "the record is too large";
        case append_refusal::failed:
            return "the log has failed";
        case append_refusal::closed:
            return "the log is closed";
    }
    return "unknown";
}

future<std::unique_ptr<record_log>> record_log::open(std::string directory, record_log_options options, visitor visit,
                                                     abort_source* abort) {
    auto core = std::make_unique<detail::log_core>(std::move(directory), std::move(options));
    const auto opened = co_await as_result(core->open(std::move(visit), abort));
    if (!opened) {
        co_await as_result(core->close(false));
        std::rethrow_exception(opened.error());
    }
    co_return std::make_unique<record_log>(std::move(core));
}

record_log::record_log(std::unique_ptr<detail::log_core> core) noexcept : core_(std::move(core)) {}

record_log::~record_log() = default;

std::expected<log_appended, append_refusal> record_log::append(std::span<const std::span<const std::byte>> parts,
                                                               std::uint64_t sequence, std::uint32_t tag,
                                                               log_append who) {
    return core_->append(parts, sequence, tag, who);
}

std::expected<void, append_refusal> record_log::begin_group(std::size_t payload, log_append who) {
    return core_->begin_group(payload, who);
}

void record_log::end_group() noexcept {
    core_->end_group();
}

future<void> record_log::wait_room(std::size_t payload, log_append who, abort_source* abort) {
    return core_->wait_room(payload, who, abort);
}

future<void> record_log::committed(std::uint64_t number, abort_source* abort) {
    return core_->committed(number, abort);
}

future<void> record_log::sync() {
    return core_->sync();
}

std::uint64_t record_log::committed_batch() const noexcept {
    return core_->committed_batch();
}

std::uint64_t record_log::open_batch() const noexcept {
    return core_->open_batch();
}

future<log_entry> record_log::read(log_location where, std::size_t size_hint, abort_source* abort) {
    return core_->read(where, size_hint, abort);
}

std::vector<log_segment_info> record_log::segments() const {
    return core_->segments();
}

std::optional<log_segment_info> record_log::oldest() const {
    const auto all = core_->segments();
    return all.empty() ? std::nullopt : std::optional(all.front());
}

std::optional<std::uint64_t> record_log::segment_of(log_location where) const noexcept {
    return core_->segment_of(where);
}

future<void> record_log::for_each(std::uint64_t segment, async_visitor visit, abort_source* abort) {
    return core_->for_each(segment, std::move(visit), abort);
}

future<void> record_log::drop(std::uint64_t segment) {
    return core_->drop(segment);
}

std::exception_ptr record_log::failure() const noexcept {
    return core_->failure();
}

bool record_log::out_of_space() const noexcept {
    return core_->out_of_space();
}

const log_recovery_report& record_log::recovered() const noexcept {
    return core_->recovered();
}

record_log_stats record_log::stats() const noexcept {
    return core_->stats();
}

const std::string& record_log::directory() const noexcept {
    return core_->directory();
}

future<void> record_log::close() {
    return core_->close(false);
}

future<void> record_log::destroy() {
    return core_->close(true);
}

}  // namespace shale
