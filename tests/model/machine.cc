// The walk over all executions: choices, scheduling, pruning, and the report of a failure.
#include "machine.hh"

#include <sstream>

namespace shale::model {

std::uint64_t mixed(std::uint64_t h) noexcept {
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93U;
    h ^= h >> 29;
    h *= 0xd6e8feb86659fd93U;
    return h ^ (h >> 32);
}

std::uint64_t view::hash() const noexcept {
    std::array<std::uint64_t, sizeof(view) / sizeof(std::uint64_t)> words;
    static_assert(sizeof(words) == sizeof(view));
    std::memcpy(words.data(), this, sizeof(view));
    std::uint64_t h = 0;
    for (const std::uint64_t word : words) {
        h = (h ^ word) * 0x9e3779b97f4a7c15U;
        h ^= h >> 29;
    }
    return h;
}

report machine::explore() {
    bool more = true;
    while (more) {
        execute();
        ++report_.executions;
        if (usage_grew_) {
            usage_grew_ = false;
            choices_.clear();
            states_.clear();
        } else {
            more = report_.ok() && next_execution();
        }
    }
    report_.states = states_.size();
    return report_;
}

void machine::execute() {
    cells_.clear();
    plains_.clear();
    steps_.clear();
    sequential_ = {};
    position_ = 0;
    running_ = 0;
    live_ = false;
    run execution;
    program_(execution);
    start_threads(execution);
    live_ = true;
    running_ = static_cast<unsigned>(pick_thread());
    fiber::jump(outside_, me().stack);
    live_ = false;
    bool all_done = true;
    for (unsigned i = 0; i < thread_count_; ++i) {
        all_done &= threads_[i].state == status::done;
    }
    if (all_done && report_.ok()) {
        for (auto& check : execution.checks_) {
            check();
        }
    }
}

void machine::start_threads(run& execution) {
    thread_count_ = static_cast<unsigned>(execution.bodies_.size());
    while (threads_.size() < thread_count_) {
        threads_.emplace_back();
    }
    for (unsigned i = 0; i < thread_count_; ++i) {
        thread& t = threads_[i];
        t.name = execution.bodies_[i].name;
        t.body = &execution.bodies_[i].function;
        t.current = {};
        t.current.clock[i] = 1;
        t.acquired = t.current;
        t.fenced = {};
        t.history = i + 1;
        t.touched = 0;
        t.state = status::ready;
        t.stack.prepare(&machine::thread_main, this);
    }
}

void machine::thread_main(void* self) {
    auto& m = *static_cast<machine*>(self);
    m.tick();
    m.observe(0);  // a thread that has started is in another state than one that has not
    (*m.me().body)();
    m.me().state = status::done;
    m.switch_on();
    __builtin_trap();
}

// Backtracks to the last choice with an option left.
bool machine::next_execution() {
    while (!choices_.empty() && choices_.back().taken + 1 == choices_.back().options) {
        choices_.pop_back();
    }
    if (choices_.empty()) {
        return false;
    }
    ++choices_.back().taken;
    return true;
}

unsigned machine::choose(unsigned options) {
    if (options == 1) {
        return 0;
    }
    if (position_ == choices_.size()) {
        choices_.push_back({0, static_cast<std::uint16_t>(options)});
    }
    return choices_[position_++].taken;
}

void machine::reach_step(detail::location where, bool write) {
    me().touched |= std::uint64_t{1} << where;
    usage& u = usage_[where];
    const bool known = u.shared();
    u.threads |= static_cast<std::uint8_t>(1U << running_);
    u.written |= write;
    if (known) {
        reach_step();
    } else if (u.shared()) {
        usage_grew_ = true;
        leave();
    }
}

void machine::reach_step() {
    ++report_.steps;
    if (steps_.size() > max_steps) {
        fail("no end in sight: a loop without spin()?");
    }
    switch_on();
}

void machine::switch_on() {
    // States met while repeating known choices were entered in an earlier execution.
    if (position_ == choices_.size() && seen_before()) {
        leave();
    }
    const int next = pick_thread();
    if (next < 0) {
        bool stuck = false;
        for (unsigned i = 0; i < thread_count_; ++i) {
            stuck |= threads_[i].state != status::done;
        }
        if (stuck) {
            fail("threads wait for ever");
        }
        leave();
    }
    thread& from = me();
    running_ = static_cast<unsigned>(next);
    if (&me() != &from) {
        fiber::jump(from.stack, me().stack);
    }
}

void machine::leave() {
    fiber::jump(me().stack, outside_);
    __builtin_trap();
}

bool machine::can_run(const thread& t) const {
    switch (t.state) {
        case status::ready:
            return true;
        case status::waiting:
            return cells_[t.waits_for].back().value != 0;
        case status::spinning:
            return has_news(t);
        case status::done:
            return false;
    }
    return false;
}

int machine::pick_thread() {
    std::array<unsigned, max_threads> able{};
    unsigned count = 0;
    for (unsigned i = 0; i < thread_count_; ++i) {
        const unsigned candidate = (running_ + i) % thread_count_;  // the running one first: fewer switches
        if (can_run(threads_[candidate])) {
            able[count++] = candidate;
        }
    }
    return count == 0 ? -1 : static_cast<int>(able[choose(count)]);
}

// A cell the thread has looked at holds something newer than what it saw.
bool machine::has_news(const thread& t) const {
    for (std::size_t c = 0; c < cells_.size(); ++c) {
        if ((t.touched >> c & 1) != 0 && t.current.seen[c] + 1 < static_cast<int>(cells_[c].size())) {
            return true;
        }
    }
    return false;
}

// Stores become visible in the end: from now on the thread reads nothing older. It acquires nothing by that.
void machine::see_news(thread& t) {
    for (std::size_t c = 0; c < cells_.size(); ++c) {
        if ((t.touched >> c & 1) != 0) {
            const auto newest = static_cast<std::int16_t>(cells_[c].size() - 1);
            t.current.seen[c] = newest;
            t.acquired.seen[c] = newest;
        }
    }
}

bool machine::seen_before() {
    // Who is running decides nothing: any thread that can run may come next. Nor do the contents of memory, which
    // follow from the histories.
    std::uint64_t key = sequential_.hash();
    for (unsigned i = 0; i < thread_count_; ++i) {
        const thread& t = threads_[i];
        key = mixed(key ^ t.history) + static_cast<std::uint64_t>(t.state) * 2 + can_run(t);
        key = mixed(mixed(mixed(key ^ t.current.hash()) ^ t.acquired.hash()) ^ t.fenced.hash());
    }
    return !states_.insert(mixed(key)).second;
}

void machine::observe(std::uint64_t what) {
    me().history = mixed(me().history ^ (what + 0x9e3779b97f4a7c15U));
}

// Plain accesses from here on are younger than all that was released so far. Each access to an atomic ticks, and
// nothing else does, so a thread's clock follows from its history.
void machine::tick() {
    thread& t = me();
    ++t.current.clock[running_];
    t.acquired.clock[running_] = t.current.clock[running_];
}

void machine::note(const char* what, detail::location where, std::uint64_t value, int back) {
    steps_.push_back({static_cast<std::uint8_t>(running_), what, where, value, back});
}

void machine::fail(const char* why, detail::location where) {
    if (report_.ok()) {  // nothing on this stack may own memory when it is left
        report_.failure = threads_[running_].name + ": " + why + " (cell " + std::to_string(where) + ")\n" + story();
    }
    if (live_) {
        leave();
    }
}

std::string machine::story() const {
    std::ostringstream out;
    for (const step& s : steps_) {
        out << "  " << threads_[s.thread].name << ": " << s.what << " cell " << s.where << " = 0x" << std::hex
            << s.value << std::dec;
        if (s.back != 0) {
            out << " (" << s.back << " older than the newest)";
        }
        out << '\n';
    }
    for (unsigned i = 0; i < thread_count_; ++i) {
        const thread& t = threads_[i];
        out << "  " << t.name
            << (t.state == status::done      ? " has ended"
                : t.state == status::waiting ? " sleeps"
                                             : " is at work")
            << '\n';
    }
    return out.str();
}

}  // namespace shale::model
