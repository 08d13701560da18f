/* ECS's errors: a code, the HTTP status it comes with, and a text. */
#ifndef SLUICE_LOCALAWS_ECS_ERROR_H
#define SLUICE_LOCALAWS_ECS_ERROR_H

#include "localaws/slice.h"

/* Sources: the error shapes of the ECS service model; throttling is not in the model but comes as recorded
 * replies show it (400, "Rate exceeded"). */
enum ecs_error {
    ECS_OK,
    ECS_CLIENT, /* ClientException */
    ECS_INVALID_PARAMETER,
    ECS_CLUSTER_NOT_FOUND,
    ECS_SERVICE_NOT_FOUND,
    ECS_SERVICE_NOT_ACTIVE,
    ECS_RESOURCE_NOT_FOUND,
    ECS_ACCESS_DENIED,
    ECS_UNSUPPORTED_FEATURE,
    ECS_UNKNOWN_OPERATION,
    ECS_SERIALIZATION,
    ECS_THROTTLED,
    ECS_SERVER,
    ECS_VALIDATION, /* of Application Auto Scaling, as the next one */
    ECS_OBJECT_NOT_FOUND,
    ECS_ERROR_MAX,
};

struct ecs_failure {
    enum ecs_error error;
    char message[384];
};

/* "ClusterNotFoundException". */
const char *ecs_error_code(enum ecs_error error);
int ecs_error_status(enum ecs_error error);
/* The error with this code; ECS_OK when there is none. */
enum ecs_error ecs_error_find(struct slice code);

/* Fills failure and returns error. */
enum ecs_error ecs_fail(struct ecs_failure *failure, enum ecs_error error, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
