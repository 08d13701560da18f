/* DynamoDB calls: expressions out, items in; see dynamodb.h. */
#include "aws/dynamodb.h"

#include "aws/json_reply.h"
#include "base/alloc.h"
#include "base/jsonw.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TARGET "DynamoDB_20120810."
#define CONDITION_FAILED "ConditionalCheckFailedException"

struct dynamodb_call {
    const char *member; /* of the reply, that holds the item; it may be missing */
    dynamodb_item_fn *fn;
    void *arg;
};

/* ---- requests ---- */

/* {"S":"text"} or {"N":"12"}: numbers travel as text. */
static void write_value(struct jsonw *w, const struct dynamodb_attribute *attribute)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%" PRId64, attribute->number);
    jsonw_object(w);
    jsonw_key_str(w, attribute->text != NULL ? "S" : "N", attribute->text != NULL ? attribute->text : digits);
    jsonw_end_object(w);
}

static void open_request(struct jsonw *w, const char *table, const struct dynamodb_attribute *key)
{
    jsonw_object(w);
    jsonw_key_str(w, "TableName", table);
    jsonw_key(w, "Key");
    jsonw_object(w);
    jsonw_key(w, key->name);
    write_value(w, key);
    jsonw_end_object(w);
}

/* Names and values stand behind placeholders, so that no reserved word can be among them: #s0 and :s0 of what
 * is set, #c0 and :c0 of the conditions. */
static void write_condition(const struct dynamodb_update *update, struct jsonw *w)
{
    struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; i < update->condition_count; i++) {
        if (i > 0)
            strbuf_append_str(&text, " AND ");
        switch (update->conditions[i].test) {
        case DYNAMODB_ABSENT:
            strbuf_appendf(&text, "attribute_not_exists(#c%zu)", i);
            break;
        case DYNAMODB_EQUAL:
            strbuf_appendf(&text, "#c%zu = :c%zu", i, i);
            break;
        case DYNAMODB_ABSENT_OR_AT_MOST:
            strbuf_appendf(&text,
                           update->condition_count > 1 ? "(attribute_not_exists(#c%zu) OR #c%zu <= :c%zu)"
                                                       : "attribute_not_exists(#c%zu) OR #c%zu <= :c%zu",
                           i, i, i);
            break;
        }
    }
    if (update->condition_count > 0)
        jsonw_key_str(w, "ConditionExpression", strbuf_str(&text));
    strbuf_clean_up(&text);
}

static void write_set(const struct dynamodb_update *update, struct jsonw *w)
{
    struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; i < update->set_count; i++)
        strbuf_appendf(&text, "%s#s%zu = :s%zu", i == 0 ? "SET " : ", ", i, i);
    jsonw_key_str(w, "UpdateExpression", strbuf_str(&text));
    strbuf_clean_up(&text);
}

static void write_names(const struct dynamodb_update *update, struct jsonw *w)
{
    char name[16];
    jsonw_key(w, "ExpressionAttributeNames");
    jsonw_object(w);
    for (size_t i = 0; i < update->set_count; i++) {
        (void)snprintf(name, sizeof name, "#s%zu", i);
        jsonw_key_str(w, name, update->set[i].name);
    }
    for (size_t i = 0; i < update->condition_count; i++) {
        (void)snprintf(name, sizeof name, "#c%zu", i);
        jsonw_key_str(w, name, update->conditions[i].attribute.name);
    }
    jsonw_end_object(w);
}

static void write_values(const struct dynamodb_update *update, struct jsonw *w)
{
    char name[16];
    jsonw_key(w, "ExpressionAttributeValues");
    jsonw_object(w);
    for (size_t i = 0; i < update->set_count; i++) {
        (void)snprintf(name, sizeof name, ":s%zu", i);
        jsonw_key(w, name);
        write_value(w, &update->set[i]);
    }
    for (size_t i = 0; i < update->condition_count; i++) {
        if (update->conditions[i].test == DYNAMODB_ABSENT)
            continue; /* DynamoDB refuses values that no expression uses */
        (void)snprintf(name, sizeof name, ":c%zu", i);
        jsonw_key(w, name);
        write_value(w, &update->conditions[i].attribute);
    }
    jsonw_end_object(w);
}

/* ---- replies ---- */

struct item {
    struct dynamodb_attribute attributes[DYNAMODB_ATTRIBUTES_MAX];
    size_t count;
};

static void take_number(struct jsonp *p, struct dynamodb_attribute *attribute)
{
    const char *text = NULL;
    char *end = NULL;
    size_t len = 0;
    if (!jsonp_string(p, &text, &len))
        return;
    errno = 0;
    attribute->number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0')
        (void)jsonp_refuse(p, "a number is not a whole one");
}

/* {"S":..} or {"N":..}; false when the value is of another type. */
static bool take_value(struct jsonp *p, struct dynamodb_attribute *attribute)
{
    const char *type = NULL;
    size_t len = 0;
    bool good = false;
    (void)jsonp_object(p);
    while (jsonp_next_key(p, &type)) {
        if (strcmp(type, "S") == 0)
            good = jsonp_string(p, &attribute->text, &len);
        else if (strcmp(type, "N") == 0) {
            take_number(p, attribute);
            good = true;
        } else {
            (void)jsonp_skip(p);
        }
    }
    return good;
}

