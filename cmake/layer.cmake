# How a folder becomes a target: layers, apps, tests and benchmarks.
#
# Sources are globbed, and a folder that does not exist (yet) is passed over, so that a file is added by writing it.
# The link edges between layers repeat the include rules of scripts/check: what a layer may not include it does not
# link either. `<shale/...>` is one symbolic link in the build tree; the layers themselves include by relative path
# and do not need it, which also lets ccache share their objects between build folders.

file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/include)
file(CREATE_LINK ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/include/shale SYMBOLIC)

# core/base -> shale_core_base
function(shale_target_name folder result)
    string(REPLACE "/" "_" name ${folder})
    set(${result} shale_${name} PARENT_SCOPE)
endfunction()

# Links what exists of the named folders; a layer whose folder is missing is passed over.
function(shale_link target scope)
    foreach(folder ${ARGN})
        shale_target_name(${folder} name)
        if(TARGET ${name})
            target_link_libraries(${target} ${scope} ${name})
        endif()
    endforeach()
endfunction()

# shale_layer(<folder> [DEPENDS <folders>] [LIBS <public libraries>] [PRIVATE_LIBS <libraries>])
# A static library of <folder>/*.cc and <folder>/detail/*.cc, and those of the SUBFOLDERS (net: codecs);
# an interface library while there is no .cc.
function(shale_layer folder)
    cmake_parse_arguments(arg "" "" "DEPENDS;LIBS;PRIVATE_LIBS;SUBFOLDERS" ${ARGN})
    set(root ${PROJECT_SOURCE_DIR}/${folder})
    shale_target_name(${folder} target)
    set(patterns ${root}/*.cc ${root}/detail/*.cc)
    foreach(subfolder ${arg_SUBFOLDERS})
        list(APPEND patterns ${root}/${subfolder}/*.cc ${root}/${subfolder}/detail/*.cc)
    endforeach()
    file(GLOB sources CONFIGURE_DEPENDS ${patterns})
    if(sources)
        set(scope PUBLIC)
        add_library(${target} STATIC ${sources})
        shale_compile_options(${target})
        if(arg_PRIVATE_LIBS)
            target_link_libraries(${target} PRIVATE ${arg_PRIVATE_LIBS})
        endif()
    else()
        set(scope INTERFACE)
        add_library(${target} INTERFACE)
        target_compile_features(${target} INTERFACE cxx_std_23)
    endif()
    target_include_directories(${target} INTERFACE
        $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include> $<INSTALL_INTERFACE:include>)
    target_link_libraries(${target} ${scope} ${arg_LIBS})
    shale_link(${target} ${scope} ${arg_DEPENDS})
    add_library(shale::${target} ALIAS ${target})
    set_property(GLOBAL APPEND PROPERTY SHALE_LAYERS ${target})
endfunction()

# shale_umbrella(<name> <folders>): the one target for users, shale::<name>.
function(shale_umbrella name)
    add_library(${name} INTERFACE)
    add_library(shale::${name} ALIAS ${name})
    shale_link(${name} INTERFACE ${ARGN})
    set_property(GLOBAL APPEND PROPERTY SHALE_LAYERS ${name})
endfunction()

# shale_app(<folder> [LIBS <libraries>])
# <build>/bin/<app> from main.cc; everything else in the folder is the library shale_apps_<app>, which tests can link.
function(shale_app folder)
    cmake_parse_arguments(arg "" "" "LIBS" ${ARGN})
    set(root ${PROJECT_SOURCE_DIR}/${folder})
    file(GLOB sources CONFIGURE_DEPENDS ${root}/*.cc ${root}/detail/*.cc)
    get_filename_component(app ${folder} NAME)
    shale_target_name(${folder} library)
    set(parts ${sources})
    list(REMOVE_ITEM parts ${root}/main.cc)
    if(parts)
        add_library(${library} STATIC ${parts})
        shale_compile_options(${library})
        target_link_libraries(${library} PUBLIC shale ${arg_LIBS})
    else()
        add_library(${library} INTERFACE)
        target_link_libraries(${library} INTERFACE shale ${arg_LIBS})
    endif()
    if(${root}/main.cc IN_LIST sources)
        add_executable(${app} ${root}/main.cc)
        set_target_properties(${app} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
        shale_compile_options(${app})
        target_link_libraries(${app} PRIVATE ${library})
        if(TARGET shale_dep_${SHALE_ALLOCATOR} AND NOT SHALE_SANITIZE)
            # No symbol of it is named, so a linker that keeps only what is needed has to be told.
            target_link_options(${app} PRIVATE -Wl,--no-as-needed)
            target_link_libraries(${app} PRIVATE shale_dep_${SHALE_ALLOCATOR})
        endif()
        set_property(GLOBAL APPEND PROPERTY SHALE_APP_TARGETS ${app})
    endif()
endfunction()

# shale_tests(<folder> [LIBS <libraries>] [PLAIN])
# One GoogleTest binary <build>/tests/<name>_test from tests/<...>/*.cc with at least one *_test.cc, each of its tests
# known to ctest; and each *_test.py of the folder as one test, which finds the binaries in $SHALE_BUILD.
# The main of core/testing is used unless PLAIN asks for GoogleTest's own (core/base, which needs no shard).
function(shale_tests folder)
    cmake_parse_arguments(arg "PLAIN" "" "LIBS" ${ARGN})
    set(root ${PROJECT_SOURCE_DIR}/${folder})
    string(REGEX REPLACE "^tests/" "" name ${folder})
    string(REPLACE "/" "_" name ${name})
    file(GLOB tests CONFIGURE_DEPENDS ${root}/*_test.cc)
    if(tests)
        file(GLOB sources CONFIGURE_DEPENDS ${root}/*.cc)
        add_executable(${name}_test ${sources})
        shale_compile_options(${name}_test)
        target_compile_options(${name}_test PRIVATE -g1)  # lines alone: a fifth less to compile
        set_target_properties(${name}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
        target_link_libraries(${name}_test PRIVATE ${arg_LIBS} GTest::gtest GTest::gmock)
        if(arg_PLAIN OR NOT EXISTS ${PROJECT_SOURCE_DIR}/core/testing/main.cc)
            target_link_libraries(${name}_test PRIVATE GTest::gtest_main)
        else()
            target_link_libraries(${name}_test PRIVATE shale_core_testing)
        endif()
        gtest_discover_tests(${name}_test TEST_PREFIX ${name}/ TEST_FILTER "${SHALE_TEST_FILTER}"
            DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120 PROPERTIES TIMEOUT 900)
    endif()
    file(GLOB scripts CONFIGURE_DEPENDS ${root}/*_test.py)
    if(SHALE_TEST_SCRIPTS_LEFT_OUT)
        list(FILTER scripts EXCLUDE REGEX "${SHALE_TEST_SCRIPTS_LEFT_OUT}")
    endif()
    foreach(script ${scripts})
        get_filename_component(stem ${script} NAME_WE)
        add_test(NAME ${name}/${stem} COMMAND /usr/bin/python3 ${script})
        set_tests_properties(${name}/${stem} PROPERTIES TIMEOUT 1800 ENVIRONMENT
            "SHALE_BUILD=${PROJECT_BINARY_DIR};SHALE_SANITIZE=${SHALE_SANITIZE};PYTHONDONTWRITEBYTECODE=1")
    endforeach()
endfunction()

# shale_benches(<folder> LIBS <libraries>): one Google Benchmark binary <build>/bin/bench_<name> per <name>_bench.cc.
function(shale_benches folder)
    cmake_parse_arguments(arg "" "" "LIBS" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*_bench.cc)
    foreach(source ${sources})
        get_filename_component(stem ${source} NAME_WE)
        string(REGEX REPLACE "_bench$" "" name ${stem})
        add_executable(bench_${name} ${source})
        shale_compile_options(bench_${name})
        set_target_properties(bench_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
        target_link_libraries(bench_${name} PRIVATE ${arg_LIBS} benchmark::benchmark)
    endforeach()
endfunction()
