/*
 * The demo's queues: creates the order queue with its dead-letter queue, and empties the dead-letter queue at
 * the end, noting whose orders were in it. Runs in the demo's loop, one job at a time.
 */
#ifndef SLUICE_SUPERVISOR_DEMO_QUEUE_H
#define SLUICE_SUPERVISOR_DEMO_QUEUE_H

#include "aws/client.h"
#include "aws/sqs.h"
#include "base/err.h"
#include "base/loop.h"
#include "supervisor/demo_books.h"

#include <stdbool.h>
#include <stddef.h>

enum { DEMO_VISIBILITY_S = 30, DEMO_MAX_RECEIVE_COUNT = 10 };

#define DEMO_QUEUE_NAME "order-processing-queue"
#define DEMO_DEAD_LETTER_NAME "order-processing-dlq"

struct demo_queue {
    struct aws_client *client; /* borrowed */
    char *url;                 /* owned; NULL until created */
    char *dead_letter_url;     /* owned; NULL until created */
    struct demo_ids
        dead_letters;      /* order ids found in the dead-letter queue; "?" and the message id without one */
    struct aws_call *call; /* NULL: idle */
    /* err is NULL when the job was done. */
    void (*done)(void *arg, const struct err *err);
    void *arg;
};

void demo_queue_init(struct demo_queue *queue, struct aws_client *client);
void demo_queue_clean_up(struct demo_queue *queue); /* safe on a zeroed struct */

/* Creates both queues: VisibilityTimeout 30 s, maxReceiveCount 10. */
void demo_queue_create(struct demo_queue *queue, void (*done)(void *arg, const struct err *err), void *arg);

/* Receives and deletes until the dead-letter queue reads 0, adding to dead_letters. */
void demo_queue_read_dead_letters(struct demo_queue *queue, void (*done)(void *arg, const struct err *err),
                                  void *arg);

#endif
