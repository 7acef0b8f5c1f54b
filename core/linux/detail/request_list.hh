// A FIFO of requests, linked through io_request::next.
#pragma once

#include "../../shard/platform.hh"

namespace shale::detail {

class request_list {
public:
    bool empty() const noexcept { return head_ == nullptr; }
    io_request& front() const noexcept { return *head_; }

    void push_back(io_request& r) noexcept {
        r.next = nullptr;
        *(head_ == nullptr ? &head_ : &last_->next) = &r;
        last_ = &r;
    }

    io_request& pop_front() noexcept {
        io_request& r = *head_;
        head_ = r.next;
        return r;
    }

    /// Takes `r` out; false when it is not here. Linear.
    bool remove(io_request& r) noexcept {
        io_request* before = nullptr;
        for (io_request* at = head_; at != nullptr; before = at, at = at->next) {
            if (at == &r) {
                (before == nullptr ? head_ : before->next) = r.next;
                if (last_ == &r) {
                    last_ = before;
                }
                return true;
            }
        }
        return false;
    }

private:
    io_request* head_ = nullptr;
    io_request* last_ = nullptr;
};

}  // namespace shale::detail
