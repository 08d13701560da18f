/*
 * Reaps child processes: one SIGCHLD handler for the whole program, which tells each child's owner its wait
 * status. Children that nobody registered are reaped too, since a supervisor that is process 1 of a container
 * inherits strangers. Runs in the loop's thread.
 */
#ifndef SLUICE_SUPERVISOR_REAPER_H
#define SLUICE_SUPERVISOR_REAPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;
struct reaper;

/* A registered child; memory of the owner, which must not free it before the callback or reaper_forget(). */
struct reaper_child {
    pid_t pid;         /* of a process that leads its own process group */
    bool spares_group; /* what it leaves in its group is the owner's to wait for */
    void (*fn)(void *arg, int status);
    void *arg;
    struct reaper_child *next; /* private */
};

/* Reaps at once what has ended before; later ends come in the loop. */
struct reaper *reaper_new(struct event_base *base);
void reaper_destroy(struct reaper *reaper);

/* Call right after the fork, before the loop turns. fn comes once, in the loop: the child is reaped then and
 * its pid means nothing any more. Unless the group is spared, whatever else was left in it has been sent KILL
 * just before, while the pid was still certain to be the child's. */
void reaper_watch(struct reaper *reaper, struct reaper_child *child);
/* The owner goes away; the child is reaped as a stranger later. */
void reaper_forget(struct reaper *reaper, struct reaper_child *child);

/* Unregistered children reaped so far. */
uint64_t reaper_strangers(const struct reaper *reaper);

#endif
