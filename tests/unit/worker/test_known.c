/* The memory of message ids, and the queue of acknowledgements by itself. */
#include "tests/unit/unit.h"

#include "worker/acks.h"
#include "worker/known.h"

#include <stdio.h>

static struct known known;
static struct message messages[64];

static struct known_entry *add_finished(const char *id, enum known_state state)
{
    struct known_entry *entry = known_add(&known, id, &messages[0]);
    known_set_state(&known, entry, state, NULL);
    return entry;
}

START_TEST(an_id_is_found_until_it_is_forgotten)
{
    known_init(&known, 10);
    ck_assert_ptr_null(known_find(&known, "a"));
    struct known_entry *entry = known_add(&known, "a", &messages[1]);
    ck_assert_ptr_eq(known_find(&known, "a"), entry);
    ck_assert_ptr_eq(entry->message, &messages[1]);
    ck_assert_ptr_null(known_find(&known, "A"));
    known_forget(&known, entry);
    ck_assert_ptr_null(known_find(&known, "a"));
    known_clean_up(&known);
}
END_TEST

START_TEST(finished_ids_are_bounded_and_confirmed_ones_go_first)
{
    char id[16];
    known_init(&known, 10);
    (void)add_finished("unsure", KNOWN_UNCONFIRMED);
    (void)known_add(&known, "held", &messages[1]);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(id, sizeof id, "c%d", i);
        (void)add_finished(id, KNOWN_CONFIRMED);
        ck_assert_uint_le(known.counts[KNOWN_CONFIRMED] + known.counts[KNOWN_UNCONFIRMED], 10);
    }
    ck_assert_ptr_nonnull(known_find(&known, "unsure"));
    ck_assert_ptr_nonnull(known_find(&known, "held"));
    ck_assert_ptr_nonnull(known_find(&known, "c999"));
    ck_assert_ptr_nonnull(known_find(&known, "c991"));
    ck_assert_ptr_null(known_find(&known, "c990"));
    known_clean_up(&known);
}
END_TEST

START_TEST(unconfirmed_ids_are_bounded_too)
{
    char id[16];
    known_init(&known, 10);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(id, sizeof id, "u%d", i);
        (void)add_finished(id, KNOWN_UNCONFIRMED);
    }
    ck_assert_uint_eq(known.counts[KNOWN_UNCONFIRMED], 10);
    ck_assert_ptr_null(known_find(&known, "u989"));
    ck_assert_ptr_nonnull(known_find(&known, "u990"));
    known_clean_up(&known);
}
END_TEST

START_TEST(ids_that_share_a_bucket_do_not_disturb_each_other)
{
    char id[16];
    known_init(&known, 1); /* 256 buckets for 2,000 ids */
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(id, sizeof id, "m%d", i);
        (void)known_add(&known, id, &messages[0]);
    }
    for (int i = 0; i < 2000; i += 2) {
        (void)snprintf(id, sizeof id, "m%d", i);
        known_forget(&known, known_find(&known, id));
    }
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(id, sizeof id, "m%d", i);
        ck_assert_int_eq(known_find(&known, id) != NULL, i % 2);
    }
    known_clean_up(&known);
}
END_TEST

/* ---- acknowledgements ---- */

static struct acks acks;
static struct message *batch[SQS_BATCH_MAX];

static void queue_messages(int count, int64_t now_ms)
{
    for (int i = 0; i < count; i++) {
        messages[i] = (struct message){.attempts = 0};
        acks_add(&acks, &messages[i], now_ms);
    }
}

START_TEST(a_batch_goes_when_it_is_full_or_its_oldest_entry_waited_long_enough)
{
    acks_init(&acks, 1, false);
    queue_messages(9, 1000);
    ck_assert_int_eq(acks_next_batch(&acks, 1000 + ACKS_DELAY_MS - 1, false, batch), 0);
    ck_assert_int_eq(acks_next_ms(&acks), 1000 + ACKS_DELAY_MS);
    ck_assert_int_eq(acks_next_batch(&acks, 1000 + ACKS_DELAY_MS, false, batch), 9);
    queue_messages(12, 2000);
    ck_assert_int_eq(acks_next_batch(&acks, 2000, false, batch), 10);
    ck_assert_int_eq(acks_next_batch(&acks, 2000, false, batch), 0);
    ck_assert_int_eq(acks_next_batch(&acks, 2000, true, batch), 2);
}
END_TEST

