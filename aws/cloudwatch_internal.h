/* What the files of the CloudWatch module share; not for others. */
#ifndef SLUICE_AWS_CLOUDWATCH_INTERNAL_H
#define SLUICE_AWS_CLOUDWATCH_INTERNAL_H

#include "aws/cloudwatch.h"
#include "base/strbuf.h"

#include <stdbool.h>

/* A reply to GetMetricData; next_token points into its body, the rest is owned. */
struct cloudwatch_reply {
    struct cloudwatch_series series[CLOUDWATCH_QUERIES_MAX];
    size_t count;
    struct cloudwatch_point *points; /* of all series */
    size_t point_count, point_room;
    const char *next_token;
};

/* Queries are called "q0", "q1" ...; those of a reply must be below query_count. Returns false with
 * *ret_problem when the body is not what it should be. Clean up either way. */
bool cloudwatch_reply_parse(struct strbuf *body, size_t query_count, struct cloudwatch_reply *reply,
                            const char **ret_problem);
void cloudwatch_reply_clean_up(struct cloudwatch_reply *reply);

#endif
