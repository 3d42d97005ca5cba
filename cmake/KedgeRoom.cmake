# A room is one folder of sources compiled once as an object library; `kedge` is made of all of them.
set(KEDGE_ROOMS "" CACHE INTERNAL "")

# Flags of every translation unit. -Wno-restrict: GCC 12 sees overlaps in std::string that are not there (PR 105651). -ffp-contract=off: a product and a sum become one fma only where the source says so.
# A second argument is the level of a release: what does not compute is compiled at -O2, tests at -O1, which saves a
# third of a test's compile time.
function(kedge_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Wno-restrict -ffp-contract=off
    $<$<BOOL:${KEDGE_WERROR}>:-Werror>)
  target_compile_options(${target} PRIVATE "$<$<CONFIG:Release>:${ARGN}>")
  if(KEDGE_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${KEDGE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${KEDGE_SANITIZE})
  endif()
endfunction()

# kedge_room(name [SUBDIRS dir...] [DEPS target...] [LEVEL -O2]): every .cc of the folder and of SUBDIRS.
function(kedge_room name)
  cmake_parse_arguments(ARG "" "LEVEL" "SUBDIRS;DEPS;EXCLUDE" ${ARGN})
  set(globs ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  foreach(dir IN LISTS ARG_SUBDIRS)
    list(APPEND globs ${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*.cc)
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${globs})
  foreach(pattern IN LISTS ARG_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX ${pattern})
  endforeach()
  add_library(kedge_${name} OBJECT ${sources})
  target_include_directories(kedge_${name} PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
  target_link_libraries(kedge_${name} PUBLIC ${ARG_DEPS})
  kedge_compile_options(kedge_${name} ${ARG_LEVEL})
  set(KEDGE_ROOMS ${KEDGE_ROOMS} ${name} CACHE INTERNAL "")
endfunction()

# Puts the objects of all rooms (and of the per-ISA kernel libraries) into one library.
function(kedge_library_objects target)
  foreach(room IN LISTS KEDGE_ROOMS)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:kedge_${room}>)
  endforeach()
  foreach(isa IN LISTS KEDGE_ISA_OBJECTS)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${isa}>)
  endforeach()
endfunction()
