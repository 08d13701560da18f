/*
 * ECS over AWS JSON 1.1. Every function starts one call on the client's loop and returns a handle for
 * aws_call_cancel(); the arguments are copied. Callbacks come later in the loop, never from within the
 * starting function, exactly once unless cancelled. Texts and arrays handed to a callback are valid during
 * it; a text that the reply did not have is "", a number is -1. A cluster of NULL is ECS's own default,
 * "default".
 *
 * Protocol facts: the ECS service model and API reference. A service that ECS does not know comes back with
 * HTTP 200 in `failures`, reason "MISSING", also for some seconds after it was created; any field may be
 * absent (services with capacity providers lack others than those with a launch type).
 */
#ifndef SLUICE_AWS_ECS_H
#define SLUICE_AWS_ECS_H

#include "aws/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most entries of one call. */
enum { ECS_SERVICES_MAX = 10, ECS_TASKS_MAX = 100, ECS_PROTECT_MAX = 10 };
/* Largest desiredCount that is sent; ECS's own quota is 5,000 tasks a service, and can be raised. */
enum { ECS_DESIRED_MAX = 1000000 };

/* An entry of "failures": what ECS could not tell or do, within an answer that is otherwise good. */
struct ecs_failure {
    const char *arn; /* of the service or task; for a service that was asked for by name, made by ECS of it */
    const char *reason; /* "MISSING", "DEPLOYMENT_BLOCKED", "TASK_NOT_VALID" ... */
    const char *detail;
};

struct ecs_deployment {
    const char *id;
    const char *status; /* "PRIMARY", "ACTIVE", "INACTIVE" */
    int64_t desired, running, pending;
    int64_t failed_tasks;      /* tasks in a row that could not be started */
    const char *rollout_state; /* "COMPLETED", "IN_PROGRESS", "FAILED"; "" for controllers other than ECS */
    const char *rollout_reason;
};

struct ecs_event {
    int64_t created_ms; /* epoch ms */
    const char *message;
};

enum { ECS_DEPLOYMENTS_KEPT = 8, ECS_EVENTS_KEPT = 20 };

struct ecs_service {
    const char *name;
    const char *arn;
    const char *status;                /* "ACTIVE", "DRAINING", "INACTIVE" */
    int64_t desired, running, pending; /* desiredCount, runningCount, pendingCount */
    const char *scheduling_strategy;   /* "REPLICA", "DAEMON" */
    const char *deployment_controller; /* "ECS", "CODE_DEPLOY", "EXTERNAL"; "": not told, which means ECS */
    const char *task_definition;
    struct ecs_deployment deployments[ECS_DEPLOYMENTS_KEPT]; /* the first ones */
    size_t deployment_count;
    struct ecs_event events[ECS_EVENTS_KEPT]; /* the first ones: ECS tells the newest first */
    size_t event_count;
};

/* On failure both counts are 0. */
typedef void ecs_services_fn(void *arg, const struct aws_result *result, const struct ecs_service *services,
                             size_t count, const struct ecs_failure *failures, size_t failure_count);

/* DescribeServices of 1 to ECS_SERVICES_MAX names or ARNs of one cluster. */
struct aws_call *ecs_describe_services(struct aws_client *client, const char *cluster,
                                       const char *const *services, size_t count, ecs_services_fn *fn,
                                       void *arg);

/* UpdateService with desiredCount (0 .. ECS_DESIRED_MAX) and nothing else, which starts no deployment. The
 * service as it is afterwards comes as the only entry. */
struct aws_call *ecs_update_desired(struct aws_client *client, const char *cluster, const char *service,
                                    int64_t desired, ecs_services_fn *fn, void *arg);

enum ecs_task_wish {
    ECS_TASKS_RUNNING,
    ECS_TASKS_STOPPED
}; /* desiredStatus; ECS has no list of pending ones */

/* next_token is "" at the end of the list. */
typedef void ecs_list_fn(void *arg, const struct aws_result *result, const char *const *arns, size_t count,
                         const char *next_token);

/* ListTasks of one service, up to ECS_TASKS_MAX a call; next_token NULL starts the list. STOPPED ones are
 * those told to stop, and stay for an hour or more after they have. */
struct aws_call *ecs_list_tasks(struct aws_client *client, const char *cluster, const char *service,
                                enum ecs_task_wish wish, const char *next_token, ecs_list_fn *fn, void *arg);

struct ecs_task {
    const char *arn;
    const char *last_status;    /* "PENDING", "RUNNING", "STOPPING", "DEPROVISIONING", "STOPPED" ... */
    const char *desired_status; /* "RUNNING", "STOPPED" */
    const char *stop_code;      /* "TaskFailedToStart", "ServiceSchedulerInitiated" ... */
    const char *stopped_reason;
    const char *started_by;                      /* id of the deployment */
    int64_t started_ms, stopping_ms, stopped_ms; /* epoch ms; -1: not yet */
};

typedef void ecs_tasks_fn(void *arg, const struct aws_result *result, const struct ecs_task *tasks,
                          size_t count, const struct ecs_failure *failures, size_t failure_count);

/* DescribeTasks of 1 to ECS_TASKS_MAX ARNs or ids. */
struct aws_call *ecs_describe_tasks(struct aws_client *client, const char *cluster, const char *const *tasks,
                                    size_t count, ecs_tasks_fn *fn, void *arg);

struct ecs_protected_task {
    const char *arn;
    bool is_protected;
    int64_t expires_ms; /* epoch ms; -1 without */
};

typedef void ecs_protection_fn(void *arg, const struct aws_result *result,
                               const struct ecs_protected_task *tasks, size_t count,
                               const struct ecs_failure *failures, size_t failure_count);

/* UpdateTaskProtection of 1 to ECS_PROTECT_MAX ARNs or ids. expires_min 1..2880; 0: ECS's own 120. A task
 * that comes as a failure (DEPLOYMENT_BLOCKED, TASK_NOT_VALID ...) is not protected, though the answer is
 * HTTP 200. */
struct aws_call *ecs_update_task_protection(struct aws_client *client, const char *cluster,
                                            const char *const *tasks, size_t count, bool enabled,
                                            int expires_min, ecs_protection_fn *fn, void *arg);

#endif
