/*
 * Survivors of an earlier supervisor. Each worker has a small record in state_dir/workers while it lives;
 * records that are still there at the next start name processes that have lost their supervisor. They drain
 * and end by their own grace: they are listed until they are gone, and never signalled.
 *
 * A record is trusted only when boot id and start time match: pids are used again. Records matter across the
 * death of a process, not of the machine, so they are not synced to disk.
 */
#ifndef SLUICE_SUPERVISOR_ORPHANS_H
#define SLUICE_SUPERVISOR_ORPHANS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;

struct worker_record {
    char worker[64]; /* "orders-7" */
    char fleet[48];
    pid_t pid;
    unsigned long long start_ticks; /* child_start_ticks() */
    int64_t started_ms;             /* product */
};

/* Writes state_dir/workers/WORKER.json. Returns 0 or negative errno with err. */
int worker_record_write(const char *state_dir, const struct worker_record *record, struct err *err);
void worker_record_remove(const char *state_dir, const char *worker);

/* Text of the kernel's boot id, "" when it has none. Valid for ever. */
const char *worker_record_boot_id(void);

struct orphans;

/* state_dir NULL: none, and nothing is read. Else reads the records that are there, drops those of processes
 * that are gone, and looks after the others every second of real time until none is left. A record that
 * cannot be read is dropped and logged. */
struct orphans *orphans_new(struct event_base *base, const char *state_dir);
void orphans_destroy(struct orphans *orphans); /* accepts NULL */

size_t orphans_count(const struct orphans *orphans, const char *fleet); /* NULL: all fleets */
/* The i-th of all; NULL behind the last. Valid until the loop turns. */
const struct worker_record *orphans_get(const struct orphans *orphans, size_t i);
/* Whether an orphan has this name, which a new worker may not take. */
bool orphans_has(const struct orphans *orphans, const char *worker);

#endif
