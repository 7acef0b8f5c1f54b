// The error of whatever had a time limit and reached it. It stands at this level, below every clock, so that a wait of
// any kind can be caught by one name; more telling errors derive from it.
#pragma once

#include <exception>

namespace shale {

/// What is thrown, by itself or as a base, where time ran out.
class timed_out_error : public std::exception {
public:
    const char* what() const noexcept override { return "timed out"; }
};

}  // namespace shale
