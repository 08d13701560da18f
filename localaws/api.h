/* The operations of all services that are spoken here, under one number each, for statistics and faults. */
#ifndef SLUICE_LOCALAWS_API_H
#define SLUICE_LOCALAWS_API_H

#include "localaws/cloudwatch_ops.h"
#include "localaws/dynamodb_ops.h"
#include "localaws/ecs_ops.h"
#include "localaws/metadata.h"
#include "localaws/sqs_request.h"
#include "localaws/sts_ops.h"

enum api {
    API_SQS,
    API_ECS,
    API_ECS_AGENT,  /* what a task calls: ECS_AGENT_URI */
    API_CLOUDWATCH, /* from here on services of rpc.h */
    API_DYNAMODB,
    API_STS,
    API_RPC_END,
    API_METADATA = API_RPC_END, /* credentials of containers and instances */
};

/* The operations of each service, one after the other. No two have the same name. */
enum {
    API_OP_ECS = SQS_OP_MAX,
    API_OP_CLOUDWATCH = API_OP_ECS + ECS_OP_MAX,
    API_OP_DYNAMODB = API_OP_CLOUDWATCH + CLOUDWATCH_OP_MAX,
    API_OP_STS = API_OP_DYNAMODB + DYNAMODB_OP_MAX,
    API_OP_METADATA = API_OP_STS + STS_OP_MAX,
    API_OP_MAX = API_OP_METADATA + METADATA_OP_MAX,
};

const char *api_op_name(int op);
/* API_OP_MAX when there is none of this name. */
int api_op_find(struct slice name);

static inline bool api_is_rpc(enum api api)
{
    return api >= API_CLOUDWATCH && api < API_RPC_END;
}
/* The service of an api of rpc.h, and the number of its first operation. */
const struct rpc_service *api_rpc_service(enum api api);
int api_rpc_first_op(enum api api);

#endif
