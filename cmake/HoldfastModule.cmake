# holdfast_module(NAME USES other modules... LIBRARIES third party targets...)
# holdfast_suite(NAME)   the tests of tests/NAME/*.cpp, which may use every module
# holdfast_fuzz_targets()   tests/fuzz/*_fuzz.cpp
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
  # g++ 12 sees ghosts in std::optional and in its own AVX-512 headers; clang and MSan do not.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
  # libbson asks for 128-byte alignment of a type that it allocates with malloc.
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wno-gnu-statement-expression -Wno-align-mismatch>)
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

# `asan_suite` and `tsan_suite` are what ./dev test builds with a sanitizer: what parses foreign
# bytes, and what uses threads. The tests carry the labels `asan` and `tsan`.
set(HOLDFAST_ASAN_TESTS base bson mongo oplog store repo dataset catalog contract)
set(HOLDFAST_TSAN_TESTS base store repo backup)
add_custom_target(asan_suite)
add_custom_target(tsan_suite)
add_custom_target(fuzz_targets)

# Registers the test binary of a module or suite under the module's name.
function(holdfast_add_test name binary)
  add_test(NAME ${name} COMMAND ${binary} ${ARGN})
  set(labels "")
  if(name IN_LIST HOLDFAST_ASAN_TESTS)
    list(APPEND labels asan)
    add_dependencies(asan_suite ${binary})
  endif()
  if(name IN_LIST HOLDFAST_TSAN_TESTS)
    list(APPEND labels tsan)
    add_dependencies(tsan_suite ${binary})
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${labels}")
endfunction()

function(holdfast_add_test_binary name)
  cmake_parse_arguments(BINARY "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name}_test ${BINARY_SOURCES}
    "${CMAKE_SOURCE_DIR}/tests/doubles/doctest_main.cpp")
  target_link_libraries(${name}_test PRIVATE ${BINARY_LIBRARIES} doctest::doctest
    ${RAPIDCHECK_LIBRARY})
  target_include_directories(${name}_test PRIVATE "${CMAKE_SOURCE_DIR}/tests")
  target_compile_definitions(${name}_test PRIVATE
    HOLDFAST_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
  holdfast_add_test(${name} ${name}_test)
endfunction()

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
    holdfast_add_test_binary(${name} SOURCES ${tests} LIBRARIES holdfast_${name})
  endif()
endfunction()

function(holdfast_suite name)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp")
  if(sources)
    holdfast_add_test_binary(${name} SOURCES ${sources} LIBRARIES holdfast_cli)
  endif()
endfunction()

# With HOLDFAST_FUZZ each target is a libFuzzer binary; otherwise it replays its kept corpus and
# seeded mutations of it, and is an ordinary test.
function(holdfast_fuzz_targets)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/*_fuzz.cpp")
  foreach(source IN LISTS sources)
    get_filename_component(name "${source}" NAME_WE)
    if(HOLDFAST_FUZZ)
      add_executable(${name} "${source}")
      target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    else()
      add_executable(${name} "${source}" "${CMAKE_SOURCE_DIR}/tests/doubles/fuzz_replay_main.cpp")
      if(name STREQUAL "canary_fuzz")
        # The planted bug must stop a replay. (A crash fails even a test that WILL_FAIL.)
        add_test(NAME canary_fuzz COMMAND sh -c "! \"$0\" \"$1\"" $<TARGET_FILE:canary_fuzz>
          "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/planted")
      else()
        list(APPEND HOLDFAST_ASAN_TESTS ${name})
        holdfast_add_test(${name} ${name} "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name}")
      endif()
    endif()
    target_link_libraries(${name} PRIVATE holdfast_cli PkgConfig::SIMDJSON)
    target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests")
    add_dependencies(fuzz_targets ${name})
  endforeach()
endfunction()
