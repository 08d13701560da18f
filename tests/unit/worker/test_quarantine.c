/* What is sent to the dead-letter queue for a message. */
#include "tests/unit/unit.h"

#include "worker/quarantine.h"

#include <stdio.h>

static struct quarantine_letter letter;
static struct sqs_message_attribute attributes[QUARANTINE_ATTRIBUTES_MAX];
static char names[QUARANTINE_ATTRIBUTES_MAX][8];

/* A message with so many attributes of its own, a0, a1 .. */
static struct sqs_message message_with(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof names[i], "a%zu", i);
        attributes[i] = (struct sqs_message_attribute){
            .name = names[i], .data_type = "Binary", .value = "\0\1", .value_len = 2};
    }
    return (struct sqs_message){.id = "m-1",
                                .body = "a\0b",
                                .body_len = 3,
                                .group_id = NULL,
                                .attributes = attributes,
                                .attribute_count = count};
}

static const struct quarantine_cause CAUSE = {.reason = "no such order", .status = 65};

static const char *value_of(const struct sqs_send_entry *entry, const char *name)
{
    for (size_t i = 0; i < entry->attribute_count; i++)
        if (strcmp(entry->attributes[i].name, name) == 0)
            return entry->attributes[i].value;
    return NULL;
}

START_TEST(the_body_and_the_messages_own_attributes_are_unchanged_and_ours_beside_them)
{
    struct sqs_message message = message_with(2);
    struct sqs_send_entry entry = quarantine_write(&letter, &message, 7, &CAUSE);
    ck_assert_ptr_eq(entry.body, message.body);
    ck_assert_uint_eq(entry.body_len, 3);
    ck_assert_int_eq(entry.delay_s, -1);
    ck_assert_uint_eq(entry.attribute_count, 6);
    ck_assert_mem_eq(entry.attributes, attributes, 2 * sizeof *attributes);
    ck_assert_str_eq(value_of(&entry, "sluice.reason"), "no such order");
    ck_assert_str_eq(value_of(&entry, "sluice.status"), "65");
    ck_assert_str_eq(value_of(&entry, "sluice.receive_count"), "7");
    ck_assert_str_eq(value_of(&entry, "sluice.source_message_id"), "m-1");
    ck_assert_ptr_null(entry.group_id);
    ck_assert_ptr_null(entry.deduplication_id);
    size_t bytes = 3 + 2 * (2 + 6 + 2) + strlen("sluice.reasonStringno such order") +
                   strlen("sluice.statusNumber65") + strlen("sluice.receive_countNumber7") +
                   strlen("sluice.source_message_idStringm-1");
    ck_assert_uint_eq(quarantine_bytes(&entry), bytes);
}
END_TEST

START_TEST(never_more_than_ten_attributes_and_ours_by_importance)
{
    static const char *const OURS[] = {"sluice.reason", "sluice.status", "sluice.receive_count",
                                       "sluice.source_message_id"};
    for (size_t own = 0; own <= QUARANTINE_ATTRIBUTES_MAX; own++) {
        struct sqs_message message = message_with(own);
        struct sqs_send_entry entry = quarantine_write(&letter, &message, 7, &CAUSE);
        size_t room = QUARANTINE_ATTRIBUTES_MAX - own;
        ck_assert_uint_eq(entry.attribute_count, own + (room < 4 ? room : 4));
        for (size_t i = 0; i < 4; i++)
            ck_assert_int_eq(value_of(&entry, OURS[i]) != NULL, i < room);
    }
}
END_TEST

START_TEST(what_an_earlier_quarantine_added_is_replaced)
{
    struct sqs_message message = message_with(2);
    attributes[0].name = "sluice.reason";
    attributes[0].value = "old";
    struct sqs_send_entry entry = quarantine_write(&letter, &message, 7, &CAUSE);
    ck_assert_uint_eq(entry.attribute_count, 5);
    ck_assert_str_eq(entry.attributes[0].name, "a1");
    ck_assert_str_eq(value_of(&entry, "sluice.reason"), "no such order");
}
END_TEST

