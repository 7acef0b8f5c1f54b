# What can be chosen, and the defaults of a build of Shale itself.
#
# As a subproject (add_subdirectory) only the library is built, with the flags, linker and launcher of the project
# around it. On its own, the build type is Release with frame pointers and debug information (the profiler and a
# post-mortem need both), ccache is used when present, and lld links when present.

option(SHALE_APPS "Build the apps" ${PROJECT_IS_TOP_LEVEL})
option(SHALE_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(SHALE_INSTALL "Offer an install target" ${PROJECT_IS_TOP_LEVEL})
option(SHALE_WERROR "Warnings are errors" ${PROJECT_IS_TOP_LEVEL})

# The system's is the default because no other is better: with kv on one shard (GET and SET, pipelines of 1 and 16,
# durable and in memory; glibc 2.36, mimalloc 2.0.9, jemalloc 5.3) the medians of CPU time a request differ by less than
# the runs of any one of them, and its resident memory is the smallest by 2 to 6 %.
set(SHALE_ALLOCATOR system CACHE STRING "Whose malloc the apps use: system, mimalloc or jemalloc")
set_property(CACHE SHALE_ALLOCATOR PROPERTY STRINGS system mimalloc jemalloc)

set(SHALE_SANITIZE "" CACHE STRING "Sanitizers, comma separated: address,undefined or thread")

if(PROJECT_IS_TOP_LEVEL)
    if(NOT CMAKE_BUILD_TYPE)
        set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
    endif()
    set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g")
    # Lines are all a sanitizer's report needs; full information takes a quarter longer to compile (for gdb: -g).
    set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")
    set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
    set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

    # Paths are hashed relative to the tree, so that all build folders under build/ share what they compile alike.
    find_program(SHALE_CCACHE ccache)
    if(SHALE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
        set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
            CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${SHALE_CCACHE})
    endif()
    find_program(SHALE_LLD ld.lld)
    if(SHALE_LLD)
        add_link_options(-fuse-ld=lld)
    endif()
endif()

# Expensive assertions (SHALE_DEBUG_ASSERT); part of the library's interface, so users of one build agree on it.
if(CMAKE_BUILD_TYPE STREQUAL "Debug" OR SHALE_SANITIZE)
    set(SHALE_DEBUG_DEFINITION SHALE_DEBUG)
endif()

if(PROJECT_IS_TOP_LEVEL AND CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT SHALE_SANITIZE)
    option(SHALE_BENCH "Build the benchmarks" ON)
else()
    option(SHALE_BENCH "Build the benchmarks" OFF)
endif()
