// The way of a request through the disk, and what ends that way early: death, power loss, restore.
#include "disk.hh"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "../../base/assert.hh"

namespace shale::sim::detail {

namespace {

constexpr std::uint64_t ms = 1'000'000;

bool is_io(io_op op) noexcept {
    return op != io_op::close && op != io_op::lock && op != io_op::statfs && op != io_op::poll;
}

bool is_transfer(io_op op) noexcept {
    return op == io_op::read || op == io_op::write || op == io_op::readv || op == io_op::writev;
}

bool is_write(io_op op) noexcept {
    return op == io_op::write || op == io_op::writev;
}

/// Those that change names or whole files, and may fail as a whole.
bool is_call(io_op op) noexcept {
    switch (op) {
        case io_op::open:
        case io_op::rename:
        case io_op::unlink:
        case io_op::mkdir:
        case io_op::fallocate:
        case io_op::truncate:
        case io_op::sync_dir:
            return true;
        default:
            return false;
    }
}

bool names_path(const io_request& r) noexcept {
    switch (r.op) {
        case io_op::open:
        case io_op::rename:
        case io_op::unlink:
        case io_op::mkdir:
        case io_op::sync_dir:
        case io_op::statfs:
            return true;
        case io_op::stat:
            return r.fd < 0;
        default:
            return false;
    }
}

/// What a file's operation gives on a socket, as Linux has it. Asking for its stat, or to lock it, is not modelled.
std::int32_t refusal_of_a_socket(io_op op) noexcept {
    switch (op) {
        case io_op::fsync:
        case io_op::fdatasync:
        case io_op::truncate:
            return -EINVAL;
        case io_op::fallocate:
            return -ENODEV;
        case io_op::readdir:
            return -ENOTDIR;
        default:
            return is_transfer(op) ? -ESPIPE : -EBADF;
    }
}

}  // namespace

disk::disk(event_queue& events, random_engine random, const disk_profile& profile, fault_counts& counts)
    : events_(events),
      random_(random),
      profile_(profile),
      counts_(counts),
      timing_(profile.latency),
      tree_(std::make_shared<name_space>(profile.capacity_bytes)) {}

disk::~disk() {
    forget_all();
}

bool disk::strikes(double chance, std::string_view name) {
    if (chance <= 0 || !random_.chance(chance)) {
        return false;
    }
    counts_.add(name);
    return true;
}

void disk::tell(disk_event::phase when, const operation& o, std::int32_t result) {
    if (on_event) {
        const std::string path = o.handle ? tree_->path_of(*o.handle->file) : o.path;
        on_event({when, o.asked.op, path, o.io, result});
    }
}

void disk::begin(io_request& request, requester& from) {
    auto made = std::make_unique<operation>();
    operation& o = *made;
    o.asked = request;
    o.request = &request;
    o.from = &from;
    const std::int32_t refused = prepare(o);
    if (refused != 0) {
        from.finish(request, refused);
        return;
    }
    if (charge_ns && strikes(profile_.faults.blocking_submit, "disk.blocking_submit")) {
        charge_ns(from, random_.between(0, 10 * ms));
    }
    o.serial = serial_;
    o.io = is_io(o.asked.op) ? ++io_count_ : 0;
    tell(disk_event::phase::submitted, o, 0);
    const std::uint64_t number = next_number_++;
    in_flight_.emplace(number, std::move(made));
    schedule(o, number);
}

/// What the kernel refuses before anything is in flight; takes over what the request points to.
std::int32_t disk::prepare(operation& o) {
    const io_request& r = o.asked;
    if (names_path(r)) {
        o.path = static_cast<const char*>(r.data);
        o.new_path = r.op == io_op::rename ? static_cast<const char*>(r.extra) : "";
        return 0;
    }
    auto found = o.from->handles().find(r.fd);
    if (!found) {
        return -EBADF;
    }
    if (found->what != open_handle::kind::file) {
        return refusal_of_a_socket(r.op);
    }
    o.handle = std::static_pointer_cast<file_handle>(std::move(found));
    if (r.op == io_op::close) {
        o.from->handles().remove(r.fd);
    }
    if (o.handle->tree != tree_) {
        return -EBADF;
    }
    return is_transfer(r.op) ? prepare_transfer(o) : 0;
}

void disk::schedule(operation& o, std::uint64_t number) {
    const io_op op = o.asked.op;
    const bool flushes =
        op == io_op::fsync || op == io_op::fdatasync || op == io_op::sync_dir || (is_write(op) && wants_dsync(o));
    const disk_latency& latency = profile_.latency;
    const std::uint64_t base_ns = flushes ? latency.flush_ns : is_transfer(op) ? latency.base_ns : latency.names_ns;
    if (o.io != 0 && strikes(profile_.faults.stuck, "disk.stuck")) {
        o.is_stuck = true;
        return;
    }
    if (strikes(profile_.faults.slow_spell, "disk.slow_spell")) {
        timing_.begin_slow_spell(now_ns(), random_);
    }
    if (strikes(profile_.faults.stall, "disk.stall")) {
        timing_.stall(now_ns(), random_);
    }
    const disk_timing::service when = timing_.serve(now_ns(), base_ns, o.size, random_);
    o.start_ns = when.start_ns;
    o.event = events_.at(when.done_ns, [this, number] { complete(number); });
}

void disk::complete(std::uint64_t number) {
    const auto taken = in_flight_.extract(number);
    operation& o = *taken.mapped();
    if (is_write(o.asked.op) && o.from->alive()) {
        SHALE_ASSERT(matches(o.data, o.parts()),
                     "the buffer of a write in flight was changed: {} bytes at offset {} of {}", o.size, o.asked.offset,
                     tree_->path_of(*o.handle->file));
    }
    std::int32_t result = 0;
    const bool planned = plan.fail_at_io != 0 && o.io != 0 &&
                         (o.io == plan.fail_at_io || (plan.fail_for_ever && o.io > plan.fail_at_io));
    if (planned) {
        counts_.add("disk.planned_failure");
        result = plan.error;
    } else {
        result = perform(o);
    }
    io_completed_ += o.io != 0 ? 1 : 0;
    const bool cut = plan.power_loss_after_io != 0 && o.io == plan.power_loss_after_io;
    tell(disk_event::phase::completed, o, result);
    if (o.from->alive()) {
        o.from->finish(*o.request, result);
    }
    if (cut && power_cut) {
        counts_.add("disk.planned_power_loss");
        power_cut();
    }
}

std::int32_t disk::perform(operation& o) {
    const io_op op = o.asked.op;
    if (is_call(op) && strikes(profile_.faults.name_error, "disk.name_error")) {
        return -EIO;
    }
    switch (op) {
        case io_op::read:
        case io_op::readv:
            return read(o);
        case io_op::write:
        case io_op::writev:
            return write(o);
        case io_op::fsync:
        case io_op::fdatasync:
            return sync(o);
        case io_op::open:
            return open(o);
        case io_op::close:
            return 0;
        case io_op::stat:
            return stat(o);
        case io_op::rename:
            return tree_->rename(o.path, o.new_path, o.asked.size, ++serial_);
        case io_op::unlink:
            return tree_->remove(o.path, o.asked.size, ++serial_);
        case io_op::mkdir:
            return make_directory(o);
        case io_op::readdir:
            return list(o);
        case io_op::fallocate:
            return allocate(o);
        case io_op::truncate:
            return truncate(o);
        case io_op::sync_dir:
            return sync_path(o);
        case io_op::lock:
            return lock(o);
        case io_op::statfs:
            return statfs(o);
        case io_op::poll:
            return static_cast<std::int32_t>(o.asked.size & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM));
        default:
            return -EOPNOTSUPP;
    }
}

