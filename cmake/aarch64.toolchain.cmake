# Cross-compiles retake for aarch64 with Debian's g++-aarch64-linux-gnu, against the private sysroot that
# scripts/aarch64-sysroot DIR makes:
#
#   scripts/aarch64-sysroot DIR
#   AARCH64_DIR=DIR cmake -S . -B build-aarch64 -G Ninja -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.toolchain.cmake
#
# What is built runs in tests/aarch64/run-in-machine: `./scripts/test --aarch64` does all of it.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

# In the cache, since a build that configures again has another environment.
if(NOT AARCH64_DIR)
  set(AARCH64_DIR "$ENV{AARCH64_DIR}" CACHE PATH "What scripts/aarch64-sysroot filled" FORCE)
endif()
if(NOT EXISTS ${AARCH64_DIR}/sysroot/usr)
  message(FATAL_ERROR "No sysroot in AARCH64_DIR (\"${AARCH64_DIR}\"): run scripts/aarch64-sysroot DIR, then configure "
                      "with -DAARCH64_DIR=DIR or AARCH64_DIR=DIR in the environment.")
endif()
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES AARCH64_DIR)

get_filename_component(CMAKE_SYSROOT ${AARCH64_DIR}/sysroot ABSOLUTE)
set(CMAKE_FIND_ROOT_PATH ${CMAKE_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CMAKE_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR}
    ${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig)
