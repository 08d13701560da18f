/*
 * The operations of ECS on the engine: from the JSON of a request to the JSON of its reply. Pure; one thread.
 * Request members that are not known, or have no effect here, are taken as they are: docs/localaws.md.
 */
#ifndef SLUICE_LOCALAWS_ECS_OPS_H
#define SLUICE_LOCALAWS_ECS_OPS_H

#include "localaws/ecs_engine.h"

#include "base/strbuf.h"

#define ECS_TARGET_PREFIX "AmazonEC2ContainerServiceV20141113."
#define ECS_SCALING_TARGET_PREFIX "AnyScaleFrontendService." /* Application Auto Scaling */

enum ecs_op {
    ECS_CREATE_CLUSTER,
    ECS_CREATE_SERVICE,
    ECS_DELETE_SERVICE,
    ECS_DEREGISTER_TASK_DEFINITION,
    ECS_DESCRIBE_CLUSTERS,
    ECS_DESCRIBE_SERVICES,
    ECS_DESCRIBE_TASK_DEFINITION,
    ECS_DESCRIBE_TASKS,
    ECS_GET_TASK_PROTECTION,
    ECS_LIST_CLUSTERS,
    ECS_LIST_SERVICES,
    ECS_LIST_TASK_DEFINITIONS,
    ECS_LIST_TASKS,
    ECS_REGISTER_TASK_DEFINITION,
    ECS_RUN_TASK,
    ECS_STOP_TASK,
    ECS_UPDATE_SERVICE,
    ECS_UPDATE_TASK_PROTECTION,
    ECS_DEREGISTER_SCALABLE_TARGET, /* from here on of Application Auto Scaling */
    ECS_DESCRIBE_SCALABLE_TARGETS,
    ECS_REGISTER_SCALABLE_TARGET,
    ECS_OP_MAX,
};

const char *ecs_op_name(enum ecs_op op);
/* ECS_OP_MAX when there is none of this name. */
enum ecs_op ecs_op_find(struct slice name);

static inline bool ecs_op_is_scaling(enum ecs_op op)
{
    return op >= ECS_DEREGISTER_SCALABLE_TARGET && op < ECS_OP_MAX;
}

/* Runs an operation on a body, which is parsed but not changed, and appends the reply's body to out. On an
 * error failure is filled and out holds nothing of use. The caller settles the engine before and after. */
enum ecs_error ecs_ops_run(struct ecs_engine *engine, enum ecs_op op, const char *body, size_t len,
                           int64_t now_ms, struct strbuf *out, struct ecs_failure *failure);

/* Sets or clears the protection of a task of a service. Returns NULL when it is done, else the reason of the
 * failure (a literal) with a text for people. */
const char *ecs_protect(struct ecs_task *task, bool enabled, int64_t minutes, int64_t now_ms,
                        const char **ret_detail);

#endif
