// Puts together the one line of a system_failure.
#include "error.hh"

#include <fmt/format.h>

#include <cstring>
#include <string_view>

namespace shale {

namespace {

int positive(int errno_value) noexcept {
    return errno_value < 0 ? -errno_value : errno_value;
}

std::string whole_line(int errno_value, fmt::string_view what_failed, fmt::string_view advice) {
    // std::generic_category is free of strerror's static buffer, so any thread may be here.
    auto line =
        fmt::format("{}: {} ({})", what_failed, std::generic_category().message(errno_value), errno_name(errno_value));
    if (advice.size() > 0) {
        line += ". ";
        line.append(advice.data(), advice.size());
    }
    return line;
}

}  // namespace

system_failure::system_failure(int errno_value, fmt::string_view what_failed, fmt::string_view advice)
    : std::system_error(positive(errno_value), std::generic_category()),
      line_(whole_line(positive(errno_value), what_failed, advice)) {}

system_failure system_failure::advise(fmt::string_view advice) const {
    system_failure advised = *this;
    const std::string_view line = line_.what();
    advised.line_ = std::runtime_error(fmt::format("{}{} {}", line, line.ends_with('.') ? "" : ".", advice));
    return advised;
}

system_failure detail::make_system_error(int errno_value, fmt::string_view format, fmt::format_args args) {
    return system_failure(errno_value, fmt::vformat(format, args));
}

int errno_of(const std::exception_ptr& failure) noexcept {
    try {
        std::rethrow_exception(failure);
    } catch (const std::system_error& e) {
        return e.code().value();
    } catch (...) {
        return 0;
    }
}

const char* message_of(const std::exception_ptr& failure) noexcept {
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& e) {
        return e.what();  // the exception lives in `failure`
    } catch (...) {
        return "an exception that is no std::exception";
    }
}

std::string errno_name(int errno_value) {
    const char* name = ::strerrorname_np(positive(errno_value));
    return name != nullptr && errno_value != 0 ? std::string(name) : fmt::format("errno {}", errno_value);
}

}  // namespace shale
