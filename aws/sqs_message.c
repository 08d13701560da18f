/* What is common to sent and received messages: digests, JSON forms, checks; see sqs_internal.h. */
#include "aws/sqs_internal.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- digests ---- */

static bool is_binary(const struct sqs_message_attribute *attribute)
{
    return strncmp(attribute->data_type, "Binary", 6) == 0;
}

static int compare_names(const void *left, const void *right)
{
    const struct sqs_message_attribute *const *a = left;
    const struct sqs_message_attribute *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

static void append_with_length(struct strbuf *out, const char *bytes, size_t len)
{
    const uint8_t length[] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};
    strbuf_append(out, length, sizeof length);
    strbuf_append(out, bytes, len);
}

bool sqs_attributes_md5(const struct sqs_message_attribute *attributes, size_t count,
                        uint8_t md5[static AWS_DIGEST_MD5_BYTES])
{
    const struct sqs_message_attribute **sorted = xcalloc(count, sizeof(void *));
    struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &attributes[i];
    qsort(sorted, count, sizeof(void *), compare_names);
    for (size_t i = 0; i < count; i++) {
        append_with_length(&text, sorted[i]->name, strlen(sorted[i]->name));
        append_with_length(&text, sorted[i]->data_type, strlen(sorted[i]->data_type));
        strbuf_append_char(&text, is_binary(sorted[i]) ? 2 : 1); /* how the value travels */
        append_with_length(&text, sorted[i]->value, sorted[i]->value_len);
    }
    bool done = aws_digest_md5(text.data, text.len, md5);
    strbuf_clean_up(&text);
    free(sorted);
    return done;
}

void sqs_digests_of_entry(const struct sqs_send_entry *entry, struct sqs_digests *ret_digests)
{
    ret_digests->known = aws_digest_md5(entry->body, entry->body_len, ret_digests->body);
    ret_digests->has_attributes = entry->attribute_count > 0;
    if (ret_digests->known && ret_digests->has_attributes)
        ret_digests->known =
            sqs_attributes_md5(entry->attributes, entry->attribute_count, ret_digests->attributes);
}

bool sqs_md5_matches(const uint8_t md5[static AWS_DIGEST_MD5_BYTES], const char *hex)
{
    char ours[AWS_DIGEST_MD5_HEX_BYTES];
    if (hex == NULL)
        return true;
    aws_digest_hex(md5, AWS_DIGEST_MD5_BYTES, ours);
    return strcasecmp(ours, hex) == 0;
}

/* ---- sending ---- */

/* Names of attributes become JSON keys unescaped. */
static bool is_attribute_name(const char *name)
{
    size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");
    return len > 0 && len <= 256 && name[len] == '\0';
}

bool sqs_is_token(const char *text)
{
    size_t len = 0;
    while (text[len] > ' ' && text[len] <= '~' && len <= SQS_TOKEN_MAX)
        len++;
    return len >= 1 && len <= SQS_TOKEN_MAX && text[len] == '\0';
}

const char *sqs_entry_problem(const struct sqs_send_entry *entry)
{
    /* It would go out with replacement characters, and so be another message than was given. */
    if (!utf8_valid(entry->body, entry->body_len))
        return "the body is not UTF-8";
    if (entry->group_id != NULL && !sqs_is_token(entry->group_id))
        return "the group id is not 1 to 128 letters, digits and punctuation";
    if (entry->deduplication_id != NULL && !sqs_is_token(entry->deduplication_id))
        return "the deduplication id is not 1 to 128 letters, digits and punctuation";
    for (size_t i = 0; i < entry->attribute_count; i++) {
        const struct sqs_message_attribute *attribute = &entry->attributes[i];
        if (!is_attribute_name(attribute->name))
            return "an attribute's name is not 1 to 256 of A-Z a-z 0-9 _ . -";
        if (!is_binary(attribute) && !utf8_valid(attribute->value, attribute->value_len))
            return "an attribute's value is not UTF-8";
    }
    return NULL;
}

static void write_binary(struct jsonw *w, const struct sqs_message_attribute *attribute)
{
    struct strbuf text = STRBUF_INIT;
    base64_encode(attribute->value, attribute->value_len, &text);
    jsonw_key(w, "BinaryValue");
    jsonw_strn(w, strbuf_str(&text), text.len);
    strbuf_clean_up(&text);
}

static void write_attribute(struct jsonw *w, const struct sqs_message_attribute *attribute)
{
    jsonw_key(w, attribute->name);
    jsonw_object(w);
    jsonw_key_str(w, "DataType", attribute->data_type);
    if (is_binary(attribute)) {
        write_binary(w, attribute);
    } else {
        jsonw_key(w, "StringValue");
        jsonw_strn(w, attribute->value, attribute->value_len);
    }
    jsonw_end_object(w);
}

void sqs_write_entry(struct jsonw *w, const struct sqs_send_entry *entry)
{
    jsonw_key(w, "MessageBody");
    jsonw_strn(w, entry->body, entry->body_len);
    if (entry->delay_s >= 0)
        jsonw_key_int(w, "DelaySeconds", entry->delay_s);
    if (entry->group_id != NULL)
        jsonw_key_str(w, "MessageGroupId", entry->group_id);
    if (entry->deduplication_id != NULL)
        jsonw_key_str(w, "MessageDeduplicationId", entry->deduplication_id);
    if (entry->attribute_count == 0)
        return;
    jsonw_key(w, "MessageAttributes");
    jsonw_object(w);
    for (size_t i = 0; i < entry->attribute_count; i++)
        write_attribute(w, &entry->attributes[i]);
    jsonw_end_object(w);
}

/* ---- reading ---- */

int64_t sqs_parse_number(const char *text)
{
    char *end = NULL;
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return -1;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' ? value : -1;
}
