/*
 * A worker slot of a local fleet: the driver of the table in slot_state.h. It starts the slot's process,
 * keeps its deadlines, its telemetry and its restart waits. One function, local_slot_handle(), changes the
 * state.
 */
#ifndef SLUICE_SUPERVISOR_LOCAL_SLOT_H
#define SLUICE_SUPERVISOR_LOCAL_SLOT_H

#include "base/loop.h"
#include "base/telemetry.h"
#include "supervisor/restart_backoff.h"
#include "supervisor/slot_state.h"
#include "supervisor/worker_account.h"
#include "supervisor/worker_process.h"

#include <stdbool.h>
#include <stdint.h>

/* What all slots of a fleet share; belongs to the fleet. */
struct local_slot_shared {
    struct event_base *base;
    struct reaper *reaper;
    const char *state_dir; /* NULL: no records are kept */
    const char *fleet_name;
    const struct config_local *config;
    /* Complete environment of the worker called `name`; the fleet's memory, valid until the next call. */
    const char *const *(*environment)(void *arg, const char *name);
    /* After every change of state; a slot that is GONE may be destroyed once the loop has turned. */
    void (*on_change)(void *arg);
    void *arg;
    struct account_totals dead_totals; /* of processes that have ended; the fleet cleans it up */
    uint64_t dead_bad_lines, dead_dropped_log_lines, dead_cut_log_lines;
};

struct local_slot {
    struct local_slot_shared *shared;
    int number;
    char name[64]; /* FLEET-NUMBER */

    enum slot_state state;
    int64_t since_ms;      /* product: the state's beginning */
    int64_t next_start_ms; /* product: end of a backoff */
    struct loop_timer deadline;
    struct loop_timer silence; /* hung_after, in READY */

    struct worker_process *process; /* NULL: none */
    int64_t started_ms;             /* product: of the process */
    int64_t forked_mono_ms;         /* real */
    int64_t start_ready_ms;         /* real, from the fork to ready; -1 until then */
    bool healthy;                   /* was ready for healthy_after */
    bool undead;                    /* killed, and does not go away */

    struct worker_account account; /* telemetry of the present process */
    uint64_t heard_bytes;          /* of telemetry, when the watch for silence was last set */
    char bye[32];                  /* its parting reason, or "" */

    struct restart_backoff backoff;
    int64_t restarts;   /* processes after the first */
    char last_exit[96]; /* "signal 9 (Killed), hung"; "" never */
    int64_t last_exit_ms;
    const char *kill_reason; /* why we killed the present process; NULL: we did not */
};

struct local_slot *local_slot_new(struct local_slot_shared *shared, int number, uint64_t seed);
void local_slot_destroy(struct local_slot *slot); /* accepts NULL; its process, if any, is left to drain */

void local_slot_handle(struct local_slot *slot, enum slot_event event);

/* Writes the record of the slot's process (orphans.h); a failure is logged. */
void local_slot_write_record(const struct local_slot *slot);

/* A place in the fleet that is not condemned. */
bool local_slot_is_place(const struct local_slot *slot);
/* Failed so often in a row that a new start is no capacity until it is ready. */
bool local_slot_is_crash_looping(const struct local_slot *slot);
/* 0 without a process. */
pid_t local_slot_pid(const struct local_slot *slot);

#endif
