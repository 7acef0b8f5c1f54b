// A child process that runs a whole program: for tests of exit codes, of what is printed, and of signals.
//
// It is forked before this process has started any thread, runs `body`, and exits with what that returned, so leaks
// and sanitizer findings in it show as a wrong exit code. Its stdout and stderr are pipes, read by the parent.
#pragma once

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <string>

#include <gtest/gtest.h>

namespace shale::testing_app {

class child {
public:
    explicit child(const std::function<int()>& body) {
        std::array<int, 2> out{};
        std::array<int, 2> err{};
        if (pipe(out.data()) != 0 || pipe(err.data()) != 0) {
            std::abort();
        }
        pid_ = fork();
        if (pid_ == 0) {
            dup2(out[1], STDOUT_FILENO);
            dup2(err[1], STDERR_FILENO);
            for (const int fd : {out[0], out[1], err[0], err[1]}) {
                close(fd);
            }
            std::exit(body());
        }
        close(out[1]);
        close(err[1]);
        out_fd_ = out[0];
        err_fd_ = err[0];
    }
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child() {
        if (pid_ > 0) {
            kill(pid_, SIGKILL);
            waitpid(pid_, nullptr, 0);
        }
        close(out_fd_);
        close(err_fd_);
    }

    void send(int signal) const { kill(pid_, signal); }

    /// Reads until stdout or stderr contains `text`; false when both end without it.
    bool wait_for(std::string_view text) {
        while (out_.find(text) == std::string::npos && err_.find(text) == std::string::npos) {
            if (!read_some()) {
                return false;
            }
        }
        return true;
    }

    /// Reads all and waits for the end: the exit code, or minus the signal that killed it.
    int wait() {
        while (read_some()) {
        }
        int status = 0;
        waitpid(pid_, &status, 0);
        pid_ = -1;
        return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    }

    const std::string& out() const { return out_; }
    const std::string& err() const { return err_; }

private:
    bool read_some() {
        std::array<pollfd, 2> fds{
            {{.fd = out_fd_, .events = POLLIN, .revents = 0}, {.fd = err_fd_, .events = POLLIN, .revents = 0}}};
        if (out_ended_) {
            fds[0].fd = -1;
        }
        if (err_ended_) {
            fds[1].fd = -1;
        }
        if ((out_ended_ && err_ended_) || poll(fds.data(), fds.size(), -1) < 0) {
            return false;
        }
        out_ended_ = out_ended_ || (fds[0].revents != 0 && !append(out_fd_, out_));
        err_ended_ = err_ended_ || (fds[1].revents != 0 && !append(err_fd_, err_));
        return true;
    }
    static bool append(int fd, std::string& to) {
        std::array<char, 4096> buffer{};
        const ssize_t n = read(fd, buffer.data(), buffer.size());
        if (n > 0) {
            to.append(buffer.data(), static_cast<std::size_t>(n));
        }
        return n > 0;
    }

    pid_t pid_ = -1;
    int out_fd_ = -1;
    int err_fd_ = -1;
    bool out_ended_ = false;
    bool err_ended_ = false;
    std::string out_;
    std::string err_;
};

}  // namespace shale::testing_app