static void take_item(struct jsonp *p, struct item *item)
{
    const char *name = NULL;
    if (!aws_take_object(p))
        return;
    while (jsonp_next_key(p, &name)) {
        struct dynamodb_attribute attribute = {.name = name};
        if (item->count == DYNAMODB_ATTRIBUTES_MAX)
            (void)jsonp_skip(p);
        else if (take_value(p, &attribute))
            item->attributes[item->count++] = attribute;
    }
}

/* Returns what is wrong with the body, NULL when nothing is. */
static const char *parse(struct strbuf *body, const char *member, struct item *item)
{
    struct jsonp p = jsonp_start(body->data, body->len);
    const char *key = NULL;
    size_t offset = 0;
    (void)jsonp_object(&p);
    while (jsonp_next_key(&p, &key)) {
        if (strcmp(key, member) == 0)
            take_item(&p, item);
        else
            (void)jsonp_skip(&p);
    }
    return jsonp_finish(&p) ? NULL : jsonp_problem(&p, &offset);
}

static void on_reply(void *arg, const struct aws_result *result, struct strbuf *body)
{
    const struct dynamodb_call *call = arg;
    struct aws_result told = *result;
    struct item item = {.count = 0};
    bool refused = result->kind == AWS_KIND_REQUEST && strcmp(result->code, CONDITION_FAILED) == 0;
    if (refused)
        told.kind = AWS_KIND_OK;
    const char *problem = result->kind == AWS_KIND_OK ? parse(body, call->member, &item) : NULL;
    if (problem != NULL) {
        aws_bad_reply(result, problem, &told);
        item.count = 0;
    }
    call->fn(call->arg, &told, refused, item.attributes, item.count);
}

/* ---- calls ---- */

static struct dynamodb_call *call_new(const char *member, dynamodb_item_fn *fn, void *arg)
{
    struct dynamodb_call *call = xcalloc(1, sizeof *call);
    *call = (struct dynamodb_call){member, fn, arg};
    return call;
}

static struct aws_call *send_request(struct aws_client *client, const char *target, struct strbuf *body,
                                     struct dynamodb_call *call)
{
    struct aws_json_call json = {.service = "dynamodb",
                                 .target = target,
                                 .content_type = "application/x-amz-json-1.0",
                                 .body = body->data,
                                 .body_len = body->len};
    struct aws_call *handle = aws_client_call_json(client, &json, on_reply, call, free);
    strbuf_clean_up(body);
    return handle;
}

struct aws_call *dynamodb_get(struct aws_client *client, const char *table,
                              const struct dynamodb_attribute *key, dynamodb_item_fn *fn, void *arg)
{
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    open_request(&w, table, key);
    jsonw_key_bool(&w, "ConsistentRead", true);
    jsonw_end_object(&w);
    return send_request(client, TARGET "GetItem", &body, call_new("Item", fn, arg));
}

struct aws_call *dynamodb_update(struct aws_client *client, const struct dynamodb_update *update,
                                 dynamodb_item_fn *fn, void *arg)
{
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    struct dynamodb_call *call = call_new("Attributes", fn, arg);
    size_t bytes = 0;
    for (size_t i = 0; i < update->set_count; i++)
        bytes += strlen(update->set[i].name) +
                 (update->set[i].text != NULL ? strlen(update->set[i].text) : sizeof(int64_t) * 3);
    if (update->set_count < 1 || update->set_count > DYNAMODB_ATTRIBUTES_MAX ||
        update->condition_count > DYNAMODB_ATTRIBUTES_MAX || bytes > DYNAMODB_ITEM_BYTES_MAX)
        return aws_client_refuse(client, "UpdateItem sets 1 to 16 attributes of 400 KB together", on_reply,
                                 call, free);
    open_request(&w, update->table, &update->key);
    write_set(update, &w);
    write_condition(update, &w);
    write_names(update, &w);
    write_values(update, &w);
    if (update->want_item)
        jsonw_key_str(&w, "ReturnValues", "ALL_NEW");
    jsonw_end_object(&w);
    return send_request(client, TARGET "UpdateItem", &body, call);
}

/* ---- attributes ---- */

const struct dynamodb_attribute *dynamodb_find(const struct dynamodb_attribute *attributes, size_t count,
                                               const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(attributes[i].name, name) == 0)
            return &attributes[i];
    return NULL;
}

const char *dynamodb_text(const struct dynamodb_attribute *attributes, size_t count, const char *name,
                          const char *fallback)
{
    const struct dynamodb_attribute *found = dynamodb_find(attributes, count, name);
    return found != NULL && found->text != NULL ? found->text : fallback;
}

int64_t dynamodb_number(const struct dynamodb_attribute *attributes, size_t count, const char *name,
                        int64_t fallback)
{
    const struct dynamodb_attribute *found = dynamodb_find(attributes, count, name);
    return found != NULL && found->text == NULL ? found->number : fallback;
}
