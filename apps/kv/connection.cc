// One client: bytes in, the pipeline, bytes out, until either side ends. Its receive buffer goes when it is idle, and
// what it has not read of its replies is bounded.
#include "connection.hh"

#include <algorithm>
#include <cstring>

#include <shale/core/async/coroutine.hh>
#include <shale/core/base/fault_point.hh>

namespace shale::kv {

namespace {

constexpr std::size_t small_reply = 16 * 1024;

}  // namespace

connection::connection(shard_state& here, shard_table all, net::accept_result accepted)
    : here_(here), pipeline_(here, all, client_), socket_(std::move(accepted.connection)) {
    client_.id = here.next_client++ * here.map.shards() + here.shard + 1;
    client_.address = accepted.remote_address.to_string();
    client_.local_address = here.local_address;
    client_.created_ms = here.db.now_ms();
    client_.active_ms = client_.created_ms;
    client_.authenticated = here.conf.requirepass.empty();
    client_.owner = this;
    client_.kill = [](session& one) noexcept { static_cast<connection*>(one.owner)->stop(); };
    here.clients.push_back(client_);
    deadline_.set_callback([this] {
        PROBE("kv.client_took_too_long");
        broken_ = true;
        socket_.shutdown_input();
        socket_.shutdown_output();
    });
}

connection::~connection() {
    here_.clients.erase(session_list::s_iterator_to(client_));
}

void connection::stop() noexcept {
    stopping_ = true;
    socket_.shutdown_input();
}

void connection::grow(std::size_t capacity) {
    const std::size_t held = end_ - begin_;
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (held > 0) {
        std::memcpy(larger.get(), buffer_.get() + begin_, held);
    }
    buffer_ = std::move(larger);
    capacity_ = capacity;
    begin_ = 0;
    end_ = held;
}

// Room for what is to come: as much as is known to be missing, as far as what has come already makes it credible.
std::span<char> connection::receive_buffer() {
    const std::size_t held = end_ - begin_;
    if (held == 0) {
        begin_ = 0;
        end_ = 0;
        if (capacity_ == 0 || capacity_ > buffer_kept) {
            grow(buffer_min);
        } else if (filled_ && capacity_ < buffer_kept) {
            grow(2 * capacity_);
        }
        return {buffer_.get(), capacity_};
    }
    const std::size_t credible = std::max<std::size_t>(std::size_t{1} << 20, 2 * held);
    const std::size_t wanted = held + std::min(std::max(pipeline_.needed(), buffer_min / 2), credible);
    if (wanted > capacity_) {
        // By half of what is held at least, or a command of many values would be copied once for each of them.
        grow(std::max({wanted, held + held / 2, std::min(2 * capacity_, buffer_kept)}));
    } else if (wanted > capacity_ - begin_) {
        std::memmove(buffer_.get(), buffer_.get() + begin_, held);
        begin_ = 0;
        end_ = held;
    }
    return {buffer_.get() + end_, capacity_ - end_};
}

void connection::received(std::size_t bytes) noexcept {
    end_ += bytes;
    filled_ = end_ == capacity_;
    here_.counters.input_bytes += bytes;
    client_.active_ms = here_.db.now_ms();
    client_.input_bytes = end_ - begin_;
}

// Sends all that is queued. A client that takes nothing for a long time is cut off.
future<> connection::send_rest() {
    output& out = pipeline_.out();
    client_.output_bytes = out.size();
    while (!out.empty() && !broken_) {
        iovec pieces[64];
        const unsigned count = out.gather(pieces, 64);
        deadline_.rearm(send_patience);
        const std::int64_t sent = co_await socket_.try_write_some(std::span<iovec>(pieces, count));
        deadline_.cancel();
        if (sent < 0) {
            PROBE("kv.client_gone_in_its_reply");
            broken_ = true;
            break;
        }
        here_.counters.output_bytes += static_cast<std::size_t>(sent);
        out.consume(static_cast<std::size_t>(sent));
        client_.output_bytes = out.size();
    }
}

// A descriptor closed with bytes unread resets the connection, and the client may never see the last reply. So: say
// that no more comes, and read for a moment what was under way.
future<> connection::linger() {
    socket_.shutdown_output();
    deadline_.rearm(linger_patience);
    for (std::size_t left = linger_bytes; left > 0;) {
        const std::int64_t got = co_await socket_.try_read_some(std::span(buffer_.get(), capacity_));
        if (got <= 0) {
            break;
        }
        left -= std::min(left, static_cast<std::size_t>(got));
    }
}

// Everything of a turn that needs no waiting happens in this one coroutine: a frame a turn would be dearer than the
// commands in it.
future<> connection::serve() {
    while (!client_.closing && !stopping_ && !broken_) {
        const std::span<char> room = receive_buffer();
        if (here_.conf.timeout_s > 0) {
            deadline_.rearm(std::chrono::seconds(here_.conf.timeout_s));
        }
        const std::int64_t got = co_await socket_.try_read_some(room);
        deadline_.cancel();
        if (got <= 0) {
            break;
        }
        received(static_cast<std::size_t>(got));
        if (this_shard().has_tasks()) {
            // Others run while what these commands look at is on its way.
            pipeline_.expect({buffer_.get() + begin_, end_ - begin_});
            co_await yield_now();
        }

        pipeline::progress progress = pipeline::progress::suspended;
        while (progress == pipeline::progress::suspended && !broken_) {
            progress = pipeline_.run({buffer_.get() + begin_, end_ - begin_});
            const std::size_t consumed = pipeline_.consumed();
            if (progress == pipeline::progress::suspended) {
                co_await pipeline_.resume();
            }
            begin_ += consumed;
            if (progress == pipeline::progress::suspended && pipeline_.out().size() < pipeline::output_soft_max &&
                !FAULT("kv.reply_sent_early")) {
                continue;
            }
            const std::uint64_t sequence = pipeline_.take_sequence();
            if (!here_.db.is_committed(sequence)) {
                co_await committed(here_.db, sequence);
            }
            if (!pipeline_.out().empty()) {
                iovec piece;
                if (pipeline_.out().size() <= small_reply && pipeline_.out().gather(&piece, 1) == 1 &&
                    piece.iov_len == pipeline_.out().size()) {
                    // As a rule the socket takes it whole; what it leaves is sent with patience.
                    const std::span<const char> bytes(static_cast<const char*>(piece.iov_base), piece.iov_len);
                    const std::int64_t sent = co_await socket_.try_write_some(bytes);
                    if (sent < 0) {
                        PROBE("kv.client_gone_before_its_reply");
                        broken_ = true;
                        break;
                    }
                    here_.counters.output_bytes += static_cast<std::size_t>(sent);
                    pipeline_.out().consume(static_cast<std::size_t>(sent));
                }
                if (!pipeline_.out().empty()) {
                    PROBE("kv.reply_took_several_writes");
                    co_await send_rest();
                }
            }
        }
    }
    if (client_.closing && !broken_ && !stopping_) {
        co_await linger();
    }
}

future<> connection::close() {
    deadline_.cancel();
    co_await socket_.close();
}

}  // namespace shale::kv
