// One segment file of a record log, as the log knows it while it runs.
//
// Who reads a segment holds its gate; dropping it closes the gate, and only when the last reader has left is the file
// given a new life. Belongs to one shard.
#pragma once

#include <memory>
#include <string>

#include "../../core/sync/gate.hh"
#include "../file.hh"
#include "log_format.hh"

namespace shale::detail {

struct log_segment {
    segment_header header;
    std::uint32_t seed = 0;
    std::uint32_t slot = 0;
    std::string path;
    file data;
    std::uint64_t size = 0;            ///< bytes of the file
    std::uint64_t end = log_block;     ///< of the last batch, counting what waits to be written
    std::uint64_t zeroed = log_block;  ///< up to here every block has been written once
    std::uint64_t zeroing = 0;         ///< end of the zeros now being written behind `zeroed`; 0: none are
    std::uint64_t records = 0;
    bool for_cleaner = false;  ///< taken from the reserve
    bool dropped = false;      ///< on its way out
    gate readers;
};

using segment_ptr = std::shared_ptr<log_segment>;

}  // namespace shale::detail