bool disk::withdraw(io_request& request, requester& from) {
    const auto at =
        std::ranges::find_if(in_flight_, [&](const auto& entry) { return entry.second->request == &request; });
    if (at == in_flight_.end()) {
        return false;
    }
    operation& o = *at->second;
    // What is served already, or has taken a descriptor away, cannot be called back.
    if (o.is_stuck || o.start_ns <= now_ns() || o.asked.op == io_op::close) {
        return false;
    }
    events_.cancel(o.event);
    in_flight_.erase(at);
    from.finish(request, -ECANCELED);
    return true;
}

// The exit of a process waits for what it has in flight before it closes anything: so nothing of it lands once another
// has got the lock that it held.
void disk::process_died(handle_table& handles) {
    const auto closing = std::make_shared<const operation::handles>(handles.remove_all(open_handle::kind::file));
    for (const auto& [number, o] : in_flight_) {
        if (&o->from->handles() == &handles) {
            o->exit_waits = closing;
        }
    }
}

void disk::forget_all() {
    for (const auto& [number, o] : in_flight_) {
        if (!o->is_stuck) {
            events_.cancel(o->event);
        }
    }
    in_flight_.clear();
}

void disk::power_loss(crash_fate fate) {
    if (fate == crash_fate::each_its_own) {
        const double drawn = random_.uniform();
        const crash_rules& rules = profile_.crash;
        fate = drawn < rules.keep_all                    ? crash_fate::keep_all
               : drawn < rules.keep_all + rules.drop_all ? crash_fate::drop_all
                                                         : crash_fate::each_its_own;
    }
    counts_.add("disk.power_loss");
    std::vector<operation*> under_way;
    for (const auto& [number, o] : in_flight_) {
        under_way.push_back(o.get());
    }
    random_.shuffle(under_way);
    for (operation* o : under_way) {
        happen_at_power_loss(*o, fate);
    }
    forget_all();
    auto left = tree_->clone();
    left->lose_power({fate, profile_.crash, random_, counts_});
    tree_ = std::move(left);
    timing_.reset();
    no_space_until_ns_ = 0;
}

