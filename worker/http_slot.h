/*
 * One connection of the http handler: a libcurl handle that is kept and used again, for one request at a
 * time, which blocks its thread until the reply, a time limit or the message's cancel descriptor.
 *
 * A request goes out once. libcurl by itself repeats one on a new connection when a kept one was closed
 * without an answer; whether the application saw the first is unknown, so it is not repeated here: SQS
 * delivers the message again, and counts that.
 */
#ifndef SLUICE_WORKER_HTTP_SLOT_H
#define SLUICE_WORKER_HTTP_SLOT_H

#include "worker/http_answer.h"
#include "worker/http_head.h"

#include <stdint.h>

struct http_slot;

struct http_slot_options {
    const struct http_target *target; /* outlives the slots, as all the texts here do */
    const char *user_agent;
    const char *unix_socket;    /* NULL: TCP */
    const char *ca_file;        /* NULL: the system's */
    const char *proxy;          /* "": none; NULL: as the environment says */
    int64_t timeout_ms;         /* real, of a request */
    int64_t connect_timeout_ms; /* real, of all attempts to get a connection for a request */
    int64_t connect_pause_ms;   /* real, between two of them at the start; doubles to ten times as much */
};

/* Aborts when libcurl cannot be set up (out of memory). Call curl_global_init() once before. */
struct http_slot *http_slot_new(const struct http_slot_options *options);
void http_slot_destroy(struct http_slot *slot);

enum http_end {
    HTTP_END_ANSWERED,  /* status and answer are there, the body as far as it was wanted */
    HTTP_END_UNSENT,    /* no connection: the application has seen nothing */
    HTTP_END_LOST,      /* sent, maybe handled, no complete reply */
    HTTP_END_CANCELLED, /* the lease is lost or the worker leaves; the connection is closed */
};

struct http_result {
    enum http_end end;
    int status;
    const struct http_answer *answer; /* valid until the next request */
    char problem[160];                /* in words, unless answered */
};

/* Posts `body` to `url` (one of the target's origin). `lines` is only read. */
void http_slot_post(struct http_slot *slot, const char *url, struct curl_slist *lines, const char *body,
                    size_t body_len, const struct sluice_context *context, struct http_result *ret_result);

#endif
