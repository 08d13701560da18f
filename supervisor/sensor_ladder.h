/*
 * Who tells how deep a fleet's queue is: SQS; when SQS cannot be read, CloudWatch; when that tells nothing
 * either, the workers; else nobody, and the fleet holds. Pure: product time is an argument.
 *
 * A rung is left when its last word is older than the rung's max age, so a single failed poll changes
 * nothing; a higher rung that speaks again is taken at once. What each rung is good for:
 *
 *   SQS          seconds old: grows and shrinks a fleet.
 *   CloudWatch   minutes old: grows it. Not shrinks: what was a low depth minutes ago may be a sale by now,
 *                and a shrink cannot be taken back without paying for a new start. Too large costs cents.
 *   workers      no number: "there is more than we took", or "we find nothing". Holds.
 *   nobody       holds; after fallback_after the controller's fallback.
 */
#ifndef SLUICE_SUPERVISOR_SENSOR_LADDER_H
#define SLUICE_SUPERVISOR_SENSOR_LADDER_H

#include "policies/observation.h"

#include <stdbool.h>
#include <stdint.h>

/* The rungs from the top, as indexes; each is a depth_source. */
enum sensor_rung { SENSOR_RUNG_SQS, SENSOR_RUNG_CLOUDWATCH, SENSOR_RUNG_WORKERS, SENSOR_RUNG_COUNT };

/* Why a rung does not supply the depth. */
enum sensor_fault {
    SENSOR_GOOD,
    SENSOR_OFF,    /* not configured */
    SENSOR_SILENT, /* has told nothing so far, or has nothing to tell */
    SENSOR_STALE,  /* its last word is too old */
    SENSOR_AHEAD,  /* its last word is from the future: the clock went back */
};

struct sensor_ladder_input {
    bool enabled[SENSOR_RUNG_COUNT];
    struct reading last[SENSOR_RUNG_COUNT]; /* the last word of each: depth, depth, enum queue_hint */
    int64_t max_age_ms[SENSOR_RUNG_COUNT];
};

/* Zeroed at the start. */
struct sensor_ladder {
    bool started;
    int64_t started_ms;
    enum depth_source source;
    int64_t since_ms; /* product: when it became the source */
    enum sensor_fault faults[SENSOR_RUNG_COUNT];
    int64_t changes;
};

/* Judges all rungs. Returns whether the source changed. At the start the source is SQS, for as long as SQS
 * may take to answer (its max age). */
bool sensor_ladder_step(struct sensor_ladder *ladder, const struct sensor_ladder_input *input,
                        int64_t now_ms);

enum depth_source sensor_ladder_source(enum sensor_rung rung);
const char *sensor_source_name(enum depth_source source); /* "sqs", "cloudwatch", "workers", "none" */
const char *sensor_fault_text(enum sensor_fault fault);   /* in words; "" for SENSOR_GOOD */
/* Whether `source` is a worse one than `other`. */
bool sensor_source_is_below(enum depth_source source, enum depth_source other);

/* What the receives of a fleet's workers say, from the counters of its observations. Zeroed at the start. */
struct hint_tracker {
    bool started;
    int64_t receives, receives_full, receives_empty;
    struct reading hint; /* enum queue_hint; at_ms: when the newest receives were counted */
};

/* Takes what obs tells of receives, busy and waiting. MORE: at least half of the receives since the last
 * time brought a full batch. EMPTY: all of them brought nothing, and no worker holds anything (a queue whose
 * in-flight limit is reached looks empty to long polls, too: SQS Developer Guide, visibility timeout). No
 * receive in between tells nothing new. */
void hint_tracker_take(struct hint_tracker *tracker, const struct observation *obs);

#endif
