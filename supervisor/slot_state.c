/* The transition table of worker slots; see slot_state.h. */
#include "supervisor/slot_state.h"

#include <stddef.h>

static const char *const STATE_NAMES[] = {
#define X(constant, name) [constant] = (name),
    SLOT_STATES(X)
#undef X
};

static const char *const EVENT_NAMES[] = {
#define X(constant, name) [constant] = (name),
    SLOT_EVENTS(X)
#undef X
};

_Static_assert(sizeof STATE_NAMES / sizeof STATE_NAMES[0] == SLOT_STATE_MAX, "a name for every state");
_Static_assert(sizeof EVENT_NAMES / sizeof EVENT_NAMES[0] == SLOT_EVENT_MAX, "a name for every event");

/* clang-format off */
#define GO(state, actions) {SLOT_##state, (actions)}
#define IGNORE(state)      {SLOT_##state, SLOT_DO_IGNORE}
#define BUG(state)         {SLOT_##state, SLOT_DO_COMPLAIN}

/*
 * Why some cells are as they are:
 * - silence is judged in READY alone: a starting worker has start_grace, a draining one its stop grace, and both may
 *   have good reasons to be quiet;
 * - a ready line may be on its way when TERM is sent, so it is no surprise in STOPPING, KILLING and REPLACING;
 * - a worker killed for being hung that does not die (disk sleep) leaves REPLACING for KILLING: the fleet fills its
 *   place with a new slot, and the undead one stays listed until it is gone.
 */
static const struct slot_cell TABLE[SLOT_STATE_MAX][SLOT_EVENT_MAX] = {
    [SLOT_NEW] = {
        [SLOT_START]        = GO(STARTING, SLOT_DO_SPAWN),
        [SLOT_SPAWN_FAILED] = BUG(NEW),
        [SLOT_SAID_READY]   = BUG(NEW),
        [SLOT_TIMEOUT]      = BUG(NEW),
        [SLOT_SILENT]       = BUG(NEW),
        [SLOT_STOP]         = GO(GONE, SLOT_DO_NOTHING),
        [SLOT_HURRY]        = GO(GONE, SLOT_DO_NOTHING),
        [SLOT_EXITED]       = BUG(NEW),
    },
    [SLOT_STARTING] = {
        [SLOT_START]        = IGNORE(STARTING),
        [SLOT_SPAWN_FAILED] = GO(BACKOFF, SLOT_DO_BACK_OFF),
        [SLOT_SAID_READY]   = GO(READY, SLOT_DO_NOTHING),
        [SLOT_TIMEOUT]      = GO(REPLACING, SLOT_DO_KILL),
        [SLOT_SILENT]       = IGNORE(STARTING),
        [SLOT_STOP]         = GO(STOPPING, SLOT_DO_TERM),
        [SLOT_HURRY]        = GO(KILLING, SLOT_DO_KILL),
        [SLOT_EXITED]       = GO(BACKOFF, SLOT_DO_BACK_OFF),
    },
    [SLOT_READY] = {
        [SLOT_START]        = IGNORE(READY),
        [SLOT_SPAWN_FAILED] = BUG(READY),
        [SLOT_SAID_READY]   = IGNORE(READY),
        [SLOT_TIMEOUT]      = GO(READY, SLOT_DO_FORGIVE),
        [SLOT_SILENT]       = GO(REPLACING, SLOT_DO_KILL),
        [SLOT_STOP]         = GO(STOPPING, SLOT_DO_TERM),
        [SLOT_HURRY]        = GO(KILLING, SLOT_DO_KILL),
        [SLOT_EXITED]       = GO(BACKOFF, SLOT_DO_BACK_OFF),
    },
    [SLOT_STOPPING] = {
        [SLOT_START]        = IGNORE(STOPPING),
        [SLOT_SPAWN_FAILED] = BUG(STOPPING),
        [SLOT_SAID_READY]   = IGNORE(STOPPING),
        [SLOT_TIMEOUT]      = GO(KILLING, SLOT_DO_KILL),
        [SLOT_SILENT]       = IGNORE(STOPPING),
        [SLOT_STOP]         = IGNORE(STOPPING),
        [SLOT_HURRY]        = GO(KILLING, SLOT_DO_KILL),
        [SLOT_EXITED]       = GO(GONE, SLOT_DO_NOTHING),
    },
    [SLOT_KILLING] = {
        [SLOT_START]        = IGNORE(KILLING),
        [SLOT_SPAWN_FAILED] = BUG(KILLING),
        [SLOT_SAID_READY]   = IGNORE(KILLING),
        [SLOT_TIMEOUT]      = GO(KILLING, SLOT_DO_KILL | SLOT_DO_REPORT),
        [SLOT_SILENT]       = IGNORE(KILLING),
        [SLOT_STOP]         = IGNORE(KILLING),
        [SLOT_HURRY]        = IGNORE(KILLING),
        [SLOT_EXITED]       = GO(GONE, SLOT_DO_NOTHING),
    },
    [SLOT_REPLACING] = {
        [SLOT_START]        = IGNORE(REPLACING),
        [SLOT_SPAWN_FAILED] = BUG(REPLACING),
        [SLOT_SAID_READY]   = IGNORE(REPLACING),
        [SLOT_TIMEOUT]      = GO(KILLING, SLOT_DO_KILL | SLOT_DO_REPORT),
        [SLOT_SILENT]       = IGNORE(REPLACING),
        [SLOT_STOP]         = GO(KILLING, SLOT_DO_NOTHING),
        [SLOT_HURRY]        = GO(KILLING, SLOT_DO_NOTHING),
        [SLOT_EXITED]       = GO(BACKOFF, SLOT_DO_BACK_OFF),
    },
    [SLOT_BACKOFF] = {
        [SLOT_START]        = IGNORE(BACKOFF),
        [SLOT_SPAWN_FAILED] = BUG(BACKOFF),
        [SLOT_SAID_READY]   = BUG(BACKOFF),
        [SLOT_TIMEOUT]      = GO(STARTING, SLOT_DO_SPAWN),
        [SLOT_SILENT]       = BUG(BACKOFF),
        [SLOT_STOP]         = GO(GONE, SLOT_DO_NOTHING),
        [SLOT_HURRY]        = GO(GONE, SLOT_DO_NOTHING),
        [SLOT_EXITED]       = BUG(BACKOFF),
    },
    [SLOT_GONE] = {
        [SLOT_START]        = BUG(GONE),
        [SLOT_SPAWN_FAILED] = BUG(GONE),
        [SLOT_SAID_READY]   = BUG(GONE),
        [SLOT_TIMEOUT]      = BUG(GONE),
        [SLOT_SILENT]       = BUG(GONE),
        [SLOT_STOP]         = IGNORE(GONE),
        [SLOT_HURRY]        = IGNORE(GONE),
        [SLOT_EXITED]       = BUG(GONE),
    },
};
/* clang-format on */

struct slot_cell slot_state_next(enum slot_state state, enum slot_event event)
{
    return TABLE[state][event];
}

const char *slot_state_name(enum slot_state state)
{
    return STATE_NAMES[state];
}

const char *slot_event_name(enum slot_event event)
{
    return EVENT_NAMES[event];
}
