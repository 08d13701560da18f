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

#include <stddef.h>

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

/* A handler's line for the worker's log; message_id NULL: about no message. Thread-safe. */
void pool_log(enum sluice_log_level level, const char *text, const char *message_id);

/* Ends and joins all threads; waits for running handlers. Accepts NULL. */
void pool_destroy(struct pool *pool);

#endif
