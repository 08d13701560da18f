# What `cmake --install` puts beside the programs: systemd's files, examples, pages. Folders follow GNUInstallDirs; systemd's
# own and those of shells stand under the prefix, where these look when it is /usr or /usr/local.

set(systemd_dir lib/systemd/system)
foreach(unit sluice.service sluice-local.service)
  configure_file(${CMAKE_SOURCE_DIR}/deploy/systemd/${unit}.in ${CMAKE_BINARY_DIR}/generated/${unit} @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/generated/${unit} DESTINATION ${systemd_dir})
endforeach()
install(FILES deploy/systemd/sluice.sysusers DESTINATION lib/sysusers.d RENAME sluice.conf)
install(FILES deploy/systemd/sluice.tmpfiles DESTINATION lib/tmpfiles.d RENAME sluice.conf)
install(FILES deploy/systemd/sluice.default DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/default RENAME sluice)
install(DIRECTORY DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/sluice)

install(DIRECTORY deploy/examples deploy/iam DESTINATION ${CMAKE_INSTALL_DOCDIR} USE_SOURCE_PERMISSIONS
  PATTERN "__pycache__" EXCLUDE)
