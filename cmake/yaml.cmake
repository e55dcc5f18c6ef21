# yaml-cpp from its archive: Debian's own package file names only the shared library.
find_library(yaml_cpp_archive libyaml-cpp.a)
find_path(yaml_cpp_headers yaml-cpp/yaml.h)
if(NOT yaml_cpp_archive OR NOT yaml_cpp_headers)
  message(FATAL_ERROR "yaml-cpp was not found as a static library; install libyaml-cpp-dev")
endif()
add_library(yaml-cpp STATIC IMPORTED GLOBAL)
set_target_properties(yaml-cpp PROPERTIES IMPORTED_LOCATION ${yaml_cpp_archive}
                      INTERFACE_INCLUDE_DIRECTORIES ${yaml_cpp_headers})
add_library(yaml-cpp::yaml-cpp ALIAS yaml-cpp)
