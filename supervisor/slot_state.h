/*
 * The life of a worker slot as a table: states down, events across, each cell the next state and what is to
 * be done. Pure; local_slot.c is the driver that does it. A slot is a place in the fleet: its worker may die
 * and be replaced, the slot stays until scaling condemns it.
 *
 * Every waiting state has a deadline; when it passes the slot gets SLOT_TIMEOUT.
 */
#ifndef SLUICE_SUPERVISOR_SLOT_STATE_H
#define SLUICE_SUPERVISOR_SLOT_STATE_H

/* X(CONSTANT, "name"): what the slot is, and the deadline of the state. */
#define SLOT_STATES(X)                                                                                       \
    X(SLOT_NEW, "new") /* made, nothing started; no deadline, the fleet starts it in the same turn */        \
    X(SLOT_STARTING, "starting")   /* forked, has not said ready; start_grace */                             \
    X(SLOT_READY, "ready")         /* counts as capacity; healthy_after forgives its earlier failures */     \
    X(SLOT_STOPPING, "stopping")   /* condemned, TERM sent, drains; stop_grace and a margin */               \
    X(SLOT_KILLING, "killing")     /* condemned, KILL sent; a while, then it is reported as undead */        \
    X(SLOT_REPLACING, "replacing") /* hung or late, KILL sent, will be started again; as above */            \
    X(SLOT_BACKOFF, "backoff")     /* no process; waits until the next start */                              \
    X(SLOT_GONE, "gone")           /* condemned and no process: the fleet frees it after this turn; none */

enum slot_state {
#define X(constant, name) constant,
    SLOT_STATES(X)
#undef X
        SLOT_STATE_MAX
};

#define SLOT_EVENTS(X)                                                                                       \
    X(SLOT_START, "start")               /* the fleet wants it started */                                    \
    X(SLOT_SPAWN_FAILED, "spawn-failed") /* fork or exec did not work */                                     \
    X(SLOT_SAID_READY, "said-ready")     /* the ready line, or start_grace of a worker without telemetry */  \
    X(SLOT_TIMEOUT, "timeout")           /* the deadline of the state passed */                              \
    X(SLOT_SILENT, "silent")             /* no telemetry for hung_after */                                   \
    X(SLOT_STOP, "stop")                 /* scaling or shutdown condemns it */                               \
    X(SLOT_HURRY, "hurry")               /* somebody cannot wait for the drain */                            \
    X(SLOT_EXITED, "exited")             /* its process is reaped and its pipes are at their end */

enum slot_event {
#define X(constant, name) constant,
    SLOT_EVENTS(X)
#undef X
        SLOT_EVENT_MAX
};

/* What the driver does on a transition, in this order. */
enum slot_action {
    SLOT_DO_NOTHING = 0,
    SLOT_DO_SPAWN = 1 << 0,    /* start a worker process; a failure comes back as SLOT_SPAWN_FAILED */
    SLOT_DO_TERM = 1 << 1,     /* SIGTERM to its process group, which is waited for */
    SLOT_DO_KILL = 1 << 2,     /* SIGKILL to its process group */
    SLOT_DO_REPORT = 1 << 3,   /* say that a killed process does not go away */
    SLOT_DO_FORGIVE = 1 << 4,  /* it has been healthy long enough: count failures from zero again */
    SLOT_DO_BACK_OFF = 1 << 5, /* count a failure and choose the wait */
    SLOT_DO_IGNORE = 1 << 6,   /* the event means nothing here, and that is right (a late signal or line) */
    SLOT_DO_COMPLAIN = 1 << 7, /* the event cannot happen here: log our bug, change nothing */
};

struct slot_cell {
    enum slot_state next;
    unsigned int actions; /* of enum slot_action */
};

struct slot_cell slot_state_next(enum slot_state state, enum slot_event event);

const char *slot_state_name(enum slot_state state);
const char *slot_event_name(enum slot_event event);

#endif
