# The version of the tree in the current folder, for scripts: cmake -P cmake/print-version.cmake
include(${CMAKE_CURRENT_LIST_DIR}/Version.cmake)
sluice_read_version(number text)
execute_process(COMMAND ${CMAKE_COMMAND} -E echo "${text}")
