// See machine.hh.
#include "machine.hh"

#include <fmt/format.h>

#include "detail/leak_scope.hh"
#include "detail/process.hh"
#include "detail/process_turn.hh"
#include "world.hh"

namespace shale::sim {

namespace {

machine_options with_address(machine_options options, unsigned number) {
    if (options.address.empty()) {
        options.address = fmt::format("10.0.0.{}", number + 1);
    }
    return options;
}

}  // namespace

machine::machine(world& owner, detail::world_core& core, machine_options options, unsigned number,
                 unsigned first_number)
    : world_(owner),
      core_(core),
      options_(with_address(std::move(options), number)),
      first_number_(first_number),
      host_(std::make_unique<detail::host>()) {
    host_->name = options_.name;
    host_->address = options_.address;
    host_->number = number;
    host_->wall_drift = options_.wall_drift;
    if (const auto most = static_cast<std::int64_t>(core.options.wall_offset_max_ns); most > 0) {
        host_->wall_offset_ns =
            static_cast<std::int64_t>(core.cost_random.below(2 * static_cast<std::uint64_t>(most) + 1)) - most;
    }
    owner.furnish(*this);
}

machine::~machine() {
    if (process_ == nullptr || process_->now() == detail::process::state::ended) {
        return;
    }
    if (options_.entry) {
        process_->die();
        process_->forget();
    } else {
        process_->destroy();
    }
}

bool machine::runs_now() const noexcept {
    const detail::sim_platform* const stepping = core_.stepping;
    return stepping != nullptr && stepping->number() >= first_number_ &&
           stepping->number() < first_number_ + options_.shards && !stepping->simulator_works();
}

void machine::start() {
    SHALE_ASSERT(!running(), "{} is running already", name());
    if (ending_) {
        start_again_ = true;
        return;
    }
    if (process_ != nullptr) {
        past_.push_back(std::move(process_));
    }
    const detail::leak_scope may_leak(options_.entry != nullptr);
    ++incarnation_;
    exit_code_.reset();
    failure_.clear();
    process_ = std::make_unique<detail::process>(core_, *host_,
                                                 detail::process_options{.shards = options_.shards,
                                                                         .mailbox_capacity = options_.mailbox_capacity,
                                                                         .first_number = first_number_,
                                                                         .entry = options_.entry});
    if (host_->network) {
        host_->network->power_on();
    }
    tell(world_event::kind::started, static_cast<std::int32_t>(incarnation_));
    process_->start();
}

void machine::kill() {
    if (running()) {
        end(world_event::kind::killed);
    }
}

void machine::exit_now(int code) {
    if (running()) {
        ending_code_ = code;
        end(world_event::kind::ended);
    }
}

void machine::power_loss() {
    end(world_event::kind::power_lost);
}

void machine::restart() {
    kill();
    start();
}

void machine::end(world_event::kind how) {
    SHALE_ASSERT(options_.entry, "{} is where the test runs; it cannot fail", name());
    start_again_ = false;
    if (running()) {
        process_->die();
    }
    ending_ = ending_ == world_event::kind::power_lost ? ending_ : how;
    world_.after_turn([this] { carry_out(); });
}

void machine::carry_out() {
    if (!ending_) {
        return;  // two kills in one turn
    }
    const world_event::kind how = *std::exchange(ending_, std::nullopt);
    if (process_ != nullptr && process_->now() == detail::process::state::dead) {
        process_->forget();
        if (host_->disk) {
            host_->disk->process_died(process_->handles());
        }
        if (host_->network) {
            host_->network->process_died(process_->handles());
        }
        past_.push_back(std::move(process_));
    }
    if (how == world_event::kind::power_lost) {
        if (host_->disk) {
            host_->disk->power_loss();
        }
        if (host_->network) {
            host_->network->power_loss();
        }
    }
    if (how == world_event::kind::ended) {
        exit_code_ = ending_code_;
    }
    tell(how, how == world_event::kind::ended ? ending_code_ : 0);
    if (std::exchange(start_again_, false)) {
        start();
    }
}

void machine::look_after() {
    if (process_ == nullptr || !process_->lives() || !process_->look_after()) {
        return;
    }
    exit_code_ = process_->exit_code();
    failure_ = process_->failure();
    if (host_->disk) {
        host_->disk->process_died(process_->handles());
    }
    if (host_->network) {
        host_->network->process_died(process_->handles());
    }
    tell(world_event::kind::ended, *exit_code_);
}

void machine::tell(world_event::kind what, std::int32_t result) {
    core_.hash.fold(static_cast<std::uint64_t>(what) << 32 | static_cast<std::uint32_t>(result));
    core_.past.add(core_.events.now_ns(), name(), fmt::format("{} ({})", to_string(what), result));
    core_.tell({.what = what, .machine = host_->name, .result = result, .now_ns = core_.events.now_ns()});
}

bool machine::running() const noexcept {
    return process_ != nullptr && process_->lives();
}

void machine::jump_wall_clock(duration by) noexcept {
    host_->wall_offset_ns += by.count();
}

void machine::on(unsigned id, const std::function<void()>& f) {
    const detail::process_turn turn(*process_, id);
    f();
    at(id).wake();  // it may have got something to do
}

shard& machine::at(unsigned id) {
    SHALE_ASSERT(running(), "{} is not running", name());
    return process_->at(id);
}

}  // namespace shale::sim
