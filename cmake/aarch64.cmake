# SPDX-License-Identifier: Apache-2.0
# Cross-build for 64-bit ARM with Debian's g++-aarch64-linux-gnu; tests run under qemu-user.
# scripts/test-aarch64 unpacks the distribution's arm64 libraries into build-aarch64/sysroot.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(fa4_sysroot "${CMAKE_CURRENT_LIST_DIR}/../build-aarch64/sysroot")
set(CMAKE_FIND_ROOT_PATH "${fa4_sysroot}" /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# The libraries need one another, which the linker must find without their being named.
set(CMAKE_SHARED_LINKER_FLAGS_INIT "-Wl,-rpath-link,${fa4_sysroot}/usr/lib/aarch64-linux-gnu")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-rpath-link,${fa4_sysroot}/usr/lib/aarch64-linux-gnu")

set(CMAKE_CROSSCOMPILING_EMULATOR
    qemu-aarch64 -L /usr/aarch64-linux-gnu
    -E "LD_LIBRARY_PATH=${fa4_sysroot}/usr/lib/aarch64-linux-gnu")
