// See seed_process.hh. What comes back through the pipe is text: the figures in order, then "kind name=count" lines.
#include "seed_process.hh"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>

#include <fmt/format.h>

namespace shale::detail {

namespace {

std::string write_totals(const sim::run_totals& all) {
    std::string text = fmt::format("{} {} {} {} {}\n", all.seeds, all.failed, all.steps, all.virtual_s, all.real_s);
    for (const auto& [kind, counts] : {std::pair{'u', &all.figures}, {'f', &all.faults}, {'p', &all.probes}}) {
        for (const auto& [name, count] : *counts) {
            text += fmt::format("{} {}={}\n", kind, name, count);
        }
    }
    return text;
}

std::expected<sim::run_totals, std::string> read_totals(const std::string& text) {
    std::istringstream in(text);
    sim::run_totals all;
    if (!(in >> all.seeds >> all.failed >> all.steps >> all.virtual_s >> all.real_s)) {
        return std::unexpected(std::string("it ended without a word"));
    }
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
        const std::size_t sign = line.rfind('=');
        sim::named_counts& counts = line[0] == 'u' ? all.figures : line[0] == 'f' ? all.faults : all.probes;
        counts[line.substr(2, sign - 2)] = std::stoull(line.substr(sign + 1));
    }
    return all;
}

std::string read_all(int from) {
    std::string text;
    char part[4096];
    for (ssize_t n = 0; (n = ::read(from, part, sizeof part)) > 0 || (n < 0 && errno == EINTR);) {
        text.append(part, n > 0 ? static_cast<std::size_t>(n) : 0);
    }
    return text;
}

void write_all(int to, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(to, text.data(), text.size());
        if (n < 0 && errno != EINTR) {
            return;
        }
        text.remove_prefix(n > 0 ? static_cast<std::size_t>(n) : 0);
    }
}

}  // namespace

std::expected<sim::run_totals, std::string> run_in_child(const std::function<int(sim::run_totals&)>& run, int& code) {
    int ends[2];
    std::fflush(nullptr);
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return std::unexpected(fmt::format("no pipe for its process: {}", std::strerror(errno)));
    }
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(ends[0]);
        sim::run_totals all;
        const int result = run(all);
        write_all(ends[1], write_totals(all));
        std::fflush(nullptr);
        ::_exit(result);
    }
    ::close(ends[1]);
    const std::string text = child > 0 ? read_all(ends[0]) : "";
    ::close(ends[0]);
    int status = 0;
    if (child < 0) {
        return std::unexpected(fmt::format("no process for it: {}", std::strerror(errno)));
    }
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) {
        return std::unexpected(fmt::format("it ended by SIG{}", sigabbrev_np(WTERMSIG(status))));
    }
    code = WEXITSTATUS(status);
    return read_totals(text);
}

}  // namespace shale::detail
