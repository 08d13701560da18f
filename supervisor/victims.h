/*
 * Which workers a shrinking fleet lets go: those that cost least. Pure.
 */
#ifndef SLUICE_SUPERVISOR_VICTIMS_H
#define SLUICE_SUPERVISOR_VICTIMS_H

#include "supervisor/slot_state.h"

#include <stddef.h>
#include <stdint.h>

struct victim_candidate {
    size_t index; /* the caller's name for it */
    enum slot_state state;
    int64_t load; /* messages it would have to finish or hand back, by its latest telemetry; -1 unknown */
    int64_t started_ms;
};

/* Sorts the candidates so that those to be stopped first stand first: slots without a working process (new,
 * backoff, replacing), then starting ones, then ready ones by load, least first, unknown load last. Among
 * equals the newest goes first. The caller leaves out slots that are condemned already, so none is chosen
 * twice. */
void victims_sort(struct victim_candidate *candidates, size_t count);

#endif
