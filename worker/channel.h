/*
 * The worker's end of the telemetry socket: ready, stats, hist and bye lines out, limit lines in, and its
 * end, which means that the supervisor is gone. Written without blocking, from the event loop itself, so that
 * a stuck loop goes silent.
 */
#ifndef SLUICE_WORKER_CHANNEL_H
#define SLUICE_WORKER_CHANNEL_H

#include "base/err.h"
#include "base/loop.h"
#include "base/telemetry.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CHANNEL_STATS_MS = 1000, /* product time between two stats lines ... */
    CHANNEL_STATS_FLOOR_MS =
        100,               /* ... and least real time: at speed 20 a line every 50 ms would only cost */
    CHANNEL_HIST_EVERY = 5 /* stats lines between two rounds of histograms */
};

struct channel_ops {
    void *arg;
    void (*get_stats)(void *arg, struct telemetry_stats *ret_stats);
    const struct histogram *(*get_hist)(void *arg, enum telemetry_hist hist);
    void (*on_limit)(void *arg, int64_t limit);
    void (*on_closed)(void *arg);
};

struct channel {
    int fd; /* -1: none, or closed */
    struct channel_ops ops;
    struct telemetry_reader reader;
    struct telemetry_writer writer;
    struct event *readable; /* owned */
    struct loop_timer timer;
    uint64_t bad_lines_logged;
    int stats_sent;                          /* since the last round of histograms */
    int64_t hist_counts[TELEMETRY_HIST_MAX]; /* values in the histograms that were sent last */
};

/* Whether fd is -1 or an open stream socket. Look before anything else is opened, so that a number that names
 * nothing does not come to name something of ours. Returns 0, or -1 with err. */
int channel_check_fd(int fd, struct err *err);

/* Takes over fd (-1: a channel that does nothing), which channel_check_fd() has passed, and watches it. */
void channel_init(struct channel *channel, struct event_base *base, int fd, const struct channel_ops *ops);
/* Sends ready and from then on stats. */
void channel_send_ready(struct channel *channel, const char *worker, int threads, int capacity);
/* Sends the last stats and histograms, and bye. */
void channel_send_bye(struct channel *channel, const char *reason, int64_t returned);
void channel_clean_up(struct channel *channel);

#endif
