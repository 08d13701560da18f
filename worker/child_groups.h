/*
 * The process groups that a handler has started: each program is the leader of a group of its own, and the
 * whole group is killed when the program has ended, so that nothing of it survives; or at once, all of them,
 * when the worker leaves.
 *
 * A pid stands for its group only until the program is reaped; so killing and reaping happen here alone,
 * under one lock. All functions may be called on any thread.
 *
 * What outlives its leader for a moment becomes a child of whoever takes orphans: PID 1 or a subreaper. When
 * that is this process (a worker is often the first process of a container), it is reaped here, too.
 */
#ifndef SLUICE_WORKER_CHILD_GROUPS_H
#define SLUICE_WORKER_CHILD_GROUPS_H

#include "base/child.h"
#include "base/list.h"
#include "base/strbuf.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child_groups {
    pthread_mutex_t lock;
    pthread_cond_t started; /* `starting` fell to 0 */
    pid_t *pids;            /* leaders not yet reaped; owned */
    size_t count, room;
    size_t starting; /* between the fork and the place in pids */
    bool killing;    /* nobody is started any more */
    bool takes_orphans;
    pid_t *dying; /* groups whose leader is reaped and whose killed rest is not yet; owned */
    size_t dying_count, dying_room;
    LIST_ENTRY(child_groups) link;
};

/* Whether this process becomes the parent of processes whose own one is gone: it is PID 1, or a subreaper. */
bool child_groups_takes_orphans(void);
/* Whether a child may be the leader of a group of this process, which is nobody else's to reap; also while
 * one is just being started. */
bool child_groups_may_own(pid_t pid);

void child_groups_init(struct child_groups *groups);
/* No group may be left in it. */
void child_groups_clean_up(struct child_groups *groups);

/* child_spawn() of a program that has a group of its own (spec->own_group). -ECANCELED:
 * child_groups_kill_all() was called, nothing is started any more. */
int child_groups_spawn(struct child_groups *groups, const struct child_spec *spec, pid_t *ret_pid,
                       struct err *err);

/* The same with a pipe for each of the three standard streams, whatever spec says of these. On success
 * ret_fds has our ends, owned by the caller: to write its input, to read its output, to read its error
 * output. They block. Returns 0; or -errno with err and nothing left open. */
int child_groups_spawn_piped(struct child_groups *groups, const struct child_spec *spec,
                             int ret_fds[static 3], pid_t *ret_pid, struct err *err);

/* Sends a signal to the whole group of a program that was added and not yet reaped. */
void child_groups_signal(struct child_groups *groups, pid_t pid, int number);

/* Whether the program has ended; if so, the rest of its group is killed, it is reaped and forgotten, and
 * *ret_status is its wait status; that of a KILL when somebody else has reaped it. Does not wait. */
bool child_groups_reap(struct child_groups *groups, pid_t pid, int *ret_status);

/* KILL to all groups, for good: the process may leave when this returns, and nothing that was started
 * survives it. What is being started on another thread is waited for (2 s of real time at most: an exec may
 * hang on a network's file system; that one gets its KILL when it is there). */
void child_groups_kill_all(struct child_groups *groups);

/* A descriptor that becomes readable when the program ends; -1: the system has none, look now and then. */
int child_groups_exit_fd(pid_t pid);

/* Appends how a program ended, in words: "exit 3", "SIGKILL". */
void child_groups_describe(int status, struct strbuf *out);

#endif
