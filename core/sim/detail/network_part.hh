// The share that one machine has of the network of all.
#pragma once

#include "network.hh"
#include "outside_part.hh"

namespace shale::sim::detail {

class network_part final : public outside_part {
public:
    /// The network outlives it. The machine's address joins, and nobody else's.
    network_part(network& all, const host& at) : network_(all), here_(all.attach(at.name, {at.address})) {}

    void begin(io_request& request, requester& from) override {
        if (request.op == io_op::unlink) {
            from.finish(request, network_.unlink(here_, static_cast<const char*>(request.data)) ? 0 : -ENOENT);
        } else {
            network_.begin(request, from, here_);
        }
    }
    bool withdraw(io_request& request, requester& from) override { return network_.withdraw(request, from); }
    void process_died(handle_table& handles) override { network_.process_died(handles); }
    void power_loss() override { network_.host_down(here_); }
    void power_on() override {
        if (!here_.up) {
            network_.host_up(here_);
        }
    }
    bool has_name(std::string_view path) const override { return network_.has_unix_name(here_, path); }

    net_host& here() noexcept { return here_; }

private:
    network& network_;
    net_host& here_;
};

}  // namespace shale::sim::detail
