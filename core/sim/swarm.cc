// See swarm.hh.
#include "swarm.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <variant>

#include <fmt/format.h>

namespace shale::sim {

namespace {

constexpr std::array<std::string_view, 5> schedules{"uniform", "min_time", "pct", "starve_one", "replay"};
constexpr std::string_view fault_prefix = "fault.";

using field = std::variant<unsigned*, std::uint64_t*, double*, bool*, schedule*, duration*>;

struct named_field {
    std::string_view name;
    field value;
};

// The one table of what a swarm consists of: printing and setting go by it.
auto fields_of(swarm_options& s) {
    disk_profile& disk = *s.world.disk;
    net_profile& net = *s.world.network;
    limits& limit = s.world.limits;
    return std::to_array<named_field>({
        {"seed", &s.world.seed},
        {"order", &s.world.order.kind},
        {"jitter_ns", &s.world.order.jitter_ns},
        {"change_points", &s.world.order.change_points},
        {"turns_expected", &s.world.order.turns_expected},
        {"starved", &s.world.order.starved},
        {"passed_over_max", &s.world.order.passed_over_max},
        {"preempt_at_random", &s.world.preempt_at_random},
        {"mailbox_capacity", &s.world.mailbox_capacity},
        {"turn_cost_ns", &s.world.turn_cost_ns},
        {"turn_cost_max_ns", &s.world.turn_cost_max_ns},
        {"task_cost_max_ns", &s.world.task_cost_max_ns},
        {"wake_delay_max_ns", &s.world.wake_delay_max_ns},
        {"wall_offset_max_ns", &s.world.wall_offset_max_ns},
        {"stalls", &s.world.stalls.probability},
        {"stall_min_ns", &s.world.stalls.min_ns},
        {"stall_max_ns", &s.world.stalls.max_ns},
        {"faults", &s.world.faults.enabled},
        {"fault_activate", &s.world.faults.activate},
        {"fault_fire", &s.world.faults.fire},
        {"limit.reap_max", &limit.reap_max},
        {"limit.timers_max", &limit.timers_max},
        {"limit.listing_bytes", &limit.listing_bytes},
        {"limit.log_read_bytes", &limit.log_read_bytes},
        {"limit.log_copy_bytes", &limit.log_copy_bytes},
        {"limit.log_zero_bytes", &limit.log_zero_bytes},
        {"limit.log_zeros_ahead", &limit.log_zeros_ahead},
        {"limit.log_batch_bytes_max", &limit.log_batch_bytes_max},
        {"limit.log_pending_bytes_max", &limit.log_pending_bytes_max},
        {"limit.log_space_retry_ns", &limit.log_space_retry},
        {"limit.transfer_bytes_max", &limit.transfer_bytes_max},
        {"limit.transfer_pieces_max", &limit.transfer_pieces_max},
        {"limit.accept_pause_at_limit_ns", &limit.accept_pause_at_limit},
        {"limit.accept_pause_after_failure_ns", &limit.accept_pause_after_failure},
        {"chaos_span_ns", &s.storm.span},
        {"power_cycles_min", &s.storm.power_cycles.min},
        {"power_cycles_max", &s.storm.power_cycles.max},
        {"kills_min", &s.storm.kills.min},
        {"kills_max", &s.storm.kills.max},
        {"down_min_ns", &s.storm.down_min},
        {"down_max_ns", &s.storm.down_max},
        {"outages_min", &s.storm.outages.min},
        {"outages_max", &s.storm.outages.max},
        {"disk.capacity_bytes", &disk.capacity_bytes},
        {"disk.offset_alignment", &disk.offset_alignment},
        {"disk.fsync_keeps_new_name", &disk.fsync_keeps_new_name},
        {"disk.base_ns", &disk.latency.base_ns},
        {"disk.tail_ns", &disk.latency.tail_ns},
        {"disk.flush_ns", &disk.latency.flush_ns},
        {"disk.names_ns", &disk.latency.names_ns},
        {"disk.bytes_per_second", &disk.latency.bytes_per_second},
        {"disk.parallel", &disk.latency.parallel},
        {"disk.read_error", &disk.faults.read_error},
        {"disk.write_error", &disk.faults.write_error},
        {"disk.sync_error", &disk.faults.sync_error},
        {"disk.name_error", &disk.faults.name_error},
        {"disk.lying_flush", &disk.faults.lying_flush},
        {"disk.lying_flush_depth", &disk.faults.lying_flush_depth},
        {"disk.short_read", &disk.faults.short_read},
        {"disk.short_write", &disk.faults.short_write},
        {"disk.interrupted", &disk.faults.interrupted},
        {"disk.nowait_again", &disk.faults.nowait_again},
        {"disk.stuck", &disk.faults.stuck},
        {"disk.slow_spell", &disk.faults.slow_spell},
        {"disk.stall", &disk.faults.stall},
        {"disk.blocking_submit", &disk.faults.blocking_submit},
        {"disk.no_space_spell", &disk.faults.no_space_spell},
        {"disk.latent_sector", &disk.faults.latent_sector},
        {"disk.bit_rot", &disk.faults.bit_rot},
        {"disk.misdirected_write", &disk.faults.misdirected_write},
        {"disk.misdirected_read", &disk.faults.misdirected_read},
        {"disk.stale_read", &disk.faults.stale_read},
        {"crash.keep", &disk.crash.keep},
        {"crash.drop", &disk.crash.drop},
        {"crash.tear", &disk.crash.tear},
        {"crash.garble", &disk.crash.garble},
        {"crash.keep_all", &disk.crash.keep_all},
        {"crash.drop_all", &disk.crash.drop_all},
        {"net.latency_ns_min", &net.latency_ns_min},
        {"net.latency_ns_max", &net.latency_ns_max},
        {"net.latency_tail", &net.latency_tail},
        {"net.latency_tail_ns_max", &net.latency_tail_ns_max},
        {"net.bytes_per_second", &net.bytes_per_second},
        {"net.window_bytes_min", &net.window_bytes_min},
        {"net.window_bytes_max", &net.window_bytes_max},
        {"net.short_transfer", &net.short_transfer},
        {"net.reset", &net.reset},
        {"net.reset_overtakes", &net.reset_overtakes},
        {"net.silence_ns_min", &net.silence_ns_min},
        {"net.silence_ns_max", &net.silence_ns_max},
        {"net.retransmit_ns_max", &net.retransmit_ns_max},
        {"net.syn_loss", &net.syn_loss},
        {"net.connect_timeout_ns", &net.connect_timeout_ns},
        {"net.accept_enfile", &net.accept_enfile},
        {"net.accept_aborted", &net.accept_aborted},
        {"net.datagram_loss", &net.datagram_loss},
        {"net.datagram_duplicate", &net.datagram_duplicate},
        {"net.datagram_reorder", &net.datagram_reorder},
        {"net.outage_ns_max", &net.outage_ns_max},
    });
}

std::string print(unsigned v) {
    return fmt::format("{}", v);
}
std::string print(std::uint64_t v) {
    return fmt::format("{}", v);
}
std::string print(double v) {
    return fmt::format("{}", v);
}
std::string print(bool v) {
    return v ? "1" : "0";
}
std::string print(schedule v) {
    return std::string(schedules[static_cast<std::size_t>(v)]);
}
std::string print(duration v) {
    return fmt::format("{}", v.count());
}

template <class Number>
bool parse_number(std::string_view text, Number& to) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
    return error == std::errc() && end == text.data() + text.size();
}

bool parse(std::string_view text, unsigned& to) {
    return parse_number(text, to);
}
bool parse(std::string_view text, std::uint64_t& to) {
    return parse_number(text, to);
}
bool parse(std::string_view text, double& to) {
    return parse_number(text, to);
}
bool parse(std::string_view text, bool& to) {
    to = text == "1";
    return text == "0" || text == "1";
}
bool parse(std::string_view text, duration& to) {
    std::int64_t ns = 0;
    const bool good = parse_number(text, ns) && ns >= 0;
    to = good ? duration(ns) : to;
    return good;
}
bool parse(std::string_view text, schedule& to) {
    const auto at = std::ranges::find(schedules, text);
    to = at != schedules.end() ? static_cast<schedule>(at - schedules.begin()) : to;
    return at != schedules.end();
}

std::expected<void, std::string> set_one(swarm_options& s, std::string_view name, std::string_view value) {
    if (name.starts_with(fault_prefix)) {
        double fire = 0;
        if (!parse(value, fire)) {
            return std::unexpected(fmt::format("'{}' is no probability for {}", value, name));
        }
        const std::string_view point = name.substr(fault_prefix.size());
        std::erase_if(s.world.faults.overrides, [&](const auto& each) { return each.name == point; });
        s.world.faults.overrides.push_back({std::string(point), fire > 0 ? 1.0 : 0.0, fire});
        return {};
    }
    for (const auto& [known, at] : fields_of(s)) {
        if (known == name) {
            if (std::visit([&](auto* to) { return parse(value, *to); }, at)) {
                return {};
            }
            return std::unexpected(fmt::format("'{}' is no value for {}", value, name));
        }
    }
    return std::unexpected(fmt::format("there is no option '{}'", name));
}

}  // namespace

