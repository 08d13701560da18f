/*
 * Inside of the running worker, shared by runtime.c (signals, start and end), runtime_calls.c (the core's
 * calls) and runtime_telemetry.c (what it tells). One thread (main) owns everything here.
 */
#ifndef SLUICE_WORKER_RUNTIME_INTERNAL_H
#define SLUICE_WORKER_RUNTIME_INTERNAL_H

#include "base/err.h"
#include "base/loop.h"
#include "worker/channel.h"
#include "worker/core.h"
#include "worker/dispatch.h"
#include "worker/pool.h"
#include "worker/protection_agent.h"
#include "worker/report.h"
#include "worker/runtime.h"
#include "worker/strangers.h"
#include "worker/uplink.h"

struct runtime {
    const struct settings *settings;
    struct sluice_host host;
    void *instance; /* of the handler */
    uint32_t flags; /* of handler and instance */
    struct event_base *base;
    struct aws_credentials_provider *credentials;
    struct aws_client *poll_client;
    struct aws_client *ack_client;
    struct dispatch dispatch;
    struct pool *pool;
    struct core core;
    struct channel channel;
    struct uplink *uplink; /* NULL: telemetry goes by the channel, or nowhere */
    struct report *report;
    struct metrics_calls calls;
    struct strangers *strangers;         /* NULL: no orphans come here */
    struct protection_agent *protection; /* NULL: not on ECS, or not wanted */
    struct event *done_event;
    struct event *signal_event;
    int signal_fd;
    struct loop_timer core_timer;
    int64_t core_timer_ms; /* product time it is armed for; INT64_MAX: not armed */
    struct loop_timer ready_timer;
    int interrupts;
    int ends_awaited; /* last calls that the end of the process waits for */

    /* which parts exist, for the clean-up */
    bool dispatch_made, core_made;
};

/* ---- runtime.c ---- */

/* After everything that may have changed the core: ends the loop when the core is over, arms its timer. */
void runtime_after_event(struct runtime *rt);
/* Logs why the start has failed; returns the exit code given. */
int runtime_fail(const char *what, const struct err *err, int code);

/* ---- runtime_calls.c ---- */

/* What the core asks of the outside: calls to SQS, handler threads to be woken. */
struct core_ops runtime_core_ops(struct runtime *rt);

/* ---- runtime_telemetry.c ---- */

/* Opens the channel to the supervisor, or the uplink. Returns 0, or an exit code, logged. */
int runtime_open_telemetry(struct runtime *rt);
/* Opens what gives metrics to others than the supervisor. Likewise. */
int runtime_open_report(struct runtime *rt);
/* Tells `ready` as soon as the first receive is on its way; once the core runs. */
void runtime_watch_ready(struct runtime *rt);

#endif
