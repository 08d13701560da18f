/* Names and numbers of the operations; see api.h. */
#include "localaws/api.h"

static const struct {
    const struct rpc_service *service;
    int first_op;
} RPC[] = {
    [API_CLOUDWATCH] = {&CLOUDWATCH_SERVICE, API_OP_CLOUDWATCH},
    [API_DYNAMODB] = {&DYNAMODB_SERVICE, API_OP_DYNAMODB},
    [API_STS] = {&STS_SERVICE, API_OP_STS},
};

const struct rpc_service *api_rpc_service(enum api api)
{
    return RPC[api].service;
}

int api_rpc_first_op(enum api api)
{
    return RPC[api].first_op;
}

const char *api_op_name(int op)
{
    if (op < API_OP_ECS)
        return sqs_op_name((enum sqs_op)op);
    if (op < API_OP_CLOUDWATCH)
        return ecs_op_name((enum ecs_op)(op - API_OP_ECS));
    if (op >= API_OP_METADATA && op < API_OP_MAX)
        return metadata_op_name(op - API_OP_METADATA);
    for (int api = API_CLOUDWATCH; api < API_RPC_END; api++)
        if (op < RPC[api].first_op + RPC[api].service->op_count)
            return RPC[api].service->ops[op - RPC[api].first_op].name;
    return "unknown";
}

int api_op_find(struct slice name)
{
    int op = 0;
    while (op < API_OP_MAX && !slice_is(name, api_op_name(op)))
        op++;
    return op;
}
