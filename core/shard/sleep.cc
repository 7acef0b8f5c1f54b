// A sleeper is a timer node, the promise it fulfils and, perhaps, a subscription, in one block of the shard's pool.
#include "sleep.hh"

#include <memory>
#include <new>
#include <optional>

#include "shard.hh"

namespace shale::detail {

namespace {

/// Owns itself while it is linked or subscribed; end() takes it back.
struct sleeper final : timer_node {
    explicit sleeper(std::source_location site) noexcept : done(site) {}

    // Declared noexcept, so that a new expression gives null when there is no memory.
    static void* operator new(std::size_t size) noexcept { return allocate_frame(size); }
    static void operator delete(void* block, std::size_t size) noexcept { free_frame(block, size); }

    static std::unique_ptr<sleeper> end(sleeper* self) noexcept {
        self->subscription.reset();
        return std::unique_ptr<sleeper>(self);
    }

    promise<> done;
    std::optional<abort_source::subscription> subscription;
};

}  // namespace

future<> sleep_until_ns(std::uint64_t deadline_ns, abort_source* abort, std::source_location site) {
    std::unique_ptr<sleeper> s(new sleeper(site));
    if (s == nullptr) {
        return make_exception_future<>(std::bad_alloc(), site);
    }
    sleeper* const raw = s.get();
    if (abort != nullptr) {
        raw->subscription = abort->subscribe([raw](const std::exception_ptr&) noexcept {
            this_shard().timers().remove(*raw);
            sleeper::end(raw)->done.set_exception(sleep_aborted());
        });
        if (!raw->subscription) {
            return make_exception_future<>(sleep_aborted(), site);
        }
    }
    raw->fire = [](timer_node& due) noexcept { sleeper::end(static_cast<sleeper*>(&due))->done.set_value(); };
    raw->group = &this_shard().current_group();
    future<> slept = raw->done.get_future();
    this_shard().timers().insert(*s.release(), deadline_ns);
    return slept;
}

}  // namespace shale::detail
