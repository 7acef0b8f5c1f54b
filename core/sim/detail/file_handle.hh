// An opened file or directory of a simulated disk: what a descriptor, and every request on it in flight, refers to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "name_space.hh"
#include "outside.hh"

namespace shale::sim::detail {

/// Lives as long as its descriptor and its requests in flight; a lock goes with it.
struct file_handle final : open_handle {
    file_handle(std::shared_ptr<name_space> on, inode_ptr opened, std::uint32_t with_flags, std::uint64_t number)
        : open_handle(kind::file), tree(std::move(on)), file(std::move(opened)), flags(with_flags), id(number) {
        ++file->opens;
    }
    ~file_handle() override {
        file->locks.erase(id);
        --file->opens;
        tree->release_if_gone(*file);
    }

    struct entry {
        std::string name;
        std::uint64_t inode;
        bool is_directory;
    };

    const std::shared_ptr<name_space> tree;  ///< another than the disk's: from before a power loss
    const inode_ptr file;
    const std::uint32_t flags;  ///< O_ flags of the opening
    const std::uint64_t id;

    // Where readdir is.
    std::vector<entry> listing;
    std::size_t listed = 0;
    bool has_listing = false;
};

}  // namespace shale::sim::detail
