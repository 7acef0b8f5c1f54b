// The options of a simulated socket: values that are kept and given back as Linux does, few of which do anything.
//
// SO_LINGER, SO_KEEPALIVE with its times and TCP_USER_TIMEOUT have their meaning, which is the stream's business; the
// others are remembered. What Linux does not know, or not of this kind of socket, is refused with the same errno.
#pragma once

#include <cstdint>
#include <vector>

namespace shale::sim::detail {

class socket_options {
public:
    /// A socket of AF_INET, AF_INET6 or AF_UNIX and SOCK_STREAM or SOCK_DGRAM.
    socket_options(int family, int type) noexcept : family_(family), type_(type) {}

    /// 0 or -errno.
    std::int32_t set(int level, int name, const void* value, std::uint32_t size);
    /// Bytes put into `room`, or -errno. SO_ERROR is not asked here.
    std::int32_t get(int level, int name, void* room, std::uint32_t size) const noexcept;
    /// The value of one that is known.
    int value(int level, int name) const noexcept;

    bool keeps_alive() const noexcept;
    /// close() is to reset the connection: SO_LINGER with no time.
    bool resets_at_close() const noexcept { return linger_on_ != 0 && linger_seconds_ == 0; }

    /// The listener's options, for a socket accepted from it.
    void inherit(const socket_options& from) { set_ = from.set_; }

private:
    struct changed {
        int level;
        int name;
        int value;
    };

    int family_;
    int type_;
    int linger_on_ = 0;
    int linger_seconds_ = 0;
    std::vector<changed> set_;  ///< what differs from the defaults
};

}  // namespace shale::sim::detail
