/*
 * A message in the worker's hands, from the receive that brought it to the end of its delete or hand-back.
 * The I/O thread owns it; while it waits or is handled, the dispatch queue's fields belong to the queue's
 * lock.
 */
#ifndef SLUICE_WORKER_MESSAGE_H
#define SLUICE_WORKER_MESSAGE_H

#include "aws/sqs.h"
#include "base/list.h"
#include "worker/lease.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct group;
struct known_entry;

/* Where a message is in the I/O thread's books; core_message_set_phase() in core.c is the only writer. */
enum message_phase {
    MESSAGE_HELD,     /* in the dispatch queue or with a handler thread; its lease is extended */
    MESSAGE_DELETING, /* handled; in core.deletes until SQS confirms or there is no point any more; its lease
                         is  extended as well: who gets it meanwhile would handle it again */
    MESSAGE_QUARANTINING, /* in core.quarantines until the dead-letter queue has it; then it is deleted. Its
                             lease is extended as well */
    MESSAGE_RELEASING,    /* not handled, or failed; in core.releases until SQS knows when to show it again */
    MESSAGE_GONE,         /* over; freed once no batch on the wire names it */
    MESSAGE_PHASE_MAX
};

/* Where it is in the dispatch queue. */
enum message_place {
    PLACE_OUTSIDE,
    PLACE_BEHIND, /* another one of its group comes first */
    PLACE_WAITING,
    PLACE_RUNNING,
    PLACE_DONE
};

enum message_outcome {
    OUTCOME_NONE,
    OUTCOME_DONE,
    OUTCOME_FAILED,
    OUTCOME_RETRY,    /* not now; nothing wrong with the message */
    OUTCOME_REJECTED, /* can never be handled */
    OUTCOME_LAPSED,   /* never started: the lease had run out when its turn came */
};

enum { MESSAGE_REASON_MAX = 200 };

struct message {
    /* What the handler reads, and the newest delivery, whose receipt handle is the one that counts: the same,
     * unless SQS delivered the message again while we held it. Both owned. */
    struct sqs_message *first;
    struct sqs_message *newest;
    int deliveries;
    const char *group_id; /* in `first`; NULL: nothing orders it */

    /* under the dispatch queue's lock */
    TAILQ_ENTRY(message) queue;
    enum message_place place;
    struct group *group; /* groups.h; NULL: in none */
    TAILQ_ENTRY(message) grouped;

    /* written by the handler thread before the message is done, read by the I/O thread after */
    enum message_outcome outcome;
    int64_t start_ms, end_ms; /* product time of handle() */
    char *reason;          /* why it failed; owned, may be NULL; the I/O thread may set it before and after */
    int64_t retry_delay_s; /* the handler's wish, -1: none */
    int64_t status;        /* exit code, HTTP status ... of the failure, INT64_MIN: none */

    /* written by the I/O thread, read by handler threads */
    atomic_int_fast64_t lease_until_ms;
    atomic_bool lease_lost;
    atomic_int cancel_fd; /* eventfd of the thread that handles it, -1: not asked for; see pool.c */

    /* I/O thread only */
    TAILQ_ENTRY(message) all; /* core.all, until it is freed */
    enum message_phase phase;
    bool dispatched;   /* in the dispatch queue's hands: added, not yet withdrawn or collected */
    bool told_to_stop; /* lease_lost was set since it was handed over; it may have come again meanwhile */
    struct known_entry *known;   /* NULL once released */
    TAILQ_ENTRY(message) leased; /* core.leased: HELD, DELETING, QUARANTINING */
    TAILQ_ENTRY(message) list;   /* the ack queue it is in */
    struct lease lease;
    int64_t held_since_ms;  /* when its first delivery began */
    int extensions_on_wire; /* a hand-back waits for these: the order of calls in flight is not ours */
    int batches_on_wire;    /* all batches that name it; it is not freed before they end */

    /* of its delete, release or quarantine */
    bool queued;          /* in an ack queue */
    bool acking;          /* in a batch on the wire */
    bool alone;           /* goes in a batch of its own: a batch with it was refused as a whole */
    bool unstarted;       /* handed back before its handler began: counted as returned */
    int delay_s;          /* release: visible again after so many seconds */
    bool bare;            /* quarantine: without attributes of ours, SQS refused it with them */
    size_t payload_bytes; /* quarantine: size as SQS counts it */
    int attempts;
    int entry_refusals; /* of its delete alone, in calls that SQS took */
    int64_t due_ms;     /* not before */
};

TAILQ_HEAD(message_list, message);

#endif
