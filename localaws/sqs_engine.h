/*
 * The queues of one account and region, and every rule of SQS that is about messages and queues rather than
 * about requests. Pure: time is an argument (`now_ms`, product time, never going back between calls),
 * randomness comes from a seed, there is no I/O. One thread.
 *
 * A step that makes messages visible does not answer waiting receives itself: the caller ends each request
 * (which may be many steps) with sqs_engine_settle(), so that a batch of ten wakes one receive with ten
 * messages. Between requests the caller arms a timer for sqs_engine_next_ms() and calls sqs_engine_settle()
 * then.
 *
 * Rules: SQS API reference and developer guide, as told in the project's notes on the wire protocol
 * (limits 2.5, attributes 2.6, delivery 2.8).
 */
#ifndef SLUICE_LOCALAWS_SQS_ENGINE_H
#define SLUICE_LOCALAWS_SQS_ENGINE_H

#include "localaws/slice.h"
#include "localaws/sqs_handle.h"
#include "localaws/sqs_queue.h"
#include "localaws/strmap.h"

#include <stdint.h>

struct sqs_pair {
    struct slice name, value;
};

struct sqs_engine {
    char *region;             /* owned */
    char *account;            /* owned */
    struct strmap queues;     /* name -> struct sqs_queue */
    struct strmap tombstones; /* name -> struct sqs_tombstone, of queues deleted within 60 s */
    struct heap tombstone_ends;
    struct heap due;           /* queues by their next event */
    struct sqs_queue *touched; /* queues to settle */

    struct sqs_message **slots; /* owned; where a receipt handle finds its message */
    uint32_t *free_slots;       /* owned */
    uint32_t slot_count, slot_capacity, free_count;

    bool redelivers_first; /* of queues made from now on: see sqs_queue.h */
    int64_t now_us;        /* see sqs_engine_set_now_us() */
    uint64_t last_serial;
    uint64_t last_sequence; /* of messages in FIFO queues */
    uint32_t last_uid;
    uint64_t handle_key[2];
    uint64_t random[2];
};

/* seed: 32 random bytes, or fixed ones in tests. */
struct sqs_engine *sqs_engine_new(const char *region, const char *account, const uint64_t seed[static 4]);
/* Frees everything; waiters are forgotten without a call. */
void sqs_engine_free(struct sqs_engine *engine);

/* The time to the microsecond, for statistics: counts while the now_ms of a call is its millisecond. Without
 * it they go by now_ms. */
void sqs_engine_set_now_us(struct sqs_engine *engine, int64_t now_us);
/* Counters of all queues start anew. */
void sqs_engine_forget_stats(struct sqs_engine *engine);

/* Expires what is due and answers waiting receives. */
void sqs_engine_settle(struct sqs_engine *engine, int64_t now_ms);
/* When the next call of sqs_engine_settle() is needed; INT64_MAX: never by itself. */
int64_t sqs_engine_next_ms(const struct sqs_engine *engine);

/* A new random UUID (version 4) as text. */
void sqs_engine_uuid(struct sqs_engine *engine, char out[static SQS_UUID_BYTES]);

/* The queue, or NULL. */
struct sqs_queue *sqs_engine_find(const struct sqs_engine *engine, struct slice name);

/* CreateQueue. When the name exists with equal values for the attributes given, that queue is the answer. */
enum sqs_error sqs_engine_create(struct sqs_engine *engine, struct slice name,
                                 const struct sqs_pair *attributes, size_t attribute_count, int64_t now_ms,
                                 struct sqs_queue **ret_queue, struct sqs_failure *failure);
/* SetQueueAttributes: all or none. */
enum sqs_error sqs_engine_set(struct sqs_engine *engine, struct sqs_queue *queue,
                              const struct sqs_pair *attributes, size_t attribute_count, int64_t now_ms,
                              struct sqs_failure *failure);
/* DeleteQueue: waiting receives end with SQS_WAIT_DELETED. */
void sqs_engine_delete(struct sqs_engine *engine, struct sqs_queue *queue, int64_t now_ms);
enum sqs_error sqs_engine_purge(struct sqs_engine *engine, struct sqs_queue *queue, int64_t now_ms,
                                struct sqs_failure *failure);

/* SendMessage. The spec has passed sqs_message_spec_check(), and in a FIFO queue it has a group and a
 * deduplication id; delay_s < 0: the queue's. A message that a FIFO queue got within the last five minutes
 * is not put in again: what comes back then is nowhere (its queue is NULL), has the id and sequence of the
 * first, and is the caller's to free. */
struct sqs_message *sqs_engine_send(struct sqs_engine *engine, struct sqs_queue *queue,
                                    const struct sqs_message_spec *spec, int64_t delay_s, int64_t now_ms);

/* Takes up to `max` messages for visibility_ms. Messages received too often go to the dead-letter queue
 * instead. */
size_t sqs_engine_receive(struct sqs_engine *engine, struct sqs_queue *queue, size_t max,
                          int64_t visibility_ms, int64_t now_ms,
                          struct sqs_message *out[static SQS_BATCH_MAX]);
/* ReceiveRequestAttemptId of FIFO queues: remembers what a receive handed out, and gives the same messages
 * again, under the same handles and for visibility_ms from now on, while all of them are still in flight and
 * nobody changed their visibility. 0: receive anew. Both do nothing for other queues and absent ids. */
void sqs_engine_remember_attempt(struct sqs_queue *queue, struct slice attempt_id,
                                 struct sqs_message *const *messages, size_t count, int64_t now_ms);
size_t sqs_engine_receive_again(struct sqs_engine *engine, struct sqs_queue *queue, struct slice attempt_id,
                                int64_t visibility_ms, int64_t now_ms,
                                struct sqs_message *out[static SQS_BATCH_MAX]);
/* Waits for messages until end_ms; waiter->max, visibility_ms and fn are set. */
void sqs_engine_wait(struct sqs_engine *engine, struct sqs_queue *queue, struct sqs_waiter *waiter,
                     int64_t end_ms);
/* Ends the wait without a call; safe when not waiting. */
void sqs_engine_cancel(struct sqs_engine *engine, struct sqs_waiter *waiter);

/* The handle of the message's latest receive. */
void sqs_engine_handle(const struct sqs_engine *engine, const struct sqs_message *m,
                       char out[static SQS_HANDLE_CHARS + 1]);
enum sqs_error sqs_engine_delete_message(struct sqs_engine *engine, struct sqs_queue *queue,
                                         struct slice handle, int64_t now_ms, struct sqs_failure *failure);
enum sqs_error sqs_engine_change_visibility(struct sqs_engine *engine, struct sqs_queue *queue,
                                            struct slice handle, int64_t visibility_s, int64_t now_ms,
                                            struct sqs_failure *failure);

/* Fault: hands the message of the latest receive out once more while it is in flight. A FIFO queue does
 * not: nothing. */
void sqs_engine_repeat(struct sqs_engine *engine, struct sqs_message *m);

/* Sets a tag (value.at != NULL) or removes it. Returns 0, or -1 when the queue has SQS_TAGS_MAX tags already.
 */
int sqs_engine_tag(struct sqs_queue *queue, struct slice key, struct slice value);

#endif
