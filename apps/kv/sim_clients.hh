// Clients that work on a kv server and check every answer: the workload of simulated runs, where machines fail.
//
//     kv::sim_clients clients({.address = server.address(), .clients = 8, .seed = seed});
//     co_await clients.run(stop);        // until the abort source fires; fails at once with oracle_violation
//     co_await clients.read_back();      // when all is well again: every key is asked for until it is answered
//
// Each client has keys of its own, so that it knows the order of their writes, one connection at a time, and 1 to 16
// commands under way on it: SET with and without an end, GET, DEL, MSET, MGET, APPEND, INCR, PEXPIRE, PERSIST, EXISTS.
// Every value says whose it is. A client that loses its connection, or gets nothing for `patience`, comes back after a
// pause and asks the server for its run_id: only when that is another has the process died that may still do what was
// lost. Until then it leaves keys with lost writes alone, or takes fresh ones in their place (key_oracle.hh), and as a
// rule reads them first: what it is told of a write that may not be durable yet must hold as well. Now and then it
// leaves by itself, with commands under way.
// All draws come from the seed. It knows nothing of the simulation: the server may as well be a real one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <shale/core/async/abort_source.hh>
#include <shale/core/async/future.hh>
#include <shale/core/base/time.hh>

#include "key_oracle.hh"

namespace shale::kv {

struct sim_clients_options {
    std::string address = "127.0.0.1";  ///< IPv4
    std::uint16_t port = 6379;
    unsigned clients = 4;
    unsigned keys_per_client = 16;
    std::uint64_t seed = 1;
    duration patience = std::chrono::seconds(5);
    duration pause_max = std::chrono::milliseconds(20);      ///< between rows of commands, now and then
    duration back_off_max = std::chrono::milliseconds(500);  ///< before it tries to connect again
    std::size_t value_bytes_max = std::size_t{1} << 20;
    /// By how much the server's wall clock may jump.
    duration clock_slack = std::chrono::milliseconds(10);
};

struct sim_clients_statistics {
    std::uint64_t acknowledged = 0;  ///< writes
    std::uint64_t lost = 0;          ///< writes whose reply never came
    std::uint64_t reads = 0;         ///< values, or their absence, that were checked
    std::uint64_t connections = 0;
    std::uint64_t connections_lost = 0;
    std::uint64_t connects_failed = 0;
    std::uint64_t restarts_seen = 0;                ///< by clients, of the server
    std::map<std::string, std::uint64_t> refusals;  ///< by the text of the error

    void add(const sim_clients_statistics& more);
    std::string to_string() const;
};

class sim_clients {
public:
    explicit sim_clients(sim_clients_options options);
    sim_clients(const sim_clients&) = delete;
    sim_clients& operator=(const sim_clients&) = delete;
    ~sim_clients();

    /// Works until `stop` fires; ready once every client has ended what it was doing.
    future<> run(abort_source& stop);

    /// Reads every key that was ever used, again and again until it is answered, and checks it. Not during run().
    future<> read_back();

    sim_clients_statistics statistics() const;

private:
    class client;

    sim_clients_options options_;
    std::vector<std::unique_ptr<client>> clients_;
};

}  // namespace shale::kv
