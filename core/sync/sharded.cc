// The parts of sharded services that are no templates: their errors, in words.
#include "sharded.hh"

#include <cxxabi.h>
#include <fmt/core.h>

#include <cstdlib>

namespace shale::detail {

void throw_no_instance(const std::type_info& service) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> name(
        abi::__cxa_demangle(service.name(), nullptr, nullptr, &status), &std::free);
    throw no_sharded_instance_exception(fmt::format("shard {} has no instance of sharded<{}>: not started, or stopped",
                                                    this_shard_id(), status == 0 ? name.get() : service.name()));
}

}  // namespace shale::detail
