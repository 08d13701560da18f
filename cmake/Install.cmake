# What `cmake --install` puts beside the programs and their pages: systemd's files, examples, documentation.
#
# systemd's files name other folders, which follow from the prefix; and the prefix is known for sure only when it is
# installed (cmake --install --prefix, packages). So a script of that moment writes them.
configure_file(cmake/InstallSystem.cmake.in generated/InstallSystem.cmake @ONLY)
install(SCRIPT ${CMAKE_BINARY_DIR}/generated/InstallSystem.cmake)

install(FILES README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)
install(DIRECTORY deploy/examples deploy/iam DESTINATION ${CMAKE_INSTALL_DOCDIR} USE_SOURCE_PERMISSIONS
  PATTERN "__pycache__" EXCLUDE)
