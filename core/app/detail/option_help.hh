// The help text: one line of usage, then the options by group, in lines that fit the terminal.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "option_entry.hh"

namespace shale::detail {

std::string write_help(std::string_view program, std::string_view version, std::string_view description,
                       std::span<const option_entry> entries, unsigned columns);

}  // namespace shale::detail
