/*
 * The programs that a demo or a measurement starts: spawned with their output in files of the work folder,
 * reaped in the loop, stopped in order, killed when they do not stop. Everything dies with the demo (death
 * signal), and orphans of a killed supervisor become its children too (child subreaper), so nothing is left
 * behind. Main thread only.
 */
#ifndef SLUICE_SUPERVISOR_DEMO_CHILDREN_H
#define SLUICE_SUPERVISOR_DEMO_CHILDREN_H

#include "base/err.h"
#include "base/loop.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event;
struct event_base;
struct demo_children;

enum demo_child_name { DEMO_LOCALAWS, DEMO_SUPERVISOR, DEMO_LOAD, DEMO_WORKER, DEMO_CHILD_MAX };

/* "the local endpoint", "the supervisor", "the load generator", "the worker": for messages. */
const char *demo_child_title(enum demo_child_name name);

struct demo_child {
    pid_t pid;      /* 0: not running */
    bool started;   /* was ever started */
    int status;     /* wait status of the last end */
    double cpu_s;   /* user and system time of the last one that ended, real seconds */
    char *out_path; /* owned: its stdout */
    char *err_path; /* owned: its stderr */
};

struct demo_children {
    struct event_base *base; /* borrowed */
    struct demo_child child[DEMO_CHILD_MAX];
    struct event *sigchld; /* owned */
    void (*on_exit)(void *arg, enum demo_child_name name, int status);
    void *arg;
};

/* folder: where the output files go ("<folder>/supervisor.out", ".err"). on_exit is called in the loop, once
 * for each end of a child that was started here. */
void demo_children_init(struct demo_children *children, struct event_base *base, const char *folder,
                        void (*on_exit)(void *arg, enum demo_child_name name, int status), void *arg);
/* Kills what still runs and waits for it. */
void demo_children_clean_up(struct demo_children *children);

/* Starts a program; argv[0] is its path. Returns 0 or -1 with err. */
int demo_children_start(struct demo_children *children, enum demo_child_name name, const char *const *argv,
                        struct err *err);

/* Sends a signal if it runs. */
void demo_children_signal(const struct demo_children *children, enum demo_child_name name, int number);

bool demo_children_running(const struct demo_children *children, enum demo_child_name name);

/* Appends the last lines of its stderr, at most max_lines, each indented. */
void demo_children_tail(const struct demo_children *children, enum demo_child_name name, int max_lines,
                        struct strbuf *out);

#endif
