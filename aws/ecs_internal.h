/* What the files of the ECS module share; not for others. */
#ifndef SLUICE_AWS_ECS_INTERNAL_H
#define SLUICE_AWS_ECS_INTERNAL_H

#include "aws/ecs.h"
#include "base/strbuf.h"

/* A reply taken apart in place: texts point into its body. */
struct ecs_reply {
    struct ecs_service services[ECS_SERVICES_MAX];
    size_t service_count;
    struct ecs_failure failures[ECS_TASKS_MAX];
    size_t failure_count;
    struct ecs_task tasks[ECS_TASKS_MAX];
    size_t task_count;
    struct ecs_protected_task protections[ECS_PROTECT_MAX];
    size_t protection_count;
    const char *arns[ECS_TASKS_MAX];
    size_t arn_count;
    const char *next_token;
    bool has_answer; /* the member that this call is about was there */
};

/* Reads any of the module's replies; `member` is the one that must be there ("services"). Returns false with
 * *ret_problem when the body is not what it should be. */
bool ecs_reply_parse(struct strbuf *body, const char *member, struct ecs_reply *reply,
                     const char **ret_problem);

#endif
