/*
 * Telemetry by HTTP, for a worker that has no socket to its supervisor (a task of an ECS service): POSTs
 * ready, stats and hist lines to SLUICE_TELEMETRY_URL, one POST at a time, and reads control lines from the
 * replies. It has an HTTP client of its own, so that no message ever waits for it, and a supervisor that is
 * away or slow changes nothing: unlike the end of the socket it does not mean that the worker should drain.
 * In the loop's thread.
 *
 * On ECS the worker is named by its task's ARN, asked of the container agent
 * (${ECS_CONTAINER_METADATA_URI_V4}/task, Amazon ECS Developer Guide, "Task metadata endpoint version 4"); an
 * agent that does not answer costs the ARN, not the telemetry.
 */
#ifndef SLUICE_WORKER_UPLINK_H
#define SLUICE_WORKER_UPLINK_H

#include "base/err.h"
#include "worker/channel.h"
#include "worker/settings.h"
#include "worker/uplink_state.h"

struct event_base;
struct uplink;

enum {
    UPLINK_CONNECT_MS = 2000,       /* real */
    UPLINK_TIMEOUT_MS = 5000,       /* real, of a whole POST */
    UPLINK_END_MS = 500,            /* real: what bye may delay the worker's end */
    UPLINK_METADATA_MS = 2000,      /* real, of one question for the task's ARN ... */
    UPLINK_METADATA_TRIES = 5,      /* ... of so many ... */
    UPLINK_METADATA_PAUSE_MS = 500, /* ... so long apart */
    UPLINK_REPLY_BYTES_MAX = 16 * 1024
};

/* Whether a URL may be POSTed to: https, or http within private networks (a name is judged by its address, at
 * every connection). Returns 0, or -1 with err. */
int uplink_check_url(const char *url, struct err *err);

/* NULL with err when the token cannot be had. The settings outlive it; on_closed is not used. */
struct uplink *uplink_new(struct event_base *base, const struct settings *settings,
                          const struct channel_ops *ops, struct err *err);

/* The worker is ready: telemetry begins. */
void uplink_start(struct uplink *uplink, int threads, int capacity);
/* Sends the last stats, and bye. True: fn(arg) comes later, within UPLINK_END_MS. */
bool uplink_end(struct uplink *uplink, const char *reason, int64_t returned, void (*fn)(void *arg),
                void *arg);

const struct uplink_state *uplink_get_state(const struct uplink *uplink);

/* Accepts NULL. */
void uplink_destroy(struct uplink *uplink);

#endif
