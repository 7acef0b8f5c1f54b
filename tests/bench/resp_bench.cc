// A load generator for RESP servers that costs little itself: GET or SET over many connections, pipelined or not.
//
// redis-benchmark spends more on a request than a server does; here a row of requests is one send, its replies are one
// receive as a rule, and nothing is parsed: keys and values have one length, so that replies have, too, and where each
// has to begin is known. A reply that is something else ends the program. What has come on several connections is
// received in one io_submit and answered in another, or the system calls of one core were soon the limit. Plain epoll
// and libaio and no Shale, so that nothing of what is measured measures itself. Closed loop: each connection sends its
// next row when the last one is answered. Prints one line of JSON: requests, seconds, cpu_seconds (its own), p50_us,
// p99_us and max_us of a row.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <libaio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

struct settings {
    std::uint16_t port = 6379;
    bool set = false;
    unsigned connections = 50;
    unsigned pipeline = 1;
    std::uint64_t requests = 100'000;
    std::uint64_t keys = 100'000;
    unsigned value_bytes = 100;
};

template <class... Args>
[[noreturn]] void give_up(fmt::format_string<Args...> format, Args&&... args) {
    fmt::print(stderr, "bench_resp: {}\n", fmt::format(format, std::forward<Args>(args)...));
    std::exit(1);
}

