/*
 * The operations of DynamoDB that a lease needs: tables, and single items with conditions. Pure; one thread.
 * Members, limits and errors: the DynamoDB service model (2012-08-10); texts of ValidationException as AWS
 * writes them.
 */
#ifndef SLUICE_LOCALAWS_DYNAMODB_OPS_H
#define SLUICE_LOCALAWS_DYNAMODB_OPS_H

#include "localaws/dynamodb_engine.h"
#include "localaws/rpc.h"

enum dynamodb_op {
    DYNAMODB_CREATE_TABLE,
    DYNAMODB_DELETE_ITEM,
    DYNAMODB_DELETE_TABLE,
    DYNAMODB_DESCRIBE_TABLE,
    DYNAMODB_GET_ITEM,
    DYNAMODB_LIST_TABLES,
    DYNAMODB_PUT_ITEM,
    DYNAMODB_UPDATE_ITEM,
    DYNAMODB_OP_MAX,
};

/* rpc_call.engine is a struct dynamodb. */
extern const struct rpc_service DYNAMODB_SERVICE;

/* For the files of the operations. */
extern const struct rpc_error DYNAMODB_VALIDATION, DYNAMODB_NOT_FOUND, DYNAMODB_IN_USE,
    DYNAMODB_CONDITION_FAILED, DYNAMODB_LIMIT;
struct dynamodb_table *dynamodb_in_table(const struct rpc_call *call, bool is_item);
void dynamodb_create_table(struct rpc_call *call);
void dynamodb_delete_table(struct rpc_call *call);
void dynamodb_describe_table(struct rpc_call *call);
void dynamodb_list_tables(struct rpc_call *call);

#endif
