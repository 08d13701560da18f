/*
 * Tells systemd (or whoever set NOTIFY_SOCKET) how a service does: READY=1, STATUS=..., WATCHDOG=1,
 * STOPPING=1, one datagram each, without an answer. Call from one thread.
 *
 * Source: sd_notify(3), sd_watchdog_enabled(3): NOTIFY_SOCKET is a path or, with a leading @, an abstract
 * name; WATCHDOG_USEC is the limit between two WATCHDOG=1, meant for the process WATCHDOG_PID alone when that
 * is set.
 */
#ifndef SLUICE_BASE_SD_NOTIFY_H
#define SLUICE_BASE_SD_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct sd_notify {
    char socket[108];    /* "": nobody wants to know */
    int64_t watchdog_ms; /* how often to send WATCHDOG=1: half of the limit; 0: never. Real time */
    int fd;              /* -1: none */
};

/* Reads the environment and takes the variables out of it, since they are not meant for children. A socket
 * that is neither absolute nor abstract, or too long, counts as none. */
void sd_notify_init(struct sd_notify *notify);
void sd_notify_clean_up(struct sd_notify *notify); /* safe after sd_notify_init() or on a zeroed struct */

/* Sends "READY=1\nSTATUS=..." or any other assignments, one a line. Waits at most 1 s for room: this must not
 * be lost. Returns whether it was sent; a failure changes nothing. */
bool sd_notify_send(struct sd_notify *notify, const char *text);
/* Sends WATCHDOG=1 without waiting: whoever has no room for it has heard enough. */
void sd_notify_feed(struct sd_notify *notify);

#endif
