// Sends back whatever it is sent, on every core: the smallest server.
//
// Each shard listens on the same address and serves its share of the connections; nothing is shared and nothing crosses
// cores but the connection itself. SIGINT or SIGTERM stops it in order: no more connections, what was read is still
// sent back, then the end.
#include <fmt/core.h>

#include <shale/core/app/app_template.hh>
#include <shale/core/base/log.hh>
#include <shale/core/sync/gate.hh>
#include <shale/core/sync/sharded.hh>
#include <shale/net/socket.hh>

namespace {

using shale::future;

inline constinit shale::logger log_echo{"echo"};

// One shard's part of the server.
class echo_server {
public:
    future<> listen(shale::net::socket_address address) {
        listener_ = co_await shale::net::listen(address);
        (void)accept_connections(serving_.hold());
    }

    std::uint16_t port() const { return listener_.local_address().port(); }

    // Ends every wait for a connection or for bytes, then waits for those who are still sending.
    future<> stop() {
        stopping_.request_abort();
        co_await serving_.close();
        if (listener_) {
            co_await listener_.close();
        }
    }

private:
    future<> accept_connections(shale::gate::holder) {
        while (!stopping_.abort_requested()) {
            auto accepted = co_await shale::as_result(listener_.accept(&stopping_));
            if (accepted) {
                (void)serve(std::move(accepted->connection), serving_.hold());
            }
        }
    }

    future<> serve(shale::net::connected_socket connection, shale::gate::holder) {
        try {
            auto in = connection.input({}, &stopping_);
            auto out = connection.output();
            while (auto bytes = co_await in.read()) {
                co_await out.write(std::move(bytes));
                co_await out.flush();
            }
            co_await out.close();
        } catch (const shale::abort_requested_exception&) {
            // The stop: what was read has been sent.
        } catch (const std::exception& error) {
            log_echo.debug("connection lost: {}", error.what());
        }
        co_await connection.close();
    }

    shale::abort_source stopping_;
    shale::gate serving_;
    shale::net::server_socket listener_;
};

}  // namespace

int main(int argc, char** argv) {
    std::string bind = "127.0.0.1";
    std::uint16_t port = 7007;
    shale::app_template app({.name = "echo", .description = "sends back what it is sent", .version = "0.1.0"});
    app.add_option("bind,b", &bind, "address to listen on");
    app.add_option("port,p", &port, "TCP port; 0 lets the system choose");

    shale::sharded<echo_server> server;
    return app.run(argc, argv, [&]() -> future<int> {
        const auto address = shale::net::socket_address::parse(bind, port);
        if (!address) {
            fmt::print(stderr, "echo: --bind {}: {}\n", bind, address.error());
            co_return shale::exit_code::usage;
        }
        app.at_exit([&] { return server.stop(); });
        co_await server.start();
        // This shard settles the port, the others join it there.
        co_await server.local().listen(*address);
        const auto settled = address->with_port(server.local().port());
        co_await server.invoke_on_others([&settled](echo_server& one) { return one.listen(settled); });
        fmt::print("echo: serving at {}; try: nc {} {}\n", settled.to_string(), bind, settled.port());
        std::fflush(stdout);
        co_await app.stop_signal();
        co_return 0;
    });
}