swarm_options::swarm_options() {
    world.disk.emplace();
    world.network.emplace();
}

namespace {

/// Half of them as they are, the others small or large: each from a draw of its own.
limits draw_limits(random_engine random) {
    limits l;
    const auto draw = [&random](auto& of, std::initializer_list<std::uint64_t> extremes) {
        using number = std::remove_reference_t<decltype(of)>;
        const bool usual = random.chance(0.5);
        const std::uint64_t drawn = extremes.begin()[random.below(extremes.size())];
        if (!usual) {
            of = static_cast<number>(drawn);
        }
    };
    constexpr std::uint64_t ms = 1'000'000;
    draw(l.reap_max, {1, 2, 256});
    draw(l.timers_max, {1, 2, 100'000});
    draw(l.listing_bytes, {512, 4096, std::uint64_t{1} << 20});
    draw(l.log_read_bytes, {4096, 12'288, std::uint64_t{8} << 20});
    draw(l.log_copy_bytes, {4096, 12'288, std::uint64_t{8} << 20});
    draw(l.log_zero_bytes, {4096, 65'536, std::uint64_t{8} << 20});
    draw(l.log_zeros_ahead, {4096, 65'536, std::uint64_t{64} << 20});
    draw(l.log_batch_bytes_max, {4096, 65'536});
    draw(l.log_pending_bytes_max, {0, 4096, 65'536});
    draw(l.log_space_retry, {ms, 100 * ms, 5'000 * ms});
    draw(l.transfer_bytes_max, {1'000, 4096, 65'536});
    draw(l.transfer_pieces_max, {1, 2, 16});
    draw(l.accept_pause_at_limit, {ms / 10, ms, 1'000 * ms});
    draw(l.accept_pause_after_failure, {ms / 10, ms, 1'000 * ms});
    return l;
}

}  // namespace

swarm_options swarm_options::draw(std::uint64_t seed) {
    random_engine random(seed ^ 0x5eed0f5a11);
    swarm_options s;
    s.world.seed = seed;
    schedule_options& order = s.world.order;
    // Half of the runs go as real cores would; replay is not drawn.
    order.kind = random.chance(0.5)
                     ? schedule::min_time
                     : std::array{schedule::uniform, schedule::pct, schedule::starve_one}[random.below(3)];
    order.jitter_ns = random.between(0, 5'000);
    order.change_points = static_cast<unsigned>(random.between(1, 4));
    order.turns_expected = 1'000ULL << random.below(11);
    order.starved = static_cast<unsigned>(random.below(8));
    s.world.mailbox_capacity = 1U << random.below(9);
    s.world.turn_cost_max_ns = random.chance(0.8) ? random.between(1'000, 50'000) : 0;
    s.world.task_cost_max_ns = random.chance(0.5) ? random.between(1, 2'000) : 0;
    s.world.wake_delay_max_ns = random.chance(0.5) ? random.between(1, 50'000) : 0;
    s.world.wall_offset_max_ns = random.chance(0.5) ? random.between(0, 10'000'000'000) : 0;
    s.world.stalls.probability = random.chance(0.5) ? 1e-4 : 0;
    s.world.faults.enabled = true;
    s.world.faults.activate = random.chance(0.8) ? 0.25 : 0;
    s.world.faults.fire = std::array{0.25, 0.05, 0.01}[random.below(3)];
    *s.world.disk = disk_profile::swarm(random);
    *s.world.network = net_profile::harsh(random);
    s.storm.power_cycles = random.chance(0.7) ? bounds{1, static_cast<unsigned>(random.between(1, 30))} : bounds{};
    s.storm.kills = random.chance(0.5) ? bounds{1, static_cast<unsigned>(random.between(1, 30))} : bounds{};
    s.storm.down_max = duration(static_cast<std::int64_t>(random.between(1'000'000, 5'000'000'000)));
    s.storm.outages = random.chance(0.5) ? bounds{1, static_cast<unsigned>(random.between(1, 10))} : bounds{};
    s.world.limits = draw_limits(random_engine(seed ^ 0x11317500));
    return s;
}

std::string swarm_options::to_string() const {
    swarm_options copy = *this;
    std::string text;
    for (const auto& [name, at] : fields_of(copy)) {
        text +=
            fmt::format("{}{}={}", text.empty() ? "" : " ", name, std::visit([](auto* f) { return print(*f); }, at));
    }
    for (const auto& each : world.faults.overrides) {
        text += fmt::format(" {}{}={}", fault_prefix, each.name, each.activate > 0 ? each.fire : 0);
    }
    return text;
}

std::expected<void, std::string> swarm_options::set(std::string_view text) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        const std::string_view word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (word.empty()) {
            continue;
        }
        const std::size_t sign = word.find('=');
        if (sign == std::string_view::npos) {
            return std::unexpected(fmt::format("'{}' is not name=value", word));
        }
        if (auto done = set_one(*this, word.substr(0, sign), word.substr(sign + 1)); !done) {
            return done;
        }
    }
    return {};
}

}  // namespace shale::sim
