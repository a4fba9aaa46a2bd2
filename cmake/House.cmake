# One folder, one library, one floor. A folder may rest only on folders of a strictly lower floor;
# asking for anything else stops the configure step with the two names in the message.
#
#   house_library(wire FLOOR 1 SOURCES http1.cc HEADERS http1.h TESTS http1_test.cc ON base SYSTEM PkgConfig::x)
#
# SOURCES, HEADERS and TESTS are relative to the calling folder. ON names lower folders; SYSTEM names
# libraries of the machine. TESTS become the one test program `<name>_test`.
find_package(GTest REQUIRED)
find_package(fmt REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

add_library(house_flags INTERFACE)
# stable_sort of libstdc++ 12 uses what clang 19 calls deprecated; nothing of ours does.
target_compile_options(house_flags INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wno-missing-designated-field-initializers -Wno-deprecated-declarations)
target_include_directories(house_flags INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR})
target_link_libraries(house_flags INTERFACE fmt::fmt Threads::Threads)

add_library(house_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cc)
target_link_libraries(house_pch PRIVATE house_flags)
if(HALE_PCH)
  target_precompile_headers(house_pch PRIVATE
    <algorithm> <array> <atomic> <chrono> <cstdint> <expected> <functional> <map> <memory> <mutex> <optional> <span>
    <string> <string_view> <unordered_map> <utility> <variant> <vector> <fmt/format.h>)
endif()

function(house_pch target)
  if(HALE_PCH)
    target_precompile_headers(${target} REUSE_FROM house_pch)
  endif()
endfunction()

# Part of every test program: tells which marked branches its tests took.
set(HOUSE_REACHED_MARKS ${PROJECT_SOURCE_DIR}/tests/support/reached_marks.cc)

function(house_library name)
  cmake_parse_arguments(arg "" "FLOOR" "SOURCES;HEADERS;TESTS;ON;TESTS_ON;SYSTEM" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "house_library(${name}): what is ${arg_UNPARSED_ARGUMENTS}?")
  endif()
  add_library(${name} STATIC ${arg_SOURCES})
  add_library(hale::${name} ALIAS ${name})
  target_sources(${name} PRIVATE ${arg_HEADERS})
  set_target_properties(${name} PROPERTIES HOUSE_FLOOR ${arg_FLOOR} LINKER_LANGUAGE CXX)
  foreach(below IN LISTS arg_ON)
    get_target_property(floor ${below} HOUSE_FLOOR)
    if(NOT floor LESS arg_FLOOR)
      message(FATAL_ERROR "${name} (floor ${arg_FLOOR}) may not rest on ${below} (floor ${floor})")
    endif()
    target_link_libraries(${name} PUBLIC ${below})
  endforeach()
  target_link_libraries(${name} PUBLIC house_flags ${arg_SYSTEM})
  house_pch(${name})
  set_property(GLOBAL APPEND PROPERTY HOUSE_HEADERS ${arg_HEADERS})
  # Each header compiles alone, so that a reader may start anywhere.
  if(HALE_VERIFY_HEADERS)
    foreach(header IN LISTS arg_HEADERS)
      string(MAKE_C_IDENTIFIER ${header} stem)
      set(alone ${CMAKE_CURRENT_BINARY_DIR}/alone_${stem}.cc)
      file(CONFIGURE OUTPUT ${alone} CONTENT "#include \"${CMAKE_CURRENT_SOURCE_DIR}/${header}\"\n")
      list(APPEND alone_sources ${alone})
    endforeach()
    if(alone_sources)
      add_library(${name}_headers OBJECT ${alone_sources})
      set_target_properties(${name}_headers PROPERTIES UNITY_BUILD OFF)
      target_link_libraries(${name}_headers PRIVATE ${name})
    endif()
  endif()
  if(arg_TESTS AND BUILD_TESTING)
    add_executable(${name}_test ${arg_TESTS} ${HOUSE_REACHED_MARKS})
    # Tests keep their own translation units: anonymous fixtures may share names.
    set_target_properties(${name}_test PROPERTIES UNITY_BUILD OFF)
    target_link_libraries(${name}_test PRIVATE ${name} ${arg_TESTS_ON} GTest::gtest_main)
    house_pch(${name}_test)
    gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST PROPERTIES LABELS unit TIMEOUT 300)
  endif()
endfunction()
