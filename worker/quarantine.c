/* Entries for the dead-letter queue; see quarantine.h. */
#include "worker/quarantine.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char NAME_REASON[] = "sluice.reason";
static const char NAME_STATUS[] = "sluice.status";
static const char NAME_RECEIVE_COUNT[] = "sluice.receive_count";
static const char NAME_SOURCE[] = "sluice.source_message_id";

static bool is_ours(const char *name)
{
    return strcmp(name, NAME_REASON) == 0 || strcmp(name, NAME_STATUS) == 0 ||
           strcmp(name, NAME_RECEIVE_COUNT) == 0 || strcmp(name, NAME_SOURCE) == 0;
}

/* Characters that SQS takes: tab, newline, return and from space on, but for U+FFFE and U+FFFF. Others become
 * '?'; a sequence cut in the middle does, too. */
static void copy_text(char *to, size_t size, const char *text)
{
    size_t left = strlen(text);
    size_t used = 0;
    while (left > 0) {
        size_t len = utf8_len(text, left);
        bool control = (unsigned char)*text < 0x20 && *text != '\t' && *text != '\n' && *text != '\r';
        bool noncharacter =
            len == 3 && (memcmp(text, "\xEF\xBF\xBE", 3) == 0 || memcmp(text, "\xEF\xBF\xBF", 3) == 0);
        bool good = len > 0 && !control && !noncharacter;
        size_t step = len > 0 ? len : 1;
        if (used + (good ? len : 1) >= size)
            break;
        if (good)
            memcpy(to + used, text, len);
        else
            to[used] = '?';
        used += good ? len : 1;
        text += step;
        left -= step;
    }
    to[used] = '\0';
}

static void add(struct quarantine_letter *letter, const char *name, const char *type, const char *value)
{
    if (letter->attribute_count == QUARANTINE_ATTRIBUTES_MAX || value[0] == '\0')
        return;
    letter->attributes[letter->attribute_count++] = (struct sqs_message_attribute){
        .name = name, .data_type = type, .value = value, .value_len = strlen(value)};
}

static void add_ours(struct quarantine_letter *letter, const struct sqs_message *message,
                     int64_t receive_count, const struct quarantine_cause *cause)
{
    copy_text(letter->reason, sizeof letter->reason, cause->reason);
    add(letter, NAME_REASON, "String", letter->reason);
    if (cause->status != INT64_MIN) {
        (void)snprintf(letter->status, sizeof letter->status, "%" PRId64, cause->status);
        add(letter, NAME_STATUS, "Number", letter->status);
    }
    (void)snprintf(letter->receive_count, sizeof letter->receive_count, "%" PRId64, receive_count);
    add(letter, NAME_RECEIVE_COUNT, "Number", letter->receive_count);
    add(letter, NAME_SOURCE, "String", message->id);
}

struct sqs_send_entry quarantine_write(struct quarantine_letter *letter, const struct sqs_message *message,
                                       int64_t receive_count, const struct quarantine_cause *cause)
{
    letter->attribute_count = 0;
    for (size_t i = 0; i < message->attribute_count; i++)
        if (letter->attribute_count < QUARANTINE_ATTRIBUTES_MAX &&
            (cause->bare || !is_ours(message->attributes[i].name)))
            letter->attributes[letter->attribute_count++] = message->attributes[i];
    if (!cause->bare)
        add_ours(letter, message, receive_count, cause);
    const char *group_id = message->group_id;
    if (cause->fifo && group_id == NULL)
        group_id = message->id;
    return (struct sqs_send_entry){.body = message->body,
                                   .body_len = message->body_len,
                                   .delay_s = -1,
                                   .attributes = letter->attributes,
                                   .attribute_count = letter->attribute_count,
                                   .group_id = group_id,
                                   .deduplication_id = cause->fifo ? message->id : NULL};
}

size_t quarantine_bytes(const struct sqs_send_entry *entry)
{
    size_t bytes = entry->body_len;
    for (size_t i = 0; i < entry->attribute_count; i++)
        bytes += strlen(entry->attributes[i].name) + strlen(entry->attributes[i].data_type) +
                 entry->attributes[i].value_len;
    return bytes;
}
