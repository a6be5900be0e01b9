# What the headers of both architectures say, for unit_arch to compare the descriptions with (S01, S02, S18). The other
# architecture's headers come with its cross compiler (Debian: g++-aarch64-linux-gnu, g++-x86-64-linux-gnu). A native
# build without one compares with its own headers only, which configure says; RETAKE_ALL_HEADERS, which CI sets, makes
# that an error.
option(RETAKE_ALL_HEADERS "Fail to configure if the other architecture's headers are missing" OFF)

target_include_directories(unit_arch PRIVATE ${CMAKE_CURRENT_LIST_DIR}/${RETAKE_ARCH})

function(retake_header_values arch compiler sysroot)
  set(out ${PROJECT_BINARY_DIR}/header_values/${arch}.inc)
  set(script ${PROJECT_SOURCE_DIR}/cmake/HeaderValues.cmake)
  set(values ${PROJECT_SOURCE_DIR}/tests/unit/arch/header_values_kernel.c
             ${PROJECT_SOURCE_DIR}/tests/unit/arch/header_values_libc.c)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DCOMPILER=${compiler} -DSYSROOT=${sysroot} "-DSOURCES=${values}" -DOUT=${out} -P ${script}
    DEPENDS ${script} ${values}
    COMMENT "Reading the headers of ${arch}"
    VERBATIM)
  target_sources(unit_arch PRIVATE ${out})
  target_include_directories(unit_arch PRIVATE ${PROJECT_BINARY_DIR}/header_values)
  target_compile_definitions(unit_arch PRIVATE RETAKE_HEADERS_${arch})
endfunction()

foreach(arch x86_64 aarch64)
  if(arch STREQUAL RETAKE_ARCH)
    retake_header_values(${arch} ${CMAKE_CXX_COMPILER} "${CMAKE_SYSROOT}")
    continue()
  endif()
  string(REPLACE _ - triplet ${arch})
  find_program(RETAKE_CXX_${arch} NAMES ${arch}-linux-gnu-g++ ${triplet}-linux-gnu-g++)
  if(RETAKE_CXX_${arch})
    retake_header_values(${arch} ${RETAKE_CXX_${arch}} "")
  elseif(RETAKE_ALL_HEADERS)
    message(FATAL_ERROR "No compiler for ${arch}, whose headers the tests compare with: install g++-${triplet}-linux-gnu.")
  else()
    message(STATUS "No compiler for ${arch}: unit_arch doesn't compare with its headers")
  endif()
endforeach()

# S13: an architecture that isn't there is refused by a sentence.
add_test(NAME S13_OtherArchitecture
         COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DBINARY=${PROJECT_BINARY_DIR}/other_architecture
                 -DCXX=${CMAKE_CXX_COMPILER} -P ${CMAKE_CURRENT_LIST_DIR}/other_architecture.cmake)
set_tests_properties(S13_OtherArchitecture PROPERTIES LABELS unit TIMEOUT 120)

# The decoder's oracle. (Not linked into retake: Debian has no static one.)
if(RETAKE_ARCH STREQUAL "x86_64")
  target_link_libraries(unit_arch PRIVATE Zydis)
endif()
