/* Operations on single items, and the table of operations and errors; see dynamodb_ops.h. */
#include "localaws/dynamodb_ops.h"

#include "localaws/dynamodb_expression.h"

#include <stdio.h>
#include <stdlib.h>

#define TYPE "com.amazonaws.dynamodb.v20120810#"

const struct rpc_error DYNAMODB_VALIDATION = {"com.amazon.coral.validate#ValidationException", NULL, 400};
const struct rpc_error DYNAMODB_NOT_FOUND = {TYPE "ResourceNotFoundException", NULL, 400};
const struct rpc_error DYNAMODB_IN_USE = {TYPE "ResourceInUseException", NULL, 400};
const struct rpc_error DYNAMODB_CONDITION_FAILED = {TYPE "ConditionalCheckFailedException", NULL, 400};
const struct rpc_error DYNAMODB_LIMIT = {TYPE "LimitExceededException", NULL, 400};
static const struct rpc_error THROUGHPUT = {TYPE "ProvisionedThroughputExceededException", NULL, 400};
static const struct rpc_error THROTTLED = {TYPE "ThrottlingException", NULL, 400};
static const struct rpc_error CONFLICT = {TYPE "TransactionConflictException", NULL, 400};
static const struct rpc_error REQUEST_LIMIT = {TYPE "RequestLimitExceeded", NULL, 400};
static const struct rpc_error INTERNAL = {TYPE "InternalServerError", NULL, 500};

/* One write under way; on the stack. */
struct item_call {
    struct rpc_call *call;
    struct dynamodb_table *table;
    char key[DYNAMODB_KEY_TEXT_MAX];
    const json_t *old; /* NULL: there is none */
    struct dynamodb_terms terms;
    struct dynamodb_expression *condition, *update, *projection; /* owned, or NULL */
    const char *returns;                                         /* ReturnValues */
};

/* ---- reading ---- */

/* What an expression replaced years ago: ignored, it would let every write through. */
static void refuse_legacy(const struct rpc_call *call)
{
    static const char *const LEGACY[] = {"Expected", "ConditionalOperator", "AttributeUpdates",
                                         "AttributesToGet", NULL};
    for (size_t i = 0; LEGACY[i] != NULL; i++)
        if (json_object_get(call->in, LEGACY[i]) != NULL)
            rpc_fail(call, &DYNAMODB_VALIDATION, "%s is not evaluated here: use expressions", LEGACY[i]);
}

static void read_values(const struct rpc_call *call, const json_t *values)
{
    const char *key = NULL;
    json_t *value = NULL;
    char text[256];
    json_object_foreach((json_t *)(uintptr_t)values, key, value)
    {
        if (key[0] != ':')
            rpc_fail(call, &DYNAMODB_VALIDATION,
                     "ExpressionAttributeValues contains invalid key: Syntax error; key: \"%.60s\"", key);
        else if (!dynamodb_value_check(value, text, sizeof text))
            rpc_fail(call, &DYNAMODB_VALIDATION,
                     "ExpressionAttributeValues contains invalid value: %s for key %.60s", text, key);
    }
}

static void read_names(const struct rpc_call *call, const json_t *names)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)names, key, value)
    {
        if (key[0] != '#')
            rpc_fail(call, &DYNAMODB_VALIDATION,
                     "ExpressionAttributeNames contains invalid key: Syntax error; key: \"%.60s\"", key);
        else if (!json_is_string(value) || json_string_length(value) == 0)
            rpc_fail(call, &DYNAMODB_VALIDATION, "ExpressionAttributeNames contains invalid value: %.60s",
                     key);
    }
}

static struct dynamodb_expression *read_expression(const struct item_call *in,
                                                   enum dynamodb_expression_kind kind, const char *key)
{
    char message[400];
    const char *text = rpc_text(in->call, in->call->in, key);
    if (text == NULL || !rpc_ok(in->call))
        return NULL;
    struct dynamodb_expression *expression = dynamodb_parse(kind, text, &in->terms, message, sizeof message);
    if (expression == NULL)
        rpc_fail(in->call, &DYNAMODB_VALIDATION, "%s", message);
    return expression;
}

