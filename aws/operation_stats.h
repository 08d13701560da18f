/*
 * What a client's requests came to, by service and operation: how many ended how, and how long they took. A
 * request is one attempt, so a call that succeeds at its third is two failures and a success. Belongs to the
 * client's thread.
 */
#ifndef SLUICE_AWS_OPERATION_STATS_H
#define SLUICE_AWS_OPERATION_STATS_H

#include "base/histogram.h"

#include <stddef.h>
#include <stdint.h>

/* throttled: the service said so; transient: network, timeout, 5xx; failed: any other refusal. */
#define AWS_OUTCOMES(X) X(ok) X(throttled) X(transient) X(failed)
enum aws_outcome {
#define X(name) AWS_OUTCOME_##name,
    AWS_OUTCOMES(X)
#undef X
        AWS_OUTCOME_MAX
};
extern const char *const AWS_OUTCOME_NAMES[AWS_OUTCOME_MAX];

struct aws_operation_stats {
    const char *service; /* "sqs"; a constant */
    char operation[64];  /* "GetQueueAttributes" */
    uint64_t outcomes[AWS_OUTCOME_MAX];
    struct histogram latency_ms; /* real; requests that were answered, long polls included */
    struct aws_operation_stats *next;
};

/* Finds or adds the entry of a JSON target ("AmazonSQS.ReceiveMessage") or, when that is NULL, of a form that
 * begins with "Action=Name&". */
struct aws_operation_stats *aws_operation_stats_get(struct aws_operation_stats **list, const char *service,
                                                    const char *target, const char *form);
void aws_operation_stats_record(struct aws_operation_stats *stats, enum aws_outcome outcome,
                                int64_t latency_ms); /* -1: no answer */
/* Adds everything of `more` to a list of sums. */
void aws_operation_stats_merge(struct aws_operation_stats **sums, const struct aws_operation_stats *more);
void aws_operation_stats_free(struct aws_operation_stats *list);

#endif
