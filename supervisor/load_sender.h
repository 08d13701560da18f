/*
 * Sends orders to a queue on an open-loop schedule: message i is due at start + i / rate of product time,
 * whatever became of the ones before it. What is due at each tick goes out in batches of up to ten, several
 * at a time; entries that failed in a retryable way are sent again with exponential backoff in real time.
 *
 * An entry whose fate is unknown (no answer, a server error, a wrong checksum) is sent again too and may then
 * be in the queue twice: such orders are counted as `resent`. For that reason the client given must not retry
 * by itself (max_attempts 1): a hidden second attempt would make doubles that nobody counts.
 *
 * One sender, one event loop, one thread.
 */
#ifndef SLUICE_SUPERVISOR_LOAD_SENDER_H
#define SLUICE_SUPERVISOR_LOAD_SENDER_H

#include "aws/client.h"
#include "base/err.h"
#include "supervisor/orders.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct load_sender;

enum { LOAD_TICK_MS = 100, LOAD_BATCHES_MAX = 64 };

struct load_sender_options {
    struct event_base *base;     /* borrowed */
    struct aws_client *client;   /* borrowed; max_attempts 1, LOAD_BATCHES_MAX connections */
    const char *queue_url;       /* borrowed */
    const struct orders *orders; /* borrowed; all of them are sent */
    double rate;                 /* messages per product second, > 0 */
    int max_attempts;            /* per message, >= 1 */
    int64_t groups;              /* message groups, in turns; 0: none */
    bool fifo;                   /* the queue is a FIFO queue: with deduplication ids */
    int log_fd;                  /* where acknowledged messages are written (load_log.h); -1: nowhere */
    uint64_t seed;               /* of the backoff's jitter */
    void (*done)(void *arg);     /* called once in the loop, when nothing is left to do */
    void *arg;
};

/* Counts of orders; those of attempts say so. */
struct load_totals {
    int64_t acknowledged;           /* orders that SQS acknowledged at least once */
    int64_t acknowledged_sns;       /* of them: wrapped as SNS notifications */
    int64_t acknowledged_malformed; /* of them: malformed */
    int64_t failed;                 /* given up: refused, or all attempts used */
    int64_t failed_unknown;         /* of failed: may be in the queue all the same */
    int64_t unsent;                 /* never tried, because the sender was stopped */
    int64_t resent;          /* acknowledged after an attempt of unknown fate: perhaps twice in the queue */
    int64_t retried_entries; /* attempts beyond the first, of all orders */
    int64_t calls;           /* SendMessageBatch calls */
    int64_t started_ms;      /* product epoch ms: when message 0 was due */
    int64_t last_sent_ms;    /* product epoch ms: start of the last first attempt */
    int64_t late_max_ms;     /* product ms: longest time between due and first attempt */
    bool interrupted;        /* stopped before the schedule's end */
    struct aws_result fatal; /* kind OK, or why the sender stopped by itself: credentials, denied, not found,
                              * or nobody answers (transient) */
    struct aws_result last_error; /* of the last failed call, kind OK when there was none */
    struct err log_error; /* text is empty, or why the log could not be written (the sender stopped) */
};

/* Starts at once: message 0 is due now. */
struct load_sender *load_sender_new(const struct load_sender_options *options);
/* Drops calls under way. Accepts NULL. */
void load_sender_destroy(struct load_sender *sender);

/* No new messages; those under way are brought to an end, retries included. */
void load_sender_stop(struct load_sender *sender);

/* No new messages, no retries, waits for nothing: what has no answer yet counts as failed. Calls done(). */
void load_sender_abort(struct load_sender *sender);

void load_sender_get_totals(const struct load_sender *sender, struct load_totals *ret_totals);

/* How many messages are due `elapsed_ms` after the start of a schedule of `count` at `rate`: pure. */
int64_t load_schedule_due(int64_t elapsed_ms, double rate, int64_t count);
/* When message `index` is due, ms after the start, rounded up: the smallest elapsed_ms whose due count
 * exceeds it. */
int64_t load_schedule_due_at_ms(int64_t index, double rate);

#endif
