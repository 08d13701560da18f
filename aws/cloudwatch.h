/*
 * CloudWatch metrics over AWS JSON 1.0: GetMetricData and PutMetricData. As in aws/ecs.h, every function
 * starts one call on the client's loop and returns a handle for aws_call_cancel(); arguments are copied;
 * callbacks come later in the loop, exactly once unless cancelled, and what they are handed is valid during
 * them.
 *
 * Protocol facts: CloudWatch API reference and service model. At most 500 queries and 100,800 points a call,
 * at most 1,000 metrics and 1 MB a PutMetricData; start is inclusive, end exclusive, both are cut to whole
 * periods; the period of AWS's own metrics is a multiple of 60 s. No point means that nothing is known, never
 * zero: a queue that nobody has called for six hours publishes nothing. GetMetricData is billed by the number
 * of metrics asked for, whatever they answer.
 */
#ifndef SLUICE_AWS_CLOUDWATCH_H
#define SLUICE_AWS_CLOUDWATCH_H

#include "aws/client.h"

#include <stddef.h>
#include <stdint.h>

enum {
    CLOUDWATCH_QUERIES_MAX = 500,   /* of one GetMetricData */
    CLOUDWATCH_POINTS_MAX = 100800, /* of its reply */
    CLOUDWATCH_DATA_MAX = 1000,     /* of one PutMetricData */
    CLOUDWATCH_BODY_MAX = 1000000,  /* bytes of its request; AWS allows 1 MB */
};

/* One metric with at most one dimension, over periods of the same length. */
struct cloudwatch_query {
    const char *name_space; /* "AWS/SQS" */
    const char *metric;     /* "NumberOfMessagesSent" */
    const char *dimension;  /* "QueueName"; NULL: none */
    const char *value;
    const char *stat; /* "Sum", "Maximum", "Average" ... */
    int64_t period_s;
};

struct cloudwatch_point {
    int64_t at_ms; /* start of its period, epoch ms */
    double value;
};

enum cloudwatch_status {
    CLOUDWATCH_COMPLETE,
    CLOUDWATCH_PARTIAL,   /* more may come with the next page */
    CLOUDWATCH_FORBIDDEN, /* no permission for this metric */
    CLOUDWATCH_FAILED,    /* CloudWatch's own InternalError, or a word that we do not know */
};

/* Answer to queries[query]. */
struct cloudwatch_series {
    size_t query;
    enum cloudwatch_status status;
    const struct cloudwatch_point *points; /* in the order of the reply: newest first as we ask */
    size_t point_count;                    /* 0: nothing is known */
};

/* One page. next_token is "" on the last one; a query may have parts on several pages, and no series at all
 * when there is nothing to tell. On failure count is 0. */
typedef void cloudwatch_data_fn(void *arg, const struct aws_result *result,
                                const struct cloudwatch_series *series, size_t count, const char *next_token);

/* GetMetricData of 1 to CLOUDWATCH_QUERIES_MAX queries over [start_ms, end_ms), epoch ms. next_token: NULL
 * for the first page, else that of the page before, with all else unchanged. */
struct aws_call *cloudwatch_get_metric_data(struct aws_client *client, const struct cloudwatch_query *queries,
                                            size_t count, int64_t start_ms, int64_t end_ms,
                                            const char *next_token, cloudwatch_data_fn *fn, void *arg);

/* One value of one metric to publish, with at most one dimension. */
struct cloudwatch_datum {
    const char *metric;
    const char *dimension; /* NULL: none */
    const char *value_of_dimension;
    const char *unit; /* "Count", "Milliseconds" ... */
    int64_t at_ms;    /* epoch ms; CloudWatch takes two weeks back to two hours ahead */
    double value;     /* finite, at most 2^360 (API reference, MetricDatum); others are refused */
};

typedef void cloudwatch_put_fn(void *arg, const struct aws_result *result);

/* PutMetricData of 1 to CLOUDWATCH_DATA_MAX values whose request is at most CLOUDWATCH_BODY_MAX bytes. */
struct aws_call *cloudwatch_put_metric_data(struct aws_client *client, const char *name_space,
                                            const struct cloudwatch_datum *data, size_t count,
                                            cloudwatch_put_fn *fn, void *arg);

#endif
