/*
 * What the files of the pool of co-processes share: stdio_pool.c (messages, handler threads) and coprocess.c
 * (one process, on the pool's thread).
 *
 * The lock guards all lists, calls, stages and output buffers. What is marked "pool thread" is used there
 * alone.
 */
#ifndef SLUICE_WORKER_STDIO_INTERNAL_H
#define SLUICE_WORKER_STDIO_INTERNAL_H

#include "base/list.h"
#include "base/loop.h"
#include "base/strbuf.h"
#include "worker/child_groups.h"
#include "worker/exec_env.h"
#include "worker/output_lines.h"
#include "worker/stdio_line.h"
#include "worker/stdio_pool.h"

#include <pthread.h>
#include <stdbool.h>

enum call_stage { CALL_WAITING, CALL_SENT, CALL_DONE };

/* One message on its way. */
struct stdio_call {
    TAILQ_ENTRY(stdio_call) link; /* pool.waiting, coprocess.calls, or pool.spare */
    enum call_stage stage;
    char *id;              /* owned */
    struct strbuf line;    /* of the message; kept in case it has to be sent again */
    int event_fd;          /* wakes the handler thread when DONE */
    bool orphan;           /* the handler thread has left: its lease was lost; the answer is dropped */
    bool given_up;         /* its process was condemned for its lost lease: no other process gets it */
    uint64_t start_byte;   /* where its line begins in all that was queued for the process */
    int64_t wait_until_ms; /* product time: how long it may wait for a process */
    int64_t due_ms;        /* product time: of the wait while WAITING, of the answer while SENT */
    struct coprocess *process;

    /* when DONE */
    enum sluice_verdict verdict;
    char *reason; /* owned, may be NULL */
    int64_t delay_s;
    int64_t status;
};

TAILQ_HEAD(stdio_calls, stdio_call);

enum coprocess_stage {
    COPROCESS_DOWN,       /* no process; the timer starts one */
    COPROCESS_RUNNING,    /* takes messages */
    COPROCESS_CONDEMNED,  /* takes no more; the pool's thread will TERM it */
    COPROCESS_CLOSING,    /* its input or output has ended; the timer TERMs it */
    COPROCESS_TERMINATED, /* the timer KILLs it */
    COPROCESS_KILLED,
};

struct coprocess {
    struct stdio_pool *pool;
    enum coprocess_stage stage;
    struct stdio_calls calls; /* SENT, in the order of sending */
    int call_count;
    struct strbuf outgoing; /* from written_at on not yet in the pipe */
    size_t written_at;
    uint64_t queued_bytes, written_bytes; /* of this process's whole life */
    int in_fd;
    bool broken;       /* nobody reads its input any more */
    char problem[256]; /* why it is ended; "": it ends by itself */
    bool blameless;    /* ended for a lost lease: restarted at once */
    int failures;      /* ends without an answer between them */

    /* pool thread */
    pid_t pid;
    int out_fd, err_fd, exit_fd;
    struct event *in_event, *out_event, *err_event, *exit_event;
    struct loop_timer timer;
    bool hurried;         /* TERMINATED: its timer knows that the pool stops */
    struct strbuf answer; /* the open line */
    bool deaf;            /* answered garbage: nothing it says counts any more */
    struct output_stream log;
    struct output_budget log_budget;
};

struct stdio_pool {
    struct stdio_pool_options options;
    char *program; /* owned */
    struct exec_env_base env_base;
    struct exec_env env;
    struct child_groups groups;
    struct output_rate rate;
    size_t file_limit; /* of the processes */

    pthread_mutex_t lock;
    struct stdio_calls waiting, spare;
    struct coprocess *processes; /* options.processes of them */
    bool stopping;
    bool woken; /* the pool's thread has been told and not yet looked */
    int wake_fd;

    /* pool thread */
    pthread_t thread;
    struct event_base *base;
    struct event *wake_event;
    struct loop_timer orphan_timer;
    uint64_t random;
};

/* ---- stdio_pool.c; the lock is held ---- */

/* Gives waiting messages to processes with room. */
void stdio_pool_pump(struct stdio_pool *pool);
/* Makes the pool's thread look at all processes. */
void stdio_pool_wake(struct stdio_pool *pool);
/* A call's end: wakes its handler thread, or puts an orphan away. It is in no list. reason is copied. */
void stdio_pool_finish(struct stdio_pool *pool, struct stdio_call *call, enum sluice_verdict verdict,
                       const char *reason);

/* ---- coprocess.c ---- */

/* pool thread, no lock held */
void coprocess_init(struct coprocess *process, struct stdio_pool *pool);
void coprocess_clean_up(struct coprocess *process); /* DOWN or never initialised */
void coprocess_start(struct coprocess *process);
/* Does what others asked for: writes on, ends what is condemned, closes when the pool stops. */
void coprocess_look(struct coprocess *process);

/* any thread, the lock is held */
/* Appends a line and writes as much as the pipe takes. */
void coprocess_send(struct coprocess *process, const struct strbuf *line);
/* The message of that id that it has not answered, or NULL. */
struct stdio_call *coprocess_find_call(const struct coprocess *process, const char *id);
/* A running one takes no more messages and is ended. The problem is copied. */
void coprocess_condemn(struct coprocess *process, const char *problem);

/* Product ms until the next start after so many failures in a row (>= 1): 100 ms, doubling to 30 s, each
 * varied by a fifth either way by a random number. Pure. */
int64_t coprocess_backoff_ms(int failures, uint64_t random);

#endif
