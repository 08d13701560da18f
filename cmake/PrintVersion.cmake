# cmake -P cmake/PrintVersion.cmake, from the root of the tree: says the version on standard output, for scripts.
include(${CMAKE_CURRENT_LIST_DIR}/Version.cmake)
sluice_read_version(number text)
execute_process(COMMAND ${CMAKE_COMMAND} -E echo ${text})
