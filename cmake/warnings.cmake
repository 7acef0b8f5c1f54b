# The compile options of every target of ours, and of no other.
#
# Frame pointers stay in all builds, because the sampling profiler walks them. File names in assertions and call
# sites are relative to the source tree. ccache makes paths relative to the build folder, and an option that names the
# place of the tree would keep one clone from using what another compiled; so that map is for builds without ccache.

function(shale_compile_options target)
    target_compile_features(${target} PUBLIC cxx_std_23)
    target_compile_definitions(${target} PUBLIC ${SHALE_DEBUG_DEFINITION})
    set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
    target_compile_options(${target} PRIVATE
        -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough -Wconversion -Wno-sign-conversion
        -fno-omit-frame-pointer
        -fmacro-prefix-map=../../= -fmacro-prefix-map=include/shale/=)
    if(NOT SHALE_CCACHE)
        target_compile_options(${target} PRIVATE -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)
    endif()
    if(SHALE_WERROR)
        target_compile_options(${target} PRIVATE -Werror)
    endif()
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
        # Algorithms of libstdc++ 12 use what libstdc++ 12 deprecates, and clang says so at our call.
        target_compile_options(${target} PRIVATE -Wno-deprecated-declarations)
    endif()
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # GCC 12 sees phantoms in the unions of std::optional and of ours (bug 105562); the sanitizers look for real.
        target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
        if(SHALE_SANITIZE)
            # And more of them in instrumented code (104475).
            target_compile_options(${target} PRIVATE -Wno-stringop-overflow -Wno-restrict)
        endif()
    endif()
endfunction()