static void refuse_unused(const struct item_call *in, const json_t *terms, const char *what)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)terms, key, value)
    {
        if (json_object_get(in->terms.used, key) == NULL)
            rpc_fail(in->call, &DYNAMODB_VALIDATION,
                     "Value provided in %s unused in expressions: keys: {%.60s}", what, key);
    }
}

static void read_expressions(struct item_call *in)
{
    const struct rpc_call *call = in->call;
    in->terms = (struct dynamodb_terms){.names = rpc_object(call, call->in, "ExpressionAttributeNames"),
                                        .values = rpc_object(call, call->in, "ExpressionAttributeValues"),
                                        .used = json_object()};
    bool has_any = rpc_text(call, call->in, "ConditionExpression") != NULL ||
                   rpc_text(call, call->in, "UpdateExpression") != NULL ||
                   rpc_text(call, call->in, "ProjectionExpression") != NULL;
    if (!has_any && (in->terms.names != NULL || in->terms.values != NULL))
        rpc_fail(call, &DYNAMODB_VALIDATION, "%s can only be specified when using expressions",
                 in->terms.names != NULL ? "ExpressionAttributeNames" : "ExpressionAttributeValues");
    refuse_legacy(call);
    read_names(call, in->terms.names);
    read_values(call, in->terms.values);
    in->condition = read_expression(in, DYNAMODB_CONDITION, "ConditionExpression");
    in->update = read_expression(in, DYNAMODB_UPDATE, "UpdateExpression");
    in->projection = read_expression(in, DYNAMODB_PROJECTION, "ProjectionExpression");
    if (!rpc_ok(call))
        return;
    refuse_unused(in, in->terms.names, "ExpressionAttributeNames");
    refuse_unused(in, in->terms.values, "ExpressionAttributeValues");
}

/* Table, key and expressions. attributes: Key, or the whole Item. False with the failure; clean up all the
 * same. */
static bool begin(struct item_call *in, struct rpc_call *call, const char *member,
                  const char *const *allowed_returns)
{
    char text[256];
    *in = (struct item_call){.call = call, .returns = rpc_text(call, call->in, "ReturnValues")};
    in->table = dynamodb_in_table(call, true);
    const json_t *attributes = rpc_object(call, call->in, member);
    if (rpc_ok(call) && attributes == NULL)
        rpc_fail(call, &DYNAMODB_VALIDATION,
                 "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must "
                 "not be null",
                 strcmp(member, "Key") == 0 ? "key" : "item");
    in->returns = in->returns == NULL ? "NONE" : in->returns;
    size_t i = 0;
    while (allowed_returns[i] != NULL && strcmp(allowed_returns[i], in->returns) != 0)
        i++;
    if (allowed_returns[i] == NULL)
        rpc_fail(call, &DYNAMODB_VALIDATION, "ReturnValues %.40s is not one that this operation takes",
                 in->returns);
    read_expressions(in);
    if (rpc_ok(call) && !dynamodb_item_check(attributes, text, sizeof text))
        rpc_fail(call, &DYNAMODB_VALIDATION, "%s", text);
    if (rpc_ok(call) &&
        !dynamodb_key_text(in->table, attributes, strcmp(member, "Key") == 0, in->key, text, sizeof text))
        rpc_fail(call, &DYNAMODB_VALIDATION, "%s", text);
    const struct dynamodb_item *item = rpc_ok(call) ? dynamodb_find(in->table, in->key) : NULL;
    in->old = item == NULL ? NULL : item->now;
    return rpc_ok(call);
}

static void end(struct item_call *in)
{
    json_decref(in->terms.used);
    free(in->condition);
    free(in->update);
    free(in->projection);
}

/* ---- conditions and writing ---- */

