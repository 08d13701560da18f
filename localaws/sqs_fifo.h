/*
 * What a FIFO queue has beyond a standard one: message groups, and the memories of the last five minutes
 * that recognise a message sent twice and a receive asked for twice. Pure; one thread. All steps are O(1) or
 * O(log groups), whatever the number of messages.
 *
 * Rules: SQS developer guide, "FIFO queue delivery logic", "Exactly-once processing"; API reference of
 * SendMessage and ReceiveMessage. A group can be received from while none of its messages is in flight;
 * then its messages come out in the order in which they came in, several in one receive.
 */
#ifndef SLUICE_LOCALAWS_SQS_FIFO_H
#define SLUICE_LOCALAWS_SQS_FIFO_H

#include "localaws/recent.h"
#include "localaws/sqs_queue.h"

#include <stdint.h>

#define SQS_FIFO_MEMORY_MS (INT64_C(300) * 1000)

/* The messages of a queue with one group id. Lives while there are any. */
struct sqs_group {
    struct heap_node available;      /* in fifo->available while it can be received from */
    struct sqs_message *head, *tail; /* by sequence, whatever their state; linked by prev and next */
    size_t in_flight;
    uint64_t keyed; /* sequence by which it is in fifo->available */
};

/* A message that was sent, for its duplicates. */
struct sqs_sent {
    char id[SQS_UUID_BYTES];
    uint64_t sequence;
};

/* What a receive with an attempt id handed out. */
struct sqs_attempt {
    size_t count;
    struct {
        uint32_t slot, generation;
        uint64_t serial;
    } messages[SQS_BATCH_MAX];
};

struct sqs_fifo {
    struct strmap groups;  /* group id -> struct sqs_group */
    struct heap available; /* groups to receive from, that with the oldest first message at the top */
    struct recent sent;
    struct recent attempts;
};

struct sqs_fifo *sqs_fifo_new(void);
/* No message may be left in it. */
void sqs_fifo_free(struct sqs_fifo *fifo);

/* Puts a message with its sequence set, greater than that of any before it, at the end of its group. Then
 * call sqs_fifo_moved() whenever its state has changed. */
void sqs_fifo_add(struct sqs_fifo *fifo, struct sqs_message *m);
/* Takes out a message that is in state SQS_NOWHERE. */
void sqs_fifo_remove(struct sqs_fifo *fifo, struct sqs_message *m);
void sqs_fifo_moved(struct sqs_fifo *fifo, struct sqs_message *m, enum sqs_state before);
/* The group to receive from next, NULL when all are blocked, waiting or empty. */
struct sqs_group *sqs_fifo_next(const struct sqs_fifo *fifo);

/* The message that was sent with this deduplication id within five minutes, in the queue or, when
 * `by_group`, in the group; NULL: none. */
const struct sqs_sent *sqs_fifo_find_sent(struct sqs_fifo *fifo, bool by_group, struct slice group_id,
                                          struct slice deduplication_id, int64_t now_ms);
void sqs_fifo_remember_sent(struct sqs_fifo *fifo, bool by_group, const struct sqs_message *m,
                            int64_t now_ms);

/* What the receive with this attempt id handed out within five minutes; NULL: none. */
const struct sqs_attempt *sqs_fifo_find_attempt(struct sqs_fifo *fifo, struct slice id, int64_t now_ms);
void sqs_fifo_remember_attempt(struct sqs_fifo *fifo, struct slice id, struct sqs_message *const *messages,
                               size_t count, int64_t now_ms);

#endif
