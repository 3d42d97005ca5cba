# registry/build.h: what a build was made from. Run at every build (KedgeBuild.cmake); the file changes when that does.
#   cmake -DSOURCE=FOLDER -DOUT=FILE -DCOMPILER=TEXT -DISAS=A,B -P build_header.cmake
cmake_minimum_required(VERSION 3.25)
set(commit "unknown")
find_program(GIT git)
if(GIT)
  execute_process(COMMAND ${GIT} -C ${SOURCE} rev-parse --show-toplevel --short=12 HEAD
    OUTPUT_VARIABLE said RESULT_VARIABLE failed ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT failed)
    string(REPLACE "\n" ";" said "${said}")
    list(GET said 0 top)
    file(REAL_PATH ${SOURCE} here)
    if(top STREQUAL here)  # else the checkout is another project's
      list(GET said 1 commit)
      execute_process(COMMAND ${GIT} -C ${SOURCE} status --porcelain --untracked-files=no
        OUTPUT_VARIABLE changed ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
      if(changed)
        string(APPEND commit "-dirty")
      endif()
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT ${OUT} @ONLY CONTENT "// Made by cmake/build_header.cmake.
#pragma once

#define KEDGE_BUILD_COMMIT \"@commit@\"
#define KEDGE_BUILD_COMPILER \"@COMPILER@\"
#define KEDGE_BUILD_ISAS \"@ISAS@\"
")
