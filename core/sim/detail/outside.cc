// See outside.hh.
#include "outside.hh"

#include <utility>

namespace shale::sim::detail {

std::int32_t handle_table::add(std::shared_ptr<open_handle> handle) {
    std::int32_t fd = first;
    for (const auto& [taken, unused] : handles_) {
        if (taken != fd) {
            break;
        }
        ++fd;
    }
    handles_.emplace(fd, std::move(handle));
    return fd;
}

std::shared_ptr<open_handle> handle_table::find(std::int32_t fd) const noexcept {
    const auto at = handles_.find(fd);
    return at == handles_.end() ? nullptr : at->second;
}

std::shared_ptr<open_handle> handle_table::remove(std::int32_t fd) noexcept {
    const auto at = handles_.find(fd);
    if (at == handles_.end()) {
        return nullptr;
    }
    auto removed = std::move(at->second);
    handles_.erase(at);
    return removed;
}

std::vector<std::shared_ptr<open_handle>> handle_table::remove_all(open_handle::kind what) {
    std::vector<std::shared_ptr<open_handle>> removed;
    std::erase_if(handles_, [&](const auto& entry) {
        if (entry.second->what != what) {
            return false;
        }
        removed.push_back(entry.second);
        return true;
    });
    return removed;
}

}  // namespace shale::sim::detail
