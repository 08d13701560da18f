/*
 * Inside of a fleet under control, shared by fleet_control.c (its loop and life), fleet_control_state.c (what
 * is kept for a successor) and fleet_control_report.c (what it tells). All of it runs in the loop's thread.
 */
#ifndef SLUICE_SUPERVISOR_FLEET_CONTROL_INTERNAL_H
#define SLUICE_SUPERVISOR_FLEET_CONTROL_INTERNAL_H

#include "base/err.h"
#include "base/loop.h"
#include "base/strbuf.h"
#include "policies/controller.h"
#include "supervisor/decision_ring.h"
#include "supervisor/fleet_control.h"
#include "supervisor/fleet_ops.h"
#include "supervisor/fleet_polls.h"
#include "supervisor/fleet_sensors.h"
#include "supervisor/journal.h"
#include "supervisor/sqs_sensor.h"
#include "supervisor/state_file.h"

struct fleet_control {
    struct fleet_control_options options;
    struct controller *controller; /* owned */
    struct sqs_sensor *sensor;     /* owned */
    struct fleet_polls polls;
    struct fleet_sensors *sensors; /* owned: who tells the depth when SQS does not */
    const struct fleet_ops *ops;   /* of its workers */
    void *workers;                 /* owned; what ops take */
    struct journal journal;
    struct loop_timer save_timer;
    struct loop_timer order_timer; /* the end of an operator's order */
    bool started;
    bool stopped;

    bool decided; /* last is filled in */
    struct decision last;
    bool changed;
    struct decision last_change;
    uint64_t decisions, changes;
    uint64_t grown, shrunk;
    uint64_t whys[DECISION_WHY_COUNT]; /* decisions by reason */
    struct reading depth;              /* the newest one that was known, kept when later ones are not */
    int64_t depth_max_age_ms;
    struct decision_ring runs;         /* the last decisions */
    struct decision_ring changed_runs; /* those that changed something */

    struct strbuf written; /* what the state file has */
    bool state_stuck;      /* it has what we cannot use, and cannot put aside: leave it alone */
    bool disowned;         /* the state folder is somebody else's now: leave all of it alone */
    uint64_t saves, save_failures;
    struct err save_error;    /* of the last failure */
    struct err restore_error; /* why the state found at start was of no use; "" otherwise */
};

/* ---- fleet_control_state.c ---- */

/* Hands the state to options.keep_state, which is set. Does not block. */
void fleet_control_keep_state(struct fleet_control *control);

/* Keeps the state for a successor, in the shared state or in the file; the file only as long as the folder is
 * ours. Before the start nothing. A failure is counted, told, and left in save_error. */
void fleet_control_save_state(struct fleet_control *control, enum state_file_care care);

/* Product ms between two saves without a change. */
int64_t fleet_control_save_every_ms(const struct fleet_control *control);

/* Gives the controller what a predecessor left: kept (NULL: nothing) with options.keep_state, else the state
 * file. Returns whether there was a state that is of use; one that is of none holds shrinks. */
bool fleet_control_restore_state(struct fleet_control *control, const char *kept);

#endif
