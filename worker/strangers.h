/*
 * Reaps what nobody in the worker has started: as process 1 of a container (or as a subreaper) it becomes the
 * parent of whatever others leave behind, such as a daemon that a handler's program made, or what somebody
 * ran in the container. Anywhere else it does nothing. Not for plugins: their own code may start processes
 * and wait for them, which nobody can tell from strangers. Belongs to the loop's thread.
 */
#ifndef SLUICE_WORKER_STRANGERS_H
#define SLUICE_WORKER_STRANGERS_H

#include <stdint.h>

struct event_base;
struct strangers;

/* NULL when this process takes no orphans. */
struct strangers *strangers_new(struct event_base *base);
void strangers_destroy(struct strangers *strangers); /* accepts NULL */
/* Looks at once; by itself it does every second. */
void strangers_look(struct strangers *strangers);
/* How many were reaped; 0 for NULL. */
int64_t strangers_reaped(const struct strangers *strangers);

#endif
