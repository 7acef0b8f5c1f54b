// An abort source that fires when any of those it follows does, with the same reason; or by itself.
#pragma once

#include <array>
#include <optional>

#include "../../core/async/abort_source.hh"

namespace shale::net::detail {

class linked_abort : public abort_source {
public:
    /// Either may be null.
    explicit linked_abort(abort_source* first, abort_source* second = nullptr) {
        follow(subscriptions_[0], first);
        follow(subscriptions_[1], second);
    }

private:
    void follow(std::optional<subscription>& link, abort_source* other) {
        if (other == nullptr) {
            return;
        }
        link = other->subscribe([this](const std::exception_ptr& why) noexcept { request_abort_ex(why); });
        if (!link) {
            request_abort_ex(other->abort_requested_exception_ptr());
        }
    }

    std::array<std::optional<subscription>, 2> subscriptions_;
};

}  // namespace shale::net::detail
