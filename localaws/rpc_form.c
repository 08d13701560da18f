/*
 * The Query protocol of rpc.h: forms such as "MetricData.member.1.Value=3" into trees, where "member" and a
 * number make an array, and trees into XML.
 */
#include "localaws/rpc.h"

#include "base/clock.h"
#include "localaws/sqs_reply.h"
#include "localaws/sqs_request.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- forms ---- */

struct slice rpc_form_action(struct slice form)
{
    static const char KEY[] = "Action=";
    const char *end = form.at + form.len;
    for (const char *at = form.at; at != NULL && at < end; at = memchr(at, '&', (size_t)(end - at))) {
        at += *at == '&';
        struct slice rest = {at, (size_t)(end - at)};
        if (!slice_starts_with(rest, KEY))
            continue;
        rest.at += sizeof KEY - 1;
        rest.len -= sizeof KEY - 1;
        const char *stop = memchr(rest.at, '&', rest.len);
        return (struct slice){rest.at, stop == NULL ? rest.len : (size_t)(stop - rest.at)};
    }
    return (struct slice){NULL, 0};
}

/* The child of an object, made as `wanted` when it is not there; NULL when it is something else. */
static json_t *child_of(json_t *object, struct slice key, json_type wanted)
{
    char name[256];
    if (key.len == 0 || key.len >= sizeof name)
        return NULL;
    memcpy(name, key.at, key.len);
    name[key.len] = '\0';
    json_t *child = json_object_get(object, name);
    if (child == NULL) {
        child = wanted == JSON_ARRAY ? json_array() : wanted == JSON_OBJECT ? json_object() : json_string("");
        (void)json_object_set_new(object, name, child);
    }
    return json_typeof(child) == wanted ? child : NULL;
}

/* The element of an array with the index that the path begins with, in the same way. Lists come in order. */
static json_t *element_of(json_t *array, struct slice *path, bool *ret_is_leaf)
{
    struct slice part = slice_cut_part(path);
    size_t index = 0;
    for (size_t i = 0; i < part.len; i++) {
        if (part.at[i] < '0' || part.at[i] > '9' || index > RPC_MEMBERS_MAX)
            return NULL;
        index = index * 10 + (size_t)(part.at[i] - '0');
    }
    *ret_is_leaf = path->len == 0;
    if (index == 0 || index > json_array_size(array) + 1)
        return NULL;
    if (index > json_array_size(array))
        (void)json_array_append_new(array, *ret_is_leaf ? json_string("") : json_object());
    json_t *element = json_array_get(array, index - 1);
    return json_is_string(element) == *ret_is_leaf ? element : NULL;
}

static bool put(json_t *root, struct slice path, struct slice value)
{
    json_t *node = root;
    for (int depth = 0; depth < RPC_DEPTH_MAX; depth++) {
        struct slice key = slice_cut_part(&path);
        bool is_leaf = path.len == 0;
        bool is_list = slice_starts_with(path, "member.");
        node = child_of(node, key, is_leaf ? JSON_STRING : is_list ? JSON_ARRAY : JSON_OBJECT);
        if (node != NULL && is_list) {
            (void)slice_cut_part(&path);
            node = element_of(node, &path, &is_leaf);
        }
        if (node == NULL)
            return false;
        if (is_leaf)
            return json_string_setn(node, value.at, value.len) == 0; /* fails on what is not UTF-8 */
    }
    return false;
}

json_t *rpc_form_tree(char *form, size_t len, struct rpc_failure *failure)
{
    json_t *root = json_object();
    struct sqs_param param;
    size_t count = 0;
    int more = 0;
    char *at = form;
    while ((more = sqs_query_next(&at, form + len, &param)) > 0) {
        bool has_nul = memchr(param.value.at, '\0', param.value.len) != NULL;
        if (!has_nul && ++count <= RPC_MEMBERS_MAX && put(root, param.name, param.value))
            continue;
        (void)snprintf(failure->message, sizeof failure->message, "The parameter %.*s is malformed.",
                       (int)(param.name.len < 200 ? param.name.len : 200), param.name.at);
        more = -1;
        break;
    }
    if (more == 0)
        return root;
    if (failure->message[0] == '\0')
        (void)snprintf(failure->message, sizeof failure->message,
                       "A parameter of the request is not percent-encoded.");
    failure->error = &RPC_SERIALIZATION;
    json_decref(root);
    return NULL;
}

/* ---- XML ---- */

/* Members that are times: epoch seconds in the tree, ISO 8601 in XML. */
static bool is_time(const char *key)
{
    return strcmp(key, "Timestamps") == 0 || strcmp(key, "Expiration") == 0;
}

static void write_element(const char *name, const char *key, const json_t *value, int depth,
                          struct strbuf *out);

static void write_scalar(const char *key, const json_t *value, struct strbuf *out)
{
    char text[40];
    if (json_is_string(value))
        sqs_reply_xml_text(out, (struct slice){json_string_value(value), json_string_length(value)});
    else if (json_is_boolean(value))
        strbuf_append_str(out, json_is_true(value) ? "true" : "false");
    else if (json_is_number(value) && is_time(key))
        strbuf_append_str(out, clock_format_iso8601((int64_t)(json_number_value(value) * 1000), text));
    else if (json_is_integer(value))
        strbuf_appendf(out, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        strbuf_appendf(out, "%.17g", json_real_value(value));
}

static void write_value(const char *key, const json_t *value, int depth, struct strbuf *out)
{
    const char *name = NULL;
    json_t *child = NULL;
    if (depth > RPC_DEPTH_MAX)
        return;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, name, child)
        {
            write_element(name, name, child, depth + 1, out);
        }
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            write_element("member", key, json_array_get(value, i), depth + 1, out);
    } else {
        write_scalar(key, value, out);
    }
}

static void write_element(const char *name, const char *key, const json_t *value, int depth,
                          struct strbuf *out)
{
    strbuf_appendf(out, "<%s>", name);
    write_value(key, value, depth, out);
    strbuf_appendf(out, "</%s>", name);
}

void rpc_write_xml(const struct rpc_service *service, const char *op, const json_t *result,
                   const char *request_id, struct strbuf *out)
{
    strbuf_appendf(out, "<%sResponse xmlns=\"%s\"><%sResult>", op, service->xmlns, op);
    write_value("", result, 0, out);
    strbuf_appendf(out,
                   "</%sResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>",
                   op, request_id, op);
}

void rpc_write_xml_error(const struct rpc_service *service, const char *code, const char *message,
                         bool sender_fault, const char *request_id, struct strbuf *out)
{
    strbuf_appendf(out, "<ErrorResponse xmlns=\"%s\"><Error><Type>%s</Type><Code>", service->xmlns,
                   sender_fault ? "Sender" : "Receiver");
    sqs_reply_xml_text(out, slice_of(code));
    strbuf_append_str(out, "</Code><Message>");
    sqs_reply_xml_text(out, slice_of(message));
    strbuf_appendf(out, "</Message></Error><RequestId>%s</RequestId></ErrorResponse>", request_id);
}
