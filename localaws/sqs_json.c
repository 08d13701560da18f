/* Decoder of the AWS JSON 1.0 protocol: the request's body straight into a struct sqs_request. */
#include "base/base64.h"
#include "localaws/json_slice.h"
#include "localaws/sqs_request.h"

static bool read_names(struct jsonp *p, struct sqs_names *names)
{
    (void)jsonp_array(p);
    while (jsonp_next_element(p))
        if (!json_slice_string(p, sqs_names_next(names)))
            return false;
    return p->problem == NULL;
}

static bool read_pairs(struct jsonp *p, struct sqs_pairs *pairs)
{
    struct slice name;
    (void)jsonp_object(p);
    while (json_slice_next_key(p, &name)) {
        struct sqs_pair *pair = sqs_pairs_next(pairs);
        pair->name = name;
        if (!json_slice_string(p, &pair->value))
            return false;
    }
    return p->problem == NULL;
}

static bool read_base64(struct jsonp *p, struct slice *value)
{
    if (!json_slice_string(p, value))
        return false;
    char *bytes = (char *)(uintptr_t)value->at; /* inside the body, which is ours to change */
    ssize_t len = base64_decode(value->at, value->len, bytes);
    if (len < 0)
        return jsonp_refuse(p, "a BinaryValue is not base64");
    value->len = (size_t)len;
    return true;
}

static bool read_attribute(struct jsonp *p, struct sqs_attribute *attribute)
{
    struct slice key;
    (void)jsonp_object(p);
    while (json_slice_next_key(p, &key)) {
        if (jsonp_null(p))
            continue;
        if (slice_is(key, "DataType")) {
            (void)json_slice_string(p, &attribute->type);
        } else if (slice_is(key, "StringValue")) {
            (void)json_slice_string(p, &attribute->value);
        } else if (slice_is(key, "BinaryValue")) {
            attribute->is_binary = true;
            (void)read_base64(p, &attribute->value);
        } else {
            (void)jsonp_skip(p);
        }
    }
    return p->problem == NULL;
}

static bool read_message_attributes(struct jsonp *p, struct sqs_entry *entry)
{
    struct slice name;
    (void)jsonp_object(p);
    while (json_slice_next_key(p, &name)) {
        size_t index = entry->attribute_count++;
        struct sqs_attribute *a =
            &entry->attributes[index < SQS_ATTRIBUTES_MAX ? index : SQS_ATTRIBUTES_MAX - 1];
        *a = (struct sqs_attribute){.name = name};
        if (!read_attribute(p, a))
            return false;
    }
    return p->problem == NULL;
}

static bool read_system_attributes(struct jsonp *p, struct sqs_entry *entry)
{
    struct slice name;
    (void)jsonp_object(p);
    while (json_slice_next_key(p, &name)) {
        struct sqs_attribute attribute = {.name = name};
        if (!read_attribute(p, &attribute))
            return false;
        if (slice_is(name, "AWSTraceHeader"))
            entry->trace_header = attribute.value;
    }
    return p->problem == NULL;
}

static bool read_scalar(struct jsonp *p, const struct sqs_field *field, struct sqs_request *request,
                        struct sqs_entry *entry)
{
    if (field->kind == SQS_FIELD_TEXT)
        return json_slice_string(p, sqs_field_text(field, request, entry));
    struct sqs_number *number = sqs_field_number(field, request, entry);
    number->is_given = jsonp_int(p, &number->value);
    return number->is_given;
}

/* A member that requests and entries share; anything unknown is skipped, as AWS does. */
static bool read_entry_member(struct jsonp *p, struct slice key, struct sqs_request *request,
                              struct sqs_entry *entry)
{
    if (slice_is(key, "MessageAttributes"))
        return read_message_attributes(p, entry);
    if (slice_is(key, "MessageSystemAttributes"))
        return read_system_attributes(p, entry);
    const struct sqs_field *field = sqs_request_field(key);
    return field != NULL ? read_scalar(p, field, request, entry) : jsonp_skip(p);
}

static bool read_entries(struct jsonp *p, struct sqs_request *request)
{
    struct slice key;
    request->entries_given = true;
    (void)jsonp_array(p);
    while (jsonp_next_element(p)) {
        struct sqs_entry *entry = sqs_entries_next(request);
        (void)jsonp_object(p);
        while (json_slice_next_key(p, &key))
            if (!jsonp_null(p) && !read_entry_member(p, key, request, entry))
                return false;
    }
    return p->problem == NULL;
}

static bool read_member(struct jsonp *p, struct slice key, struct sqs_request *request)
{
    if (jsonp_null(p))
        return true;
    if (slice_is(key, "Entries"))
        return read_entries(p, request);
    if (slice_is(key, "AttributeNames"))
        return read_names(p, &request->attribute_names);
    if (slice_is(key, "MessageSystemAttributeNames"))
        return read_names(p, &request->system_attribute_names);
    if (slice_is(key, "MessageAttributeNames"))
        return read_names(p, &request->message_attribute_names);
    if (slice_is(key, "TagKeys"))
        return read_names(p, &request->tag_keys);
    if (slice_is(key, "Attributes"))
        return read_pairs(p, &request->attributes);
    if (slice_is(key, "tags") || slice_is(key, "Tags"))
        return read_pairs(p, &request->tags);
    return read_entry_member(p, key, request, &request->entries[0]);
}

enum sqs_error sqs_json_decode(struct sqs_request *request, char *body, size_t len,
                               struct sqs_failure *failure)
{
    struct jsonp p = jsonp_start(body, len);
    struct slice key;
    size_t offset = 0;
    if (len == 0)
        return SQS_OK;
    (void)jsonp_object(&p);
    while (json_slice_next_key(&p, &key))
        if (!read_member(&p, key, request))
            break;
    if (jsonp_finish(&p))
        return SQS_OK;
    const char *problem = jsonp_problem(&p, &offset);
    return sqs_fail(failure, SQS_SERIALIZATION, "The request body is not what %s takes: %s (at byte %zu).",
                    sqs_op_name(request->op), problem, offset);
}
