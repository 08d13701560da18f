/* CreateTable, DescribeTable, ListTables, DeleteTable; see dynamodb_ops.h. */
#include "localaws/dynamodb_ops.h"

#include "base/alloc.h"

#include <stdlib.h>

static bool is_table_name(const char *name)
{
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t len = strlen(name);
    return len >= 3 && len <= 255 && name[strspn(name, ALLOWED)] == '\0';
}

/* TableName, also as an ARN. */
static const char *table_name(const struct rpc_call *call)
{
    const char *name = rpc_text(call, call->in, "TableName");
    const char *slash = name == NULL || strncmp(name, "arn:", 4) != 0 ? NULL : strrchr(name, '/');
    if (slash != NULL)
        name = slash + 1;
    if (name == NULL)
        rpc_fail(call, &DYNAMODB_VALIDATION,
                 "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: "
                 "Member must not"
                 " be null");
    else if (!is_table_name(name))
        rpc_fail(
            call, &DYNAMODB_VALIDATION,
            "Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may"
            " contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'");
    return rpc_ok(call) ? name : NULL;
}

struct dynamodb_table *dynamodb_in_table(const struct rpc_call *call, bool is_item)
{
    const char *name = table_name(call);
    struct dynamodb_table *table = name == NULL ? NULL : dynamodb_find_table(call->engine, name);
    if (name != NULL && table == NULL && is_item)
        rpc_fail(call, &DYNAMODB_NOT_FOUND, "Requested resource not found");
    else if (name != NULL && table == NULL)
        rpc_fail(call, &DYNAMODB_NOT_FOUND, "Requested resource not found: Table: %s not found", name);
    return table;
}

static void write_table(const struct rpc_call *call, const struct dynamodb_table *table, const char *member,
                        const char *status)
{
    const struct dynamodb *dynamodb = call->engine;
    json_t *description = json_deep_copy(table->description);
    (void)json_object_set_new(description, "TableName", json_string(table->name));
    (void)json_object_set_new(description, "TableStatus", json_string(status));
    (void)json_object_set_new(description, "CreationDateTime", json_real((double)table->created_ms / 1000));
    (void)json_object_set_new(description, "TableSizeBytes", json_integer((json_int_t)table->bytes));
    (void)json_object_set_new(description, "ItemCount", json_integer((json_int_t)table->items.count));
    (void)json_object_set_new(
        description, "TableArn",
        json_sprintf("arn:aws:dynamodb:%s:%s:table/%s", dynamodb->region, dynamodb->account, table->name));
    (void)json_object_set_new(
        description, "TableId",
        json_sprintf("00000000-0000-4000-8000-%012llx", (unsigned long long)table->number));
    (void)json_object_set_new(call->out, member, description);
}

/* The type of an attribute as AttributeDefinitions has it, or NULL with the failure. */
static const char *type_of(const struct rpc_call *call, const char *name)
{
    const json_t *list = rpc_list(call, call->in, "AttributeDefinitions");
    for (size_t i = 0; name != NULL && i < json_array_size(list); i++) {
        const char *defined = rpc_text(call, json_array_get(list, i), "AttributeName");
        const char *type = rpc_text(call, json_array_get(list, i), "AttributeType");
        if (defined == NULL || type == NULL || strcmp(defined, name) != 0)
            continue;
        if (strlen(type) == 1 && strchr("SNB", type[0]) != NULL)
            return type;
    }
    rpc_fail(call, &DYNAMODB_VALIDATION,
             "One or more parameter values were invalid: Some index key attributes are not defined in"
             " AttributeDefinitions. Keys: [%s]",
             name == NULL ? "" : name);
    return NULL;
}

/* One element of KeySchema: owned name, or NULL with the failure. */
static struct dynamodb_key read_key(const struct rpc_call *call, const json_t *element, const char *role)
{
    struct dynamodb_key key = {.name = NULL};
    const char *name = rpc_text(call, element, "AttributeName");
    const char *given = rpc_text(call, element, "KeyType");
    if (given == NULL || strcmp(given, role) != 0)
        rpc_fail(call, &DYNAMODB_VALIDATION,
                 "Invalid KeySchema: The %s KeySchemaElement is not a %s key type",
                 strcmp(role, "HASH") == 0 ? "first" : "second", role);
    const char *type = rpc_ok(call) ? type_of(call, name) : NULL;
    if (type != NULL) {
        key.name = xstrdup(name);
        key.type[0] = type[0];
    }
    return key;
}

