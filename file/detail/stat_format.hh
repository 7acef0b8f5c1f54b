// The kernel's statx answer in the words of file_types.hh. Also names what Debian 12's headers may lack.
#pragma once

#include <sys/stat.h>

#include "../file_types.hh"

#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000U
#endif

namespace shale::detail {

directory_entry_type type_of_mode(unsigned mode) noexcept;
/// DT_ of a directory entry.
directory_entry_type type_of_entry(unsigned char kind) noexcept;
stat_data to_stat_data(const struct statx& from) noexcept;

}  // namespace shale::detail
