// A disk or network for tests of what stands between it and a program: it keeps what it is given until told.
#pragma once

#include <algorithm>
#include <vector>

#include <shale/core/sim/detail/outside_part.hh>

namespace shale::sim {

class simulated_part final : public detail::outside_part {
public:
    struct held {
        io_request* request;
        detail::requester* from;
    };

    void begin(io_request& request, detail::requester& from) override {
        if (answer) {
            from.finish(request, *answer);
        } else {
            pending.push_back({&request, &from});
        }
    }
    bool withdraw(io_request& request, detail::requester& from) override {
        if (std::erase_if(pending, [&](const held& each) { return each.request == &request; }) == 0) {
            return false;
        }
        if (withdrawable) {
            from.finish(request, -ECANCELED);
        }
        return withdrawable;
    }
    void process_died(detail::handle_table&) override {
        ++deaths;
        std::erase_if(pending, [](const held& each) { return !each.from->alive(); });
    }
    void power_loss() override { ++power_losses; }

    void finish_all(std::int32_t result) {
        for (const held& each : std::exchange(pending, {})) {
            each.from->finish(*each.request, result);
        }
    }

    std::optional<std::int32_t> answer;  ///< what it answers at once
    bool withdrawable = true;
    std::vector<held> pending;
    int deaths = 0;
    int power_losses = 0;
};

}  // namespace shale::sim
