// The report of a failed assertion, and the context hook it shares with the log.
//
// By the time this runs nothing may be trusted, so it writes straight to descriptor 2 and takes no lock. The report is
// one line (so that it survives log collectors), then the backtrace, then abort() for the core dump.
#include "assert.hh"

#include "context.hh"

#include <execinfo.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <iterator>

namespace shale::detail {

constinit std::atomic<context_hook> assert_context{nullptr};

execution_context current_context() noexcept {
    // Pairs with the release store by the shard layer, which publishes what the hook reads.
    const context_hook hook = assert_context.load(std::memory_order_acquire);
    return hook == nullptr ? execution_context{} : hook();
}

namespace {

using report_buffer = fmt::basic_memory_buffer<char, 1024>;

void write_all(const char* data, std::size_t size) noexcept {
    while (size > 0) {
        // check: allow blocking, the process is about to abort
        const ssize_t written = ::write(STDERR_FILENO, data, size);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return;  // there is nowhere left to complain
        }
        data += written;
        size -= static_cast<std::size_t>(written);
    }
}

void append_place(report_buffer& out, const char* file, int line) {
    const execution_context context = current_context();
    if (context.shard >= 0) {
        fmt::format_to(std::back_inserter(out), "shard {}: ", context.shard);
    }
    fmt::format_to(std::back_inserter(out), "{}:{}: ", file, line);
    if (context.now_ns != 0) {
        fmt::format_to(std::back_inserter(out), "at {}.{:09} s: ", context.now_ns / 1'000'000'000,
                       context.now_ns % 1'000'000'000);
    }
}

}  // namespace

void assert_failed(const char* file, int line, const char* condition, fmt::string_view format,
                   fmt::format_args args) noexcept {
    report_buffer out;
    try {
        append_place(out, file, line);
        fmt::format_to(std::back_inserter(out), "assertion failed: {}", condition);
        if (format.size() > 0) {
            out.append(fmt::string_view(": "));
            fmt::vformat_to(std::back_inserter(out), format, args);
        }
    } catch (...) {
        // A formatter that throws must not hide the assertion: what was put together so far is still printed.
    }
    out.push_back('\n');
    write_all(out.data(), out.size());

    std::array<void*, 64> frames;
    const int count = ::backtrace(frames.data(), static_cast<int>(frames.size()));
    ::backtrace_symbols_fd(frames.data(), count, STDERR_FILENO);
    std::abort();
}

}  // namespace shale::detail
