/*
 * Queue of deletes, of hand-backs or of quarantined messages, that go to SQS in batches: ten at a time, or
 * what there is after a short delay. Knows which entries may go now, and what an entry's fate means: done,
 * again later, again alone, or no use. Pure: the caller sends and tells the results; time is an argument.
 */
#ifndef SLUICE_WORKER_ACKS_H
#define SLUICE_WORKER_ACKS_H

#include "aws/sqs.h"
#include "worker/message.h"

enum {
    ACKS_IN_FLIGHT_MAX = 8,       /* batches on the wire */
    ACKS_ENTRY_REFUSALS_MAX = 20, /* by entry, of a delete whose lease is over, although nothing else waits */
    ACKS_ATTEMPTS_MIN = 3,        /* of a delete, even when its lease is over */
    ACKS_DELAY_MS = 25, /* real: how long a batch that is not full waits for more; 400 messages/s fill it */
    ACKS_QUIET_MS = 10, /* real: nothing received for so long and nothing held: nothing more will come soon */
    ACKS_BACKOFF_MS = 50,   /* real: pause after a failure, doubling up to 32 times */
    ACKS_PATIENCE_MS = 1000 /* real: how long a hand-back waits for extensions under way */
};

struct acks {
    struct message_list queue; /* not on the wire, in order of arrival; retried ones go to the end */
    int queued;
    int fresh;           /* queued ones that were never sent */
    int on_wire;         /* messages in batches on the wire */
    int batches_on_wire; /* <= ACKS_IN_FLIGHT_MAX */
    int scale;
    size_t payload_max;    /* bytes of a batch of more than one, 0: any */
    int64_t next_ms;       /* nothing is due before, unless ten fresh ones are there or a flush is wanted;
                              INT64_MIN:       look */
    int64_t hurry_ms;      /* from then on extensions are not waited for */
    bool after_extensions; /* hand-backs: one that overtakes an extension would be undone by it */
};

enum acks_fate { ACKS_DONE, ACKS_RETRY, ACKS_RETRY_ALONE, ACKS_REFUSED, ACKS_FATE_MAX };

/* Times are product ms: real spans are multiplied by the clock's scale. */
void acks_init(struct acks *acks, int scale, bool after_extensions);

void acks_add(struct acks *acks, struct message *message, int64_t now_ms);
/* Takes a queued message out again (not one on the wire). */
void acks_remove(struct acks *acks, struct message *message);

/* Takes the next batch to send now: up to ten, 0 when none is due. With `flush`, batches need not wait to
 * fill. The messages are then on the wire until acks_settle(). */
int acks_next_batch(struct acks *acks, int64_t now_ms, bool flush,
                    struct message *ret_batch[static SQS_BATCH_MAX]);

/* Nothing is queued or on the wire. */
bool acks_idle(const struct acks *acks);

/* A batch ended; then its messages leave the wire, one call each. */
void acks_batch_ended(struct acks *acks);
void acks_settled(struct acks *acks, struct message *message);
/* Queues it again, with a pause that grows with its attempts. */
void acks_retry(struct acks *acks, struct message *message, int64_t now_ms);

/* What a call's result means for one entry. An entry in neither list of a 2xx reply (UNKNOWN), a throttled
 * one, a network failure, refused credentials: try again. A whole batch refused as malformed: each alone.
 * SenderFault: no. */
enum acks_fate acks_fate(const struct aws_result *result, const struct sqs_entry_result *entry,
                         size_t batch_size);

/* When acks_next_batch(), just called in vain, may bring something; INT64_MAX: not by time alone. */
int64_t acks_next_ms(const struct acks *acks);
/* An extension of a queued message was answered. */
void acks_extension_answered(struct acks *acks);
/* Extensions are not waited for beyond hurry_ms. */
void acks_hurry(struct acks *acks, int64_t hurry_ms);

#endif
