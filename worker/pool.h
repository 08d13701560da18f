/*
 * The handler threads: a fixed number, small stacks, all signals blocked. They take messages from the
 * dispatch queue, unwrap SNS envelopes, call the handler and put the message on the done list; the I/O thread
 * learns of it through one eventfd. Idle threads sleep; the one that slept last is woken first, so that few
 * threads stay warm.
 */
#ifndef SLUICE_WORKER_POOL_H
#define SLUICE_WORKER_POOL_H

#include "base/err.h"
#include "worker/dispatch.h"
#include "worker/handler.h"
#include "worker/sns.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;

struct pool_options {
    int threads;
    size_t stack_bytes; /* rounded up to what the system wants */
    enum sns_mode sns;
    const struct handler *handler;
    uint32_t flags;            /* of handler and instance */
    void *instance;            /* of the handler; outlives the pool */
    struct dispatch *dispatch; /* outlives the pool */
};

/* Starts the threads and waits until all of them have passed their start barrier. The caller has blocked the
 * signals. NULL with err when the system refuses a thread (RLIMIT_NPROC, pids.max, memory); those started are
 * ended again. */
struct pool *pool_new(const struct pool_options *options, struct err *err);

/* Readable when messages are done: then pool_acknowledge(), which makes it unreadable again, and after that
 * dispatch_collect(), in this order. */
int pool_event_fd(const struct pool *pool);
void pool_acknowledge(struct pool *pool);

/* After dispatch_add() or a larger capacity: wakes as many threads as can find work. I/O thread.
 * A SLUICE_NONBLOCKING handler is called by this thread itself, as long as it is as quick as it says: two
 * switches of threads would cost more than it. True: messages were handled in this call; they are on the done
 * list, and the eventfd does not tell of them. */
bool pool_wake(struct pool *pool);

/* Whether the I/O thread calls a quick handler itself; pure, zero it at the start. */
struct pool_pace {
    int64_t debt_ns; /* what the calls took beyond 20 us a message */
    int away;        /* wakes that still go to the threads; INT_MAX: all */
};

/* `count` messages took took_ns. A debt of 20 ms sends the next thousand wakes to the threads; that a busy
 * processor interrupts a call now and then does not. False: more than 100 ms, and so all wakes from now on.
 */
bool pool_pace_add(struct pool_pace *pace, int count, int64_t took_ns);
/* Asked once a wake. */
bool pool_pace_here(struct pool_pace *pace);

/* A handler's line for the worker's log; message_id NULL: about no message. Thread-safe. */
void pool_log(enum sluice_log_level level, const char *text, const char *message_id);

/* Ends and joins all threads; waits for running handlers. Accepts NULL. */
void pool_destroy(struct pool *pool);

#endif
