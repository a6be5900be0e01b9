# retake_module(NAME DIR [DEPENDS module...] [LIBS library...]): the library retake_NAME of all C++ sources directly in
# DIR. A module without sources yet is an interface, so that an empty room needs no special case.
function(retake_module name dir)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${dir}/*.cc)
  if(name STREQUAL "arch")
    # Descriptions of every architecture; the machine half of the host's only.
    file(GLOB descriptions CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/arch/*/description*.cc)
    file(GLOB machine CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/arch/${RETAKE_ARCH}/machine*.cc
                                        ${PROJECT_SOURCE_DIR}/arch/${RETAKE_ARCH}/stub.S
                                        ${PROJECT_SOURCE_DIR}/arch/${RETAKE_ARCH}/inject.S)
    list(APPEND sources ${descriptions} ${machine})
  endif()
  if(sources)
    add_library(retake_${name} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(retake_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_link_libraries(retake_${name} ${scope} retake_options Threads::Threads)
  if(name STREQUAL "stub")
    retake_embed_husk()
  endif()
  foreach(dependency ${ARG_DEPENDS})
    target_link_libraries(retake_${name} ${scope} retake_${dependency})
  endforeach()
  foreach(library ${ARG_LIBS})
    if(library STREQUAL "unwind")
      target_link_libraries(retake_${name} ${scope} unwind-${RETAKE_ARCH}
                            # Before libunwind, whose archive defines the C++ runtime's unwinder too.
                            $<$<BOOL:${RETAKE_STATIC}>:gcc_eh> unwind lzma)
    else()
      target_link_libraries(retake_${name} ${scope} ${library})
    endif()
  endforeach()
endfunction()

# Links the husk, a static program without libc, for the target architecture and embeds the file into retake_stub. Its
# address lies below the stub page (src/stub/layout.h), clear of it for every page size.
function(retake_embed_husk)
  set(husk ${PROJECT_BINARY_DIR}/husk)
  set(source ${PROJECT_SOURCE_DIR}/arch/${RETAKE_ARCH}/husk.S)
  add_custom_command(
    OUTPUT ${husk}
    COMMAND ${CMAKE_CXX_COMPILER} -nostdlib -static -no-pie -s -Wl,--build-id=none -Wl,-z,noseparate-code
            -Wl,-z,noexecstack -Wl,-Ttext-segment=0x60000000 -o ${husk} ${source}
    DEPENDS ${source}
    COMMENT "Linking the husk"
    VERBATIM)
  target_compile_definitions(retake_stub PRIVATE RETAKE_HUSK_FILE="${husk}")
  set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/stub/husk.cc APPEND PROPERTY OBJECT_DEPENDS ${husk})
endfunction()
