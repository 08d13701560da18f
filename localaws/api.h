/* The operations of all services that are spoken here, under one number each, for statistics and faults. */
#ifndef SLUICE_LOCALAWS_API_H
#define SLUICE_LOCALAWS_API_H

#include "localaws/ecs_ops.h"
#include "localaws/sqs_request.h"

enum api {
    API_SQS,
    API_ECS,
    API_ECS_AGENT, /* what a task calls: ECS_AGENT_URI */
};

/* The operations of SQS, then those of ECS. No two have the same name. */
enum { API_OP_ECS = SQS_OP_MAX, API_OP_MAX = API_OP_ECS + ECS_OP_MAX };

static inline const char *api_op_name(int op)
{
    return op < API_OP_ECS ? sqs_op_name((enum sqs_op)op) : ecs_op_name((enum ecs_op)(op - API_OP_ECS));
}

/* API_OP_MAX when there is none of this name. */
static inline int api_op_find(struct slice name)
{
    int op = (int)sqs_op_find(name);
    return op < SQS_OP_MAX ? op : API_OP_ECS + (int)ecs_op_find(name);
}

#endif
