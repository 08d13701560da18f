/*
 * Application Auto Scaling over AWS JSON 1.1: whether somebody else scales an ECS service. Calls and
 * callbacks as in aws/ecs.h.
 *
 * Protocol facts: the Application Auto Scaling service model (target prefix AnyScaleFrontendService, signing
 * name application-autoscaling).
 */
#ifndef SLUICE_AWS_AUTOSCALING_H
#define SLUICE_AWS_AUTOSCALING_H

#include "aws/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AUTOSCALING_TARGETS_MAX = 50 }; /* of one call, and of its answer */

struct autoscaling_target {
    const char *resource_id;            /* "service/CLUSTER/SERVICE" */
    int64_t min_capacity, max_capacity; /* -1: not told */
    /* Suspended actions do nothing; one that is not told is in force. */
    bool in_suspended, out_suspended, scheduled_suspended;
};

/* Whether nothing of the target acts any more. */
bool autoscaling_target_is_suspended(const struct autoscaling_target *target);

/* targets has `count` entries, valid during the callback; on failure count is 0. */
typedef void autoscaling_targets_fn(void *arg, const struct aws_result *result,
                                    const struct autoscaling_target *targets, size_t count);

/* DescribeScalableTargets of desired counts (ecs:service:DesiredCount) of 1 to AUTOSCALING_TARGETS_MAX
 * resources "service/CLUSTER/SERVICE". Those without a target are absent from the answer. */
struct aws_call *autoscaling_describe_ecs_targets(struct aws_client *client, const char *const *resource_ids,
                                                  size_t count, autoscaling_targets_fn *fn, void *arg);

#endif
