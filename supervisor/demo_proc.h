/*
 * Workers as the kernel knows them: which processes exist is read from /proc alone, whatever the supervisor
 * says. A worker is a child of the supervisor, or a process that carries the demo's mark in its environment
 * (so workers whose supervisor was killed are found too).
 */
#ifndef SLUICE_SUPERVISOR_DEMO_PROC_H
#define SLUICE_SUPERVISOR_DEMO_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct demo_proc_worker {
    pid_t pid;
    unsigned long long start_ticks; /* since boot; tells a pid from its reuse */
    long threads;
    bool orphan; /* its supervisor is gone */
};

struct demo_proc {
    char mark[64]; /* "NAME=value" as it stands in the workers' environment */

    struct demo_proc_worker *workers; /* owned: found by the last scan, in the order of their pids */
    size_t count, capacity;

    struct demo_proc_stranger {
        pid_t pid;
        unsigned long long start_ticks;
    } * strangers; /* owned: processes known to be none of ours, by pid */
    size_t stranger_count, stranger_capacity;
};

void demo_proc_init(struct demo_proc *proc, const char *mark);
void demo_proc_clean_up(struct demo_proc *proc);

/* Looks at all processes. supervisor_pid 0: there is no supervisor now. Processes that have ended and wait to
 * be reaped do not count. Returns 0, or negative errno when /proc cannot be read. */
int demo_proc_scan(struct demo_proc *proc, pid_t supervisor_pid);

/* What one line of /proc/PID/stat says; pure. Returns 0, or -1 when it is no such line. */
struct demo_proc_stat {
    char state;
    pid_t ppid;
    long threads;
    unsigned long long start_ticks;
};
int demo_proc_parse_stat(const char *text, struct demo_proc_stat *ret_stat);

#endif