// What was in flight has come as far as the list of what is not durable, where it may be kept, torn or dropped; of
// changes of names, some have come so far. Nobody is told, and the program's memory is left alone.
void disk::happen_at_power_loss(operation& o, crash_fate fate) {
    if (fate == crash_fate::drop_all) {
        return;
    }
    const io_request& r = o.asked;
    if (is_write(r.op)) {
        inode& file = *o.handle->file;
        const bool appends = (r.rw_flags & RWF_APPEND) != 0 || (o.handle->flags & O_APPEND) != 0;
        const extent data = o.data.moved_to(appends ? file.data.size() : r.offset);
        if (data.size() != 0 && data.end <= profile_.file_bytes_max &&
            room_for(file, data.begin, data.end) == data.size()) {
            file.data.write(data, ++serial_);
        }
        return;
    }
    const bool happens = fate == crash_fate::keep_all || random_.chance(0.5);
    if (!happens) {
        return;
    }
    switch (r.op) {
        case io_op::open:
            if ((r.size & (O_CREAT | O_TRUNC)) != 0) {
                open(o);
            }
            break;
        case io_op::rename:
        case io_op::unlink:
        case io_op::mkdir:
        case io_op::fallocate:
        case io_op::truncate:
            perform(o);
            break;
        default:
            break;
    }
}

void disk::calm() {
    profile_.faults = {};
    plan = {};
    timing_.calm();
    no_space_until_ns_ = 0;
    for (auto& [number, o] : in_flight_) {
        if (std::exchange(o->is_stuck, false)) {
            schedule(*o, number);
        }
    }
}

disk_image disk::snapshot() const {
    disk_image made;
    made.tree_ = tree_->clone();
    made.media_faults_ = media_faults_;
    return made;
}

void disk::restore(const disk_image& image) {
    SHALE_ASSERT(image.tree_ != nullptr, "the image was never taken");
    forget_all();
    tree_ = image.tree_->clone();
    media_faults_ = image.media_faults_;
    tree_->space.capacity = profile_.capacity_bytes;
    timing_.reset();
    no_space_until_ns_ = 0;
    // What it waits to make durable comes before whatever comes next.
    serial_ = std::max(serial_, tree_->last_serial());
}

}  // namespace shale::sim::detail
