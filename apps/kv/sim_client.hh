// One of the clients of sim_clients.hh: its keys, its connection, the commands it draws, and what it makes of replies.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <shale/core/base/random.hh>

#include "sim_clients.hh"
#include "sim_connection.hh"

namespace shale::kv {

class sim_client {
public:
    /// The options outlive it.
    sim_client(const sim_clients_options& options, unsigned number);

    future<> run(abort_source& stop);
    future<> read_back();
    const sim_clients_statistics& statistics() const noexcept { return statistics_; }

private:
    /// What is done with a key: counters are only counted up, so that the count tells how often.
    enum class purpose : std::uint8_t { value, text, counter };
    enum class verb : std::uint8_t { get, exists, mget, write, mset };

    struct held_key {
        std::unique_ptr<key_oracle> oracle;
        purpose use;
        unsigned tag;                 ///< of the same tag is of the same shard
        std::string lost_under = {};  ///< run_id of the process that may still do its lost writes
    };
    /// A key in a command: the number of the write, or of the writes that a read sees.
    struct key_use {
        key_oracle* oracle;
        std::size_t number;
    };
    struct command {
        verb what;
        std::uint64_t sent_ns;
        std::vector<key_use> keys = {};
        bool together = false;  ///< one shard has all of them
    };
    struct row {
        std::string bytes = {};
        std::vector<command> commands = {};
    };

    future<bool> come_back();
    future<> run_row(row sent);
    future<> leave_row(row sent);
    row ask_after_lost();
    void lost();

    held_key make_key(std::size_t place);
    held_key& fresh(std::size_t place);
    held_key* draw_writable(unsigned tag_or_any);
    held_key& draw_readable();
    std::string draw_value(const held_key& of, std::size_t size_max);
    void draw_command(row& to);
    void draw_write(row& to);
    void draw_mset(row& to);
    void draw_mget(row& to);
    void add_write(row& to, held_key& of, key_write what, const std::vector<std::string>& words);
    void add_read(row& to, verb what, const std::vector<held_key*>& keys, bool together);

    void take(const command& of, const reply_value& answer);
    void take_write(const command& of, const reply_value& answer);
    void take_mget(const command& of, const reply_value& answer);
    void refused(const reply_value& answer);
    std::vector<row> rows_of_everything();

    const sim_clients_options& options_;
    const unsigned number_;
    random_engine random_;
    sim_connection connection_;
    std::string run_id_;  ///< of the server at the other end
    std::uint64_t connections_ = 0;
    std::uint64_t groups_ = 0;
    unsigned generations_ = 0;
    bool unread_ = false;   ///< an error took the place of a value
    bool wonders_ = false;  ///< has lost a connection and not looked yet what became of its writes
    std::vector<held_key> keys_;
    std::vector<held_key> retired_;  ///< only read any more
    sim_clients_statistics statistics_;
};

}  // namespace shale::kv
