# `cmake --install build/release --prefix ...`: headers under include/shale, the libraries, and find_package(shale).
#
# Private headers go along because public templates include them; they stay private by name (detail/) and namespace.
# The targets keep their names: users link shale::shale, tests of theirs shale::shale_core_testing.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/shale)
get_property(layers GLOBAL PROPERTY SHALE_LAYERS)

install(TARGETS ${layers} EXPORT shale ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT shale NAMESPACE shale:: DESTINATION ${package_dir} FILE shale_targets.cmake)
foreach(folder core file net)
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/shale
        FILES_MATCHING PATTERN "*.hh")
endforeach()

get_property(apps GLOBAL PROPERTY SHALE_APP_TARGETS)
if(apps)
    install(TARGETS ${apps} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

write_basic_package_version_file(${PROJECT_BINARY_DIR}/shale-config-version.cmake COMPATIBILITY SameMinorVersion)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/config.cmake.in ${PROJECT_BINARY_DIR}/shale-config.cmake
    INSTALL_DESTINATION ${package_dir})
install(FILES ${PROJECT_BINARY_DIR}/shale-config.cmake ${PROJECT_BINARY_DIR}/shale-config-version.cmake
    ${PROJECT_SOURCE_DIR}/cmake/dependencies.cmake DESTINATION ${package_dir})
