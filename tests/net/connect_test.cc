// Connecting on real threads: refusal, attempts that hang, and where it comes from.
#include "net_testing.hh"

#include <fcntl.h>
#include <shale/core/shard/sleep.hh>

using namespace shale;
using namespace shale::test;

namespace {

/// A listening socket outside Shale whose queue is full: connections to it hang.
class full_listener {
public:
    full_listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ::bind(fd_, reinterpret_cast<sockaddr*>(&address_), sizeof address_);
        ::listen(fd_, 0);
        socklen_t length = sizeof address_;
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address_), &length);
        for (int& filler : fillers_) {
            filler = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            (void)::connect(filler, reinterpret_cast<sockaddr*>(&address_), sizeof address_);
        }
    }
    full_listener(const full_listener&) = delete;
    full_listener& operator=(const full_listener&) = delete;
    ~full_listener() {
        ::close(fd_);
        for (const int filler : fillers_) {
            ::close(filler);
        }
    }
    net::socket_address address() const { return {reinterpret_cast<const sockaddr*>(&address_), sizeof address_}; }

private:
    int fd_;
    int fillers_[4];
    sockaddr_in address_{};
};

int open_descriptors() {
    int count = 0;
    for (int fd = 0; fd < 1024; ++fd) {
        count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    }
    return count;
}

}  // namespace

SHALE_RUNTIME_TEST(connect, refusal_is_an_error_that_names_the_address) {
    auto listener = co_await net::listen(net::ipv4_addr("127.0.0.1", 0));
    const auto address = listener.local_address();
    co_await listener.close();
    auto result = co_await as_result(net::connect(address));
    EXPECT_EQ(error_of(result), ECONNREFUSED);
    EXPECT_NE(message_of(result).find("connect to " + address.to_string()), std::string::npos) << message_of(result);
}

SHALE_RUNTIME_TEST(connect, attempt_that_hangs_ends_with_an_abort_and_leaves_no_descriptor) {
    full_listener full;
    const int before = open_descriptors();
    abort_source abort;
    auto pending = net::connect(full.address(), &abort);
    co_await sleep(5ms);
    EXPECT_FALSE(pending.available());
    abort.request_abort();
    auto result = co_await as_result(std::move(pending));
    EXPECT_EQ(error_of(result), 0);
    EXPECT_EQ(message_of(result), "abort requested");
    auto late = co_await as_result(net::connect(full.address(), &abort));
    EXPECT_EQ(message_of(late), "abort requested");
    EXPECT_EQ(open_descriptors(), before);
}

SHALE_RUNTIME_TEST(connect, attempt_that_hangs_ends_with_its_time) {
    full_listener full;
    auto result = co_await as_result(net::connect(full.address(), {.timeout = 20ms}));
    EXPECT_EQ(error_of(result), ETIMEDOUT);
    EXPECT_NE(message_of(result).find("within 20 ms"), std::string::npos) << message_of(result);
}

SHALE_RUNTIME_TEST(connect, comes_from_the_local_address_asked_for) {
    auto listener = co_await net::listen(net::ipv4_addr("127.0.0.1", 0));
    auto pending = net::connect(listener.local_address(), {.local = net::ipv4_addr("127.0.0.9", 0)});
    auto accepted = co_await listener.accept();
    EXPECT_EQ(accepted.remote_address.with_port(0).to_string(), "127.0.0.9:0");
    auto client = co_await std::move(pending);
    const auto local = co_await client.local_address();
    EXPECT_EQ(local, accepted.remote_address);
    co_await client.close();
    co_await accepted.connection.close();
    co_await listener.close();
}

SHALE_RUNTIME_TEST(connect, to_a_unix_path_where_nobody_is_says_so) {
    temporary_directory directory;
    auto result = co_await as_result(net::connect(unix_domain_addr(directory.file("none.sock"))));
    EXPECT_EQ(error_of(result), ENOENT);
}
