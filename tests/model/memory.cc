// The memory model: what each access may read and what it makes visible. See machine.hh for the views.
#include <ostream>

#include "machine.hh"

namespace shale::model {

namespace {

machine* current = nullptr;  // the tests run one exploration at a time

bool acquires(std::memory_order order) noexcept {
    return order == std::memory_order_acquire || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
}
bool releases(std::memory_order order) noexcept {
    return order == std::memory_order_release || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
}

}  // namespace

detail::location machine::new_atomic(std::uint64_t value) {
    if (cells_.size() == max_cells) {
        __builtin_trap();
    }
    cells_.push_back({entry{value, {}, false}});
    return static_cast<detail::location>(cells_.size() - 1);
}

detail::location machine::new_plain() {
    plains_.emplace_back();
    return static_cast<detail::location>(plains_.size() - 1);
}

// Takes part in `t` of what the store carries: all of it for an acquire, else only once a fence comes.
void machine::observe_load(thread& t, const entry& e, std::memory_order order) {
    t.acquired.join(e.released);
    if (acquires(order)) {
        t.current.join(e.released);
    }
}

void machine::observe_store(thread& t, detail::location where, std::uint64_t value, std::memory_order order,
                            const view* continued) {
    auto& cell = cells_[where];
    const auto index = static_cast<std::int16_t>(cell.size());
    t.current.seen[where] = index;
    t.acquired.seen[where] = index;
    entry e{value, releases(order) ? t.current : t.fenced, order == std::memory_order_seq_cst};
    e.released.seen[where] = index;
    if (continued != nullptr) {
        e.released.join(*continued);  // a read-modify-write continues the release sequence of what it read
    }
    cell.push_back(e);
    tick();
    observe(index * 4U + 1);
    observe(e.released.hash());
}

std::uint64_t machine::load(detail::location where, std::memory_order order) {
    auto& cell = cells_[where];
    if (!live_) {
        return cell.back().value;
    }
    reach_step(where, false);
    thread& t = me();
    const auto newest = static_cast<int>(cell.size() - 1);
    int oldest = t.current.seen[where];
    if (order == std::memory_order_seq_cst) {
        for (int i = newest; i > oldest; --i) {
            oldest = cell[static_cast<unsigned>(i)].sequential ? i : oldest;
        }
    }
    const int back = static_cast<int>(choose(static_cast<unsigned>(newest - oldest + 1)));
    const int index = newest - back;
    t.current.seen[where] = static_cast<std::int16_t>(index);
    t.acquired.seen[where] = std::max(t.acquired.seen[where], static_cast<std::int16_t>(index));
    const entry& e = cell[static_cast<unsigned>(index)];
    observe_load(t, e, order);
    tick();
    observe(static_cast<unsigned>(index) * 4U + 2);
    note("load", where, e.value, back);
    return e.value;
}

void machine::store(detail::location where, std::uint64_t value, std::memory_order order) {
    if (!live_) {
        cells_[where].back().value = value;
        return;
    }
    reach_step(where, true);
    note("store", where, value);
    observe_store(me(), where, value, order, nullptr);
}

// `change` gives the new value, or nothing when the cell stays as it is. Always reads the newest store.
template <class Change>
std::uint64_t machine::modify(detail::location where, std::memory_order success, std::memory_order failure,
                              const char* what, Change&& change) {
    auto& cell = cells_[where];
    if (live_) {
        reach_step(where, true);
    }
    const entry before = cell.back();
    std::uint64_t value = before.value;
    const bool changes = change(value);
    if (!live_) {
        cell.back().value = value;
        return before.value;
    }
    thread& t = me();
    t.current.seen[where] = static_cast<std::int16_t>(cell.size() - 1);
    observe_load(t, before, changes ? success : failure);
    note(what, where, value);
    if (changes) {
        observe_store(t, where, value, success, &before.released);
    } else {
        tick();
        observe(cell.size() * 4U + 3);
    }
    return before.value;
}

void machine::wait(detail::location where) {
    thread& t = me();
    note("wait", where, 0);
    t.waits_for = where;
    t.state = status::waiting;
    switch_on();
    t.state = status::ready;
    modify(where, std::memory_order_relaxed, std::memory_order_relaxed, "woken", [](std::uint64_t& value) {
        value = 0;
        return true;
    });
}

void machine::spin() {
    thread& t = me();
    t.state = status::spinning;
    tick();
    observe(0);
    note("spin", 0, 0);
    switch_on();
    t.state = status::ready;
    see_news(t);
}

// A sequentially consistent fence in thread `index`, wherever that thread is.
void machine::fence(unsigned index) {
    thread& t = threads_[index];
    t.current.join(t.acquired);
    sequential_.join_seen(t.current);
    t.current.join_seen(sequential_);
    t.fenced = t.current;
    t.acquired = t.current;
}

void machine::heavy_barrier() {
    reach_step();
    note("heavy barrier", 0, 0);
    fence(running_);
    for (unsigned i = 0; i < thread_count_; ++i) {
        fence(i);
    }
    fence(running_);
    tick();
    observe(1);
}

void machine::access_plain(detail::location where, bool write) {
    if (!live_) {
        return;
    }
    plain_cell& cell = plains_[where];
    const auto& clock = me().current.clock;
    bool race = cell.writer >= 0 && static_cast<unsigned>(cell.writer) != running_ &&
                clock[static_cast<unsigned>(cell.writer)] < cell.write_clock;
    for (unsigned i = 0; write && i < thread_count_; ++i) {
        race |= i != running_ && clock[i] < cell.read_clock[i];
    }
    if (race) {
        fail(write ? "data race: writes a plain cell" : "data race: reads a plain cell", where);
    }
    if (write) {
        cell.writer = static_cast<std::int8_t>(running_);
        cell.write_clock = clock[running_];
    } else {
        cell.read_clock[running_] = clock[running_];
    }
}

// The public face.

report explore(const std::function<void(run&)>& program) {
    machine m(program);
    current = &m;
    report result = m.explore();
    current = nullptr;
    return result;
}

std::ostream& operator<<(std::ostream& out, const report& r) {
    return out << r.executions << " executions, " << r.states << " states, " << r.steps << " steps"
               << (r.ok() ? "" : ": ") << r.failure;
}

void run::thread(std::string name, std::function<void()> function) {
    bodies_.push_back({std::move(name), std::move(function)});
}

void run::at_end(std::function<void()> check) {
    checks_.push_back(std::move(check));
}

void require(bool condition, const char* what) {
    if (!condition) {
        current->fail(what);
    }
}

void spin() {
    current->spin();
}

void heavy_barrier() noexcept {
    current->heavy_barrier();
}

unsigned running_thread() noexcept {
    return current->running();
}

namespace detail {

location new_atomic(std::uint64_t value) noexcept {
    return current->new_atomic(value);
}
location new_plain() noexcept {
    return current->new_plain();
}
std::uint64_t load(location where, std::memory_order order) noexcept {
    return current->load(where, order);
}
void store(location where, std::uint64_t value, std::memory_order order) noexcept {
    current->store(where, value, order);
}
std::uint64_t exchange(location where, std::uint64_t value, std::memory_order order) noexcept {
    return current->modify(where, order, order, "exchange", [value](std::uint64_t& v) {
        v = value;
        return true;
    });
}
std::uint64_t fetch_add(location where, std::uint64_t value, std::memory_order order) noexcept {
    return current->modify(where, order, order, "fetch_add", [value](std::uint64_t& v) {
        v += value;
        return true;
    });
}
bool compare_exchange(location where, std::uint64_t& expected, std::uint64_t desired, std::memory_order success,
                      std::memory_order failure) noexcept {
    const std::uint64_t wanted = expected;
    expected = current->modify(where, success, failure, "compare_exchange", [wanted, desired](std::uint64_t& v) {
        const bool equal = v == wanted;
        v = equal ? desired : v;
        return equal;
    });
    return expected == wanted;
}
void wait(location where) noexcept {
    current->wait(where);
}
void read_plain(location where) noexcept {
    current->access_plain(where, false);
}
void write_plain(location where) noexcept {
    current->access_plain(where, true);
}

}  // namespace detail

}  // namespace shale::model
