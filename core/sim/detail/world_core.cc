// See world_core.hh.
#include "world_core.hh"

#include <fmt/format.h>

#include "../check_twice.hh"

namespace shale::sim::detail {

void world_core::tell(const world_event& event) {
    ++telling;
    for (std::size_t i = 0, count = watchers.size(); i < count; ++i) {
        watcher& each = watchers[i];
        if (each.left > 0 && each.matches(event) && --each.left == 0) {
            each.act(event);
        }
    }
    if (--telling == 0) {
        std::erase_if(watchers, [](const watcher& each) { return each.left == 0; });
    }
}

// At a checkpoint the streams' positions join the hash: what was drawn too much shows though nothing came of it yet.
void world_core::end_entry(std::string_view who, std::uint64_t tasks, std::uint64_t drawn, std::uint64_t clock_ns) {
    hash.fold(clock_ns);
    hash.fold(tasks);
    hash.fold(drawn);
    if (hash.end_entry()) {
        for (random_engine stream :
             {streams.program, streams.faults, streams.disk, streams.network, streams.chaos, cost_random}) {
            hash.fold(stream());
        }
        hash.checkpoint();
    }
    if (options.record != nullptr) {
        options.record->add({.now_ns = events.now_ns(),
                             .what = fmt::format("{}: {} tasks, {} draws, clock {}", who, tasks, drawn, clock_ns),
                             .hash = hash.value()});
    }
}

}  // namespace shale::sim::detail
