// Errors of the environment: a std::system_error whose message is one whole sentence for a person.
//
// The line says what failed, with which value, why, and what to do. std::system_error::what() puts the errno's text
// last, where the advice belongs, so system_failure builds its own line and says the errno once, in the middle:
// "open of /data/kv.log: Permission denied (EACCES). Run as the owner of /data." It is still caught as
// std::system_error and compared by code(). An outcome a caller expects is a value, not one of these.
#pragma once

#include <fmt/core.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>

namespace shale {

/// A failure with an errno. Copying is cheap and does not throw.
class system_failure : public std::system_error {
public:
    /// `what_failed` names the operation and its values: "write of 4096 bytes at 8192 to /data/kv.log". `advice`, when
    /// not empty, is what to do about it: "Free some space." The errno may be given negative, as requests return it.
    system_failure(int errno_value, fmt::string_view what_failed, fmt::string_view advice = {});

    /// The whole line, without a newline.
    const char* what() const noexcept override { return line_.what(); }

    /// The same failure with the sentence `advice` at the end.
    system_failure advise(fmt::string_view advice) const;

private:
    std::runtime_error line_;  // a string whose copies share the text
};

namespace detail {
system_failure make_system_error(int errno_value, fmt::string_view format, fmt::format_args args);
}

/// The failure to throw or to put in a future: make_system_error(ENOSPC, "write of {} bytes to {}", n, path).
template <class... Args>
system_failure make_system_error(int errno_value, fmt::format_string<Args...> format, Args&&... args) {
    return detail::make_system_error(errno_value, format, fmt::make_format_args(args...));
}

template <class... Args>
[[noreturn, gnu::cold]] void throw_system_error(int errno_value, fmt::format_string<Args...> format, Args&&... args) {
    throw detail::make_system_error(errno_value, format, fmt::make_format_args(args...));
}

/// The errno of a failure that has one, 0 of any other.
int errno_of(const std::exception_ptr& failure) noexcept;

/// What a failure says of itself; valid as long as `failure` is.
const char* message_of(const std::exception_ptr& failure) noexcept;

/// "ENOSPC" for ENOSPC; "errno 12345" for what the C library does not know.
std::string errno_name(int errno_value);

}  // namespace shale