void dynamodb_create_table(struct rpc_call *call)
{
    static const char *const KEPT[] = {"AttributeDefinitions", "KeySchema", "ProvisionedThroughput", NULL};
    struct dynamodb *dynamodb = call->engine;
    const char *name = table_name(call);
    const json_t *schema = rpc_list(call, call->in, "KeySchema");
    const char *billing = rpc_text(call, call->in, "BillingMode");
    if (rpc_ok(call) && (json_array_size(schema) < 1 || json_array_size(schema) > 2))
        rpc_fail(
            call, &DYNAMODB_VALIDATION,
            "1 validation error detected: Value at 'keySchema' failed to satisfy constraint: Member must have"
            " length of 1 to 2");
    if (rpc_ok(call) && dynamodb_find_table(dynamodb, name) != NULL)
        rpc_fail(call, &DYNAMODB_IN_USE, "Table already exists: %s", name);
    if (rpc_ok(call) && dynamodb->tables.count >= DYNAMODB_TABLES_MAX)
        rpc_fail(call, &DYNAMODB_LIMIT, "There are %d tables already; no more are kept here.",
                 DYNAMODB_TABLES_MAX);
    if (!rpc_ok(call))
        return;
    struct dynamodb_key range = {.name = NULL};
    struct dynamodb_key hash = read_key(call, json_array_get(schema, 0), "HASH");
    if (rpc_ok(call) && json_array_size(schema) == 2)
        range = read_key(call, json_array_get(schema, 1), "RANGE");
    if (!rpc_ok(call)) {
        free(hash.name);
        free(range.name);
        return;
    }
    json_t *description = json_object();
    for (size_t i = 0; KEPT[i] != NULL; i++)
        if (json_object_get(call->in, KEPT[i]) != NULL)
            (void)json_object_set_new(description, KEPT[i],
                                      json_deep_copy(json_object_get(call->in, KEPT[i])));
    if (billing != NULL)
        (void)json_object_set_new(description, "BillingModeSummary",
                                  json_pack("{s:s}", "BillingMode", billing));
    const struct dynamodb_table *table =
        dynamodb_add_table(dynamodb, name, hash, range, description, call->now_ms);
    write_table(call, table, "TableDescription", "CREATING"); /* from the next call on it is ACTIVE */
}

void dynamodb_describe_table(struct rpc_call *call)
{
    const struct dynamodb_table *table = dynamodb_in_table(call, false);
    if (table != NULL)
        write_table(call, table, "Table", "ACTIVE");
}

void dynamodb_delete_table(struct rpc_call *call)
{
    struct dynamodb_table *table = dynamodb_in_table(call, false);
    if (table == NULL)
        return;
    write_table(call, table, "TableDescription", "DELETING");
    dynamodb_drop_table(call->engine, table);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void dynamodb_list_tables(struct rpc_call *call)
{
    const struct dynamodb *dynamodb = call->engine;
    const char *names[DYNAMODB_TABLES_MAX] = {NULL};
    size_t count = 0;
    size_t position = 0;
    for (const struct dynamodb_table *table = NULL;
         (table = strmap_next(&dynamodb->tables, &position)) != NULL;)
        names[count++] = table->name;
    qsort(names, count, sizeof *names, by_text);
    double limit = 100;
    const char *after = rpc_text(call, call->in, "ExclusiveStartTableName");
    if (rpc_number(call, call->in, "Limit", &limit) && !(limit >= 1 && limit <= 100))
        rpc_fail(call, &DYNAMODB_VALIDATION,
                 "1 validation error detected: Value '%g' at 'limit' failed to satisfy"
                 " constraint: Member must have value of 1 to 100",
                 limit);
    json_t *list = json_array();
    size_t i = 0;
    while (i < count && after != NULL && strcmp(names[i], after) <= 0)
        i++;
    for (; i < count && json_array_size(list) < (size_t)limit; i++)
        (void)json_array_append_new(list, json_string(names[i]));
    (void)json_object_set_new(call->out, "TableNames", list);
    if (i > 0 && i < count)
        (void)json_object_set_new(call->out, "LastEvaluatedTableName", json_string(names[i - 1]));
}
