/*
 * The operations of CloudWatch on its metrics: GetMetricData, ListMetrics, PutMetricData. Pure; one thread.
 * Members, limits and errors: the CloudWatch service model (2010-08-01) and its API reference.
 */
#ifndef SLUICE_LOCALAWS_CLOUDWATCH_OPS_H
#define SLUICE_LOCALAWS_CLOUDWATCH_OPS_H

#include "localaws/metrics.h"
#include "localaws/rpc.h"

enum cloudwatch_op {
    CLOUDWATCH_GET_METRIC_DATA,
    CLOUDWATCH_LIST_METRICS,
    CLOUDWATCH_PUT_METRIC_DATA,
    CLOUDWATCH_OP_MAX
};

enum {
    CLOUDWATCH_QUERIES_MAX = 500,
    CLOUDWATCH_POINTS_MAX = 100800,
    CLOUDWATCH_DATA_MAX = 1000, /* of one PutMetricData */
};

/* What a call works on. */
struct cloudwatch {
    struct metrics *metrics;
    /* Faults of the call in hand: nothing is known; and whether this query fails (NULL: none does). */
    bool has_gap;
    bool (*query_fails)(void *arg);
    void *query_fails_arg;
};

/* rpc_call.engine is a struct cloudwatch. */
extern const struct rpc_service CLOUDWATCH_SERVICE;

/* For the files of the operations. */
extern const struct rpc_error CLOUDWATCH_INVALID_VALUE, CLOUDWATCH_MISSING, CLOUDWATCH_INVALID_COMBINATION,
    CLOUDWATCH_VALIDATION, CLOUDWATCH_INVALID_TOKEN, CLOUDWATCH_LIMIT;
void cloudwatch_get_metric_data(struct rpc_call *call);
void cloudwatch_put_metric_data(struct rpc_call *call);
/* Reads Namespace, MetricName and Dimensions of a metric or of a datum; objects with the path in front ("" or
 * "MetricDataQueries.member.1.MetricStat.Metric."). namespace_ and name may be given from outside: NULL reads
 * them. */
bool cloudwatch_read_id(const struct rpc_call *call, const json_t *object, const char *path,
                        const char *namespace_, struct metrics_id *ret);
/* [{"Name":..,"Value":..}] */
json_t *cloudwatch_dimensions(const struct metrics_id *id);

#endif
