# Packages by CPack: a Debian package (cpack -G DEB) and a tar archive of the installed tree (cpack -G TGZ), both for /usr,
# whatever prefix the build has. deploy/release makes them all.

# Debian's own order: 0.1.0~rc1 comes before 0.1.0.
string(REPLACE "-" "~" package_version "${SLUICE_VERSION_TEXT}")

set(CPACK_PACKAGE_NAME sluice)
set(CPACK_PACKAGE_VENDOR "Sluice maintainers")
set(SLUICE_MAINTAINER "Sluice maintainers <maintainers@sluice.invalid>" CACHE STRING "Who answers for packages: NAME <ADDRESS>")
if(NOT SLUICE_MAINTAINER MATCHES "^[^<>\n]+ <[^<>@ ]+@[^<>@ ]+>$")
  message(FATAL_ERROR "SLUICE_MAINTAINER is \"${SLUICE_MAINTAINER}\": want NAME <ADDRESS>")
endif()
set(CPACK_PACKAGE_CONTACT "${SLUICE_MAINTAINER}")
set(CPACK_PACKAGE_VERSION "${package_version}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "supervisor of SQS worker fleets")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGE_FILE_NAME "sluice-${SLUICE_VERSION_TEXT}-${CMAKE_SYSTEM_PROCESSOR}")
set(CPACK_STRIP_FILES ON)
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_GENERATOR "DEB;TGZ")
set(CPACK_THREADS 2)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS
  "ca-certificates, systemd | systemd-standalone-sysusers | systemd-sysusers, systemd | systemd-standalone-tmpfiles | systemd-tmpfiles")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "Sluice keeps a fleet of SQS workers at the right size.
A supervisor watches the depth of a queue and starts and stops workers between
a minimum and a maximum, as processes of this host or as tasks of an Amazon
ECS service.

The package has the supervisor and operator's command (sluice), a worker that
runs handlers in many threads (sluice-worker), and a loopback endpoint for
development (sluice-localaws). Nothing is started when it is installed.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
set(control ${CMAKE_SOURCE_DIR}/deploy/debian)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${control}/postinst ${control}/prerm ${control}/postrm ${control}/conffiles)

# What Debian wants of an installed tree and others do not: compressed pages, its own changelog and copyright.
configure_file(cmake/PackageDebian.cmake.in generated/PackageDebian.cmake @ONLY)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_BINARY_DIR}/generated/PackageDebian.cmake)
include(CPack)
