/*
 * What is known of one fleet at one instant: the queue's counts, the workers' states and their counters.
 * Every reading may be unknown, and every known one says when it was taken, so that nobody mistakes missing
 * for zero or old for new. Pure: no I/O, no clock; time is an argument. Thread-safe (no shared state).
 */
#ifndef SLUICE_POLICIES_OBSERVATION_H
#define SLUICE_POLICIES_OBSERVATION_H

#include "base/err.h"
#include "base/jsonw.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One reading. `value` and `at_ms` mean nothing unless `known`. */
struct reading {
    bool known;
    int64_t value; /* unit as the field table says */
    int64_t at_ms; /* product time, epoch ms, at which the source said so */
};

/*
 * X(name, unit, help). Counters ("total") are sums over all workers of the fleet that ever ran, so they do
 * not fall when a worker ends; the supervisor keeps the sums. Queue counts are SQS's ApproximateNumberOf...:
 * visible, in flight (NotVisible) and delayed come from one GetQueueAttributes call and share one at_ms.
 */
#define OBSERVATION_FIELDS(X)                                                                                \
    X(visible, "messages", "ApproximateNumberOfMessages: the queue's depth")                                 \
    X(in_flight, "messages", "ApproximateNumberOfMessagesNotVisible: received, not yet deleted")             \
    X(delayed, "messages", "ApproximateNumberOfMessagesDelayed")                                             \
    X(oldest_age_ms, "ms", "age of the oldest message")                                                      \
    X(ready, "workers", "workers that said ready and are not stopping")                                      \
    X(starting, "workers", "workers ordered and not yet ready")                                              \
    X(stopping, "workers", "workers that drain; on top of the limits")                                       \
    X(busy, "messages", "messages being handled now by workers that are not stopping")                       \
    X(waiting, "messages", "messages held by those workers that wait for a slot")                            \
    X(worker_capacity, "messages", "messages one worker can handle at once (its slots, not its threads)")    \
    X(completed_total, "messages", "messages handled with success")                                          \
    X(failed_total, "messages", "messages whose handler failed")                                             \
    X(handle_ms_sum, "ms", "time spent in handlers")                                                         \
    X(received, "messages", "messages received")                                                             \
    X(receives, "calls", "ReceiveMessage calls that were answered")                                          \
    X(receives_full, "calls", "of these, with a full batch of 10: the queue has more")                       \
    X(receives_empty, "calls", "of these, empty: the long poll found nothing")                               \
    X(wait_ms_sum, "ms", "time between SentTimestamp and the start of handling")                             \
    X(redelivered, "messages", "messages received with ApproximateReceiveCount above 1")                     \
    X(poll_interval, "ms", "interval of the polls since the last reading, when longer than poll")            \
    X(api_errors, "calls", "failed calls of the sensors since start")                                        \
    X(scale_out_hold, "code", "why the fleet cannot grow now (enum fleet_hold), 0: it can")                  \
    X(scale_in_hold, "code", "why the fleet may not shrink now (enum fleet_hold), 0: it may")                \
    X(depth_source, "code", "who told visible (enum depth_source); unknown: SQS")                            \
    X(depth_max_age_ms, "ms", "how old a depth of that source may be and still count; unknown: stale_after") \
    X(queue_hint, "code", "what the workers' receives say of the queue (enum queue_hint)")                   \
    X(sent_per_min, "messages", "sent in a minute, by CloudWatch; retries count again")                      \
    X(deleted_per_min, "messages", "deleted in a minute, by CloudWatch; repeated deletes count again")

/* Who says how deep the queue is, from the best to the worst (supervisor/sensor_ladder.h). The journal keeps
 * the numbers, so they never change. */
enum depth_source {
    DEPTH_SOURCE_NONE = 0,       /* nobody: hold */
    DEPTH_SOURCE_SQS = 1,        /* GetQueueAttributes, seconds old */
    DEPTH_SOURCE_CLOUDWATCH = 2, /* minutes old: may grow a fleet, never shrink it */
    DEPTH_SOURCE_WORKERS = 3,    /* no number, only a hint */
};

/* What workers notice when nobody tells a number; never changed, as above. */
enum queue_hint {
    QUEUE_HINT_NONE = 0,
    QUEUE_HINT_MORE = 1,  /* full batches: there is more than they took */
    QUEUE_HINT_EMPTY = 2, /* nobody holds anything, and every long poll ends empty */
};

/* What a fleet itself has against a change; the journal keeps the numbers, so they never change. */
enum fleet_hold {
    FLEET_HOLD_NONE = 0,
    FLEET_HOLD_ROLLOUT = 1,    /* ECS replaces the tasks: nothing is taken away meanwhile */
    FLEET_HOLD_TASKS_FAIL = 2, /* what was ordered does not start: more would not, either */
    FLEET_HOLD_UNKNOWN = 3,    /* what the fleet has is unknown, or too old to act upon */
    FLEET_HOLD_REFUSED = 4,    /* this fleet cannot be scaled (a DAEMON service, somebody else's ...) */
};

struct observation {
#define X(name, unit, help) struct reading name;
    OBSERVATION_FIELDS(X)
#undef X
};

/* The table above as data. */
struct observation_field {
    const char *name;
    const char *unit;
    const char *help;
    size_t offset; /* of the struct reading within struct observation */
};
extern const struct observation_field OBSERVATION_TABLE[];
extern const size_t OBSERVATION_TABLE_COUNT;

/* Everything unknown. */
void observation_init(struct observation *obs);

/* Notes a value taken at at_ms: reading_set(&obs.visible, 412, now_ms). */
void reading_set(struct reading *reading, int64_t value, int64_t at_ms);

/* now_ms - at_ms of a known reading, saturated to the range of int64_t; negative when it is from the future
 * (the clock went back). */
int64_t reading_age_ms(const struct reading *reading, int64_t now_ms);

/* Known, not from the future and at most max_age_ms old. */
bool reading_fresh(const struct reading *reading, int64_t now_ms, int64_t max_age_ms);

/* How old the depth may be and still count: stale_after_ms for what SQS told. */
int64_t observation_depth_max_age_ms(const struct observation *obs, int64_t stale_after_ms);
/* Whether a fleet may be made smaller because of this depth: only when SQS itself told it. */
bool observation_may_shrink(const struct observation *obs);

/* Writes one JSON object value: every field by name, unknown ones as null, known ones as
 * {"value":..,"age_ms":..}. */
void observation_encode_json(const struct observation *obs, int64_t now_ms, struct jsonw *w);

/* Reads what observation_encode_json() wrote, taken at now_ms. Fields that are missing are unknown (an older
 * writer), fields that are not in the table are ignored (a newer one). Returns 0, or -1 with err naming the
 * field; *ret_obs is untouched then. */
int observation_parse_json(const json_t *object, int64_t now_ms, struct observation *ret_obs, struct err *err)
    __attribute__((warn_unused_result));

#endif
