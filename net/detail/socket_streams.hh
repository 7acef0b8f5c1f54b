// A connection as the source of an input stream and the sink of an output stream.
//
// Each keeps the connection open as long as it lives. The source sizes its buffers by what comes; the sink hands all
// buffers to the kernel in one call. Closing the sink ends the sending direction; closing the source ends nothing but
// the reading here, as the peer may be sending still and the output go on.
#pragma once

#include "../../core/sync/stream.hh"
#include "../options.hh"
#include "transfer.hh"

namespace shale::net::detail {

class socket_source final : public data_source_impl {
public:
    socket_source(connection_ptr from, const input_options& options, abort_source* abort) noexcept;
    future<temporary_buffer<char>> get() override;
    future<void> close() override;

private:
    connection_ptr from_;
    input_options options_;
    std::size_t next_size_;
    abort_source* abort_;
    bool closed_ = false;
};

class socket_sink final : public data_sink_impl {
public:
    socket_sink(connection_ptr to, abort_source* abort) noexcept : to_(std::move(to)), abort_(abort) {}
    future<void> put(std::vector<temporary_buffer<char>> data) override;
    future<void> close() override;

private:
    connection_ptr to_;
    abort_source* abort_;
};

}  // namespace shale::net::detail
