# The version, in one place: sluice_read_version(RET_NUMBER RET_TEXT).
#
#   number  three numbers, for CMake and package names
#   text    what the programs say: the number, and what git adds to it
#
# In this order: .tarball-version, which deploy/release puts into source tarballs; the nearest tag vN.N.N of a git
# checkout, with +COMMITS.gHASH when there are commits after it ("0.1.0+12.g1a2b3c4": later than 0.1.0 for dpkg, rpm and
# Semantic Versioning alike); the file VERSION, where there is no such tag.

# A script (PrintVersion.cmake) has nothing to configure.
function(sluice_configure_again_for path)
  if(NOT CMAKE_SCRIPT_MODE_FILE)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${path}")
  endif()
endfunction()

function(sluice_describe ret)
  set(${ret} "" PARENT_SCOPE)
  find_package(Git QUIET)
  # A tree that lies within somebody else's checkout is not described by it.
  if(NOT GIT_FOUND OR NOT EXISTS ${CMAKE_SOURCE_DIR}/.git)
    return()
  endif()
  execute_process(COMMAND ${GIT_EXECUTABLE} describe --tags --match "v[0-9]*" --abbrev=7
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE text ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(text)
    # Configure again when a commit or a tag changes the answer.
    foreach(name logs/HEAD refs/tags packed-refs)
      execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --git-path ${name}
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE path ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
      get_filename_component(path "${path}" ABSOLUTE BASE_DIR ${CMAKE_SOURCE_DIR})
      if(EXISTS "${path}")
        sluice_configure_again_for("${path}")
      endif()
    endforeach()
  endif()
  string(REGEX REPLACE "^v" "" text "${text}")
  string(REGEX REPLACE "-([0-9]+)-g([0-9a-f]+)$" "+\\1.g\\2" text "${text}")
  set(${ret} "${text}" PARENT_SCOPE)
endfunction()

function(sluice_read_version ret_number ret_text)
  set(text "")
  sluice_configure_again_for(${CMAKE_SOURCE_DIR}/VERSION)
  if(EXISTS ${CMAKE_SOURCE_DIR}/.tarball-version)
    file(STRINGS ${CMAKE_SOURCE_DIR}/.tarball-version text LIMIT_COUNT 1)
    set(from ".tarball-version")
  else()
    sluice_describe(text)
    set(from "git describe")
  endif()
  if(NOT text)
    file(STRINGS ${CMAKE_SOURCE_DIR}/VERSION text LIMIT_COUNT 1)
    set(from "VERSION")
  endif()
  if(NOT text MATCHES "^([0-9]+\\.[0-9]+\\.[0-9]+)([-+~][0-9A-Za-z.+~-]*)?$")
    message(FATAL_ERROR "${from} says version \"${text}\": want N.N.N, such as 1.2.0, 1.2.0-rc1 or 1.2.0+3.g1a2b3c4")
  endif()
  set(${ret_number} "${CMAKE_MATCH_1}" PARENT_SCOPE)
  set(${ret_text} "${text}" PARENT_SCOPE)
endfunction()
