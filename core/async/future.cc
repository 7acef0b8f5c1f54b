// The cold half of the futures: what is said of failures that nobody looked at.
#include "future.hh"

#include <typeinfo>

#include "../base/error.hh"
#include "../base/log.hh"

namespace shale {

nested_exception::nested_exception(std::exception_ptr inner_error, std::exception_ptr outer_error) noexcept
    : inner(std::move(inner_error)), outer(std::move(outer_error)) {}

namespace detail {

namespace {
inline constinit logger future_log{"future"};

std::string describe(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const nested_exception& e) {
        return fmt::format("{} (then: {})", describe(e.outer), describe(e.inner));
    } catch (...) {
        return message_of(error);
    }
}
}  // namespace

void report_dropped(const failure& f) noexcept {
    run_queue* queue = this_run_queue();
    try {
        const std::string message =
            fmt::format("a failure from {}:{} was dropped unseen: {}. Await the future, or say handle_exception.",
                        f.site.file_name(), f.site.line(), describe(f.error));
        if (queue != nullptr) {
            ++queue->dropped_failures;
            if (queue->on_dropped_failure != nullptr) {
                queue->on_dropped_failure(queue, message.c_str());
                return;
            }
        }
        future_log.warn("{}", message);
    } catch (...) {
        // Out of memory while reporting: the count has been kept.
    }
}

}  // namespace detail
}  // namespace shale
