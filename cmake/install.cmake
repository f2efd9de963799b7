# SPDX-License-Identifier: Apache-2.0
# cmake --install: library, headers, command, find_package(fa4) and fa4.pc.
include(CMakePackageConfigHelpers)

set(fa4_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/fa4)
install(TARGETS fa4 fa4emu EXPORT fa4-targets)
install(TARGETS fa4_command emurun)
install(TARGETS fa4cudart fa4cudart12 fa4cudart13 LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/emurun)
install(FILES ${PROJECT_BINARY_DIR}/lib/emurun/libcuda.so.1 DESTINATION ${CMAKE_INSTALL_LIBDIR}/emurun)
install(DIRECTORY include/fa4 DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT fa4-targets NAMESPACE fa4:: DESTINATION ${fa4_package_dir})

configure_package_config_file(cmake/fa4-config.cmake.in fa4-config.cmake
                              INSTALL_DESTINATION ${fa4_package_dir})
write_basic_package_version_file(fa4-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/fa4-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/fa4-config-version.cmake
        DESTINATION ${fa4_package_dir})

# DLPack ships no .pc file, so fa4.pc names its folder where a compiler would not look by itself.
set(FA4_PC_DLPACK_CFLAGS "")
get_target_property(dlpack_include dlpack::dlpack INTERFACE_INCLUDE_DIRECTORIES)
foreach(folder IN LISTS dlpack_include)
  cmake_path(ABSOLUTE_PATH folder NORMALIZE)
  if(NOT folder IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
    string(APPEND FA4_PC_DLPACK_CFLAGS " -I${folder}")
  endif()
endforeach()
file(RELATIVE_PATH FA4_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/fa4.pc.in fa4.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/fa4.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
