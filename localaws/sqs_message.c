/* Messages: checks, copies and digests; see sqs_message.h. */
#include "localaws/sqs_message.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <strings.h>

size_t sqs_message_spec_bytes(const struct sqs_message_spec *spec)
{
    size_t bytes = spec->body.len;
    for (size_t i = 0; i < spec->attribute_count; i++)
        bytes += spec->attributes[i].name.len + spec->attributes[i].type.len + spec->attributes[i].value.len;
    return bytes;
}

/* Length of the character at s if SQS takes it (#x9 #xA #xD #x20-#xD7FF #xE000-#xFFFD #x10000-#x10FFFF in
 * UTF-8), else 0. */
static size_t good_character(const char *s, size_t left)
{
    if ((unsigned char)s[0] < 0x20 && s[0] != '\t' && s[0] != '\n' && s[0] != '\r')
        return 0;
    size_t len = utf8_len(s, left);
    bool is_no_character = len == 3 && memcmp(s, "\xEF\xBF", 2) == 0 && (unsigned char)s[2] >= 0xBE;
    return is_no_character ? 0 : len;
}

static bool good_text(struct slice text)
{
    for (size_t i = 0; i < text.len;) {
        if (text.at[i] >= 0x20 && (unsigned char)text.at[i] < 0x80) {
            i++;
            continue;
        }
        size_t len = good_character(text.at + i, text.len - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

static bool good_attribute_name(struct slice name)
{
    if (name.at == NULL || name.len == 0 || name.len > SQS_ATTRIBUTE_NAME_MAX || name.at[0] == '.' ||
        name.at[name.len - 1] == '.')
        return false;
    if ((name.len >= 4 && strncasecmp(name.at, "aws.", 4) == 0) ||
        (name.len >= 7 && strncasecmp(name.at, "amazon.", 7) == 0))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                    c == '-' || c == '.';
        if (!good || (c == '.' && name.at[i - 1] == '.'))
            return false;
    }
    return true;
}

/* True when `type` is `base` or `base.custom`. */
static bool type_is(struct slice type, const char *base)
{
    size_t len = strlen(base);
    return slice_starts_with(type, base) && (type.len == len || type.at[len] == '.');
}

static bool good_number(struct slice text)
{
    char copy[64];
    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (strchr("+-.0123456789eE", text.at[i]) == NULL || text.at[i] == '\0')
            return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    char *end = NULL;
    (void)strtod(copy, &end);
    return *end == '\0';
}

static enum sqs_error check_attribute(const struct sqs_attribute *a, struct sqs_failure *failure)
{
    int shown = (int)(a->name.len < 80 ? a->name.len : 80);
    const char *name = a->name.at == NULL ? "" : a->name.at;
    if (!good_attribute_name(a->name))
        return sqs_fail(
            failure, SQS_INVALID_PARAMETER_VALUE,
            "Message attribute name '%.*s' is invalid: 1 to 256 of A-Z a-z 0-9 _ - and single inner periods,"
            " not starting with AWS. or Amazon.",
            shown, name);
    if (a->type.at == NULL || a->type.len == 0 || a->type.len > SQS_ATTRIBUTE_NAME_MAX || !good_text(a->type))
        return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                        "The message attribute '%.*s' must contain a DataType of 1 to 256 characters.", shown,
                        name);
    if (!type_is(a->type, "String") && !type_is(a->type, "Number") && !type_is(a->type, "Binary"))
        return sqs_fail(
            failure, SQS_INVALID_PARAMETER_VALUE,
            "The message attribute '%.*s' has an invalid message attribute type, the set of supported type"
            " prefixes is Binary, Number, and String.",
            shown, name);
    if (a->value.at == NULL || a->value.len == 0 || a->is_binary != type_is(a->type, "Binary"))
        return sqs_fail(
            failure, SQS_INVALID_PARAMETER_VALUE,
            "The message attribute '%.*s' must contain a non-empty message attribute value for its type"
            " (StringValue for String and Number, BinaryValue for Binary).",
            shown, name);
    if (!a->is_binary && !good_text(a->value))
        return sqs_fail(failure, SQS_INVALID_MESSAGE_CONTENTS,
                        "Invalid characters were found in the message attribute '%.*s'.", shown, name);
    if (type_is(a->type, "Number") && !good_number(a->value))
        return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                        "Can't cast the value of message attribute '%.*s' to a number.", shown, name);
    return SQS_OK;
}

enum sqs_error sqs_message_id_check(const char *name, struct slice id, struct sqs_failure *failure)
{
    bool good = id.at == NULL || (id.len >= 1 && id.len <= SQS_ID_MAX);
    for (size_t i = 0; good && id.at != NULL && i < id.len; i++)
        good = id.at[i] > 0x20 && id.at[i] < 0x7F;
    if (good)
        return SQS_OK;
    return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                    "Value for parameter %s is invalid. Reason: %s can only include alphanumeric and"
                    " punctuation characters. 1 to %d in length.",
                    name, name, SQS_ID_MAX);
}

static enum sqs_error check_ids(const struct sqs_message_spec *spec, struct sqs_failure *failure)
{
    if (sqs_message_id_check("MessageGroupId", spec->group_id, failure) != SQS_OK ||
        sqs_message_id_check("MessageDeduplicationId", spec->deduplication_id, failure) != SQS_OK)
        return failure->error;
    if (!good_text(spec->trace_header))
        return sqs_fail(failure, SQS_INVALID_MESSAGE_CONTENTS,
                        "Invalid characters were found in the system attribute AWSTraceHeader.");
    return SQS_OK;
}

