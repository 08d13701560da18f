/*
 * What CloudWatch keeps: the metrics of queues, a point a queue and minute, and custom metrics, both of the
 * last METRICS_MINUTES. Pure: time is an argument (product ms). One thread.
 *
 * Rules of AWS/SQS metrics: "Available CloudWatch metrics for Amazon SQS" of the developer guide; a queue
 * that nobody calls and that is empty falls silent after six hours.
 */
#ifndef SLUICE_LOCALAWS_METRICS_H
#define SLUICE_LOCALAWS_METRICS_H

#include "localaws/slice.h"
#include "localaws/sqs_engine.h"
#include "localaws/strmap.h"

#include <stdint.h>

enum {
    METRICS_MINUTES = 180,
    METRICS_MINUTE_MS = 60000,
    METRICS_CUSTOM_MAX = 1000, /* series */
    METRICS_DIMENSIONS_MAX = 30,
    METRICS_ID_BYTES_MAX = 4096,
};

#define METRICS_SQS_NAMESPACE "AWS/SQS"

struct metrics_settings {
    int64_t delay_ms;        /* from the end of a minute until its point can be read */
    int64_t active_after_ms; /* a queue publishes so long after the last call */
    double gaps;             /* share of the points of queues that never come, 0..1 */
};

struct metrics_dimension {
    const char *name, *value;
};

/* What a metric is called. Dimensions in any order; not owned. */
struct metrics_id {
    const char *namespace_, *name;
    struct metrics_dimension dimensions[METRICS_DIMENSIONS_MAX];
    size_t dimension_count;
};

/* A statistic set of CloudWatch; count 0: no data. */
struct metrics_set {
    double count, sum, min, max;
};

/* One minute of a queue, 48 bytes: a thousand queues keep three hours in 9 MB. */
struct metrics_queue_point {
    uint32_t minute; /* since the epoch */
    uint32_t sent, received, deleted, empty_receives;
    uint32_t visible, in_flight, delayed, oldest_age_s; /* at its end */
    uint32_t bytes_min, bytes_max;                      /* of messages sent */
    uint64_t bytes;
};

struct metrics_custom_point {
    int64_t minute;
    struct metrics_set set;
};

/* The points of one metric, or of a queue; a point stands at its minute modulo METRICS_MINUTES. */
struct metrics_series {
    char *id;      /* owned: a queue's name, or the text of metrics_id_text() */
    char unit[24]; /* custom: of the latest point */
    int64_t latest_minute;
    struct metrics_queue_point *queue;   /* owned; or NULL */
    struct metrics_custom_point *custom; /* owned; or NULL */
};

struct metrics {
    struct metrics_settings settings;
    int64_t minute;                /* that is being collected */
    struct strmap queues, customs; /* struct metrics_series; a queue's outlives the queue */
};

void metrics_init(struct metrics *metrics, const struct metrics_settings *settings, int64_t now_ms);
void metrics_clean_up(struct metrics *metrics);

/* Publishes the minute that was collected when it has ended by now; cheap when it has not. Whole minutes that
 * passed without a call (the process was stopped) have no points. */
void metrics_roll(struct metrics *metrics, struct sqs_engine *engine, int64_t now_ms);
/* When metrics_roll() is needed next. */
static inline int64_t metrics_next_ms(const struct metrics *metrics)
{
    return (metrics->minute + 1) * METRICS_MINUTE_MS;
}

/* Finds where a metric is; false: there is none of that id. */
struct metrics_ref {
    const struct metrics_series *series;
    int row; /* of AWS/SQS: see metrics_sqs_name(); -1: custom */
    const char *unit;
};
bool metrics_find(const struct metrics *metrics, const struct metrics_id *id, struct metrics_ref *ret);
/* The point of a minute (since the epoch) as far as it is known at now_ms. */
struct metrics_set metrics_read(const struct metrics *metrics, const struct metrics_ref *ref, int64_t minute,
                                int64_t now_ms);
/* Whether it has a point since this minute. */
bool metrics_has_since(const struct metrics_ref *ref, int64_t minute);

/* Adds to a custom metric, readable at once; what is older than METRICS_MINUTES is dropped. False when there
 * is no room for one metric more. */
bool metrics_put(struct metrics *metrics, const struct metrics_id *id, const char *unit,
                 const struct metrics_set *set, int64_t time_ms, int64_t now_ms);
void metrics_set_add(struct metrics_set *to, const struct metrics_set *set);

/* The metrics of a queue: 0, 1, ... until NULL. */
const char *metrics_sqs_name(int row);

/* "namespace\x1fname\x1fk\x1ev\x1fk\x1ev", dimensions sorted; false when it is longer than
 * METRICS_ID_BYTES_MAX. */
bool metrics_id_text(const struct metrics_id *id, char out[static METRICS_ID_BYTES_MAX]);
/* The way back: cuts the text where it stands. */
void metrics_id_parse(char *text, struct metrics_id *ret);

#endif
