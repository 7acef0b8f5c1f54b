// Shards and their threads: see crew.hh.
#include "crew.hh"

#include <sched.h>

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "../../sync/gate.hh"

namespace shale::detail {

namespace {

constexpr auto answer_time = std::chrono::milliseconds(200);

// Answers of the shards, which may come after nobody waits for them any more.
struct answers {
    explicit answers(unsigned count) : lines(count), missing(count) {}
    std::mutex mutex;
    std::condition_variable arrived;
    std::vector<std::vector<std::string>> lines;  ///< by shard
    unsigned missing;
};

std::vector<std::string> describe(shard& here) {
    std::string timer = "none";
    if (here.next_deadline() != no_deadline) {
        const std::uint64_t left_ns = std::max(here.next_deadline(), here.now_ns()) - here.now_ns();
        timer = fmt::format("in {} ms", left_ns / 1'000'000);
    }
    std::vector<std::string> lines{
        fmt::format("shard {}: {} tasks ready, {} allocations of tasks and coroutines live, "
                    "next timer {}",
                    here.id(), here.ready_tasks(), std::max<std::ptrdiff_t>(0, here.frames().live()), timer)};
    for (const std::string& gate : describe_closing_gates()) {
        lines.push_back(fmt::format("shard {}: {}", here.id(), gate));
    }
    return lines;
}

}  // namespace

crew::crew(placement_plan plan, const runtime_options& options)
    : plan_(std::move(plan)), options_(options), meeting_(static_cast<unsigned>(plan_.shards.size())) {
    for (unsigned id = 0; id < plan_.shards.size(); ++id) {
        members_.push_back(std::make_unique<member>());
        members_.back()->id = id;
    }
}

crew::~crew() {
    for (const auto& m : members_) {
        m->thread.reset();
        if (abandoned_) {  // unfinished work still refers to them
            (void)m->here.release();
            (void)m->outside.release();
        }
    }
}

void crew::start(std::move_only_function<void()> first, std::move_only_function<void()> all_left,
                 std::move_only_function<void(const std::string&)> tell) {
    // Before the threads: registering one thread is at once, registering many waits for an RCU grace period (10 ms).
    heavy_barrier_ = register_heavy_barrier();
    first_ = std::move(first);
    all_left_ = std::move(all_left);
    tell_ = std::move(tell);
    present_.store(size(), std::memory_order_relaxed);  // starting the threads publishes it
    std::exception_ptr failure;
    unsigned started = 0;
    try {
        for (const auto& m : members_) {
            const shard_thread_options options{.id = m->id, .cpus = plan_.shards[m->id].cpus};
            m->thread = std::make_unique<thread_runner>(options, [this, &m = *m](std::string notice) {
                if (!notice.empty()) {
                    this->tell(notice);
                }
                live(m);
            });
            ++started;
        }
    } catch (...) {
        failure = std::current_exception();
    }
    std::unique_lock lock(start_mutex_);
    start_changed_.wait(lock, [&] { return made_ == started; });
    for (const auto& m : members_) {
        failure = failure ? failure : m->failure;
    }
    go_ = !failure;
    start_changed_.notify_all();
    if (!failure) {
        start_changed_.wait(lock, [&] { return opened_ == size(); });
        return;
    }
    lock.unlock();
    for (const auto& m : members_) {
        m->thread.reset();
    }
    std::rethrow_exception(failure);
}

void crew::make(member& m) {
    linux_platform_options outside;
    outside.sleep_through_signal = preempt_timer::signal;
    for (const shard_place& place : plan_.shards) {  // a slow call may run on any of our CPUs, not only on this shard's
        outside.helper_cpus.insert(outside.helper_cpus.end(), place.cpus.begin(), place.cpus.end());
    }
    outside.tell = [this](const std::string& notice) { tell(notice); };
    m.outside = std::make_unique<linux_platform>(std::move(outside));
    const auto quota_ns = static_cast<std::uint64_t>(options_.task_quota.count());
    const auto watch = [](void* self, std::uint64_t since_ns) noexcept {
        if (auto& quota = static_cast<member*>(self)->quota) {
            since_ns != 0 ? quota->tasks_begin(since_ns) : quota->tasks_end();
        }
    };
    m.here = std::make_unique<shard>(*m.outside, shard_options{.id = m.id,
                                                               .count = size(),
                                                               .heavy_barrier = heavy_barrier_,
                                                               .task_quota_ns = quota_ns,
                                                               .watch_tasks = watch,
                                                               .watch_tasks_context = &m});
    try {
        m.quota.emplace(m.here->preempt_flag(), quota_ns);
    } catch (const std::system_error& error) {
        tell(fmt::format("{}: long tasks are not asked to give way", error.what()));
    }
}

bool crew::wait_for_go() {
    std::unique_lock lock(start_mutex_);
    ++made_;
    start_changed_.notify_all();
    start_changed_.wait(lock, [&] { return go_.has_value(); });
    return *go_;
}

void crew::open(member& m) {
    {
        const std::lock_guard lock(m.post_mutex);
        m.open = true;
    }
    const std::lock_guard lock(start_mutex_);
    if (m.id == 0) {
        from_outside_.emplace();
    }
    ++opened_;
    start_changed_.notify_all();
}

void crew::close(member& m) {
    const std::lock_guard lock(m.post_mutex);
    m.open = false;
}

void crew::destroy(member& m) {
    m.quota.reset();
    m.here.reset();
    m.outside.reset();
}

void crew::live(member& m) {
    try {
        make(m);
    } catch (...) {
        m.failure = std::current_exception();
    }
    if (!wait_for_go()) {
        destroy(m);
        return;
    }
    const run_queue_scope current(m.here.get());
    std::vector<shard*> all;
    std::ranges::transform(members_, std::back_inserter(all), [](const auto& each) { return each->here.get(); });
    m.here->connect(all);
    open(m);
    if (meeting_.meet()) {
        if (m.id == 0) {
            first_();
        }
        const duration spin = plan_.oversubscribed ? duration::zero() : options_.idle_poll;
        run_shard(*m.here, idle_policy(static_cast<std::uint64_t>(spin.count()), options_.poll), m.stop);
        close(m);  // what was posted before is received below, and nothing after
        finish_together(m);
    } else {
        close(m);
    }
    if (meeting_.meet()) {
        destroy(m);
    }
    // The last one sees all that the others did: each pairs with the others here.
    if (present_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        all_left_();
    }
}

// Rounds of: run until there is nothing to do, meet, look once more. What any shard did before the meeting has arrived
// after it, so a round in which nobody found anything to do was the last.
void crew::finish_together(member& m) {
    bool anyone_busy = true;
    while (anyone_busy) {
        while (!meeting_.called_off() && m.here->step()) {
        }
        m.finished.store(true, std::memory_order_relaxed);  // only for describe_held()
        if (!meeting_.meet()) {
            return;
        }
        m.finished.store(false, std::memory_order_relaxed);
        if (m.here->step() || !m.here->can_sleep()) {
            busy_.fetch_add(1, std::memory_order_relaxed);  // ordered by the meetings
        }
        if (!meeting_.meet()) {
            return;
        }
        anyone_busy = busy_.load(std::memory_order_relaxed) != 0;
        if (!meeting_.meet()) {
            return;
        }
        if (m.id == 0) {
            busy_.store(0, std::memory_order_relaxed);
        }
    }
}

bool crew::post(unsigned shard, std::move_only_function<void()> f) {
    member& m = *members_[shard];
    const std::lock_guard lock(m.post_mutex);
    if (m.open) {
        alien::run_on(*from_outside_, shard, std::move(f));
    }
    return m.open;
}

void crew::stop_loops() noexcept {
    for (const auto& m : members_) {
        m->stop.store(true, std::memory_order_release);  // pairs with the acquire in run_shard()
        const std::lock_guard lock(m->post_mutex);
        if (m->open) {
            m->here->wake();
        }
    }
}

void crew::leave() noexcept {
    stop_loops();
}

void crew::abandon() noexcept {
    abandoned_ = true;
    meeting_.call_off();
    stop_loops();
}

void crew::tell(const std::string& notice) {
    const std::lock_guard lock(tell_mutex_);
    if (std::ranges::find(told_, notice) == told_.end()) {
        told_.push_back(notice);
        tell_(notice);
    }
}

// Why a shard gave no answer.
const char* crew::describe_silence(const member& m) {
    if (m.finished.load(std::memory_order_relaxed)) {
        return "has nothing left to do and waits for the others";
    }
    return m.stop.load(std::memory_order_relaxed) ? "still busy with what was left in the background"
                                                  : "does not answer: one task has been running without giving way";
}

std::vector<std::string> crew::describe_held() {
    const auto asked = std::make_shared<answers>(size());
    for (const auto& m : members_) {
        const bool posted = post(m->id, [asked, &here = *m->here] {
            const std::lock_guard lock(asked->mutex);
            asked->lines[here.id()] = describe(here);
            --asked->missing;
            asked->arrived.notify_one();
        });
        if (!posted) {
            const std::lock_guard lock(asked->mutex);
            --asked->missing;
        }
    }
    std::unique_lock lock(asked->mutex);
    asked->arrived.wait_for(lock, answer_time, [&] { return asked->missing == 0; });
    std::vector<std::string> all;
    for (const auto& m : members_) {
        const std::vector<std::string>& lines = asked->lines[m->id];
        all.insert(all.end(), lines.begin(), lines.end());
        if (lines.empty()) {
            all.push_back(fmt::format("shard {}: {}", m->id, describe_silence(*m)));
        }
    }
    return all;
}

}  // namespace shale::detail
