// While one lives, a process that is about to die of SIGABRT or SIGSEGV says how to repeat what it was doing.
//
// A failed assertion in simulated code ends the whole test process, and the seed would be known to nobody. One at a
// time. Handlers that are there already (a sanitizer's) are left alone; they end in SIGABRT.
#pragma once

#include <string>

namespace shale::test::detail {

class replay_on_crash {
public:
    explicit replay_on_crash(const std::string& line);
    replay_on_crash(const replay_on_crash&) = delete;
    replay_on_crash& operator=(const replay_on_crash&) = delete;
    ~replay_on_crash();

private:
    const std::string text_;
};

}  // namespace shale::test::detail
