// Starting helper threads, choosing their work, and bringing it back. The choice is take(); everything else is queues.
#include "helper_pool.hh"

#include <sched.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "blocking_calls.hh"
#include "whereabouts.hh"

namespace shale::detail {

namespace {

// Name service modules of the C library are the hungriest callees.
constexpr std::size_t stack_bytes = 1024 * 1024;

}  // namespace

helper_pool::helper_pool(options o, void (*finished)(void*) noexcept, void* argument, linux_counters& counters)
    : options_(std::move(o)), on_finished_(finished), argument_(argument), counters_(counters) {
    const unsigned all = std::max(options_.threads_max, 1u);
    limits_[quick] = all;
    limits_[slow] = all > 2 ? all - 2 : 1;
    limits_[names] = 1;
    threads_.reserve(all);
}

helper_pool::~helper_pool() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    work_.notify_all();
    for (pthread_t thread : threads_) {
        ::pthread_join(thread, nullptr);
    }
}

helper_pool::kind helper_pool::kind_of(const io_request& r) noexcept {
    switch (r.op) {
        case io_op::open:
        case io_op::close:
        case io_op::stat:
        case io_op::rename:
        case io_op::unlink:
        case io_op::mkdir:
        case io_op::readdir:
        case io_op::lock:
        case io_op::statfs:
            return quick;
        case io_op::resolve:
            return names;
        default:
            return slow;
    }
}

void helper_pool::submit(io_request& r) noexcept {
    ++in_flight_;
    ++counters_.helper_requests;
    place(r, whereabouts::helper);
    bool some_idle = false;
    bool enough_idle = false;
    {
        const std::lock_guard lock(mutex_);
        queues_[kind_of(r)].push_back(r);
        some_idle = idle_ != 0;
        // One that was notified for an earlier request counts as idle until it has taken that off its queue. Requests
        // above their kind's limit count too, so a thread may be started early; there are few to start.
        enough_idle = ++queued_ <= idle_;
    }
    if (some_idle) {
        work_.notify_one();
    }
    if (!enough_idle && threads_.size() < threads_.capacity() && !start_thread() && threads_.empty() && withdraw(r)) {
        ++in_flight_;
        ++counters_.helper_inline;
        r.result = blocking_call(r);
        push(r);
    }
}

bool helper_pool::start_thread() noexcept {
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, stack_bytes);
    if (!options_.cpus.empty()) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        for (unsigned cpu : options_.cpus) {
            CPU_SET(cpu, &cpus);
        }
        ::pthread_attr_setaffinity_np(&attributes, sizeof cpus, &cpus);
    }
    // A new thread inherits the mask: signals are for shards and whoever asks for them, never for helpers.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    const bool started = ::pthread_create(&thread, &attributes, &thread_main, this) == 0;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::pthread_attr_destroy(&attributes);
    if (started) {
        char name[16];
        std::snprintf(name, sizeof name, "helper-%u", static_cast<unsigned>(threads_.size()));
        ::pthread_setname_np(thread, name);
        threads_.push_back(thread);
    }
    return started;
}

bool helper_pool::withdraw(io_request& r) noexcept {
    const std::lock_guard lock(mutex_);
    const bool found = queues_[kind_of(r)].remove(r);
    in_flight_ -= found ? 1 : 0;
    queued_ -= found ? 1 : 0;
    return found;
}

void* helper_pool::thread_main(void* pool) noexcept {
    static_cast<helper_pool*>(pool)->work();
    return nullptr;
}

void helper_pool::work() noexcept {
    std::unique_lock lock(mutex_);
    while (!stop_) {
        kind of = quick;
        io_request* r = take(&of);
        if (r == nullptr) {
            ++idle_;
            work_.wait(lock);
            --idle_;
            continue;
        }
        ++running_[of];
        lock.unlock();
        r->result = blocking_call(*r);
        push(*r);
        lock.lock();
        --running_[of];
    }
}

// The dear kinds first, as far as their limits go: quick ones always have a thread that nobody else may hold.
io_request* helper_pool::take(kind* of) noexcept {
    for (const kind k : {slow, names, quick}) {
        if (!queues_[k].empty() && running_[k] < limits_[k]) {
            *of = k;
            --queued_;
            return &queues_[k].pop_front();
        }
    }
    return nullptr;
}

void helper_pool::push(io_request& r) noexcept {
    io_request* head = finished_.load(std::memory_order_relaxed);
    do {
        r.next = head;
        // pairs with the exchange in collect() and, being sequentially consistent, with has_finished_for_sure()
    } while (!finished_.compare_exchange_weak(head, &r, std::memory_order_seq_cst, std::memory_order_relaxed));
    on_finished_(argument_);
}

void helper_pool::collect(request_list& into) noexcept {
    // pairs with push(): results are visible
    io_request* newest = finished_.exchange(nullptr, std::memory_order_acquire);
    io_request* oldest = nullptr;
    while (newest != nullptr) {
        io_request* older = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    while (oldest != nullptr) {
        io_request* next = oldest->next;
        place(*oldest, whereabouts::finished);
        into.push_back(*oldest);
        --in_flight_;
        oldest = next;
    }
}

}  // namespace shale::detail
