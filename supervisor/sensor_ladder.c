/* Choosing the source of a queue's depth; see sensor_ladder.h. Pure. */
#include "supervisor/sensor_ladder.h"

#include <stddef.h>

static const enum depth_source SOURCES[SENSOR_RUNG_COUNT] = {
    [SENSOR_RUNG_SQS] = DEPTH_SOURCE_SQS,
    [SENSOR_RUNG_CLOUDWATCH] = DEPTH_SOURCE_CLOUDWATCH,
    [SENSOR_RUNG_WORKERS] = DEPTH_SOURCE_WORKERS,
};

enum depth_source sensor_ladder_source(enum sensor_rung rung)
{
    return SOURCES[rung];
}

const char *sensor_source_name(enum depth_source source)
{
    switch (source) {
    case DEPTH_SOURCE_SQS:
        return "sqs";
    case DEPTH_SOURCE_CLOUDWATCH:
        return "cloudwatch";
    case DEPTH_SOURCE_WORKERS:
        return "workers";
    case DEPTH_SOURCE_NONE:
        break;
    }
    return "none";
}

const char *sensor_fault_text(enum sensor_fault fault)
{
    switch (fault) {
    case SENSOR_GOOD:
        break;
    case SENSOR_OFF:
        return "not configured";
    case SENSOR_SILENT:
        return "tells nothing";
    case SENSOR_STALE:
        return "its last word is too old";
    case SENSOR_AHEAD:
        return "its last word is from the future";
    }
    return "";
}

static int place_of(enum depth_source source)
{
    for (int i = 0; i < SENSOR_RUNG_COUNT; i++)
        if (SOURCES[i] == source)
            return i;
    return SENSOR_RUNG_COUNT;
}

bool sensor_source_is_below(enum depth_source source, enum depth_source other)
{
    return place_of(source) > place_of(other);
}

/* A hint that says neither is no word at all. */
static bool says_something(enum sensor_rung rung, const struct reading *last)
{
    return last->known && (rung != SENSOR_RUNG_WORKERS || last->value != QUEUE_HINT_NONE);
}

static enum sensor_fault judge(const struct sensor_ladder_input *input, enum sensor_rung rung, int64_t now_ms)
{
    const struct reading *last = &input->last[rung];
    if (!input->enabled[rung])
        return SENSOR_OFF;
    if (!says_something(rung, last))
        return SENSOR_SILENT;
    if (reading_fresh(last, now_ms, input->max_age_ms[rung]))
        return SENSOR_GOOD;
    return reading_age_ms(last, now_ms) < 0 ? SENSOR_AHEAD : SENSOR_STALE;
}

/* Before the first answer can have come nobody is blamed. */
static bool is_awaited(const struct sensor_ladder *ladder, const struct sensor_ladder_input *input,
                       int64_t now_ms)
{
    return ladder->faults[SENSOR_RUNG_SQS] == SENSOR_SILENT && now_ms >= ladder->started_ms &&
           now_ms - ladder->started_ms <= input->max_age_ms[SENSOR_RUNG_SQS];
}

bool sensor_ladder_step(struct sensor_ladder *ladder, const struct sensor_ladder_input *input, int64_t now_ms)
{
    enum depth_source source = DEPTH_SOURCE_NONE;
    if (!ladder->started) {
        *ladder = (struct sensor_ladder){
            .started = true, .started_ms = now_ms, .source = DEPTH_SOURCE_SQS, .since_ms = now_ms};
    }
    for (int i = SENSOR_RUNG_COUNT - 1; i >= 0; i--) {
        ladder->faults[i] = judge(input, (enum sensor_rung)i, now_ms);
        if (ladder->faults[i] == SENSOR_GOOD)
            source = SOURCES[i];
    }
    if (is_awaited(ladder, input, now_ms))
        source = DEPTH_SOURCE_SQS;
    if (source == ladder->source)
        return false;
    ladder->source = source;
    ladder->since_ms = now_ms;
    ladder->changes++;
    return true;
}

/* ---- the workers' hint ---- */

static bool is_idle(const struct observation *obs)
{
    return obs->busy.known && obs->busy.value == 0 && obs->waiting.known && obs->waiting.value == 0;
}

void hint_tracker_take(struct hint_tracker *tracker, const struct observation *obs)
{
    if (!obs->receives.known || !obs->receives_full.known || !obs->receives_empty.known)
        return;
    int64_t receives = obs->receives.value - tracker->receives;
    int64_t full = obs->receives_full.value - tracker->receives_full;
    int64_t empty = obs->receives_empty.value - tracker->receives_empty;
    bool is_new = !tracker->started || receives < 0 || full < 0 || empty < 0; /* counters began anew */
    if (!is_new && receives == 0)
        return;
    tracker->started = true;
    tracker->receives = obs->receives.value;
    tracker->receives_full = obs->receives_full.value;
    tracker->receives_empty = obs->receives_empty.value;
    if (is_new) {
        tracker->hint.known = false;
        return;
    }
    enum queue_hint hint = QUEUE_HINT_NONE;
    if (2 * full >= receives)
        hint = QUEUE_HINT_MORE;
    else if (empty == receives && is_idle(obs))
        hint = QUEUE_HINT_EMPTY;
    reading_set(&tracker->hint, hint, obs->receives.at_ms);
}
