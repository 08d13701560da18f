/*
 * The consumer that Sluice's worker is measured against: what the source's goroutines do, on one event loop.
 * N pollers each ask for ten messages with a long poll of 20 s, start them (all ten at once, or one after
 * another), and ask again when the last of them is done. A message waits for one of the payment slots in the
 * order of coming, is paid, written to the ledger, and deleted by a single DeleteMessage. The queue's own
 * visibility timeout counts; nothing is extended, and a message that came back meanwhile is paid again, for
 * the consumer knows nothing of it. A stale handle deletes nothing, as in SQS.
 *
 * Pollers and messages are states of this loop and no threads: the process has one.
 */
#ifndef SLUICE_SUPERVISOR_MEASURE_NAIVE_H
#define SLUICE_SUPERVISOR_MEASURE_NAIVE_H

#include "aws/client.h"

#include <stdint.h>

struct event_base;
struct naive;

struct naive_options {
    struct event_base *base;   /* borrowed, like all below */
    struct aws_client *client; /* with room for a connection for each poller and some deletes */
    const char *queue_url;
    int pollers;
    int per_poller; /* 1..10: of the messages of one receive, how many are begun at once */
    int slots;
    int64_t payment_ms; /* product */
    int ledger_fd;      /* lines as sluice-worker writes them */
    /* Called in the loop when nothing is left to do after naive_stop(). */
    void (*on_stopped)(void *arg);
    void *arg;
};

/* Begins to poll. */
struct naive *naive_new(const struct naive_options *options);
/* Drops what is under way. Accepts NULL. */
void naive_destroy(struct naive *naive);

/* No new polls and payments; payments under way are given up, as by a process that ends; deletes that are on
 * their way are waited for. */
void naive_stop(struct naive *naive);

#endif
