/*
 * The one fork recipe. Blocks signals, starts the child as vfork() would, and in it: PDEATHSIG and a check
 * that the parent still lives, own process group, default handlers and empty mask, standard fds, close_range
 * on everything else, exec. A failed exec comes back through a close-on-exec pipe as an error, never as a
 * child that exits oddly.
 *
 * Call from any thread that outlives the child when death_signal is set: the signal comes when the thread
 * that forked ends, not the process. Between fork and exec nothing is called that another thread's lock could
 * hold up. No shell is ever involved.
 */
#ifndef SLUICE_BASE_CHILD_H
#define SLUICE_BASE_CHILD_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child_spec {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH when it has no slash */
    const char *program;     /* path to execute instead, as child_find_program() gave it; NULL: look up */
    const char *const *envp; /* NULL-terminated "K=V"; NULL: ours */
    int stdin_fd;            /* -1: /dev/null */
    int stdout_fd;           /* -1: ours */
    int stderr_fd;           /* -1: ours */
    int pass_fd;             /* appears in the child as fd 3; -1: none */
    bool own_group;          /* setpgid(0, 0) */
    size_t file_limit;       /* soft limit of open files; 0: ours */
    int death_signal;        /* sent to the child when the thread that forks ends; 0: none */
};

#define CHILD_SPEC_INIT                                                                                      \
    {                                                                                                        \
        .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .pass_fd = -1                                      \
    }

/* Returns 0 and *ret_pid, or negative errno with err (also when exec failed; the child is reaped then). The
 * caller keeps its fds. */
int child_spawn(const struct child_spec *spec, pid_t *ret_pid, struct err *err);

/* Path of the program that execvp() would run for this name: a regular file that we may execute. Returns a
 * string to free(), or NULL with err. */
char *child_find_program(const char *name, struct err *err);

/* Builds an environment: ours, with the given NULL-terminated "K=V" entries put over it. One allocation to
 * free(). */
const char **child_environment(const char *const *overrides);

/* Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat), 0 when it is gone or a
 * zombie, which nobody may ever reap: with the boot id it tells a pid from its reuse. */
unsigned long long child_start_ticks(pid_t pid);

/* Text of a wait status: "exit 0", "signal 9 (Killed)". Returns out. */
char *child_status_text(int status, char out[static 64]);

#endif
