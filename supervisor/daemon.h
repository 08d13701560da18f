/*
 * The supervisor itself: what "sluice run" does once the configuration is read. Holds the lock of the state
 * folder, the fleets, the AWS clients, the admin socket and the signals, and runs the loop until it is told
 * to stop and all workers have drained.
 */
#ifndef SLUICE_SUPERVISOR_DAEMON_H
#define SLUICE_SUPERVISOR_DAEMON_H

#include "base/err.h"
#include "supervisor/config.h"

/* Runs until TERM, INT or QUIT and the drain after it. Returns an exit code (base/exitcode.h): 0 after a
 * drain; 75 when another supervisor holds the state folder or the socket, 78 when the configuration does not
 * fit this host, 74 for files and sockets, each with err. Call from the main thread. */
int daemon_run(const struct config *config, struct err *err);

#endif
