// The text of INFO, section by section, summed over the shards. redis-cli needs it to be a bulk string.
#include "info.hh"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

namespace shale::kv {

namespace {

enum number : unsigned {
    n_clients,
    n_connections,
    n_commands,
    n_rejected,
    n_input_bytes,
    n_output_bytes,
    n_forwarded,
    n_errors,
    n_keys,
    n_expiring,
    n_hits,
    n_misses,
    n_loads,
    n_expired,
    n_evictions,
    n_memory,
    n_index_bytes,
    n_cache_bytes,
    n_cached,
    n_appended_bytes,
    n_disk_bytes,
    n_live_bytes,
    n_commits,
    n_reads,
    n_compacting,
    n_refusing,
    n_count,
};

// As Redis writes sizes: 1.50M.
std::string human(std::int64_t bytes) {
    constexpr const char* units[] = {"B", "K", "M", "G", "T"};
    auto value = static_cast<double>(bytes);
    unsigned unit = 0;
    while (value >= 1024 && unit + 1 < std::size(units)) {
        value /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{}B", bytes) : fmt::format("{:.2f}{}", value, units[unit]);
}

struct writer {
    const shard_state& here;
    std::span<const std::int64_t> sums;
    std::string text = {};

    template <class Value>
    void field(std::string_view name, const Value& value) {
        fmt::format_to(std::back_inserter(text), "{}:{}\r\n", name, value);
    }
    std::int64_t operator[](number of) const { return sums[of]; }
    process_usage usage() const {
        const auto asked = here.identity.process.usage;
        return asked != nullptr ? asked() : process_usage{};
    }

    void server() {
        const std::int64_t now_ms = here.db.now_ms();
        field("redis_version", "7.0.15");
        field("server_name", "shale-kv");
        field("redis_mode", "standalone");
        field("arch_bits", 64);
        field("multiplexing_api", "epoll");
        field("process_id", here.identity.process.id);
        field("run_id", here.identity.run_id);
        field("tcp_port", here.conf.port);
        field("server_time_usec", here.now_us);
        field("uptime_in_seconds", (now_ms - here.identity.started_ms) / 1000);
        field("uptime_in_days", (now_ms - here.identity.started_ms) / 86'400'000);
        field("hz", 10);
        field("executable", "kv");
        field("config_file", "");
    }
    void clients() {
        field("connected_clients", (*this)[n_clients]);
        field("cluster_connections", 0);
        field("maxclients", here.conf.maxclients);
        field("blocked_clients", 0);
        field("tracking_clients", 0);
    }
    void memory() {
        const std::int64_t resident_bytes = usage().resident_bytes;
        field("used_memory", (*this)[n_memory]);
        field("used_memory_human", human((*this)[n_memory]));
        field("used_memory_rss", resident_bytes);
        field("used_memory_rss_human", human(resident_bytes));
        field("used_memory_peak", resident_bytes);
        field("used_memory_peak_human", human(resident_bytes));
        field("used_memory_dataset", (*this)[n_cache_bytes]);
        field("used_memory_overhead", (*this)[n_index_bytes]);
        field("maxmemory", here.conf.cache_bytes);
        field("maxmemory_human", human(static_cast<std::int64_t>(here.conf.cache_bytes)));
        field("maxmemory_policy", "noeviction");
        field("mem_fragmentation_ratio", "1.00");
    }
    void persistence() {
        field("loading", 0);
        field("rdb_changes_since_last_save", 0);
        field("rdb_bgsave_in_progress", 0);
        field("rdb_last_save_time", here.identity.started_ms / 1000);
        field("rdb_last_bgsave_status", "ok");
        field("aof_enabled", here.conf.durable ? 1 : 0);
        field("aof_rewrite_in_progress", (*this)[n_compacting] > 0 ? 1 : 0);
        field("aof_last_bgrewrite_status", "ok");
        field("aof_last_write_status", (*this)[n_refusing] > 0 ? "err" : "ok");
        field("aof_current_size", (*this)[n_disk_bytes]);
        field("aof_base_size", (*this)[n_live_bytes]);
    }
    void stats() {
        field("total_connections_received", (*this)[n_connections]);
        field("total_commands_processed", (*this)[n_commands]);
        field("total_net_input_bytes", (*this)[n_input_bytes]);
        field("total_net_output_bytes", (*this)[n_output_bytes]);
        field("rejected_connections", (*this)[n_rejected]);
        field("expired_keys", (*this)[n_expired]);
        field("evicted_keys", 0);
        field("keyspace_hits", (*this)[n_hits]);
        field("keyspace_misses", (*this)[n_misses]);
        field("total_error_replies", (*this)[n_errors]);
    }
    void replication() {
        field("role", "master");
        field("connected_slaves", 0);
        field("master_repl_offset", 0);
    }
    void cpu() {
        const process_usage used = usage();
        const auto seconds = [](std::int64_t us) { return fmt::format("{}.{:06}", us / 1'000'000, us % 1'000'000); };
        field("used_cpu_sys", seconds(used.system_us));
        field("used_cpu_user", seconds(used.user_us));
    }
    void cluster() { field("cluster_enabled", 1); }
    void keyspace() {
        if ((*this)[n_keys] > 0) {
            field("db0", fmt::format("keys={},expires={},avg_ttl=0", (*this)[n_keys], (*this)[n_expiring]));
        }
    }
    void shale() {
        field("shards", here.map.shards());
        field("forwarded_commands", (*this)[n_forwarded]);
        field("cached_keys", (*this)[n_cached]);
        field("cache_evictions", (*this)[n_evictions]);
        field("records_loaded", (*this)[n_loads]);
        field("index_bytes", (*this)[n_index_bytes]);
        field("log_appended_bytes", (*this)[n_appended_bytes]);
        field("log_disk_bytes", (*this)[n_disk_bytes]);
        field("log_live_bytes", (*this)[n_live_bytes]);
        field("log_commits", (*this)[n_commits]);
        field("log_reads", (*this)[n_reads]);
    }
};

struct section {
    std::string_view name;
    void (writer::*write)();
};

constexpr section sections[] = {
    {"Server", &writer::server},     {"Clients", &writer::clients},
    {"Memory", &writer::memory},     {"Persistence", &writer::persistence},
    {"Stats", &writer::stats},       {"Replication", &writer::replication},
    {"CPU", &writer::cpu},           {"Cluster", &writer::cluster},
    {"Keyspace", &writer::keyspace}, {"Shale", &writer::shale},
};

}  // namespace

std::vector<std::int64_t> info_numbers(shard_state& of) {
    const shard_counters& counted = of.counters;
    const engine_stats& keys = of.db.stats();
    const storage_stats stored = of.db.store().stats();
    const std::uint64_t numbers[n_count] = {
        of.clients.size(),
        counted.connections,
        counted.commands,
        counted.rejected,
        counted.input_bytes,
        counted.output_bytes,
        counted.forwarded,
        counted.errors,
        of.db.size(),
        of.db.expiring(),
        keys.hits,
        keys.misses,
        keys.loads,
        keys.expired,
        of.db.values().evictions(),
        of.db.memory_bytes(),
        of.db.locations().memory_bytes(),
        of.db.values().bytes(),
        of.db.values().size() - of.db.values().absent(),
        stored.appended_bytes,
        stored.disk_bytes,
        stored.live_bytes,
        stored.commits,
        stored.reads,
        stored.compacting ? 1u : 0u,
        of.db.store().refusal().empty() ? 0u : 1u,
    };
    return {std::begin(numbers), std::end(numbers)};
}

std::string info_text(const shard_state& here, std::span<const std::int64_t> sums, arguments args) {
    SHALE_ASSERT(sums.size() == n_count, "{} numbers", sums.size());
    writer to{here, sums};
    for (const section& one : sections) {
        const bool asked = std::any_of(args.begin() + 1, args.end(), [&](std::string_view name) {
            return equal_ignoring_case(name, one.name) || equal_ignoring_case(name, "all") ||
                   equal_ignoring_case(name, "everything") || equal_ignoring_case(name, "default");
        });
        if (asked || args.size() == 1) {
            if (!to.text.empty()) {
                to.text += "\r\n";
            }
            fmt::format_to(std::back_inserter(to.text), "# {}\r\n", one.name);
            (to.*one.write)();
        }
    }
    return to.text;
}

}  // namespace shale::kv
