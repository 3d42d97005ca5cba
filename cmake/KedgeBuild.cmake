# What `kedge --version` says of the build, in generated/registry/build.h, for the target that includes it.
function(kedge_build_header target)
  set(isas ${KEDGE_ISA_OBJECTS})
  list(TRANSFORM isas REPLACE "^kedge_kernels_" "")
  list(REVERSE isas)  # the best first
  list(APPEND isas reference)
  list(JOIN isas "," isas)
  add_custom_target(kedge_build_header BYPRODUCTS ${PROJECT_BINARY_DIR}/generated/registry/build.h
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DOUT=${PROJECT_BINARY_DIR}/generated/registry/build.h
      "-DCOMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}, ${CMAKE_SYSTEM_PROCESSOR}, ${CMAKE_BUILD_TYPE}"
      -DISAS=${isas} -P ${PROJECT_SOURCE_DIR}/cmake/build_header.cmake
    COMMENT "registry/build.h" VERBATIM)
  add_dependencies(${target} kedge_build_header)
endfunction()
