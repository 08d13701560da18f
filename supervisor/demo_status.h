/*
 * What the supervisor says of itself: GET /v1/status over its admin socket, asked in the loop, one request at
 * a time. The demo takes the states of workers and the last decision from it, never their existence
 * (demo_proc.h).
 */
#ifndef SLUICE_SUPERVISOR_DEMO_STATUS_H
#define SLUICE_SUPERVISOR_DEMO_STATUS_H

#include "base/err.h"
#include "base/loop.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bufferevent;
struct event_base;

enum demo_worker_state { DEMO_WORKER_STARTING, DEMO_WORKER_READY, DEMO_WORKER_DRAINING };

struct demo_status_worker {
    pid_t pid;
    enum demo_worker_state state;
    int64_t busy;           /* handlers running, by the last telemetry line */
    int64_t start_ready_ms; /* real, from the fork to ready; -1 not ready yet */
};

struct demo_status_report {
    int64_t desired;                    /* -1 unknown */
    int64_t restarts;                   /* processes that were started in the place of one that ended */
    int64_t reporting;                  /* tasks whose telemetry reaches the supervisor; 0 without */
    struct demo_status_worker *workers; /* owned; those with a process */
    size_t worker_count;
    char decision[256]; /* the last decision in words, "" none yet */
    char change[256];   /* the last one that changed desired, "" none yet */
    int64_t change_seq; /* its number, 0 none yet */
};

/* Reads one reply's JSON. Returns 0, or -1 with err; the report is cleaned up by the caller with
 * demo_status_report_clean_up(). Pure. */
int demo_status_parse(const char *json, size_t len, struct demo_status_report *ret_report, struct err *err);
void demo_status_report_clean_up(struct demo_status_report *report);

struct demo_status {
    struct event_base *base;  /* borrowed */
    char *socket_path;        /* owned */
    struct bufferevent *wire; /* owned; NULL: no request under way */
    struct strbuf reply;
    struct loop_timer timeout; /* real */
    /* report is NULL with err when nobody answered; otherwise valid during the call. */
    void (*fn)(void *arg, const struct demo_status_report *report, const struct err *err);
    void *arg;
};

void demo_status_init(struct demo_status *status, struct event_base *base, const char *socket_path);
void demo_status_clean_up(struct demo_status *status);

/* Asks; fn is called once, later in the loop. Not while a request is under way. */
void demo_status_get(struct demo_status *status,
                     void (*fn)(void *arg, const struct demo_status_report *report, const struct err *err),
                     void *arg);
/* Forgets the request under way, if any; fn is not called. */
void demo_status_cancel(struct demo_status *status);

#endif
