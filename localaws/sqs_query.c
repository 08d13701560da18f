/*
 * Decoder of the Query protocol: form parameters such as
 * "SendMessageBatchRequestEntry.1.MessageAttribute.2.Name" into a struct sqs_request. Lists are flattened and
 * numbered from 1; older clients leave the number of a first item out.
 */
#include "base/base64.h"
#include "localaws/sqs_request.h"

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decodes [from, from + len) in place; the length, or -1. */
static ssize_t percent_decode(char *from, size_t len)
{
    char *to = from;
    for (size_t i = 0; i < len; i++) {
        if (from[i] != '%') {
            *to++ = from[i] == '+' ? ' ' : from[i];
            continue;
        }
        int high = i + 2 < len ? hex_digit(from[i + 1]) : -1;
        int low = i + 2 < len ? hex_digit(from[i + 2]) : -1;
        if (high < 0 || low < 0)
            return -1;
        *to++ = (char)(high * 16 + low);
        i += 2;
    }
    return to - from;
}

int sqs_query_next(char **at, char *end, struct sqs_param *param)
{
    while (*at < end) {
        char *start = *at;
        char *stop = memchr(start, '&', (size_t)(end - start));
        stop = stop == NULL ? end : stop;
        char *equals = memchr(start, '=', (size_t)(stop - start));
        char *name_end = equals == NULL ? stop : equals;
        char *value = equals == NULL ? stop : equals + 1;
        ssize_t name_len = percent_decode(start, (size_t)(name_end - start));
        ssize_t value_len = percent_decode(value, (size_t)(stop - value));
        *at = stop + 1;
        if (name_len < 0 || value_len < 0)
            return -1;
        *param = (struct sqs_param){{start, (size_t)name_len}, {value, (size_t)value_len}};
        if (name_len > 0)
            return 1;
    }
    return 0;
}

enum sqs_error sqs_query_split(char *text, size_t len, struct sqs_param *params, size_t *count,
                               struct sqs_failure *failure)
{
    struct sqs_param param;
    int more = 0;
    *count = 0;
    for (char *at = text; (more = sqs_query_next(&at, text + len, &param)) > 0;) {
        if (*count == SQS_PARAMS_MAX)
            return sqs_fail(failure, SQS_SERIALIZATION, "The request has more than %d parameters.",
                            SQS_PARAMS_MAX);
        params[(*count)++] = param;
    }
    if (more < 0)
        return sqs_fail(failure, SQS_SERIALIZATION, "A parameter of the request is not percent-encoded.");
    return SQS_OK;
}

/* Cuts a list index off the path: 1..n, 1 when there is none there; 0 when it is senseless. */
static size_t next_index(struct slice *path)
{
    size_t index = 0;
    if (path->len == 0 || path->at[0] < '0' || path->at[0] > '9')
        return 1;
    struct slice part = slice_cut_part(path);
    for (size_t i = 0; i < part.len; i++) {
        if (part.at[i] < '0' || part.at[i] > '9' || index > 10000)
            return 0;
        index = index * 10 + (size_t)(part.at[i] - '0');
    }
    return index;
}

static bool set_number(struct sqs_number *number, struct slice text)
{
    bool negative = text.len > 0 && text.at[0] == '-';
    int64_t value = 0;
    if (text.len == 0 || text.len > 12 || (negative && text.len == 1))
        return false;
    for (size_t i = negative ? 1 : 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (text.at[i] - '0');
    }
    *number = (struct sqs_number){.is_given = true, .value = negative ? -value : value};
    return true;
}

static bool set_field(struct slice name, struct slice value, struct sqs_request *request,
                      struct sqs_entry *entry)
{
    const struct sqs_field *field = sqs_request_field(name);
    if (field == NULL)
        return true; /* Version, Signature..., what we do not know */
    if (field->kind == SQS_FIELD_NUMBER)
        return set_number(sqs_field_number(field, request, entry), value);
    *sqs_field_text(field, request, entry) = value;
    return true;
}

/* The attribute with this index, with those before it made empty when they were skipped; NULL beyond what is
 * kept. */
static struct sqs_attribute *attribute_at(struct sqs_entry *entry, size_t index)
{
    while (entry->attribute_count < index) {
        if (entry->attribute_count < SQS_ATTRIBUTES_MAX)
            entry->attributes[entry->attribute_count] = (struct sqs_attribute){.is_binary = false};
        entry->attribute_count++;
    }
    return index >= 1 && index <= SQS_ATTRIBUTES_MAX ? &entry->attributes[index - 1] : NULL;
}

