/*
 * Hand-over between the I/O thread and the handler threads: one queue of waiting messages, one list of
 * finished ones, one lock. A finishing thread takes the next waiting message itself, so a freed slot is
 * filled without a detour; a waiting message is in no thread, so it can be taken back at any time.
 *
 * Messages with a group id are handled one after the other (groups.h): only the first of a group waits for a
 * slot, the others stand behind it. When it is done, the next one waits in its place. When it ended in any
 * other way, or could not be started, it stays first until the I/O thread has decided: nothing behind it is
 * started before dispatch_leave_group().
 *
 * Threads live elsewhere (pool.h); a test plays a thread by calling dispatch_take() and dispatch_finish().
 */
#ifndef SLUICE_WORKER_DISPATCH_H
#define SLUICE_WORKER_DISPATCH_H

#include "worker/groups.h"
#include "worker/message.h"

#include <pthread.h>

struct dispatch {
    pthread_mutex_t lock;
    struct message_list waiting; /* oldest first */
    struct message_list behind;  /* not the first of their groups, in the order of arrival */
    struct message_list done;
    struct groups groups;
    int waiting_count;
    int behind_count;
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
/* Takes back the newest (last in the queue) waiting message, or the last one that stands behind it in its
 * group; NULL when none waits. */
struct message *dispatch_withdraw_newest(struct dispatch *d);
/* Takes back the last one that stands behind `message` in its group, or behind any when that is NULL; NULL
 * when there is none. */
struct message *dispatch_withdraw_behind(struct dispatch *d, struct message *message);
/* Takes a message that was collected out of its group: the next one may start. */
void dispatch_leave_group(struct dispatch *d, struct message *message);
/* Moves all finished messages to the end of `out`. */
void dispatch_collect(struct dispatch *d, struct message_list *out);
struct dispatch_counts {
    int waiting; /* for a slot */
    int behind;  /* for one of their group */
    int running;
};
struct dispatch_counts dispatch_count(struct dispatch *d);

/* ---- handler threads; the caller holds d->lock ---- */

/* The next message to handle, or NULL: none waits or all slots are taken. One whose lease is over at now_ms
 * is never started: it goes to the done list as OUTCOME_LAPSED. */
struct message *dispatch_take(struct dispatch *d, int64_t now_ms);
/* The message's outcome, start_ms, end_ms and reason are set. */
void dispatch_finish(struct dispatch *d, struct message *message);
/* How many more dispatch_take() calls would bring a message now. */
int dispatch_startable(const struct dispatch *d);

#endif