START_TEST(no_status_no_attribute_and_bare_means_none_of_ours)
{
    struct sqs_message message = message_with(1);
    struct quarantine_cause cause = {.reason = "r", .status = INT64_MIN};
    struct sqs_send_entry entry = quarantine_write(&letter, &message, 7, &cause);
    ck_assert_uint_eq(entry.attribute_count, 4);
    ck_assert_ptr_null(value_of(&entry, "sluice.status"));
    cause.bare = true;
    entry = quarantine_write(&letter, &message, 7, &cause);
    ck_assert_uint_eq(entry.attribute_count, 1);
}
END_TEST

START_TEST(a_reason_has_only_characters_that_sqs_takes)
{
    static const struct {
        const char *reason, *want;
    } ROWS[] = {{"tab\tnew\nline\r", "tab\tnew\nline\r"},
                {"bell\a esc\x1b[0m", "bell? esc?[0m"},
                {"caf\xC3\xA9", "caf\xC3\xA9"},
                {"cut \xE2\x82", "cut ??"},
                {"\xFF", "?"},
                {"\xEF\xBF\xBF\xEF\xBF\xBE\xEF\xBF\xBD", "??\xEF\xBF\xBD"},
                {"\xF0\x9F\x8C\x8A", "\xF0\x9F\x8C\x8A"}};
    struct sqs_message message = message_with(0);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct quarantine_cause cause = {.reason = ROWS[i].reason, .status = INT64_MIN};
        struct sqs_send_entry entry = quarantine_write(&letter, &message, 1, &cause);
        ck_assert_str_eq(value_of(&entry, "sluice.reason"), ROWS[i].want);
    }
    struct quarantine_cause none = {.reason = "", .status = INT64_MIN};
    struct sqs_send_entry entry = quarantine_write(&letter, &message, 1, &none);
    ck_assert_ptr_null(value_of(&entry, "sluice.reason")); /* SQS refuses empty values */
}
END_TEST

START_TEST(an_overlong_reason_is_cut_between_characters)
{
    char text[2000] = "x";
    for (size_t i = 1; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    struct sqs_message message = message_with(0);
    struct quarantine_cause cause = {.reason = text, .status = INT64_MIN};
    struct sqs_send_entry entry = quarantine_write(&letter, &message, 1, &cause);
    size_t len = strlen(value_of(&entry, "sluice.reason"));
    ck_assert_uint_lt(len, QUARANTINE_REASON_MAX);
    ck_assert_uint_ge(len, 200);
    ck_assert_uint_eq(len % 2, 1);
}
END_TEST

START_TEST(a_fifo_queue_gets_group_and_deduplication_id)
{
    struct sqs_message message = message_with(0);
    struct quarantine_cause cause = {.reason = "r", .status = INT64_MIN, .fifo = true};
    message.group_id = "customer-7";
    message.deduplication_id = "first-send";
    struct sqs_send_entry entry = quarantine_write(&letter, &message, 1, &cause);
    ck_assert_str_eq(entry.group_id, "customer-7");
    ck_assert_str_eq(entry.deduplication_id, "m-1");
    message.group_id = NULL;
    entry = quarantine_write(&letter, &message, 1, &cause);
    ck_assert_str_eq(entry.group_id, "m-1");
    message.group_id = "tenant"; /* standard queues may have groups too */
    cause.fifo = false;
    entry = quarantine_write(&letter, &message, 1, &cause);
    ck_assert_str_eq(entry.group_id, "tenant");
    ck_assert_ptr_null(entry.deduplication_id);
}
END_TEST

UNIT_MAIN("quarantine", the_body_and_the_messages_own_attributes_are_unchanged_and_ours_beside_them,
          never_more_than_ten_attributes_and_ours_by_importance, what_an_earlier_quarantine_added_is_replaced,
          no_status_no_attribute_and_bare_means_none_of_ours, a_reason_has_only_characters_that_sqs_takes,
          an_overlong_reason_is_cut_between_characters, a_fifo_queue_gets_group_and_deduplication_id)