std::uint64_t now_ns() {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

// Times of rows: 16 classes to a doubling, so a quantile is right to 5 %.
class histogram {
public:
    void add(std::uint64_t ns) noexcept {
        const unsigned bits = ns < 16 ? 4 : static_cast<unsigned>(std::bit_width(ns)) - 1;
        ++counts_[(bits - 4) * 16 + ((ns >> (bits - 4)) & 15)];
        ++total_;
        max_ = std::max(max_, ns);
    }
    double quantile_us(double q) const noexcept {
        std::uint64_t seen = 0;
        for (unsigned i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (static_cast<double>(seen) >= q * static_cast<double>(total_)) {
                return static_cast<double>((std::uint64_t{16} + i % 16) << (i / 16)) / 1e3;
            }
        }
        return max_us();
    }
    double max_us() const noexcept { return static_cast<double>(max_) / 1e3; }

private:
    std::array<std::uint64_t, 61 * 16> counts_{};
    std::uint64_t total_ = 0;
    std::uint64_t max_ = 0;
};

/// One connection: a row of requests made once, in which only the keys change.
class connection {
public:
    connection(const settings& conf, unsigned number) : conf_(conf), random_(0x9e3779b97f4a7c15u * (number + 1)) {
        fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(conf.port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
            give_up("cannot connect to 127.0.0.1:{}: {}", conf.port, std::strerror(errno));
        }
        const int on = 1;
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ::fcntl(fd_, F_SETFL, O_NONBLOCK);
        const std::string value(conf.value_bytes, 'x');
        for (unsigned i = 0; i < conf.pipeline; ++i) {
            row_ += conf.set ? "*3\r\n$3\r\nSET\r\n$16\r\nkey:" : "*2\r\n$3\r\nGET\r\n$16\r\nkey:";
            digits_.push_back(row_.size());
            row_ += "000000000000\r\n";
            row_ += conf.set ? fmt::format("${}\r\n{}\r\n", value.size(), value) : "";
        }
        reply_ = conf.set ? "+OK\r\n" : fmt::format("${}\r\n", value.size());
        reply_bytes_ = conf.set ? reply_.size() : reply_.size() + value.size() + 2;
        answer_.resize(reply_bytes_ * conf.pipeline);
    }
    ~connection() { ::close(fd_); }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    int fd() const noexcept { return fd_; }

    /// Makes the next row.
    void prepare_row(std::uint64_t now) {
        for (const std::size_t at : digits_) {
            random_ ^= random_ << 13;
            random_ ^= random_ >> 7;
            random_ ^= random_ << 17;
            std::memset(row_.data() + at, '0', 12);
            std::uint64_t key = random_ % conf_.keys;
            for (char* digit = row_.data() + at + 11; key != 0; --digit, key /= 10) {
                *digit = static_cast<char>('0' + key % 10);
            }
        }
        began_ns_ = now;
        received_ = 0;
    }

    iocb send_operation() noexcept {
        iocb cb{};
        io_prep_pwrite(&cb, fd_, row_.data(), row_.size(), 0);
        cb.data = this;
        return cb;
    }
    void sent(std::int64_t some) {
        if (some == -EAGAIN) {
            some = 0;
        }
        for (auto all = static_cast<std::size_t>(some); some < 0 || all < row_.size();) {
            if (some < 0) {
                give_up("sending failed: {}", std::strerror(errno));
            }
            pollfd room{fd_, POLLOUT, 0};
            ::poll(&room, 1, -1);
            some = ::send(fd_, row_.data() + all, row_.size() - all, MSG_NOSIGNAL);
            all += some > 0 ? static_cast<std::size_t>(some) : 0;
        }
    }

    iocb receive_operation() noexcept {
        iocb cb{};
        io_prep_pread(&cb, fd_, answer_.data() + received_, answer_.size() - received_, 0);
        cb.data = this;
        return cb;
    }
    /// Takes what has arrived. True when the row is answered.
    bool received(std::int64_t some) {
        if (some <= 0) {
            give_up("receiving failed: {}",
                    some == 0 ? "the server closed the connection" : std::strerror(static_cast<int>(-some)));
        }
        received_ += static_cast<std::size_t>(some);
        for (std::size_t at = 0; at < received_; at += reply_bytes_) {
            const std::size_t there = std::min(received_ - at, reply_.size());
            if (std::memcmp(answer_.data() + at, reply_.data(), there) != 0) {
                give_up("the server said '{}'", answer_.substr(at, std::min<std::size_t>(received_ - at, 80)));
            }
        }
        return received_ == answer_.size();
    }

    std::uint64_t began_ns() const noexcept { return began_ns_; }

private:
    const settings& conf_;
    int fd_;
    std::uint64_t random_;
    std::string row_;
    std::vector<std::size_t> digits_;  // where each request's key has its digits
    std::string reply_;                // how each begins
    std::size_t reply_bytes_;
    std::string answer_;
    std::size_t received_ = 0;
    std::uint64_t began_ns_ = 0;
};

/// Non-blocking transfers of up to `most` connections, done when run() returns.
class batch {
public:
    static constexpr unsigned most = 64;

    batch() {
        if (const int error = ::io_setup(most, &context_); error < 0) {
            give_up("no AIO context: {}", std::strerror(-error));
        }
    }
    ~batch() { ::io_destroy(context_); }
    batch(const batch&) = delete;
    batch& operator=(const batch&) = delete;

    void add(const iocb& operation) noexcept {
        operations_[count_] = operation;
        pointers_[count_] = &operations_[count_];
        ++count_;
    }
    /// Calls `done(connection&, result)` for each.
    template <class F>
    void run(F&& done) {
        const long count = std::exchange(count_, 0);
        std::array<io_event, most> events;
        if (count > 0 && (::io_submit(context_, count, pointers_.data()) != count ||
                          ::io_getevents(context_, count, count, events.data(), nullptr) != count)) {
            give_up("io_submit of {} socket transfers failed", count);
        }
        for (long i = 0; i < count; ++i) {
            const io_event& event = events[static_cast<std::size_t>(i)];
            done(*static_cast<connection*>(event.data), static_cast<std::int64_t>(event.res));
        }
    }

private:
    io_context_t context_ = nullptr;
    std::array<iocb, most> operations_;
    std::array<iocb*, most> pointers_;
    long count_ = 0;
};

void run(const settings& conf) {
    const int epoll = ::epoll_create1(0);
    std::vector<std::unique_ptr<connection>> all;
    for (unsigned i = 0; i < conf.connections; ++i) {
        all.push_back(std::make_unique<connection>(conf, i));
        epoll_event event{.events = EPOLLIN, .data = {.ptr = all.back().get()}};
        ::epoll_ctl(epoll, EPOLL_CTL_ADD, all.back()->fd(), &event);
    }
    const std::uint64_t rows = (conf.requests + conf.pipeline - 1) / conf.pipeline;
    std::uint64_t sent = 0;
    std::uint64_t done = 0;
    histogram times;
    const std::uint64_t begin = now_ns();
    for (const auto& one : all) {
        if (sent < rows) {
            one->prepare_row(begin);
            one->sent(0);
            ++sent;
        }
    }
    batch transfers;
    std::array<epoll_event, batch::most> events;
    std::vector<connection*> answered;
    while (done < rows) {
        const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 10'000);
        if (count <= 0) {
            give_up("{} of {} rows are answered, and nothing has come for 10 s", done, rows);
        }
        for (int i = 0; i < count; ++i) {
            transfers.add(static_cast<connection*>(events[static_cast<unsigned>(i)].data.ptr)->receive_operation());
        }
        answered.clear();
        transfers.run([&](connection& one, std::int64_t some) {
            if (one.received(some)) {
                answered.push_back(&one);
            }
        });
        const std::uint64_t now = now_ns();
        for (connection* one : answered) {
            ++done;
            times.add(now - one->began_ns());
            if (sent < rows) {
                one->prepare_row(now);
                transfers.add(one->send_operation());
                ++sent;
            }
        }
        transfers.run([](connection& one, std::int64_t some) { one.sent(some); });
    }
    const double seconds = static_cast<double>(now_ns() - begin) / 1e9;
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto in_seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    fmt::print(
        "{{\"requests\": {}, \"seconds\": {:.6f}, \"cpu_seconds\": {:.6f}, \"p50_us\": {:.1f}, \"p99_us\": {:.1f}, "
        "\"max_us\": {:.1f}}}\n",
        rows * conf.pipeline, seconds, in_seconds(used.ru_utime) + in_seconds(used.ru_stime), times.quantile_us(0.5),
        times.quantile_us(0.99), times.max_us());
    ::close(epoll);
}

}  // namespace

int main(int argc, char** argv) {
    settings conf;
    std::string test = "get";
    CLI::App app("bench_resp: loads a RESP server and prints what it did");
    app.add_option("--port", conf.port, "on 127.0.0.1");
    app.add_option("--test", test, "get or set")->check(CLI::IsMember({"get", "set"}));
    app.add_option("--connections", conf.connections)->check(CLI::Range(1, 10'000));
    app.add_option("--pipeline", conf.pipeline, "requests in a row")->check(CLI::Range(1, 10'000));
    app.add_option("--requests", conf.requests, "in all");
    app.add_option("--keys", conf.keys, "key:000000000000 and so on; all are there when getting")
        ->check(CLI::Range(1ull, 1'000'000'000'000ull));
    app.add_option("--value-bytes", conf.value_bytes);
    CLI11_PARSE(app, argc, argv);
    conf.set = test == "set";
    run(conf);
}
