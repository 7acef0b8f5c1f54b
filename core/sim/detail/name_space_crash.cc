// What of the names is durable, and what a power loss leaves of the whole tree.
#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "name_space.hh"

namespace shale::sim::detail {

// Walks back through the journal and keeps what `pick` wants; that may be more with every step, which is how a change
// takes along those it rests on.
template <class Pick>
void name_space::sync(std::uint64_t serial, Pick&& pick) {
    std::vector<bool> durable(journal_.size());
    for (std::size_t i = journal_.size(); i-- > 0;) {
        durable[i] = journal_[i].serial <= serial && pick(journal_[i]);
    }
    std::vector<change> left;
    for (std::size_t i = 0; i < journal_.size(); ++i) {
        if (durable[i]) {
            apply(journal_[i], &directory::durable);
        } else {
            left.push_back(std::move(journal_[i]));
        }
    }
    journal_ = std::move(left);
}

void name_space::sync_directory(std::uint64_t wanted, std::uint64_t serial) {
    std::set<std::uint64_t> directories{wanted};
    sync(serial, [&](const change& c) {
        const bool touched =
            std::ranges::any_of(c.edits, [&](const edit& e) { return directories.contains(e.directory); });
        for (const edit& each : c.edits) {
            if (touched) {
                directories.insert(each.directory);
            }
        }
        return touched;
    });
}

void name_space::sync_new_name(const inode& file, std::uint64_t serial) {
    std::set<std::uint64_t> files{file.number};
    std::set<std::uint64_t> directories;
    sync(serial, [&](const change& c) {
        const bool touched = std::ranges::any_of(c.edits, [&](const edit& e) {
            return directories.contains(e.directory) || (c.creates && files.contains(e.now->number));
        });
        for (const edit& each : c.edits) {
            if (touched) {
                directories.insert(each.directory);
                files.insert(each.directory);  // which may be new itself
            }
        }
        return touched;
    });
}

void name_space::allocate(inode& file, std::uint64_t begin, std::uint64_t end) {
    const std::uint64_t before = file.blocks.total();
    file.blocks.add(begin, end);
    space.used += file.blocks.total() - before;
}

void name_space::release(inode& file, std::uint64_t begin, std::uint64_t end) {
    const std::uint64_t before = file.blocks.total();
    file.blocks.remove(begin, end);
    space.used -= before - file.blocks.total();
}

// Its blocks stay known: should a power loss bring the name back, they take room again.
void name_space::release_if_gone(inode& file) {
    if (!file.linked && file.opens == 0) {
        space.used -= file.blocks.total();
    }
}

std::shared_ptr<name_space> name_space::clone() const {
    std::map<std::uint64_t, inode_ptr> copies;  // by inode
    const auto copy_of = [&](const inode_ptr& original) {
        inode_ptr& copy = copies[original->number];
        if (!copy) {
            copy = std::make_shared<inode>(*original);
            copy->opens = 0;
            copy->locks.clear();
        }
        return copy;
    };
    auto made = std::make_shared<name_space>(*this);
    for (auto& [number, each] : made->directories_) {
        each.self = copy_of(each.self);
        for (entries* names : {&each.seen, &each.durable}) {
            for (auto& [name, file] : *names) {
                file = copy_of(file);
            }
        }
    }
    for (change& each : made->journal_) {
        for (edit& e : each.edits) {
            e.now = e.now ? copy_of(e.now) : nullptr;
        }
    }
    made->space.used = 0;
    for (const inode_ptr& file : made->files()) {
        made->space.used += file->blocks.total();
    }
    return made;
}

std::uint64_t name_space::last_serial() const {
    std::uint64_t last = journal_.empty() ? 0 : journal_.back().serial;
    for (const inode_ptr& file : files()) {
        last = std::max(last, file->data.last_serial());
    }
    return last;
}

std::vector<inode_ptr> name_space::files() const {
    std::vector<inode_ptr> found;
    std::deque<std::uint64_t> todo{root};
    for (; !todo.empty(); todo.pop_front()) {
        for (const auto& [name, file] : entries_of(todo.front())) {
            if (file->is_directory) {
                todo.push_back(file->number);
            } else {
                found.push_back(file);
            }
        }
    }
    return found;
}

void name_space::lose_power(const crash_draw& draw) {
    keep_journal_parts(draw);
    show_durable();
    space.used = 0;
    for (const inode_ptr& file : files()) {
        file->data.lose_power(draw);
        file->blocks.remove(file->data.size(), end_of_all);
        space.used += file->blocks.total();
    }
}

void name_space::keep_journal_parts(const crash_draw& draw) {
    const auto directories_of = [](const change& c) {
        std::set<std::uint64_t> touched;
        for (const edit& e : c.edits) {
            touched.insert(e.directory);
        }
        return touched;
    };
    std::map<std::uint64_t, std::uint64_t> left;  // by directory: changes to keep yet
    for (const change& each : journal_) {
        for (const std::uint64_t number : directories_of(each)) {
            ++left[number];
        }
    }
    for (auto& [number, count] : left) {
        count = draw.journal_part(count);
    }
    for (const change& each : journal_) {
        const auto touched = directories_of(each);
        const bool kept = std::ranges::all_of(touched, [&](std::uint64_t number) { return left[number] != 0; });
        for (const std::uint64_t number : touched) {
            left[number] = kept ? left[number] - 1 : 0;
        }
        draw.counts.add(kept ? "disk.crash_name_kept" : "disk.crash_name_lost");
        if (kept) {
            apply(each, &directory::durable);
        }
    }
    journal_.clear();
}

// From the root on: what is durable is what is seen. Directories that nothing leads to are gone.
void name_space::show_durable() {
    std::map<std::uint64_t, directory> reached;
    std::deque<std::uint64_t> todo{root};
    for (; !todo.empty(); todo.pop_front()) {
        const std::uint64_t number = todo.front();
        directory& each = directories_.at(number);
        each.seen = each.durable;
        for (auto& [name, file] : each.seen) {
            file->parent = number;
            file->name = name;
            file->linked = true;
            if (file->is_directory) {
                todo.push_back(file->number);
            }
        }
        reached.emplace(number, std::move(each));
    }
    directories_ = std::move(reached);
}

}  // namespace shale::sim::detail
