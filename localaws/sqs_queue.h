/*
 * One queue: where each message is and how it moves. Time is an argument (product ms) and nothing
 * here reads a clock, sleeps or does I/O. Every message of a queue is in exactly one of its structures (enum
 * sqs_state), and one function of sqs_queue.c changes that. All steps are O(1) or O(log n).
 *
 * The engine (sqs_engine.h) owns queues and drives these functions; others read the fields and change
 * nothing.
 */
#ifndef SLUICE_LOCALAWS_SQS_QUEUE_H
#define SLUICE_LOCALAWS_SQS_QUEUE_H

#include "base/histogram.h"
#include "localaws/heap.h"
#include "localaws/sqs_message.h"
#include "localaws/sqs_settings.h"

#include <stdint.h>

enum {
    SQS_BATCH_MAX = 10,
    SQS_IN_FLIGHT_MAX = 120000,
    SQS_TAGS_MAX = 50,
};

/* Total visibility of one receive, and the life of a receipt handle. */
#define SQS_VISIBILITY_MAX_MS (INT64_C(43200) * 1000)

struct sqs_message_list {
    struct sqs_message *head, *tail;
    size_t count;
};

enum sqs_wait_end {
    SQS_WAIT_MESSAGES, /* count >= 1 */
    SQS_WAIT_TIMEOUT,  /* count 0 */
    SQS_WAIT_DELETED,  /* the queue is gone; count 0 */
};

/* A receive that waits for a message. The caller owns it and keeps it until fn is called or it is cancelled.
 */
struct sqs_waiter {
    struct sqs_queue *queue; /* NULL: not waiting */
    struct sqs_waiter *prev, *next;
    struct heap_node due; /* end of the wait */
    size_t max;           /* 1..SQS_BATCH_MAX */
    int64_t visibility_ms;
    struct slice attempt_id; /* ReceiveRequestAttemptId, the caller's; absent: none */
    /* Called once, detached already; messages are in flight then and valid during the call only. */
    void (*fn)(struct sqs_waiter *waiter, enum sqs_wait_end end, struct sqs_message *const *messages,
               size_t count);
};

struct sqs_tag {
    char *key, *value; /* owned */
};

struct sqs_counts {
    size_t visible, in_flight, delayed;
};

/* A fault laid over the counts that GetQueueAttributes reports (faults.h); until_ms 0: none. */
struct sqs_counts_fault {
    int64_t until_ms; /* product */
    bool is_stale;    /* `frozen` is reported */
    struct sqs_counts frozen;
    double noise; /* each count is multiplied by 1 +- noise; 0: no jitter */
    uint64_t random;
};

/* Counters since the queue was made, or since they were last forgotten; for /_localaws/stats. */
struct sqs_queue_stats {
    uint64_t sent, received, deleted, duplicates, redriven_out, redriven_in, expired, empty_receives,
        deduplicated;
    size_t in_flight_max;
    int64_t first_receive_us, last_delete_us; /* of a message, product time; 0: none yet */
    struct histogram held_us;                 /* from a message's latest receive to its delete */
};

/* Counters since the last whole minute of product time, for the metrics of CloudWatch (metrics.h), which
 * start them anew. Deletes count as answered with success, those that found nothing to delete too. */
struct sqs_minute {
    uint64_t sent, received, deleted, empty_receives;
    uint64_t bytes, bytes_min, bytes_max; /* of the messages sent */
};

struct sqs_queue {
    char *name; /* owned, like arn */
    char *arn;
    uint32_t uid; /* never used again */
    struct sqs_settings settings;
    struct sqs_tag *tags; /* owned */
    size_t tag_count;
    int64_t created_ms, modified_ms;
    int64_t purged_ms; /* INT64_MIN: never */

    /* A message that was received before is received again before all others, not behind them: SQS promises
     * neither. Standard queues alone. */
    bool redelivers_first;

    /* where messages are */
    struct sqs_message_list visible, repeated; /* FIFO: only the count of `visible` is used */
    struct sqs_fifo *fifo;                     /* owned; NULL: a standard queue */
    struct heap delayed, in_flight;
    /* all of them once more, by age: those sent here in order, those that came by redrive in a heap */
    struct sqs_message *old_head, *old_tail;
    struct heap old_heap;

    /* receives that wait, first come first served */
    struct sqs_waiter *waiter_head, *waiter_tail;
    struct heap waiter_ends;

    /* the engine's bookkeeping */
    struct heap_node due; /* in engine->due, keyed due_ms */
    int64_t due_ms;
    bool is_touched; /* in engine->touched */
    struct sqs_queue *touched_next;

    struct sqs_counts_fault counts_fault;
    struct sqs_queue_stats stats;
    struct sqs_minute minute;
    int64_t called_ms; /* when it was last called, or made */
};

struct sqs_queue *sqs_queue_new(struct slice name, const char *arn, uint32_t uid, bool is_fifo,
                                int64_t now_ms);
/* The queue must hold no message and no waiter. */
void sqs_queue_free(struct sqs_queue *queue);

/* Puts a message that is nowhere into the queue. in_age_order: its sent_ms is not before that of any message
 * put so before. state is SQS_VISIBLE, or SQS_DELAYED with the end of the delay. */
void sqs_queue_put(struct sqs_queue *queue, struct sqs_message *m, bool in_age_order, enum sqs_state state,
                   int64_t due_ms);
/* Takes it out: nowhere afterwards. */
void sqs_queue_take_out(struct sqs_message *m);
/* Moves a message within its queue. due_ms counts for SQS_DELAYED, SQS_IN_FLIGHT and SQS_REPEATED. */
void sqs_queue_move(struct sqs_message *m, enum sqs_state state, int64_t due_ms);

/* Delays and visibility that ended by now: the messages become visible, first the delayed ones,
 * each kind in the order of its deadlines. */
void sqs_queue_wake_due(struct sqs_queue *queue, int64_t now_ms);
/* A message older than the retention period, or NULL. */
struct sqs_message *sqs_queue_expired(const struct sqs_queue *queue, int64_t now_ms);
/* Any message, or NULL when there is none. */
struct sqs_message *sqs_queue_any(const struct sqs_queue *queue);

/* When something happens next by itself: a deadline, a retention, the end of a wait. INT64_MAX: nothing. */
int64_t sqs_queue_next_ms(const struct sqs_queue *queue);

struct sqs_counts sqs_queue_counts(const struct sqs_queue *queue);
/* When the oldest message was sent; INT64_MAX: there is none. */
int64_t sqs_queue_oldest_ms(const struct sqs_queue *queue);

void sqs_queue_add_waiter(struct sqs_queue *queue, struct sqs_waiter *waiter, int64_t end_ms);
/* Detaches; no call of fn. */
void sqs_queue_remove_waiter(struct sqs_waiter *waiter);

#endif
