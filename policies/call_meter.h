/*
 * How often a fleet calls an API: a count over the last minutes, in slots of equal length. Pure; product time
 * (epoch ms) is an argument. Plain data, zeroed at the start.
 */
#ifndef SLUICE_POLICIES_CALL_METER_H
#define SLUICE_POLICIES_CALL_METER_H

#include <stdint.h>

enum { CALL_METER_SLOTS = 10, CALL_METER_SLOT_MS = 30000 };

struct call_meter {
    uint32_t slots[CALL_METER_SLOTS]; /* by slot number modulo CALL_METER_SLOTS */
    int64_t slot;                     /* number of the newest one: time / CALL_METER_SLOT_MS */
    int64_t since_ms;                 /* the first note; 0: none yet */
    uint64_t total;
};

/* Notes so many calls. A clock that goes back begins the window anew. */
void call_meter_note(struct call_meter *meter, uint32_t calls, int64_t now_ms);

/* Calls a minute over the window (the last 4.5 to 5 minutes), or since the first note while that is shorter:
 * then over at least ten seconds, so that the first call is no burst. 0 before the first note. */
double call_meter_per_min(const struct call_meter *meter, int64_t now_ms);

#endif
