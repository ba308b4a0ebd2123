# holdfast_module(NAME USES other modules... LIBRARIES third party targets...)
#
# One folder of src/ is one library `holdfast_NAME`, one namespace `holdfast::NAME`, and one test
# binary `NAME_test` made of its `*_test.cpp` files. Linking is transitive only over USES, so an
# arrow that ARCHITECTURE.md does not allow fails at link time as well as in tools/tidy.py.

option(HOLDFAST_ASAN "Address and undefined behaviour sanitizers" OFF)
option(HOLDFAST_TSAN "Thread sanitizer" OFF)
option(HOLDFAST_FUZZ "Build the libFuzzer targets (clang only)" OFF)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(holdfast_flags INTERFACE)
target_compile_options(holdfast_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Werror
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wno-gnu-statement-expression>)
target_include_directories(holdfast_flags INTERFACE "${CMAKE_CURRENT_SOURCE_DIR}/src")

if(HOLDFAST_ASAN)
  target_compile_options(holdfast_flags INTERFACE -fsanitize=address,undefined
    -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(holdfast_flags INTERFACE -fsanitize=address,undefined)
endif()
if(HOLDFAST_TSAN)
  target_compile_options(holdfast_flags INTERFACE -fsanitize=thread)
  target_link_options(holdfast_flags INTERFACE -fsanitize=thread)
endif()
if(HOLDFAST_FUZZ)
  target_compile_options(holdfast_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

find_program(MOLD_LINKER mold)
if(MOLD_LINKER)
  add_link_options(-fuse-ld=mold)
endif()
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()

function(holdfast_module name)
  cmake_parse_arguments(MODULE "" "" "USES;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp")
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")

  add_library(holdfast_${name} STATIC ${sources})
  set_target_properties(holdfast_${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(holdfast_${name} PUBLIC holdfast_flags ${MODULE_LIBRARIES})
  foreach(used IN LISTS MODULE_USES)
    target_link_libraries(holdfast_${name} PUBLIC holdfast_${used})
  endforeach()

  if(tests)
    add_executable(${name}_test ${tests} "${CMAKE_SOURCE_DIR}/tests/doubles/doctest_main.cpp")
    target_link_libraries(${name}_test PRIVATE holdfast_${name} doctest::doctest
      ${RAPIDCHECK_LIBRARY})
    target_include_directories(${name}_test PRIVATE "${CMAKE_SOURCE_DIR}/tests")
    target_compile_definitions(${name}_test PRIVATE
      HOLDFAST_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
    add_test(NAME ${name} COMMAND ${name}_test)
  endif()
endfunction()
