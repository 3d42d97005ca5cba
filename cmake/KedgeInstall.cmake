# What `cmake --install` puts where, and how others find it: the CMake package `kedge` (targets kedge::kedge, shared, and
# kedge::static) and the pkg-config module `kedge`. Components: library, development, command, models.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# What a program over libkedge.a links besides it. The names of pkg-config, for both packages.
set(KEDGE_STATIC_MODULES libpcre2-8 libutf8proc sentencepiece sqlite3 libsodium)
set(KEDGE_STATIC_LIBS stemmer ${OpenMP_CXX_LIB_NAMES} stdc++ m dl)
list(REMOVE_DUPLICATES KEDGE_STATIC_LIBS)

target_link_libraries(kedge INTERFACE
  "$<INSTALL_INTERFACE:PkgConfig::KEDGE_STATIC_DEPENDENCIES;${KEDGE_STATIC_LIBS}>")
foreach(target kedge kedge_shared)
  target_include_directories(${target} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
set_target_properties(kedge PROPERTIES EXPORT_NAME static)
set_target_properties(kedge_shared PROPERTIES EXPORT_NAME kedge)

install(TARGETS kedge_shared EXPORT kedge_shared
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development)
install(TARGETS kedge EXPORT kedge_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(TARGETS kedge_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT command)
install(TARGETS kedge_reader RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/kedge COMPONENT library)
install(DIRECTORY include/kedge DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
  FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT library)
install(DIRECTORY docs/examples DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)
install(DIRECTORY models DESTINATION ${CMAKE_INSTALL_DATADIR}/kedge COMPONENT models)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/kedge)
foreach(kind shared static)
  install(EXPORT kedge_${kind} NAMESPACE kedge:: FILE kedge-${kind}.cmake DESTINATION ${package_dir} COMPONENT development)
endforeach()
configure_package_config_file(cmake/kedge-config.cmake.in ${PROJECT_BINARY_DIR}/package/kedge-config.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/kedge-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/kedge-config.cmake ${PROJECT_BINARY_DIR}/package/kedge-config-version.cmake
  DESTINATION ${package_dir} COMPONENT development)

# The paths of kedge.pc start at where the file lies, so that a tree may be moved.
file(RELATIVE_PATH KEDGE_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
list(JOIN KEDGE_STATIC_MODULES " " KEDGE_PC_MODULES)
list(TRANSFORM KEDGE_STATIC_LIBS PREPEND "-l" OUTPUT_VARIABLE flags)
list(JOIN flags " " KEDGE_PC_LIBS)
configure_file(cmake/kedge.pc.in ${PROJECT_BINARY_DIR}/package/kedge.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/kedge.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
