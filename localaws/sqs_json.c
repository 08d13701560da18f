/* Decoder of the AWS JSON 1.0 protocol: the request's body straight into a struct sqs_request. */
#include "localaws/base64.h"
#include "localaws/jsonr.h"
#include "localaws/sqs_request.h"

static bool read_names(struct jsonr *r, struct sqs_names *names)
{
    (void)jsonr_array(r);
    while (jsonr_item(r))
        if (!jsonr_string(r, sqs_names_next(names)))
            return false;
    return r->error == NULL;
}

static bool read_pairs(struct jsonr *r, struct sqs_pairs *pairs)
{
    struct slice name;
    (void)jsonr_object(r);
    while (jsonr_key(r, &name)) {
        struct sqs_pair *pair = sqs_pairs_next(pairs);
        pair->name = name;
        if (!jsonr_string(r, &pair->value))
            return false;
    }
    return r->error == NULL;
}

static bool read_base64(struct jsonr *r, struct slice *value)
{
    if (!jsonr_string(r, value))
        return false;
    char *bytes = (char *)(uintptr_t)value->at; /* inside the body, which is ours to change */
    ssize_t len = base64_decode(value->at, value->len, bytes);
    if (len < 0) {
        r->error = "a BinaryValue is not base64";
        return false;
    }
    value->len = (size_t)len;
    return true;
}

static bool read_attribute(struct jsonr *r, struct sqs_attribute *attribute)
{
    struct slice key;
    (void)jsonr_object(r);
    while (jsonr_key(r, &key)) {
        if (jsonr_null(r))
            continue;
        if (slice_is(key, "DataType")) {
            (void)jsonr_string(r, &attribute->type);
        } else if (slice_is(key, "StringValue")) {
            (void)jsonr_string(r, &attribute->value);
        } else if (slice_is(key, "BinaryValue")) {
            attribute->is_binary = true;
            (void)read_base64(r, &attribute->value);
        } else {
            (void)jsonr_skip(r);
        }
    }
    return r->error == NULL;
}

static bool read_message_attributes(struct jsonr *r, struct sqs_entry *entry)
{
    struct slice name;
    (void)jsonr_object(r);
    while (jsonr_key(r, &name)) {
        size_t index = entry->attribute_count++;
        struct sqs_attribute *a =
            &entry->attributes[index < SQS_ATTRIBUTES_MAX ? index : SQS_ATTRIBUTES_MAX - 1];
        *a = (struct sqs_attribute){.name = name};
        if (!read_attribute(r, a))
            return false;
    }
    return r->error == NULL;
}

static bool read_system_attributes(struct jsonr *r, struct sqs_entry *entry)
{
    struct slice name;
    (void)jsonr_object(r);
    while (jsonr_key(r, &name)) {
        struct sqs_attribute attribute = {.name = name};
        if (!read_attribute(r, &attribute))
            return false;
        if (slice_is(name, "AWSTraceHeader"))
            entry->trace_header = attribute.value;
    }
    return r->error == NULL;
}

static bool read_scalar(struct jsonr *r, const struct sqs_field *field, struct sqs_request *request,
                        struct sqs_entry *entry)
{
    if (field->kind == SQS_FIELD_TEXT)
        return jsonr_string(r, sqs_field_text(field, request, entry));
    struct sqs_number *number = sqs_field_number(field, request, entry);
    number->is_given = jsonr_int(r, &number->value);
    return number->is_given;
}

/* A member that requests and entries share; anything unknown is skipped, as AWS does. */
static bool read_entry_member(struct jsonr *r, struct slice key, struct sqs_request *request,
                              struct sqs_entry *entry)
{
    if (slice_is(key, "MessageAttributes"))
        return read_message_attributes(r, entry);
    if (slice_is(key, "MessageSystemAttributes"))
        return read_system_attributes(r, entry);
    const struct sqs_field *field = sqs_request_field(key);
    return field != NULL ? read_scalar(r, field, request, entry) : jsonr_skip(r);
}

static bool read_entries(struct jsonr *r, struct sqs_request *request)
{
    struct slice key;
    request->entries_given = true;
    (void)jsonr_array(r);
    while (jsonr_item(r)) {
        struct sqs_entry *entry = sqs_entries_next(request);
        (void)jsonr_object(r);
        while (jsonr_key(r, &key))
            if (!jsonr_null(r) && !read_entry_member(r, key, request, entry))
                return false;
    }
    return r->error == NULL;
}

static bool read_member(struct jsonr *r, struct slice key, struct sqs_request *request)
{
    if (jsonr_null(r))
        return true;
    if (slice_is(key, "Entries"))
        return read_entries(r, request);
    if (slice_is(key, "AttributeNames"))
        return read_names(r, &request->attribute_names);
    if (slice_is(key, "MessageSystemAttributeNames"))
        return read_names(r, &request->system_attribute_names);
    if (slice_is(key, "MessageAttributeNames"))
        return read_names(r, &request->message_attribute_names);
    if (slice_is(key, "TagKeys"))
        return read_names(r, &request->tag_keys);
    if (slice_is(key, "Attributes"))
        return read_pairs(r, &request->attributes);
    if (slice_is(key, "tags") || slice_is(key, "Tags"))
        return read_pairs(r, &request->tags);
    return read_entry_member(r, key, request, &request->entries[0]);
}

enum sqs_error sqs_json_decode(struct sqs_request *request, char *body, size_t len,
                               struct sqs_failure *failure)
{
    struct jsonr r;
    struct slice key;
    jsonr_init(&r, body, len);
    if (len == 0)
        return SQS_OK;
    (void)jsonr_object(&r);
    while (jsonr_key(&r, &key))
        if (!read_member(&r, key, request))
            break;
    if (!jsonr_end(&r))
        return sqs_fail(failure, SQS_SERIALIZATION,
                        "The request body is not what %s takes: %s (at byte %zu).", sqs_op_name(request->op),
                        r.error, (size_t)(r.at - body));
    return SQS_OK;
}
