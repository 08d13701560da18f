/*
 * The pool of co-processes behind the stdio handler. A message waits here for a process with room, is written
 * to it as one line, and its handler thread sleeps until the answer has come, the process is gone, or the
 * time is over. A thread of the pool's own starts, reads, ends and restarts the processes.
 *
 * Handed over means: at least one byte of the message's line is in the process's pipe. What was handed over
 * when its process ended has failed; what was not goes to another process.
 */
#ifndef SLUICE_WORKER_STDIO_POOL_H
#define SLUICE_WORKER_STDIO_POOL_H

#include "base/err.h"
#include "worker/include/sluice/handler.h"

#include <stdint.h>

struct stdio_pool;

struct stdio_pool_options {
    const char *const *argv; /* NULL-terminated; outlives the pool */
    const char *queue_url;   /* outlives the pool */
    int processes;
    int in_flight;         /* messages in one process at once */
    int64_t timeout_ms;    /* product time: to wait for a process, and then for its answer */
    int64_t kill_after_ms; /* product time, from TERM to KILL */
};

/* Starts the pool's thread, which starts the processes. NULL with err when there is no such program. The
 * signals that are blocked in the caller are blocked in that thread. */
struct stdio_pool *stdio_pool_new(const struct stdio_pool_options *options, struct err *err);

/* Handles one message; called on many threads. */
enum sluice_verdict stdio_pool_handle(struct stdio_pool *pool, const struct sluice_message *message,
                                      const struct sluice_context *context);

/* Kills all processes with their groups, for the worker is about to _exit(). */
void stdio_pool_abandon(struct stdio_pool *pool);

/* Ends the processes: end of input, then TERM, then KILL. No stdio_pool_handle() may run. Accepts NULL. */
void stdio_pool_destroy(struct stdio_pool *pool);

#endif
