// An abort source tells operations in progress that nobody wants their result any more.
//
// Whatever can suspend takes one and subscribes to it; request_abort() calls the subscribers once, at once, in the
// order they came. Destroying a subscription ends it, also from inside a callback. Belongs to one shard.
#pragma once

#include <boost/intrusive/list.hpp>
#include <exception>
#include <functional>
#include <optional>

namespace shale {

/// What an operation fails with when its abort source fired and no other reason was given.
class abort_requested_exception : public std::exception {
public:
    const char* what() const noexcept override { return "abort requested"; }
};

class abort_source {
    using hook = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

public:
    /// A callback that is called when the source fires. Movable; its destruction unsubscribes.
    class subscription : public hook {
    public:
        /// Must not throw; the exception says why. It may end this or any other subscription.
        using callback = std::move_only_function<void(const std::exception_ptr&)>;

        subscription(subscription&& other) noexcept : on_abort_(std::move(other.on_abort_)) { swap_nodes(other); }
        subscription& operator=(subscription&& other) noexcept {
            if (this != &other) {
                unlink();
                on_abort_ = std::move(other.on_abort_);
                swap_nodes(other);
            }
            return *this;
        }
        ~subscription() = default;

    private:
        friend class abort_source;
        explicit subscription(callback&& on_abort) noexcept : on_abort_(std::move(on_abort)) {}

        callback on_abort_;
    };

    abort_source() = default;
    abort_source(const abort_source&) = delete;
    abort_source& operator=(const abort_source&) = delete;
    ~abort_source() { subscribers_.clear(); }

    /// Calls `on_abort` when the source fires. Nothing is subscribed, and nullopt returned, when it has fired already.
    [[nodiscard]] std::optional<subscription> subscribe(subscription::callback on_abort);

    /// Fires with abort_requested_exception. Firing again does nothing.
    void request_abort() noexcept { request_abort_ex(std::make_exception_ptr(abort_requested_exception())); }

    /// Fires with a reason.
    void request_abort_ex(std::exception_ptr reason) noexcept;

    bool abort_requested() const noexcept { return reason_ != nullptr; }

    /// Throws the reason if the source has fired.
    void check() const {
        if (reason_) {
            std::rethrow_exception(reason_);
        }
    }

    /// The reason, or null while the source has not fired.
    const std::exception_ptr& abort_requested_exception_ptr() const noexcept { return reason_; }

private:
    boost::intrusive::list<subscription, boost::intrusive::base_hook<hook>, boost::intrusive::constant_time_size<false>>
        subscribers_;
    std::exception_ptr reason_;
};

}  // namespace shale