enum sqs_error sqs_message_spec_check(const struct sqs_message_spec *spec, struct sqs_failure *failure)
{
    if (spec->body.len == 0)
        return sqs_fail(failure, SQS_MISSING_PARAMETER,
                        "The request must contain the parameter MessageBody.");
    if (!good_text(spec->body))
        return sqs_fail(
            failure, SQS_INVALID_MESSAGE_CONTENTS,
            "Invalid characters were found in the message body. Valid unicode characters are #x9 | #xA | #xD"
            " | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF");
    if (spec->attribute_count > SQS_ATTRIBUTES_MAX)
        return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                        "Number of message attributes [%zu] exceeds the allowed maximum [%d].",
                        spec->attribute_count, SQS_ATTRIBUTES_MAX);
    for (size_t i = 0; i < spec->attribute_count; i++) {
        if (check_attribute(&spec->attributes[i], failure) != SQS_OK)
            return failure->error;
        for (size_t k = 0; k < i; k++)
            if (slice_equal(spec->attributes[k].name, spec->attributes[i].name))
                return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                                "Message attribute name '%.*s' already exists.",
                                (int)(spec->attributes[i].name.len % 81), spec->attributes[i].name.at);
    }
    return check_ids(spec, failure);
}

/* main() has seen that MD5 is there, so that only memory running out can fail. */
static void md5(const void *bytes, size_t len, uint8_t out[static AWS_DIGEST_MD5_BYTES])
{
    if (!aws_digest_md5(bytes, len, out))
        abort();
}

static struct slice copy_slice(char **to, struct slice from)
{
    if (from.at == NULL)
        return from;
    struct slice copy = {.at = *to, .len = from.len};
    if (from.len > 0)
        memcpy(*to, from.at, from.len);
    *to += from.len;
    return copy;
}

struct sqs_message *sqs_message_new(const struct sqs_message_spec *spec)
{
    size_t attributes_bytes = spec->attribute_count * sizeof(struct sqs_attribute);
    size_t text_bytes = sqs_message_spec_bytes(spec) + spec->group_id.len + spec->deduplication_id.len +
                        spec->trace_header.len;
    struct sqs_message *m =
        xmalloc(sizeof *m + _Alignof(struct sqs_attribute) + attributes_bytes + text_bytes);
    memset(m, 0, sizeof *m);
    uintptr_t misfit = (uintptr_t)m->block % _Alignof(struct sqs_attribute);
    char *to = m->block + (misfit == 0 ? 0 : _Alignof(struct sqs_attribute) - misfit);
    m->attributes = (struct sqs_attribute *)(void *)to;
    m->attribute_count = spec->attribute_count;
    to += attributes_bytes;
    const struct sqs_attribute *sorted[SQS_ATTRIBUTES_MAX] = {NULL};
    for (size_t i = 0; i < spec->attribute_count; i++) {
        const struct sqs_attribute *from = &spec->attributes[i];
        m->attributes[i].name = copy_slice(&to, from->name);
        m->attributes[i].type = copy_slice(&to, from->type);
        m->attributes[i].value = copy_slice(&to, from->value);
        m->attributes[i].is_binary = from->is_binary;
        sorted[i] = &m->attributes[i];
    }
    m->body = copy_slice(&to, spec->body);
    m->group_id = copy_slice(&to, spec->group_id);
    m->deduplication_id = copy_slice(&to, spec->deduplication_id);
    m->trace_header = copy_slice(&to, spec->trace_header);
    md5(m->body.at, m->body.len, m->body_md5);
    if (m->attribute_count > 0)
        sqs_message_attributes_md5(sorted, m->attribute_count, m->attributes_md5);
    return m;
}

void sqs_message_free(struct sqs_message *message)
{
    if (message == NULL)
        return;
    free(message->source_arn);
    free(message);
}

static int by_name(const void *left, const void *right)
{
    const struct sqs_attribute *a = *(const struct sqs_attribute *const *)left;
    const struct sqs_attribute *b = *(const struct sqs_attribute *const *)right;
    size_t len = a->name.len < b->name.len ? a->name.len : b->name.len;
    int order = memcmp(a->name.at, b->name.at, len);
    return order != 0 ? order : (a->name.len > b->name.len) - (a->name.len < b->name.len);
}

static void append_prefixed(struct strbuf *out, struct slice text)
{
    char len[4] = {(char)(text.len >> 24), (char)(text.len >> 16), (char)(text.len >> 8), (char)text.len};
    strbuf_append(out, len, sizeof len);
    strbuf_append(out, text.at, text.len);
}

void sqs_message_attributes_md5(const struct sqs_attribute **list, size_t count,
                                uint8_t out[static AWS_DIGEST_MD5_BYTES])
{
    struct strbuf text = STRBUF_INIT;
    qsort(list, count, sizeof(void *), by_name);
    for (size_t i = 0; i < count; i++) {
        append_prefixed(&text, list[i]->name);
        append_prefixed(&text, list[i]->type);
        strbuf_append_char(&text, list[i]->is_binary ? 2 : 1);
        append_prefixed(&text, list[i]->value);
    }
    md5(text.data, text.len, out);
    strbuf_clean_up(&text);
}
