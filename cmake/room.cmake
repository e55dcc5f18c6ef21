# One room of the design = one folder under src/ = one static library sg_<room>, and, where the
# folder has *_test.cc files, one test executable <room>_test that is registered with CTest.
#   sg_room(fleet DEPS core [LIBS OpenSSL::Crypto])
function(sg_room room)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS;TEST_LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(TRANSFORM ARG_DEPS PREPEND sg_)

  add_library(sg_${room} STATIC ${sources})
  target_include_directories(sg_${room} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(sg_${room} PUBLIC sg_options ${ARG_DEPS} ${ARG_LIBS})

  if(tests AND SWITCHGEAR_TESTS)
    add_executable(${room}_test ${tests})
    target_link_libraries(${room}_test PRIVATE sg_${room} ${ARG_TEST_LIBS} GTest::gmock GTest::gtest_main)
    add_test(NAME ${room} COMMAND ${room}_test)
  endif()
endfunction()
