# The libraries Shale stands on, each found with a version or header check that names the Debian package to install.
#
# Nothing is downloaded. This file is also installed and read by find_package(shale), so it must not depend on
# anything of the build tree. Those without a package of their own become imported targets shale_dep_<name>.

function(shale_missing what package)
    message(FATAL_ERROR
        "Shale needs ${what}, which is not on this machine. Install it with: apt-get install ${package}")
endfunction()

# shale_find_library(<name> <header> <library> <debian package>): gives shale_dep_<name>.
function(shale_find_library name header library package)
    if(TARGET shale_dep_${name})
        return()
    endif()
    find_path(SHALE_${name}_INCLUDE ${header})
    find_library(SHALE_${name}_LIBRARY ${library})
    mark_as_advanced(SHALE_${name}_INCLUDE SHALE_${name}_LIBRARY)
    if(NOT SHALE_${name}_INCLUDE OR NOT SHALE_${name}_LIBRARY)
        shale_missing("${name} (${header})" ${package})
    endif()
    add_library(shale_dep_${name} UNKNOWN IMPORTED GLOBAL)
    set_target_properties(shale_dep_${name} PROPERTIES
        IMPORTED_LOCATION ${SHALE_${name}_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${SHALE_${name}_INCLUDE})
endfunction()

# shale_find_package(<name> <version> <debian package>): find_package, or one sentence.
macro(shale_find_package name version package)
    find_package(${name} ${version} QUIET)
    if(NOT ${name}_FOUND)
        shale_missing("${name} ${version} or later" ${package})
    endif()
endmacro()

find_package(Threads REQUIRED)
shale_find_package(fmt 9.1 libfmt-dev)
shale_find_package(Boost 1.74 libboost-dev)
shale_find_package(CLI11 2.1 libcli11-dev)
shale_find_library(aio libaio.h aio libaio-dev)
shale_find_library(hwloc hwloc.h hwloc libhwloc-dev)
shale_find_library(isal isa-l/crc.h isal libisal-dev)
if(SHALE_APPS)
    find_path(SHALE_xxhash_INCLUDE xxhash.h)
    mark_as_advanced(SHALE_xxhash_INCLUDE)
    if(NOT SHALE_xxhash_INCLUDE)
        shale_missing("xxHash (xxhash.h)" libxxhash-dev)
    endif()
endif()
if(SHALE_APPS)
    if(SHALE_ALLOCATOR STREQUAL "mimalloc")
        shale_find_library(mimalloc mimalloc.h mimalloc libmimalloc-dev)
    elseif(SHALE_ALLOCATOR STREQUAL "jemalloc")
        shale_find_library(jemalloc jemalloc/jemalloc.h jemalloc libjemalloc-dev)
    elseif(NOT SHALE_ALLOCATOR STREQUAL "system")
        message(FATAL_ERROR "SHALE_ALLOCATOR is ${SHALE_ALLOCATOR}; it may be system, mimalloc or jemalloc")
    endif()
endif()
if(SHALE_TESTS)
    shale_find_package(GTest 1.12 libgtest-dev)
else()
    find_package(GTest 1.12 QUIET)  # for users of core/testing; nothing else needs it
endif()
if(SHALE_BENCH)
    shale_find_package(benchmark 1.7 libbenchmark-dev)
endif()
