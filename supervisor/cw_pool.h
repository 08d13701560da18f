/*
 * What CloudWatch tells of many fleets' queues, for one AWS client (a region and endpoint): the metrics of up
 * to 500 / metrics-a-queue queues go into one GetMetricData, once a period with jitter, page by page, under
 * one limiter. Counts what is asked for, since that is what AWS bills. Belongs to the loop's thread.
 */
#ifndef SLUICE_SUPERVISOR_CW_POOL_H
#define SLUICE_SUPERVISOR_CW_POOL_H

#include "aws/client.h"
#include "base/jsonw.h"
#include "supervisor/cw_metrics.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct cw_pool;
struct cw_member;

struct cw_pool *cw_pool_new(struct event_base *base, struct aws_client *client, uint64_t seed);
/* Ends all calls without their callbacks; members must have left. Accepts NULL. */
void cw_pool_destroy(struct cw_pool *pool);

enum cw_want {
    CW_WANT_NOTHING,
    CW_WANT_RATES, /* the first CW_METRICS_WITHOUT_DEPTH */
    CW_WANT_ALL,
};

/* An answer: the newest closed period with data of each metric that was asked for. */
struct cw_answer {
    struct reading readings[CW_METRIC_COUNT]; /* unknown: no data in any of the periods */
    bool forbidden;                           /* CloudWatch denied one of them */
};

struct cw_member_options {
    const char *queue_name; /* copied */
    int64_t period_ms;      /* product; whole minutes */
    int64_t windows;        /* closed periods asked for, 3 or more */
    /* A round's end. answer is NULL when the call failed, see result; `wanted` metrics were asked for. */
    void (*on_answer)(void *arg, const struct aws_result *result, const struct cw_answer *answer,
                      size_t wanted);
    void *arg;
};

/* Joins; nothing is asked for until it is wanted. */
struct cw_member *cw_pool_join(struct cw_pool *pool, const struct cw_member_options *options);
void cw_member_leave(struct cw_member *member); /* accepts NULL */

/* What the next rounds ask for. More than the last round had is asked for at once; else a period lies between
 * two rounds, however often the wish comes and goes. */
void cw_member_want(struct cw_member *member, enum cw_want want);

/* What this member's wants cost in a month of such rounds, USD. */
double cw_member_month_usd(const struct cw_member *member);

/* Writes one object: calls, metrics asked for, what they cost, and would cost in a month. */
void cw_pool_write_status(const struct cw_pool *pool, struct jsonw *w);

#endif
