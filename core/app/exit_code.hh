// How a program of ours ends, for scripts and service managers to tell cases apart. The numbers are sysexits(3)'s.
#pragma once

namespace shale::exit_code {

inline constexpr int ok = 0;
inline constexpr int failed = 1;           ///< main failed with an exception
inline constexpr int usage = 64;           ///< an option is unknown or wrong
inline constexpr int stop_timed_out = 70;  ///< the orderly stop was not done by its deadline
inline constexpr int io_error = 74;        ///< a disk failed, and going on could lose data
inline constexpr int environment = 78;     ///< this machine cannot do what was asked: CPUs, limits, rights
inline constexpr int by_signal = 128;      ///< plus the signal's number: stopped at once, or main left behind

}  // namespace shale::exit_code
