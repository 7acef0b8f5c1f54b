// The names of a simulated disk: directories, what stands in them, and which of it a power loss would leave.
//
// Each change of names is a list of edits - this name in this directory is now that file, or nothing - and is applied
// twice: to what programs see, when it is made, and to what is durable, once its directory was synced. Between the two
// it waits in a journal. A rename is one change, so that a power loss leaves the old or the new. Of each directory the
// first changes survive, as many as are drawn; a change of two directories only together with all before it in both.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "block_ranges.hh"
#include "file_data.hh"
#include "media_faults.hh"

namespace shale::sim::detail {

/// A file, or what stands for a directory. Its bytes, its times, and who has it open.
struct inode {
    std::uint64_t number = 0;
    bool is_directory = false;
    std::uint32_t mode = 0;  ///< permissions
    std::int64_t born_ns = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;

    file_data data;
    media_overlays media;
    block_ranges blocks;

    // Where it is seen; not linked: nowhere any more.
    std::uint64_t parent = 0;
    std::string name;
    bool linked = false;

    unsigned opens = 0;
    /// flock(2): who holds it, by handle, and whether alone.
    std::map<std::uint64_t, bool> locks;
};
using inode_ptr = std::shared_ptr<inode>;

class name_space {
public:
    static constexpr std::uint64_t root = 2;

    /// Empty but for the root.
    explicit name_space(std::uint64_t capacity);

    /// Where a path leads. Errors are negative errnos throughout.
    struct place {
        std::uint64_t directory = root;  ///< that holds the last name
        std::string name;                ///< empty when the path ends in "/", "." or ".."
        inode_ptr found;                 ///< null: there is nothing of that name
        bool slash = false;              ///< the path ends in one: it speaks of a directory
        enum : std::uint8_t { plain, root_itself, dot, dot_dot } last = plain;
    };
    template <class T>
    using result = std::expected<T, std::int32_t>;
    result<place> walk(std::string_view path) const;
    /// The file a path names; ENOENT, and ENOTDIR where a slash wants a directory.
    result<inode_ptr> find(std::string_view path) const;
    /// "/a/b", or "(deleted)".
    std::string path_of(const inode& file) const;

    // Changes, as unlinkat, renameat2 and mkdirat make them: 0 or a negative errno.
    result<inode_ptr> create(const place& where, std::uint32_t mode, bool as_directory, std::int64_t wall_ns,
                             std::uint64_t serial);
    std::int32_t remove(std::string_view path, std::uint32_t flags, std::uint64_t serial);
    std::int32_t rename(std::string_view from, std::string_view to, std::uint32_t flags, std::uint64_t serial);

    /// Makes durable what was done in a directory up to `serial`, and what that rests on.
    void sync_directory(std::uint64_t wanted, std::uint64_t serial);
    /// Makes durable that a new file has a name at all, as ext4 does at its fsync.
    void sync_new_name(const inode& file, std::uint64_t serial);
    /// Changes that are not durable.
    std::size_t unsynced() const noexcept { return journal_.size(); }

    using entries = std::map<std::string, inode_ptr, std::less<>>;
    const entries& entries_of(std::uint64_t number) const { return directories_.at(number).seen; }
    std::uint64_t parent_of(std::uint64_t number) const { return directories_.at(number).self->parent; }
    unsigned links_of(const inode& file) const;

    /// Takes up room. The caller has asked that there is enough.
    void allocate(inode& file, std::uint64_t begin, std::uint64_t end);
    void release(inode& file, std::uint64_t begin, std::uint64_t end);
    /// Gives back the room of a file that has neither a name nor a user.
    void release_if_gone(inode& file);
    disk_space space;

    /// The same again with files of its own (pages are shared), and nobody who has them open.
    std::shared_ptr<name_space> clone() const;
    /// What a power loss leaves, in place: to be called on a clone.
    void lose_power(const crash_draw& draw);
    /// Of the last change that is not durable; 0: all are.
    std::uint64_t last_serial() const;
    /// Each file that is seen, in a fixed order.
    std::vector<inode_ptr> files() const;

private:
    struct directory {
        inode_ptr self;
        entries seen;
        entries durable;
    };
    struct edit {
        std::uint64_t directory;
        std::string name;
        inode_ptr now;  ///< null: nothing
    };
    struct change {
        std::uint64_t serial;
        bool creates;
        std::vector<edit> edits;
    };

    std::int32_t check_rename(const place& from, const place& to, std::uint32_t flags) const;
    bool is_within(std::uint64_t number, std::uint64_t ancestor) const;
    void make(change made);
    void apply(const change& made, entries directory::*side);
    template <class Pick>
    void sync(std::uint64_t serial, Pick&& pick);
    void keep_journal_parts(const crash_draw& draw);
    void show_durable();

    std::map<std::uint64_t, directory> directories_;  // by inode
    std::vector<change> journal_;
    std::uint64_t next_number_ = root + 1;
};

}  // namespace shale::sim::detail