/* Whether the write may happen; the one place where a condition stops it. */
static bool may_write(const struct item_call *in)
{
    const struct rpc_call *call = in->call;
    const char *returns = rpc_text(call, call->in, "ReturnValuesOnConditionCheckFailure");
    if (in->condition == NULL || dynamodb_holds(in->condition, in->old))
        return true;
    rpc_fail(call, &DYNAMODB_CONDITION_FAILED, "The conditional request failed");
    if (returns != NULL && strcmp(returns, "ALL_OLD") == 0 && in->old != NULL)
        call->failure->extras = json_pack("{s:o}", "Item", json_deep_copy(in->old));
    return false;
}

/* Stores an item, which is taken over. */
static bool store(const struct item_call *in, json_t *item)
{
    size_t bytes = item == NULL ? 0 : dynamodb_item_bytes(item);
    if (bytes > DYNAMODB_ITEM_BYTES_MAX) {
        json_decref(item);
        rpc_fail(in->call, &DYNAMODB_VALIDATION, "Item size has exceeded the maximum allowed size");
        return false;
    }
    if (!dynamodb_write(in->table, in->key, item))
        rpc_fail(in->call, &DYNAMODB_LIMIT, "The table has %d items already; no more are kept here.",
                 DYNAMODB_TABLE_ITEMS_MAX);
    return rpc_ok(in->call);
}

static void return_attributes(const struct item_call *in, const json_t *attributes)
{
    if (attributes != NULL)
        (void)json_object_set_new(in->call->out, "Attributes", json_deep_copy(attributes));
}

static const char *const OLD_OR_NONE[] = {"NONE", "ALL_OLD", NULL};

/* PutItem and DeleteItem: a whole item, or none. */
static void replace(struct rpc_call *call, const char *member, bool deletes)
{
    struct item_call in;
    if (begin(&in, call, member, OLD_OR_NONE) && may_write(&in)) {
        if (strcmp(in.returns, "ALL_OLD") == 0)
            return_attributes(&in, in.old);
        (void)store(&in, deletes ? NULL : json_deep_copy(json_object_get(call->in, member)));
    }
    end(&in);
}

static void put_item(struct rpc_call *call)
{
    replace(call, "Item", false);
}

static void delete_item(struct rpc_call *call)
{
    replace(call, "Key", true);
}

/* The attributes that the update names, as they are in `item`. */
static json_t *touched(const struct dynamodb_expression *update, const json_t *item)
{
    json_t *picked = json_object();
    for (size_t i = 0; update != NULL && i < update->update_count; i++) {
        const char *name = update->steps[update->updates[i].path.first].name;
        json_t *value = json_object_get(item, name);
        if (value != NULL)
            (void)json_object_set_new(picked, name, json_deep_copy(value));
    }
    return picked;
}

static void return_updated(const struct item_call *in, const json_t *old, const json_t *item)
{
    bool is_old = strstr(in->returns, "_OLD") != NULL;
    if (strcmp(in->returns, "NONE") == 0 || (is_old && in->old == NULL))
        return;
    if (strncmp(in->returns, "ALL_", 4) == 0) {
        return_attributes(in, is_old ? old : item);
        return;
    }
    json_t *attributes = touched(in->update, is_old ? old : item);
    if (json_object_size(attributes) > 0)
        (void)json_object_set(in->call->out, "Attributes", attributes);
    json_decref(attributes);
}

static void refuse_key_update(const struct item_call *in)
{
    for (size_t i = 0; in->update != NULL && i < in->update->update_count; i++) {
        const char *name = in->update->steps[in->update->updates[i].path.first].name;
        if (strcmp(name, in->table->hash.name) == 0 ||
            (in->table->range.name != NULL && strcmp(name, in->table->range.name) == 0))
            rpc_fail(in->call, &DYNAMODB_VALIDATION,
                     "One or more parameter values were invalid: Cannot update attribute %s. This attribute "
                     "is part of"
                     " the key",
                     name);
    }
}