START_TEST(no_more_than_the_allowed_batches_are_on_the_wire)
{
    acks_init(&acks, 1, false);
    for (int i = 0; i < ACKS_IN_FLIGHT_MAX + 1; i++) {
        queue_messages(1, 1000);
        ck_assert_int_eq(acks_next_batch(&acks, 1000, true, batch), i < ACKS_IN_FLIGHT_MAX);
    }
    ck_assert_int_eq(acks_next_ms(&acks), INT64_MAX);
    acks_batch_ended(&acks);
    ck_assert_int_eq(acks_next_batch(&acks, 1000, true, batch), 1);
}
END_TEST

START_TEST(retries_pause_longer_and_longer_even_when_flushing)
{
    int64_t now_ms = 1000;
    acks_init(&acks, 1, false);
    queue_messages(1, now_ms);
    int64_t last_ms = 0;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(acks_next_batch(&acks, now_ms, true, batch), 1);
        acks_batch_ended(&acks);
        acks_settled(&acks, batch[0]);
        acks_retry(&acks, batch[0], now_ms);
        ck_assert_int_eq(acks_next_batch(&acks, now_ms, true, batch), 0);
        int64_t pause_ms = acks_next_ms(&acks) - now_ms;
        ck_assert_int_ge(pause_ms, last_ms);
        ck_assert_int_le(pause_ms, ACKS_BACKOFF_MS * 32);
        last_ms = pause_ms;
        now_ms += pause_ms;
    }
    ck_assert_int_eq(last_ms, ACKS_BACKOFF_MS * 32);
}
END_TEST

START_TEST(an_entry_that_must_go_alone_goes_alone)
{
    acks_init(&acks, 1, false);
    queue_messages(3, 1000);
    messages[1].alone = true;
    ck_assert_int_eq(acks_next_batch(&acks, 1000, true, batch), 2);
    ck_assert_ptr_eq(batch[1], &messages[2]);
    ck_assert_int_eq(acks_next_batch(&acks, 1000, true, batch), 1);
    ck_assert_ptr_eq(batch[0], &messages[1]);
}
END_TEST

START_TEST(fate_by_table)
{
    static const struct {
        enum aws_kind kind;
        enum sqs_entry_outcome outcome;
        size_t batch_size;
        enum acks_fate want;
    } ROWS[] = {
        {AWS_KIND_OK, SQS_ENTRY_OK, 10, ACKS_DONE},
        {AWS_KIND_OK, SQS_ENTRY_FAILED, 10, ACKS_REFUSED},
        {AWS_KIND_OK, SQS_ENTRY_RETRYABLE, 10, ACKS_RETRY},
        {AWS_KIND_OK, SQS_ENTRY_UNKNOWN, 10, ACKS_RETRY},
        {AWS_KIND_THROTTLED, SQS_ENTRY_RETRYABLE, 10, ACKS_RETRY},
        {AWS_KIND_TRANSIENT, SQS_ENTRY_UNKNOWN, 10, ACKS_RETRY},
        {AWS_KIND_BAD_REPLY, SQS_ENTRY_UNKNOWN, 10, ACKS_RETRY},
        {AWS_KIND_CREDENTIALS, SQS_ENTRY_FAILED, 10, ACKS_RETRY},
        {AWS_KIND_DENIED, SQS_ENTRY_FAILED, 10, ACKS_RETRY},
        {AWS_KIND_NOT_FOUND, SQS_ENTRY_FAILED, 10, ACKS_RETRY},
        {AWS_KIND_REQUEST, SQS_ENTRY_FAILED, 10, ACKS_RETRY_ALONE},
        {AWS_KIND_REQUEST, SQS_ENTRY_FAILED, 1, ACKS_REFUSED},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct aws_result result = {.kind = ROWS[i].kind};
        struct sqs_entry_result entry = {.outcome = ROWS[i].outcome};
        ck_assert_int_eq(acks_fate(&result, &entry, ROWS[i].batch_size), ROWS[i].want);
    }
}
END_TEST

UNIT_MAIN("known", an_id_is_found_until_it_is_forgotten, finished_ids_are_bounded_and_confirmed_ones_go_first,
          unconfirmed_ids_are_bounded_too, ids_that_share_a_bucket_do_not_disturb_each_other,
          a_batch_goes_when_it_is_full_or_its_oldest_entry_waited_long_enough,
          no_more_than_the_allowed_batches_are_on_the_wire,
          retries_pause_longer_and_longer_even_when_flushing, an_entry_that_must_go_alone_goes_alone,
          fate_by_table)
