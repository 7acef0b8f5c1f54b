// The non-blocking system calls behind the socket requests, each tried once and never waiting.
//
// attempt() is the whole truth about one operation: its result, or -EAGAIN when it has to wait for an event. Who waits
// for what is epoll_sockets' business.
#pragma once

#include "../../shard/platform.hh"

namespace shale::detail {

/// Tries accept, connect (the second half: has it come about?), recv, send, sendmsg, recvmsg or poll on `fd`.
long attempt(const io_request& r, int fd) noexcept;

/// How much a recv, send or sendmsg asked for; a stream that gave less has no more.
std::uint64_t asked(const io_request& r) noexcept;

/// A listening socket, or -errno.
long open_listener(const io_request& r) noexcept;

/// First half of connect: a descriptor whose connection is under way or made (`*made`), or -errno.
long start_connect(const io_request& r, bool* made) noexcept;

/// set_option, get_option, local_address and remote_address.
long ask_socket(const io_request& r) noexcept;

/// True when a short read of `fd` means that it is empty, as is so of TCP; a Unix stream also ends a read at a passed
/// descriptor, and a datagram is short by nature.
bool is_tcp(int fd) noexcept;

}  // namespace shale::detail
