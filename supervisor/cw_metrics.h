/*
 * The metrics that CloudWatch has of an SQS queue, and how an answer is read: which periods are asked for,
 * which point counts, what it means. Pure: product time is an argument.
 *
 * Facts ("Available CloudWatch metrics for Amazon SQS", SQS Developer Guide): published once a minute while
 * the queue is active, that is, has messages or was called within six hours; up to 15 minutes late after it
 * woke up. So no point means unknown, never zero. The counts are those of the service: retried sends and
 * repeated deletes count again. A question for the newest minute alone is answered with nothing
 * (prometheus/cloudwatch_exporter#1), hence several periods, the newest of which has been over for a minute.
 */
#ifndef SLUICE_SUPERVISOR_CW_METRICS_H
#define SLUICE_SUPERVISOR_CW_METRICS_H

#include "aws/cloudwatch.h"
#include "policies/observation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, metric, statistic, kind): name is the field of the observation. */
#define CW_METRICS(X)                                                                                        \
    X(oldest_age_ms, "ApproximateAgeOfOldestMessage", "Maximum", CW_SECONDS)                                 \
    X(sent_per_min, "NumberOfMessagesSent", "Sum", CW_PER_MINUTE)                                            \
    X(deleted_per_min, "NumberOfMessagesDeleted", "Sum", CW_PER_MINUTE)                                      \
    X(visible, "ApproximateNumberOfMessagesVisible", "Maximum", CW_GAUGE)                                    \
    X(in_flight, "ApproximateNumberOfMessagesNotVisible", "Maximum", CW_GAUGE)

enum cw_metric {
#define X(name, metric, stat, kind) CW_METRIC_##name,
    CW_METRICS(X)
#undef X
        CW_METRIC_COUNT
};

/* The first ones are all that is asked for while SQS itself tells the depth. */
enum { CW_METRICS_WITHOUT_DEPTH = CW_METRIC_visible };

/* A period counts once it has been over for so long: the metrics of a minute arrive after it. */
enum { CW_SETTLE_MS = 60000 };

/* The closed periods to ask for at now_ms: [start, end), whole periods since the epoch. */
void cw_window(int64_t now_ms, int64_t period_ms, int64_t windows, int64_t *ret_start_ms,
               int64_t *ret_end_ms);

/* The newest point whose whole period lies within [start_ms, end_ms); false when there is none. */
bool cw_newest(const struct cloudwatch_point *points, size_t count, int64_t start_ms, int64_t end_ms,
               int64_t period_ms, struct cloudwatch_point *ret_point);

/* What a point means, in the unit of the observation: a gauge is as old as the start of its period (it was
 * so at some time within it), a rate as its end. Unknown when the value is no count. */
struct reading cw_reading(enum cw_metric metric, const struct cloudwatch_point *point, int64_t period_ms);

/* The query for one metric of a queue. queue_name is kept, not copied. */
struct cloudwatch_query cw_query(enum cw_metric metric, const char *queue_name, int64_t period_ms);

/* The queue's name in its URL, "" when there is none that CloudWatch could know. Points into url. */
const char *cw_queue_name(const char *url);

/* The reading of that name in an observation. */
struct reading *cw_field(struct observation *obs, enum cw_metric metric);
const char *cw_field_name(enum cw_metric metric);

#endif
