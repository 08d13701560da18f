/*
 * Children of a library in a program that may have a reaper of its own (supervisor/reaper.h): whoever takes
 * the wait status first, the one who waits gets it. Thread-safe.
 */
#ifndef SLUICE_BASE_CHILD_WAIT_H
#define SLUICE_BASE_CHILD_WAIT_H

#include "base/list.h"

#include <stdbool.h>
#include <sys/types.h>

enum { CHILD_STATUS_LOST = -1 };

/* Memory of the one who waits. */
struct child_wait {
    pid_t pid;
    bool ended;
    int status; /* wait status, CHILD_STATUS_LOST: somebody else reaped the child and did not tell */
    LIST_ENTRY(child_wait) link;
};

/* Call right after child_spawn(), before the loop turns. */
void child_wait_start(struct child_wait *wait, pid_t pid);
/* Whether the child has ended and is reaped; its status is there then. Does not block. */
bool child_wait_poll(struct child_wait *wait);
/* Sends a signal to the process group that the child leads, unless the child is reaped. */
void child_wait_kill_group(struct child_wait *wait, int number);
/* Ends the waiting. A child that still runs is sent KILL with its group, and reaped (blocks until it is
 * gone). */
void child_wait_end(struct child_wait *wait);

/* From a reaper: the status of a child that it did not start. False: nobody waits for it. */
bool child_wait_deliver(pid_t pid, int status);

#endif