static void update_item(struct rpc_call *call)
{
    static const char *const RETURNS[] = {"NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW", NULL};
    struct item_call in;
    bool good = begin(&in, call, "Key", RETURNS);
    if (good)
        refuse_key_update(&in);
    if (rpc_ok(call) && may_write(&in)) {
        json_t *old = json_deep_copy(in.old != NULL ? in.old : json_object_get(call->in, "Key"));
        json_t *item = json_deep_copy(old);
        const char *wrong = in.update == NULL ? NULL : dynamodb_apply(in.update, old, item);
        if (wrong != NULL)
            rpc_fail(call, &DYNAMODB_VALIDATION, "%s", wrong);
        else if (store(&in, json_incref(item)))
            return_updated(&in, old, item);
        json_decref(item);
        json_decref(old);
    }
    end(&in);
}

static void get_item(struct rpc_call *call)
{
    static const char *const RETURNS[] = {"NONE", NULL};
    const struct dynamodb *dynamodb = call->engine;
    struct item_call in;
    bool is_consistent = false;
    (void)rpc_bool(call, call->in, "ConsistentRead", &is_consistent);
    if (begin(&in, call, "Key", RETURNS)) {
        const struct dynamodb_item *item = dynamodb_find(in.table, in.key);
        const json_t *shown = item == NULL                                  ? NULL
                              : dynamodb->reads_are_stale && !is_consistent ? item->before
                                                                            : item->now;
        for (size_t i = 0; in.projection != NULL && i < in.projection->update_count; i++)
            if (in.projection->updates[i].path.count > 1)
                rpc_fail(call, &DYNAMODB_VALIDATION,
                         "ProjectionExpression takes attributes of the item only here");
        if (shown != NULL && rpc_ok(call))
            (void)json_object_set_new(call->out, "Item",
                                      in.projection != NULL ? touched(in.projection, shown)
                                                            : json_deep_copy(shown));
    }
    end(&in);
}

/* ---- the table ---- */

static const struct rpc_op OPS[] = {
    [DYNAMODB_CREATE_TABLE] = {"CreateTable", dynamodb_create_table, false},
    [DYNAMODB_DELETE_ITEM] = {"DeleteItem", delete_item, false},
    [DYNAMODB_DELETE_TABLE] = {"DeleteTable", dynamodb_delete_table, false},
    [DYNAMODB_DESCRIBE_TABLE] = {"DescribeTable", dynamodb_describe_table, false},
    [DYNAMODB_GET_ITEM] = {"GetItem", get_item, false},
    [DYNAMODB_LIST_TABLES] = {"ListTables", dynamodb_list_tables, false},
    [DYNAMODB_PUT_ITEM] = {"PutItem", put_item, false},
    [DYNAMODB_UPDATE_ITEM] = {"UpdateItem", update_item, false},
};

_Static_assert(sizeof OPS / sizeof *OPS == DYNAMODB_OP_MAX, "every operation has a row");

static const struct rpc_error *const ERRORS[] = {&DYNAMODB_VALIDATION,
                                                 &DYNAMODB_NOT_FOUND,
                                                 &DYNAMODB_IN_USE,
                                                 &DYNAMODB_CONDITION_FAILED,
                                                 &DYNAMODB_LIMIT,
                                                 &THROUGHPUT,
                                                 &THROTTLED,
                                                 &CONFLICT,
                                                 &REQUEST_LIMIT,
                                                 &INTERNAL,
                                                 NULL};

const struct rpc_service DYNAMODB_SERVICE = {
    .target = "DynamoDB_20120810.",
    .signed_as = "dynamodb",
    .ops = OPS,
    .op_count = DYNAMODB_OP_MAX,
    .errors = ERRORS,
    .internal = &INTERNAL,
    .throttled = &THROUGHPUT,
    .throttled_message =
        "The level of configured provisioned throughput for the table was exceeded. Consider increasing your"
        " provisioning level with the UpdateTable API."};
