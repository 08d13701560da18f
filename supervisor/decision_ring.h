/*
 * The last decisions of a fleet, in memory, for `sluice explain`: so many runs of decisions, the oldest going
 * first. A run is one or more decisions in a row that differ in nothing but their numbers (the same result,
 * for the same reason): a fleet that holds for an hour takes one place, and what moved before that stays to
 * be seen. Packed (decision_pack.h): about 250 bytes a run. Belongs to one thread.
 */
#ifndef SLUICE_SUPERVISOR_DECISION_RING_H
#define SLUICE_SUPERVISOR_DECISION_RING_H

#include "base/jsonw.h"
#include "policies/decision.h"

#include <stddef.h>
#include <stdint.h>

struct decision_run {
    int64_t since_ms; /* product time of the first decision */
    uint64_t steps;   /* how many there were */
    char *packed;     /* owned: the newest of them */
    size_t len;
};

struct decision_ring {
    struct decision_run *runs; /* owned; `room` of them */
    size_t room, first, count;
};

/* Makes an empty ring of `room` >= 1 runs. */
void decision_ring_init(struct decision_ring *ring, size_t room);
void decision_ring_clean_up(struct decision_ring *ring);

/* Notes a decision: it joins the newest run when it is like that one. */
void decision_ring_add(struct decision_ring *ring, const struct decision *decision);

/* The run that is `back` runs before the newest (0: the newest), with its newest decision; NULL when there is
 * none. */
const struct decision_run *decision_ring_get(const struct decision_ring *ring, size_t back,
                                             struct decision *ret_decision);

/* Writes the newest `most` runs as an array, the newest first: [{"text":"hold at 25: ..","age_ms":..,
 * "since_age_ms":..,"steps":340,"record":{decision_encode_json()}}, ..]. */
void decision_ring_write(const struct decision_ring *ring, size_t most, int64_t now_ms, struct jsonw *w);

#endif
