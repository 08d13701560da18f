/*
 * Hand-over between the I/O thread and the handler threads: one queue of waiting messages, one list of
 * finished ones, one lock. A finishing thread takes the next waiting message itself, so a freed slot is
 * filled without a detour; a waiting message is in no thread, so it can be taken back at any time.
 *
 * Threads live elsewhere (pool.h); a test plays a thread by calling dispatch_take() and dispatch_finish().
 */
#ifndef SLUICE_WORKER_DISPATCH_H
#define SLUICE_WORKER_DISPATCH_H

#include "worker/message.h"

#include <pthread.h>

struct dispatch {
    pthread_mutex_t lock;
    struct message_list waiting; /* oldest first */
    struct message_list done;
    int waiting_count;
    int running_count; /* <= capacity, unless that was lowered meanwhile */
    int done_count;
    int capacity;
};

void dispatch_init(struct dispatch *d, int capacity);
void dispatch_clean_up(struct dispatch *d);

/* ---- I/O thread ---- */

void dispatch_add(struct dispatch *d, struct message *message);
void dispatch_set_capacity(struct dispatch *d, int capacity);
/* Takes a message back. False when a thread has it already or is done with it. */
bool dispatch_withdraw(struct dispatch *d, struct message *message);
/* Takes back the newest (last in the queue) waiting message, NULL when none waits. */
struct message *dispatch_withdraw_newest(struct dispatch *d);
/* Moves all finished messages to the end of `out`. */
void dispatch_collect(struct dispatch *d, struct message_list *out);
void dispatch_counts(struct dispatch *d, int *ret_waiting, int *ret_running);

/* ---- handler threads; the caller holds d->lock ---- */

/* The next message to handle, or NULL: none waits or all slots are taken. One whose lease is over at now_ms
 * is never started: it goes to the done list as OUTCOME_LAPSED. */
struct message *dispatch_take(struct dispatch *d, int64_t now_ms);
/* The message's outcome, start_ms, end_ms and reason are set. */
void dispatch_finish(struct dispatch *d, struct message *message);
/* How many more dispatch_take() calls would bring a message now. */
int dispatch_startable(const struct dispatch *d);

#endif
