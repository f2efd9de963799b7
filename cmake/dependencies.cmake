# SPDX-License-Identifier: Apache-2.0
# What the build needs comes from the distribution. Nothing is downloaded and nothing is vendored;
# what is missing stops the configuration with the command that installs it.

macro(fa4_require package apt_package purpose)
  find_package(${package} ${ARGN} QUIET)
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR "${package} was not found; fa4 needs it for ${purpose}. "
                        "Install it with: sudo apt-get install -y ${apt_package}")
  endif()
endmacro()

fa4_require(hwy libhwy-dev "SIMD on the CPU")
fa4_require(dlpack libdlpack-dev "the tensors of its C API")
fa4_require(fmt libfmt-dev "its messages")
fa4_require(Threads g++ "compiling kernels in parallel")
fa4_require(OpenMP g++ "threads on the CPU" COMPONENTS CXX)
fa4_require(nlohmann_json nlohmann-json3-dev "the description of a plan")
fa4_require(CLI11 libcli11-dev "its command line")

find_package(GTest QUIET)
if(NOT GTest_FOUND)
  message(STATUS "GoogleTest was not found, so no tests are built. "
                 "Install it with: sudo apt-get install -y libgtest-dev")
endif()
