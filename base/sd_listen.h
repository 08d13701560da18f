/*
 * Sockets that systemd (or whoever set LISTEN_FDS) listens on for this process: it made them, with a mode and
 * an owner of its own, and keeps them open while the process is replaced. Call once, at the start, from one
 * thread.
 *
 * Source: sd_listen_fds(3): descriptors 3 to 3 + LISTEN_FDS - 1, meant for the process LISTEN_PID alone;
 * LISTEN_FDNAMES has names, which are not asked for here.
 */
#ifndef SLUICE_BASE_SD_LISTEN_H
#define SLUICE_BASE_SD_LISTEN_H

#include "base/err.h"

enum { SD_LISTEN_MAX = 8 };

/* Takes over what is passed: each a unix stream socket that listens already; made non-blocking, and not for
 * children. The variables are taken out of the environment, whatever they say. Returns how many there are, in
 * fds, the caller's to close; 0 when none is meant for us; -1 with err when one is another kind of thing or
 * there are too many, all left open. */
int sd_listen_take(int fds[SD_LISTEN_MAX], struct err *err);

#endif
