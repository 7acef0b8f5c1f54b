// What travels between shards: a node in a mailbox with one function to call where it arrives.
//
// A message is allocated, completed and freed on the shard that sent it. It goes out as a request, and the same object
// comes back as the reply; `arrive` says what to do at either end, so the mailbox need not know which it carries.
#pragma once

#include <cstdint>

#include "../../base/atomics.hh"
#include "mailbox.hh"

namespace shale::detail {

struct message {
    message* next = nullptr;  ///< the mailbox's, until the message is received
    std::uint64_t stamp = 0;  ///< the mailbox's: when it was sent, or which of those sent it is

    /// Called on the receiving shard, in its cross-core phase. Takes the message over; must be short (queue a task).
    void (*arrive)(message&) noexcept = nullptr;
};

using mailbox = basic_mailbox<std_atomics, message>;

}  // namespace shale::detail
