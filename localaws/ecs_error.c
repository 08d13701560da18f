/* Table of ECS's errors; see ecs_error.h. */
#include "localaws/ecs_error.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *code;
    int status;
} ERRORS[] = {
    [ECS_OK] = {"OK", 200},
    [ECS_CLIENT] = {"ClientException", 400},
    [ECS_INVALID_PARAMETER] = {"InvalidParameterException", 400},
    [ECS_CLUSTER_NOT_FOUND] = {"ClusterNotFoundException", 400},
    [ECS_SERVICE_NOT_FOUND] = {"ServiceNotFoundException", 400},
    [ECS_SERVICE_NOT_ACTIVE] = {"ServiceNotActiveException", 400},
    [ECS_RESOURCE_NOT_FOUND] = {"ResourceNotFoundException", 400},
    [ECS_ACCESS_DENIED] = {"AccessDeniedException", 400},
    [ECS_UNSUPPORTED_FEATURE] = {"UnsupportedFeatureException", 400},
    [ECS_UNKNOWN_OPERATION] = {"UnknownOperationException", 400},
    [ECS_SERIALIZATION] = {"SerializationException", 400},
    [ECS_THROTTLED] = {"ThrottlingException", 400},
    [ECS_SERVER] = {"ServerException", 500},
    [ECS_VALIDATION] = {"ValidationException", 400},
    [ECS_OBJECT_NOT_FOUND] = {"ObjectNotFoundException", 400},
};

_Static_assert(sizeof ERRORS / sizeof *ERRORS == ECS_ERROR_MAX, "every error has a row");

const char *ecs_error_code(enum ecs_error error)
{
    return ERRORS[error].code;
}

int ecs_error_status(enum ecs_error error)
{
    return ERRORS[error].status;
}

enum ecs_error ecs_error_find(struct slice code)
{
    for (int i = ECS_OK + 1; i < ECS_ERROR_MAX; i++)
        if (slice_is(code, ERRORS[i].code))
            return (enum ecs_error)i;
    return ECS_OK;
}

enum ecs_error ecs_fail(struct ecs_failure *failure, enum ecs_error error, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    failure->error = error;
    (void)vsnprintf(failure->message, sizeof failure->message, fmt, args);
    va_end(args);
    return error;
}
