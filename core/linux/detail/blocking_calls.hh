// What a helper thread does with a request: the blocking system call it names.
#pragma once

#include "../../shard/platform.hh"

namespace shale::detail {

/// Makes the call and returns its result or -errno. For every operation on files and the file system, and resolve.
std::int32_t blocking_call(const io_request& r) noexcept;

/// A buffered read answered from the page cache without waiting for the disk: `r.size` or 0 (the end), or -EAGAIN.
std::int32_t read_page_cache(const io_request& r) noexcept;

}  // namespace shale::detail