static bool set_base64(struct sqs_attribute *a, struct slice value)
{
    char *bytes = (char *)(uintptr_t)value.at; /* inside the body, which is ours to change */
    ssize_t len = base64_decode(value.at, value.len, bytes);
    a->is_binary = true;
    a->value = (struct slice){value.at, len < 0 ? 0 : (size_t)len};
    return len >= 0;
}

/* "2.Name", "2.Value.StringValue" ... */
static bool set_attribute(struct sqs_entry *entry, struct slice path, struct slice value)
{
    size_t index = next_index(&path);
    struct sqs_attribute *a = index == 0 ? NULL : attribute_at(entry, index);
    if (a == NULL)
        return index > 0; /* too many: counted, refused later */
    if (slice_is(path, "Name"))
        a->name = value;
    else if (slice_is(path, "Value.DataType"))
        a->type = value;
    else if (slice_is(path, "Value.StringValue"))
        a->value = value;
    else if (slice_is(path, "Value.BinaryValue"))
        return set_base64(a, value);
    return true;
}

/* A member of a message: of the request itself or of an entry. System attributes: AWSTraceHeader is the only
 * one there is, so its value is the value of any. */
static bool set_message_member(struct sqs_request *request, struct sqs_entry *entry, struct slice path,
                               struct slice value)
{
    struct slice whole = path;
    struct slice head = slice_cut_part(&path);
    if (slice_is(head, "MessageAttribute"))
        return set_attribute(entry, path, value);
    if (slice_is(head, "MessageSystemAttribute")) {
        (void)next_index(&path);
        if (slice_is(path, "Value.StringValue"))
            entry->trace_header = value;
        return true;
    }
    return set_field(whole, value, request, entry);
}

static bool set_entry_member(struct sqs_request *request, struct slice path, struct slice value)
{
    size_t index = next_index(&path);
    if (index == 0)
        return false;
    request->entries_given = true;
    while (request->entry_count < index)
        (void)sqs_entries_next(request);
    return index > SQS_BATCH_MAX || set_message_member(request, &request->entries[index - 1], path, value);
}

/* "1.Name" / "1.Value" (attributes), "1.Key" / "1.Value" (tags). */
static bool set_pair(struct sqs_pairs *pairs, struct slice path, struct slice value)
{
    size_t index = next_index(&path);
    if (index == 0 || index > SQS_PAIRS_MAX)
        return false;
    while (pairs->count < index)
        *sqs_pairs_next(pairs) = (struct sqs_pair){{NULL, 0}, {NULL, 0}};
    if (slice_is(path, "Value"))
        pairs->pairs[index - 1].value = value;
    else
        pairs->pairs[index - 1].name = value;
    return true;
}

static bool add_name(struct sqs_names *names, struct slice value)
{
    if (value.len > 0) /* an empty list comes as "AttributeName=" */
        *sqs_names_next(names) = value;
    return true;
}

static bool set_param(struct sqs_request *request, struct slice path, struct slice value)
{
    struct slice whole = path;
    struct slice head = slice_cut_part(&path);
    const char *op = sqs_op_name(request->op);
    if (sqs_op_is_batch(request->op) && slice_starts_with(head, op) && head.len == strlen(op) + 12)
        return set_entry_member(request, path, value); /* <operation>RequestEntry */
    if (slice_is(head, "AttributeName"))
        return add_name(&request->attribute_names, value);
    if (slice_is(head, "MessageSystemAttributeName"))
        return add_name(&request->system_attribute_names, value);
    if (slice_is(head, "MessageAttributeName"))
        return add_name(&request->message_attribute_names, value);
    if (slice_is(head, "TagKey"))
        return add_name(&request->tag_keys, value);
    if (slice_is(head, "Attribute"))
        return set_pair(&request->attributes, path, value);
    if (slice_is(head, "Tag") || slice_is(head, "Tags"))
        return set_pair(&request->tags, path, value);
    return set_message_member(request, &request->entries[0], whole, value);
}

enum sqs_error sqs_query_decode(struct sqs_request *request, const struct sqs_param *params, size_t count,
                                struct sqs_failure *failure)
{
    for (size_t i = 0; i < count; i++)
        if (!set_param(request, params[i].name, params[i].value))
            return sqs_fail(failure, SQS_SERIALIZATION, "The value of parameter %.*s is not what %s takes.",
                            (int)(params[i].name.len < 120 ? params[i].name.len : 120), params[i].name.at,
                            sqs_op_name(request->op));
    return SQS_OK;
}
