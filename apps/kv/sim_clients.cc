// All clients together. See sim_clients.hh.
#include "sim_clients.hh"

#include <fmt/format.h>

#include <shale/core/async/coroutine.hh>

#include "sim_client.hh"

namespace shale::kv {

class sim_clients::client : public sim_client {
public:
    using sim_client::sim_client;
};

void sim_clients_statistics::add(const sim_clients_statistics& more) {
    acknowledged += more.acknowledged;
    lost += more.lost;
    reads += more.reads;
    connections += more.connections;
    connections_lost += more.connections_lost;
    connects_failed += more.connects_failed;
    restarts_seen += more.restarts_seen;
    for (const auto& [text, count] : more.refusals) {
        refusals[text] += count;
    }
}

std::string sim_clients_statistics::to_string() const {
    std::string text = fmt::format(
        "{} writes acknowledged, {} lost; {} values read; {} connections, {} lost, {} refused; {} restarts seen",
        acknowledged, lost, reads, connections, connections_lost, connects_failed, restarts_seen);
    for (const auto& [error, count] : refusals) {
        text += fmt::format("; {} times '{}'", count, error);
    }
    return text;
}

sim_clients::sim_clients(sim_clients_options options) : options_(std::move(options)) {
    for (unsigned number = 0; number < options_.clients; ++number) {
        clients_.push_back(std::make_unique<client>(options_, number));
    }
}

sim_clients::~sim_clients() = default;

namespace {

// All of them, to their ends; the first failure.
future<> all_of(std::vector<future<>> working) {
    std::exception_ptr failure;
    for (future<>& each : working) {
        const auto ended = co_await as_result(std::move(each));
        if (!ended && !failure) {
            failure = ended.error();
        }
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
}

// Nobody goes on when one has found something.
future<> run_one(sim_client& one, abort_source& stop) {
    const auto ended = co_await as_result(one.run(stop));
    if (!ended) {
        stop.request_abort();
        std::rethrow_exception(ended.error());
    }
}

}  // namespace

future<> sim_clients::run(abort_source& stop) {
    std::vector<future<>> working;
    for (const auto& each : clients_) {
        working.push_back(run_one(*each, stop));
    }
    return all_of(std::move(working));
}

future<> sim_clients::read_back() {
    std::vector<future<>> reading;
    for (const auto& each : clients_) {
        reading.push_back(each->read_back());
    }
    return all_of(std::move(reading));
}

sim_clients_statistics sim_clients::statistics() const {
    sim_clients_statistics all;
    for (const auto& each : clients_) {
        all.add(each->statistics());
    }
    return all;
}

}  // namespace shale::kv
