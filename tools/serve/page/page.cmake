# The page of `kedge serve`: the built files in page/dist become data of page_files.cc. Building them anew needs Node and
# is nobody's business here (page/check.sh).
find_package(Python3 REQUIRED COMPONENTS Interpreter)
file(GLOB page_dist CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/dist/*)
set(page_data ${PROJECT_BINARY_DIR}/generated/registry/page_data.inc)
add_custom_command(OUTPUT ${page_data}
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/embed.py ${CMAKE_CURRENT_LIST_DIR}/dist ${page_data}
  DEPENDS ${CMAKE_CURRENT_LIST_DIR}/embed.py ${page_dist})
target_sources(kedge_serve PRIVATE ${page_data})
set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/serve/page_files.cc PROPERTIES
  OBJECT_DEPENDS ${page_data})
