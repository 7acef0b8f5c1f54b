// Paths and changes of names, with the results that Linux and ext4 give.
#include "name_space.hh"

#include <fcntl.h>
#include <linux/fs.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace shale::sim::detail {

namespace {

constexpr std::size_t name_bytes_max = 255;
constexpr std::size_t path_bytes_max = 4095;

using failure = std::unexpected<std::int32_t>;

}  // namespace

name_space::name_space(std::uint64_t capacity) : space{capacity, 0} {
    auto top = std::make_shared<inode>();
    top->number = root;
    top->is_directory = true;
    top->mode = 0755;
    top->parent = root;
    top->linked = true;
    directories_[root] = {std::move(top), {}, {}};
}

name_space::result<name_space::place> name_space::walk(std::string_view path) const {
    if (path.empty()) {
        return failure(-ENOENT);
    }
    if (path.size() > path_bytes_max) {
        return failure(-ENAMETOOLONG);
    }
    // There is one current directory: the root.
    place at{root, "", directories_.at(root).self, false, place::root_itself};
    for (std::size_t next = 0; next < path.size();) {
        const std::size_t begin = path.find_first_not_of('/', next);
        if (begin == std::string_view::npos) {
            at.slash = true;
            break;
        }
        next = std::min(path.find('/', begin), path.size());
        const std::string_view part = path.substr(begin, next - begin);
        if (!at.found) {
            return failure(-ENOENT);
        }
        if (!at.found->is_directory) {
            return failure(-ENOTDIR);
        }
        const std::uint64_t within = at.found->number;
        if (part == "." || part == "..") {
            const std::uint64_t target = part == "." ? within : parent_of(within);
            at = {target, "", directories_.at(target).self, false, part == "." ? place::dot : place::dot_dot};
            continue;
        }
        if (part.size() > name_bytes_max) {
            return failure(-ENAMETOOLONG);
        }
        const entries& names = entries_of(within);
        const auto entry = names.find(part);
        at = {within, std::string(part), entry != names.end() ? entry->second : nullptr, false, place::plain};
    }
    return at;
}

name_space::result<inode_ptr> name_space::find(std::string_view path) const {
    auto at = walk(path);
    if (!at) {
        return failure(at.error());
    }
    if (!at->found) {
        return failure(-ENOENT);
    }
    if (at->slash && !at->found->is_directory) {
        return failure(-ENOTDIR);
    }
    return std::move(at->found);
}

std::string name_space::path_of(const inode& file) const {
    if (file.number == root) {
        return "/";
    }
    if (!file.linked) {
        return "(deleted)";
    }
    std::string path = "/" + file.name;
    for (std::uint64_t at = file.parent; at != root; at = parent_of(at)) {
        path.insert(0, "/" + directories_.at(at).self->name);
    }
    return path;
}

unsigned name_space::links_of(const inode& file) const {
    if (!file.linked) {
        return 0;
    }
    if (!file.is_directory) {
        return 1;
    }
    const auto below =
        std::ranges::count_if(entries_of(file.number), [](const auto& e) { return e.second->is_directory; });
    return 2 + static_cast<unsigned>(below);
}

bool name_space::is_within(std::uint64_t number, std::uint64_t ancestor) const {
    for (std::uint64_t at = number;; at = parent_of(at)) {
        if (at == ancestor) {
            return true;
        }
        if (at == root) {
            return false;
        }
    }
}

void name_space::make(change made) {
    for (const edit& each : made.edits) {
        entries& names = directories_.at(each.directory).seen;
        // What stood there has lost its name; if it has another now, a later edit says so.
        if (const auto before = names.find(each.name); before != names.end()) {
            before->second->linked = false;
        }
    }
    for (const edit& each : made.edits) {
        if (each.now) {
            each.now->parent = each.directory;
            each.now->name = each.name;
            each.now->linked = true;
        }
    }
    apply(made, &directory::seen);
    journal_.push_back(std::move(made));
}

void name_space::apply(const change& made, entries directory::*side) {
    for (const edit& each : made.edits) {
        entries& names = directories_.at(each.directory).*side;
        if (each.now) {
            names.insert_or_assign(each.name, each.now);
        } else {
            names.erase(each.name);
        }
    }
}

