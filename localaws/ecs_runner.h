/*
 * Tasks as local processes: the command of the task definition with its environment, in a process group of
 * its own, no shell. A task's process dies with this program (PDEATHSIG), and what it leaves of its group is
 * killed when it ends. In the loop's thread, which must be the one that starts them all.
 */
#ifndef SLUICE_LOCALAWS_ECS_RUNNER_H
#define SLUICE_LOCALAWS_ECS_RUNNER_H

#include "localaws/ecs_engine.h"

struct event_base;
struct ecs_runner;

struct ecs_runner_options {
    struct event_base *base;
    const char *region;  /* not owned */
    const char *log_dir; /* a file for each task's output, ID.log; NULL: our stderr. Not owned */
    /* A process has ended: an exit code, or 128 + the signal. From the loop. */
    void (*on_exit)(void *arg, struct ecs_task *task, int exit_code);
    void *arg;
};

struct ecs_runner *ecs_runner_new(const struct ecs_runner_options *options);
/* Kills whatever still runs. */
void ecs_runner_free(struct ecs_runner *runner);
/* Where tasks reach us, as "http://127.0.0.1:9324"; copied. Before the first start. */
void ecs_runner_set_url(struct ecs_runner *runner, const char *url);
/* For the engine. */
struct ecs_processes ecs_runner_processes(struct ecs_runner *runner);

#endif
