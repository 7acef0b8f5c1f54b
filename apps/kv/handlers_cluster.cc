// CLUSTER: the server as one cluster node that has all slots.
//
// Cluster clients then send everything to the base port, where any shard takes it. What they ask about keys in a slot
// is answered from a scan (dispatch.cc), for keys are not indexed by slot.
#include <fmt/core.h>

#include <string>

#include "handlers.hh"
#include "number.hh"

namespace shale::kv::handlers {

namespace {

void nodes(call& in) {
    const server_identity& self = in.shard.identity;
    in.out.verbatim("txt", fmt::format("{} {}:{}@{} myself,master - 0 0 1 connected 0-{}\n", self.run_id,
                                       self.announce_host, in.shard.conf.port, in.shard.conf.port, slot_count - 1));
}

void slots(call& in) {
    in.out.array(1);
    in.out.array(3);
    in.out.integer(0);
    in.out.integer(slot_count - 1);
    in.out.array(4);
    in.out.bulk(in.shard.identity.announce_host);
    in.out.integer(in.shard.conf.port);
    in.out.bulk(in.shard.identity.run_id);
    in.out.array(0);
}

void shards(call& in) {
    in.out.array(1);
    in.out.map(2);
    in.out.bulk("slots");
    in.out.array(2);
    in.out.integer(0);
    in.out.integer(slot_count - 1);
    in.out.bulk("nodes");
    in.out.array(1);
    in.out.map(7);
    in.out.bulk("id");
    in.out.bulk(in.shard.identity.run_id);
    in.out.bulk("port");
    in.out.integer(in.shard.conf.port);
    in.out.bulk("ip");
    in.out.bulk(in.shard.identity.announce_host);
    in.out.bulk("endpoint");
    in.out.bulk(in.shard.identity.announce_host);
    in.out.bulk("role");
    in.out.bulk("master");
    in.out.bulk("replication-offset");
    in.out.integer(0);
    in.out.bulk("health");
    in.out.bulk("online");
}

constexpr std::string_view info_text =
    "cluster_enabled:1\r\ncluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n"
    "cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:1\r\ncluster_size:1\r\n"
    "cluster_current_epoch:1\r\ncluster_my_epoch:1\r\ncluster_stats_messages_sent:0\r\n"
    "cluster_stats_messages_received:0\r\ntotal_cluster_links_buffer_limit_exceeded:0\r\n";

}  // namespace

outcome cluster(call& in) {
    if (is_subcommand(in, "nodes")) {
        nodes(in);
    } else if (is_subcommand(in, "slots")) {
        slots(in);
    } else if (is_subcommand(in, "shards")) {
        shards(in);
    } else if (is_subcommand(in, "info")) {
        in.out.verbatim("txt", info_text);
    } else if (is_subcommand(in, "myid")) {
        in.out.bulk(in.shard.identity.run_id);
    } else if (is_subcommand(in, "keyslot")) {
        if (in.args.size() == 3) {
            in.out.integer(key_slot(in.args[2]));
        } else {
            wrong_arity(in.out, "cluster|keyslot");
        }
    } else {
        unknown_subcommand(in.out, in.args);
    }
    return outcome::done;
}

}  // namespace shale::kv::handlers