name_space::result<inode_ptr> name_space::create(const place& where, std::uint32_t mode, bool as_directory,
                                                 std::int64_t wall_ns, std::uint64_t serial) {
    if (!directories_.at(where.directory).self->linked) {
        return failure(-ENOENT);  // a directory that was removed takes no new names
    }
    auto made = std::make_shared<inode>();
    made->number = next_number_++;
    made->is_directory = as_directory;
    made->mode = mode & 07777;
    made->born_ns = made->modified_ns = made->changed_ns = wall_ns;
    if (as_directory) {
        directories_[made->number] = {made, {}, {}};
    }
    make({serial, true, {{where.directory, where.name, made}}});
    return made;
}

std::int32_t name_space::remove(std::string_view path, std::uint32_t flags, std::uint64_t serial) {
    if ((flags & ~std::uint32_t{AT_REMOVEDIR}) != 0) {
        return -EINVAL;
    }
    const bool is_rmdir = flags != 0;
    const auto at = walk(path);
    if (!at) {
        return at.error();
    }
    switch (at->last) {
        case place::root_itself:
            return is_rmdir ? -EBUSY : -EISDIR;
        case place::dot:
            return is_rmdir ? -EINVAL : -EISDIR;
        case place::dot_dot:
            return is_rmdir ? -ENOTEMPTY : -EISDIR;
        case place::plain:
            break;
    }
    if (!at->found) {
        return -ENOENT;
    }
    if (!is_rmdir && at->found->is_directory) {
        return -EISDIR;
    }
    if ((is_rmdir || at->slash) && !at->found->is_directory) {
        return -ENOTDIR;
    }
    if (is_rmdir && !entries_of(at->found->number).empty()) {
        return -ENOTEMPTY;
    }
    make({serial, false, {{at->directory, at->name, nullptr}}});
    release_if_gone(*at->found);
    return 0;
}

std::int32_t name_space::check_rename(const place& from, const place& to, std::uint32_t flags) const {
    if (from.last != place::plain || to.last != place::plain) {
        return -EBUSY;
    }
    if (!from.found) {
        return -ENOENT;
    }
    if ((flags & RENAME_NOREPLACE) != 0 && to.found) {
        return -EEXIST;
    }
    const bool exchange = (flags & RENAME_EXCHANGE) != 0;
    if (exchange && !to.found) {
        return -ENOENT;
    }
    if (!from.found->is_directory && (from.slash || (!exchange && to.slash))) {
        return -ENOTDIR;
    }
    if (exchange && to.slash && !to.found->is_directory) {
        return -ENOTDIR;
    }
    if (from.found->is_directory && is_within(to.directory, from.found->number)) {
        return -EINVAL;
    }
    if (to.found && to.found->is_directory && is_within(from.directory, to.found->number)) {
        return exchange ? -EINVAL : -ENOTEMPTY;
    }
    if (from.found == to.found || exchange || !to.found) {
        return 0;
    }
    if (from.found->is_directory != to.found->is_directory) {
        return to.found->is_directory ? -EISDIR : -ENOTDIR;
    }
    return to.found->is_directory && !entries_of(to.found->number).empty() ? -ENOTEMPTY : 0;
}

std::int32_t name_space::rename(std::string_view from_path, std::string_view to_path, std::uint32_t flags,
                                std::uint64_t serial) {
    if ((flags & ~std::uint32_t{RENAME_NOREPLACE | RENAME_EXCHANGE}) != 0 ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE)) {
        return -EINVAL;
    }
    const auto from = walk(from_path);
    if (!from) {
        return from.error();
    }
    const auto to = walk(to_path);
    if (!to) {
        return to.error();
    }
    if (const std::int32_t error = check_rename(*from, *to, flags); error != 0) {
        return error;
    }
    if (from->found == to->found) {
        return 0;
    }
    if (!directories_.at(to->directory).self->linked) {
        return -ENOENT;
    }
    const inode_ptr back = (flags & RENAME_EXCHANGE) != 0 ? to->found : nullptr;
    make({serial, false, {{from->directory, from->name, back}, {to->directory, to->name, from->found}}});
    if (to->found) {
        release_if_gone(*to->found);
    }
    return 0;
}

}  // namespace shale::sim::detail
