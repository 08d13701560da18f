/*
 * One worker process: its fork, the telemetry channel, the pipes of its output, its signals and its end. It
 * knows nothing of fleets and restarts; local_slot.c decides. Runs in the loop's thread, which must be the
 * main thread.
 *
 * A process is finished when it is reaped and its channel and pipes are at their end, so that its last lines
 * are read; somebody who still holds a pipe (a grandchild) delays that by two seconds of real time at most.
 * What a process leaves in its group when it ends by itself is killed at once; after worker_process_stop() it
 * is waited for, until worker_process_kill().
 */
#ifndef SLUICE_SUPERVISOR_WORKER_PROCESS_H
#define SLUICE_SUPERVISOR_WORKER_PROCESS_H

#include "base/err.h"
#include "base/telemetry.h"
#include "supervisor/config.h"
#include "supervisor/reaper.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;
struct worker_process;

struct worker_process_spec {
    struct event_base *base;
    struct reaper *reaper;
    const char *name;                /* outlives the process */
    const char *const *argv;         /* NULL-terminated */
    const char *const *envp;         /* NULL-terminated, complete */
    enum config_telemetry telemetry; /* LINES: a socketpair, the child's end is fd 3 */
    enum config_worker_log log;
    int64_t log_lines_per_s; /* real seconds */
    /* Every good telemetry line. May signal the process, may not destroy it. */
    void (*on_line)(void *arg, const struct telemetry_line *line);
    /* Once, in the loop, as the last thing the process does: the callee may destroy it. */
    void (*on_finished)(void *arg, int status);
    void *arg;
};

/* Forks and executes. Returns 0; or negative errno with err, nothing is left over then. */
int worker_process_start(const struct worker_process_spec *spec, struct worker_process **ret_process,
                         struct err *err);
/* Forgets a process that may still run: its channel is closed, which tells it to drain. Accepts NULL. */
void worker_process_destroy(struct worker_process *process);

/* pid of the group's leader, 0 once that is reaped. */
pid_t worker_process_pid(const struct worker_process *process);

/* Asks its whole group to drain (TERM, and CONT for who is stopped): the worker itself may stand behind a
 * wrapper that leads the group. From now on the process is finished only when nobody is left in the group. */
void worker_process_stop(struct worker_process *process);
/* KILL to its whole group, which is not waited for any more. No effect once nobody is left. */
void worker_process_kill(struct worker_process *process);

/* Reads what waits in the telemetry channel now; on_line is called from within. */
void worker_process_read_telemetry(struct worker_process *process);

/* Bytes of telemetry so far, whether they could be understood or not: a sign of life. */
uint64_t worker_process_telemetry_bytes(const struct worker_process *process);

/* Telemetry lines that could not be used, log lines that were cut or dropped for being too many. */
struct worker_process_counts {
    uint64_t bad_lines, cut_log_lines, dropped_log_lines;
};
struct worker_process_counts worker_process_counts(const struct worker_process *process);

#endif
