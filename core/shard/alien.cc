// Running functions on a shard from threads that are none. A message goes through the shard's mailbox and frees itself
// there.
#include "alien.hh"

namespace shale::alien {

instance::instance() {
    shard& here = this_shard();
    for (unsigned id = 0; id < here.count(); ++id) {
        boxes_.push_back(&here.mail().peer(id));
    }
}

void instance::push(unsigned shard, shale::detail::message& m) const noexcept {
    SHALE_ASSERT(shard < boxes_.size(), "a call to shard {} of {}", shard, boxes_.size());
    boxes_[shard]->push_foreign(m);
}

}  // namespace shale::alien
