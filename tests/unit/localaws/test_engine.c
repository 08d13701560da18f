/* Rules of the queue engine, with invented time: handles, expiry, redrive, retention, limits. */
#include "tests/unit/localaws/world.h"

START_TEST(a_message_is_hidden_for_its_visibility_timeout_to_the_millisecond)
{
    struct world w = world_new();
    world_send(&w, "a");
    struct catch c = world_receive(&w, w.queue, 10, 30000);
    ck_assert_uint_eq(c.count, 1);
    world_expect_counts(w.queue, 0, 1, 0);
    ck_assert_int_eq(sqs_engine_next_ms(w.engine), w.now_ms + 30000);
    world_pass(&w, 29999);
    world_expect_counts(w.queue, 0, 1, 0);
    world_pass(&w, 1);
    world_expect_counts(w.queue, 1, 0, 0);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_receive_sees_what_became_visible_without_a_settle_in_between)
{
    struct world w = world_new();
    world_send(&w, "a");
    (void)world_receive(&w, w.queue, 1, 1000);
    w.now_ms += 1000;
    ck_assert_uint_eq(world_receive(&w, w.queue, 1, 1000).count, 1);
    world_clean_up(&w);
}
END_TEST

START_TEST(messages_leave_in_the_order_in_which_they_were_sent)
{
    struct world w = world_new();
    char body[8];
    for (int i = 0; i < 25; i++) {
        (void)snprintf(body, sizeof body, "%d", i);
        world_send(&w, body);
    }
    for (int i = 0; i < 25;) {
        struct catch c = world_receive(&w, w.queue, 10, 30000);
        ck_assert_uint_eq(c.count, i < 20 ? 10 : 5);
        for (size_t k = 0; k < c.count; k++, i++) {
            (void)snprintf(body, sizeof body, "%d", i);
            world_expect_body(&c, k, body);
        }
    }
    world_clean_up(&w);
}
END_TEST

START_TEST(receive_counts_and_timestamps_are_product_time)
{
    struct world w = world_new();
    world_send(&w, "a");
    w.now_ms += 500;
    struct catch c = world_receive(&w, w.queue, 1, 1000);
    ck_assert_int_eq(c.messages[0]->sent_ms, WORLD_START_MS);
    ck_assert_int_eq(c.messages[0]->first_receive_ms, WORLD_START_MS + 500);
    ck_assert_uint_eq(c.messages[0]->receive_count, 1);
    w.now_ms += 1000;
    c = world_receive(&w, w.queue, 1, 1000);
    ck_assert_int_eq(c.messages[0]->first_receive_ms, WORLD_START_MS + 500);
    ck_assert_uint_eq(c.messages[0]->receive_count, 2);
    world_clean_up(&w);
}
END_TEST

START_TEST(an_expired_handle_that_nobody_superseded_deletes)
{
    struct world w = world_new();
    world_send(&w, "a");
    struct catch c = world_receive(&w, w.queue, 1, 1000);
    world_pass(&w, 5000);
    world_expect_counts(w.queue, 1, 0, 0);
    ck_assert_int_eq(world_delete(&w, c.handles[0]), SQS_OK);
    world_expect_counts(w.queue, 0, 0, 0);
    ck_assert_uint_eq(w.queue->stats.deleted, 1);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_superseded_handle_answers_success_and_deletes_nothing)
{
    struct world w = world_new();
    world_send(&w, "a");
    struct catch first = world_receive(&w, w.queue, 1, 1000);
    world_pass(&w, 1000);
    struct catch second = world_receive(&w, w.queue, 1, 1000);
    ck_assert_uint_eq(second.count, 1);
    ck_assert_str_ne(first.handles[0], second.handles[0]);
    ck_assert_int_eq(world_delete(&w, first.handles[0]), SQS_OK);
    world_expect_counts(w.queue, 0, 1, 0);
    ck_assert_uint_eq(w.queue->stats.deleted, 0);
    ck_assert_int_eq(world_change(&w, first.handles[0], 10), SQS_INVALID_PARAMETER_VALUE);
    ck_assert_int_eq(world_delete(&w, second.handles[0]), SQS_OK);
    world_expect_counts(w.queue, 0, 0, 0);
    world_clean_up(&w);
}
END_TEST

static void receive_again(bool first, const char *words)
{
    struct world w = world_new();
    char got[8] = "";

    w.queue->redelivers_first = first;
    world_send(&w, "a");
    world_send(&w, "b");
    world_send(&w, "c");
    (void)world_receive(&w, w.queue, 2, 1000);
    world_send_delayed(&w, w.queue, "d", 1); /* was never received: it stands last either way */
    world_pass(&w, 1000);
    struct catch c = world_receive(&w, w.queue, 10, 1000);
    for (size_t i = 0; i < c.count; i++)
        strncat(got, c.messages[i]->body.at, 1);
    ck_assert_str_eq(got, words);
    world_clean_up(&w);
}

START_TEST(what_is_visible_again_stands_last_or_first_as_it_was_told)
{
    receive_again(false, "cdab");
    receive_again(true, "bacd");
}
END_TEST

START_TEST(deleting_twice_succeeds_even_when_the_slot_has_a_new_message)
{
    struct world w = world_new();
    world_send(&w, "a");
    struct catch c = world_receive(&w, w.queue, 1, 1000);
    uint32_t slot = c.messages[0]->slot;
    ck_assert_int_eq(world_delete(&w, c.handles[0]), SQS_OK);
    ck_assert_uint_eq(world_send(&w, "b")->slot, slot);
    ck_assert_int_eq(world_delete(&w, c.handles[0]), SQS_OK);
    world_expect_counts(w.queue, 1, 0, 0);
    world_clean_up(&w);
}
END_TEST

START_TEST(handles_that_we_did_not_make_are_refused)
{
    struct world w = world_new();
    struct sqs_queue *other = world_queue(&w, "other");
    world_send(&w, "a");
    struct catch c = world_receive(&w, w.queue, 1, 1000);
    ck_assert_int_eq(world_delete(&w, "garbage"), SQS_RECEIPT_HANDLE_IS_INVALID);
    ck_assert_int_eq(world_delete(&w, ""), SQS_MISSING_PARAMETER);
    for (size_t i = 0; i < SQS_HANDLE_CHARS; i++) { /* every character counts */
        char changed[SQS_HANDLE_CHARS + 1];
        memcpy(changed, c.handles[0], sizeof changed);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        ck_assert_int_eq(world_delete(&w, changed), SQS_RECEIPT_HANDLE_IS_INVALID);
    }
    ck_assert_int_eq(sqs_engine_delete_message(w.engine, other, slice_of(c.handles[0]), w.now_ms, &w.failure),
                     SQS_RECEIPT_HANDLE_IS_INVALID);
    world_expect_counts(w.queue, 0, 1, 0);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_handle_dies_after_twelve_hours)
{
    struct world w = world_new();
    world_send(&w, "a");
    struct catch c = world_receive(&w, w.queue, 1, 1000);
    w.now_ms += SQS_VISIBILITY_MAX_MS + 1;
    ck_assert_int_eq(world_delete(&w, c.handles[0]), SQS_RECEIPT_HANDLE_EXPIRED);
    ck_assert_ptr_nonnull(strstr(w.failure.message, "expired"));
    world_clean_up(&w);
}
END_TEST

START_TEST(visibility_counts_from_the_call_and_zero_releases)
{
    struct world w = world_new();
    world_send(&w, "a");
    struct catch c = world_receive(&w, w.queue, 1, 30000);
    world_pass(&w, 20000);
    ck_assert_int_eq(world_change(&w, c.handles[0], 30), SQS_OK);
    world_pass(&w, 29999);
    world_expect_counts(w.queue, 0, 1, 0);
    ck_assert_int_eq(world_change(&w, c.handles[0], 0), SQS_OK);
    world_expect_counts(w.queue, 1, 0, 0);
    ck_assert_int_eq(world_change(&w, c.handles[0], 30), SQS_MESSAGE_NOT_INFLIGHT);
    world_clean_up(&w);
}
END_TEST

START_TEST(visibility_ends_twelve_hours_after_the_receive)
{
    struct world w = world_new();
    world_send(&w, "a");
    struct catch c = world_receive(&w, w.queue, 1, 30000);
    ck_assert_int_eq(world_change(&w, c.handles[0], 43200), SQS_INVALID_PARAMETER_VALUE);
    ck_assert_int_eq(world_change(&w, c.handles[0], 43199), SQS_OK);
    w.now_ms += INT64_C(40000) * 1000;
    ck_assert_int_eq(world_change(&w, c.handles[0], 3200), SQS_INVALID_PARAMETER_VALUE);
    ck_assert_int_eq(world_change(&w, c.handles[0], 3199), SQS_OK);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_receive_may_take_no_visibility_at_all)
{
    struct world w = world_new();
    world_send(&w, "a");
    struct catch c = world_receive(&w, w.queue, 10, 0);
    ck_assert_uint_eq(c.count, 1);
    world_expect_counts(w.queue, 1, 0, 0);
    world_clean_up(&w);
}
END_TEST

START_TEST(delays_are_the_messages_own_or_the_queues)
{
    struct world w = world_new();
    ck_assert_int_eq(world_set(&w, w.queue, "DelaySeconds", "5"), SQS_OK);
    world_send_delayed(&w, w.queue, "queue", -1);
    world_send_delayed(&w, w.queue, "own", 2);
    world_send_delayed(&w, w.queue, "none", 0);
    world_expect_counts(w.queue, 1, 0, 2);
    world_pass(&w, 2000);
    world_expect_counts(w.queue, 2, 0, 1);
    world_pass(&w, 2999);
    world_expect_counts(w.queue, 2, 0, 1);
    world_pass(&w, 1);
    struct catch c = world_receive(&w, w.queue, 10, 1000);
    world_expect_body(&c, 0, "none");
    world_expect_body(&c, 1, "own");
    world_expect_body(&c, 2, "queue");
    world_clean_up(&w);
}
END_TEST

static struct sqs_queue *with_dead_letters(struct world *w, const char *count)
{
    char policy[160];
    struct sqs_queue *dead = world_queue(w, "dead");
    (void)snprintf(policy, sizeof policy, "{\"deadLetterTargetArn\":\"%s\",\"maxReceiveCount\":%s}",
                   dead->arn, count);
    ck_assert_int_eq(world_set(w, w->queue, "RedrivePolicy", policy), SQS_OK);
    return dead;
}

START_TEST(a_message_received_too_often_goes_to_the_dead_letter_queue)
{
    struct world w = world_new();
    struct sqs_queue *dead = with_dead_letters(&w, "\"2\"");
    world_send(&w, "bad");
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(world_receive(&w, w.queue, 1, 1000).count, 1);
        world_pass(&w, 1000);
        world_expect_counts(w.queue, 1, 0, 0);
    }
    world_send(&w, "good");
    struct catch c = world_receive(&w, w.queue, 10, 1000);
    ck_assert_uint_eq(c.count, 1);
    world_expect_body(&c, 0, "good");
    world_expect_counts(dead, 1, 0, 0);
    c = world_receive(&w, dead, 10, 1000);
    world_expect_body(&c, 0, "bad");
    ck_assert_int_eq(c.messages[0]->sent_ms, WORLD_START_MS);
    ck_assert_uint_eq(c.messages[0]->receive_count, 3);
    ck_assert_str_eq(c.messages[0]->source_arn, "arn:aws:sqs:us-east-1:123456789012:orders");
    ck_assert_uint_eq(w.queue->stats.redriven_out, 1);
    ck_assert_uint_eq(dead->stats.redriven_in, 1);
    world_clean_up(&w);
}
END_TEST

START_TEST(handing_back_counts_as_a_receive_for_redrive)
{
    struct world w = world_new();
    struct sqs_queue *dead = with_dead_letters(&w, "3");
    world_send(&w, "a");
    for (int i = 0; i < 3; i++) {
        struct catch c = world_receive(&w, w.queue, 1, 30000);
        ck_assert_int_eq(world_change(&w, c.handles[0], 0), SQS_OK);
    }
    ck_assert_uint_eq(world_receive(&w, w.queue, 1, 30000).count, 0);
    world_expect_counts(dead, 1, 0, 0);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_missing_dead_letter_queue_keeps_messages_where_they_are)
{
    struct world w = world_new();
    struct sqs_queue *dead = with_dead_letters(&w, "1");
    world_send(&w, "a");
    sqs_engine_delete(w.engine, dead, w.now_ms);
    for (int i = 0; i < 5; i++) {
        ck_assert_uint_eq(world_receive(&w, w.queue, 1, 1000).count, 1);
        world_pass(&w, 1000);
    }
    world_clean_up(&w);
}
END_TEST

START_TEST(redrive_policies_are_checked_against_the_queues_there_are)
{
    struct world w = world_new();
    struct sqs_queue *dead = world_queue(&w, "dead");
    static const char GOOD[] =
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:123456789012:dead\",\"maxReceiveCount\":5}";
    static const char *const BAD[] = {
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:123456789012:none\",\"maxReceiveCount\":5}",
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:123456789012:dead\",\"maxReceiveCount\":5}",
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:123456789012:orders\",\"maxReceiveCount\":5}",
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:123456789012:dead\",\"maxReceiveCount\":0}",
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:123456789012:dead\",\"maxReceiveCount\":1001}",
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:123456789012:dead\",\"maxReceiveCount\":\"x\"}",
        "{\"maxReceiveCount\":5}",
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:123456789012:dead\",\"other\":5}",
        "[]",
        "{",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        ck_assert_msg(world_set(&w, w.queue, "RedrivePolicy", BAD[i]) == SQS_INVALID_PARAMETER_VALUE, "%s",
                      BAD[i]);
        ck_assert_ptr_null(w.queue->settings.dead_letter_arn);
    }
    ck_assert_int_eq(world_set(&w, w.queue, "RedrivePolicy", GOOD), SQS_OK);
    ck_assert_int_eq(world_set(&w, dead, "RedriveAllowPolicy", "{\"redrivePermission\":\"denyAll\"}"),
                     SQS_OK);
    ck_assert_int_eq(world_set(&w, w.queue, "RedrivePolicy", GOOD), SQS_INVALID_PARAMETER_VALUE);
    ck_assert_int_eq(world_set(&w, dead, "RedriveAllowPolicy",
                               "{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":"
                               "[\"arn:aws:sqs:us-east-1:123456789012:orders\"]}"),
                     SQS_OK);
    ck_assert_int_eq(world_set(&w, w.queue, "RedrivePolicy", GOOD), SQS_OK);
    struct sqs_queue *third = world_queue(&w, "third");
    ck_assert_int_eq(world_set(&w, third, "RedrivePolicy", GOOD), SQS_INVALID_PARAMETER_VALUE);
    ck_assert_int_eq(world_set(&w, w.queue, "RedrivePolicy", ""), SQS_OK);
    ck_assert_ptr_null(w.queue->settings.dead_letter_arn);
    world_clean_up(&w);
}
END_TEST

START_TEST(messages_end_with_the_retention_period_wherever_they_are)
{
    struct world w = world_new();
    ck_assert_int_eq(world_set(&w, w.queue, "MessageRetentionPeriod", "60"), SQS_OK);
    world_send(&w, "visible");
    world_send_delayed(&w, w.queue, "delayed", 600);
    world_send(&w, "in flight");
    (void)world_receive(&w, w.queue, 1, 600000);
    world_pass(&w, 30000);
    world_send(&w, "younger");
    world_pass(&w, 29999);
    world_expect_counts(w.queue, 2, 1, 1);
    world_pass(&w, 1);
    world_expect_counts(w.queue, 1, 0, 0);
    ck_assert_uint_eq(w.queue->stats.expired, 3);
    ck_assert_int_eq(sqs_engine_next_ms(w.engine), w.now_ms + 30000);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_redriven_message_keeps_its_age_for_the_retention_of_its_new_queue)
{
    struct world w = world_new();
    struct sqs_queue *dead = with_dead_letters(&w, "1");
    ck_assert_int_eq(world_set(&w, dead, "MessageRetentionPeriod", "60"), SQS_OK);
    world_send(&w, "a");
    (void)world_receive(&w, w.queue, 1, 1000);
    world_pass(&w, 40000);
    world_send_delayed(&w, dead, "direct", 0);
    (void)world_receive(&w, w.queue, 1, 1000);
    world_expect_counts(dead, 2, 0, 0);
    world_pass(&w, 20000);
    world_expect_counts(dead, 1, 0, 0);
    ck_assert_uint_eq(dead->stats.expired, 1);
    world_clean_up(&w);
}
END_TEST

START_TEST(no_more_than_120000_messages_are_in_flight)
{
    struct world w = world_new();
    for (int i = 0; i < SQS_IN_FLIGHT_MAX + 5; i++)
        world_send(&w, "x");
    size_t taken = 0;
    struct catch last = {.count = 0};
    for (;;) {
        struct catch c = world_receive(&w, w.queue, 7, 30000);
        if (c.count == 0)
            break;
        taken += c.count;
        last = c;
    }
    ck_assert_uint_eq(taken, SQS_IN_FLIGHT_MAX);
    world_expect_counts(w.queue, 5, SQS_IN_FLIGHT_MAX, 0);
    ck_assert_int_eq(world_delete(&w, last.handles[0]), SQS_OK);
    ck_assert_uint_eq(world_receive(&w, w.queue, 7, 30000).count, 1);
    world_clean_up(&w);
}
END_TEST

START_TEST(creating_again_wants_equal_attributes)
{
    struct world w = world_new();
    struct sqs_queue *queue = NULL;
    struct sqs_pair first[] = {{slice_of("VisibilityTimeout"), slice_of("10")}};
    struct sqs_pair same[] = {{slice_of("VisibilityTimeout"), slice_of("010")}};
    struct sqs_pair other[] = {{slice_of("VisibilityTimeout"), slice_of("11")}};
    struct sqs_queue *again = NULL;
    ck_assert_int_eq(sqs_engine_create(w.engine, slice_of("q"), first, 1, w.now_ms, &queue, &w.failure),
                     SQS_OK);
    ck_assert_int_eq(sqs_engine_create(w.engine, slice_of("q"), same, 1, w.now_ms, &again, &w.failure),
                     SQS_OK);
    ck_assert_ptr_eq(queue, again);
    ck_assert_int_eq(sqs_engine_create(w.engine, slice_of("q"), NULL, 0, w.now_ms, &again, &w.failure),
                     SQS_OK);
    ck_assert_int_eq(sqs_engine_create(w.engine, slice_of("q"), other, 1, w.now_ms, &again, &w.failure),
                     SQS_QUEUE_NAME_EXISTS);
    ck_assert_ptr_nonnull(strstr(w.failure.message, "VisibilityTimeout"));
    world_clean_up(&w);
}
END_TEST

START_TEST(attributes_out_of_range_change_nothing)
{
    struct world w = world_new();
    static const char *const BAD[][2] = {
        {"VisibilityTimeout", "43201"},
        {"VisibilityTimeout", "-1"},
        {"VisibilityTimeout", ""},
        {"VisibilityTimeout", "3x"},
        {"DelaySeconds", "901"},
        {"MaximumMessageSize", "1023"},
        {"MaximumMessageSize", "1048577"},
        {"MessageRetentionPeriod", "59"},
        {"MessageRetentionPeriod", "1209601"},
        {"ReceiveMessageWaitTimeSeconds", "21"},
        {"KmsDataKeyReusePeriodSeconds", "59"},
        {"SqsManagedSseEnabled", "yes"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct sqs_pair pairs[] = {{slice_of("Policy"), slice_of("changed")},
                                   {slice_of(BAD[i][0]), slice_of(BAD[i][1])}};
        ck_assert_msg(sqs_engine_set(w.engine, w.queue, pairs, 2, w.now_ms, &w.failure) ==
                          SQS_INVALID_ATTRIBUTE_VALUE,
                      "%s=%s", BAD[i][0], BAD[i][1]);
        ck_assert_ptr_nonnull(strstr(w.failure.message, BAD[i][0]));
        ck_assert_ptr_null(w.queue->settings.policy);
    }
    ck_assert_int_eq(world_set(&w, w.queue, "QueueArn", "x"), SQS_INVALID_ATTRIBUTE_NAME);
    ck_assert_int_eq(world_set(&w, w.queue, "Nonsense", "x"), SQS_INVALID_ATTRIBUTE_NAME);
    ck_assert_int_eq(world_set(&w, w.queue, "FifoQueue", "true"), SQS_INVALID_ATTRIBUTE_NAME);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_deleted_name_is_free_again_after_sixty_seconds)
{
    struct world w = world_new();
    struct sqs_queue *queue = NULL;
    world_send(&w, "lost with its queue");
    sqs_engine_delete(w.engine, w.queue, w.now_ms);
    sqs_engine_settle(w.engine, w.now_ms);
    ck_assert_int_eq(
        sqs_engine_create(w.engine, slice_of("orders"), NULL, 0, w.now_ms + 59999, &queue, &w.failure),
        SQS_QUEUE_DELETED_RECENTLY);
    ck_assert_int_eq(
        sqs_engine_create(w.engine, slice_of("orders"), NULL, 0, w.now_ms + 60000, &queue, &w.failure),
        SQS_OK);
    world_expect_counts(queue, 0, 0, 0);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_purge_empties_and_may_come_once_a_minute)
{
    struct world w = world_new();
    world_send(&w, "a");
    world_send_delayed(&w, w.queue, "b", 100);
    world_send(&w, "c");
    struct catch c = world_receive(&w, w.queue, 1, 30000);
    ck_assert_int_eq(sqs_engine_purge(w.engine, w.queue, w.now_ms, &w.failure), SQS_OK);
    world_expect_counts(w.queue, 0, 0, 0);
    ck_assert_int_eq(world_delete(&w, c.handles[0]), SQS_OK);
    ck_assert_int_eq(sqs_engine_purge(w.engine, w.queue, w.now_ms + 59999, &w.failure),
                     SQS_PURGE_IN_PROGRESS);
    ck_assert_int_eq(sqs_engine_purge(w.engine, w.queue, w.now_ms + 60000, &w.failure), SQS_OK);
    world_clean_up(&w);
}
END_TEST

START_TEST(queue_names_are_checked)
{
    struct world w = world_new();
    struct sqs_queue *queue = NULL;
    char longest[82];
    memset(longest, 'q', sizeof longest);
    longest[81] = '\0';
    ck_assert_int_eq(sqs_engine_create(w.engine, slice_of(longest), NULL, 0, 1, &queue, &w.failure),
                     SQS_INVALID_PARAMETER_VALUE);
    longest[80] = '\0';
    ck_assert_int_eq(sqs_engine_create(w.engine, slice_of(longest), NULL, 0, 1, &queue, &w.failure), SQS_OK);
    ck_assert_int_eq(sqs_engine_create(w.engine, slice_of("a b"), NULL, 0, 1, &queue, &w.failure),
                     SQS_INVALID_PARAMETER_VALUE);
    ck_assert_int_eq(sqs_engine_create(w.engine, slice_of(""), NULL, 0, 1, &queue, &w.failure),
                     SQS_INVALID_PARAMETER_VALUE);
    ck_assert_int_eq(sqs_engine_create(w.engine, slice_of("a.fifo"), NULL, 0, 1, &queue, &w.failure),
                     SQS_INVALID_PARAMETER_VALUE);
    ck_assert_ptr_nonnull(strstr(w.failure.message, "FifoQueue"));
    world_clean_up(&w);
}
END_TEST

START_TEST(a_repeated_message_is_handed_out_twice_and_its_first_handle_is_superseded)
{
    struct world w = world_new();
    world_send(&w, "a");
    struct catch first = world_receive(&w, w.queue, 1, 30000);
    sqs_engine_repeat(w.engine, first.messages[0]);
    world_expect_counts(w.queue, 0, 1, 0);
    struct catch second = world_receive(&w, w.queue, 1, 30000);
    ck_assert_uint_eq(second.count, 1);
    ck_assert_ptr_eq(first.messages[0], second.messages[0]);
    world_expect_counts(w.queue, 0, 1, 0);
    ck_assert_uint_eq(w.queue->stats.duplicates, 1);
    ck_assert_uint_eq(world_receive(&w, w.queue, 1, 30000).count, 0);
    ck_assert_int_eq(world_delete(&w, first.handles[0]), SQS_OK);
    world_expect_counts(w.queue, 0, 1, 0);
    ck_assert_int_eq(world_delete(&w, second.handles[0]), SQS_OK);
    world_expect_counts(w.queue, 0, 0, 0);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_repeated_message_may_be_deleted_released_or_expire_before_it_is_handed_out_again)
{
    struct world w = world_new();
    for (int i = 0; i < 3; i++)
        world_send(&w, "a");
    struct catch c = world_receive(&w, w.queue, 3, 30000);
    for (size_t i = 0; i < 3; i++)
        sqs_engine_repeat(w.engine, c.messages[i]);
    ck_assert_int_eq(world_delete(&w, c.handles[0]), SQS_OK);
    ck_assert_int_eq(world_change(&w, c.handles[1], 0), SQS_OK);
    world_expect_counts(w.queue, 1, 1, 0);
    world_pass(&w, 30000);
    world_expect_counts(w.queue, 2, 0, 0);
    ck_assert_uint_eq(w.queue->repeated.count, 0);
    ck_assert_uint_eq(w.queue->stats.duplicates, 0);
    world_clean_up(&w);
}
END_TEST

UNIT_MAIN("localaws_engine", a_message_is_hidden_for_its_visibility_timeout_to_the_millisecond,
          a_receive_sees_what_became_visible_without_a_settle_in_between,
          messages_leave_in_the_order_in_which_they_were_sent, receive_counts_and_timestamps_are_product_time,
          an_expired_handle_that_nobody_superseded_deletes,
          a_superseded_handle_answers_success_and_deletes_nothing,
          what_is_visible_again_stands_last_or_first_as_it_was_told,
          deleting_twice_succeeds_even_when_the_slot_has_a_new_message,
          handles_that_we_did_not_make_are_refused, a_handle_dies_after_twelve_hours,
          visibility_counts_from_the_call_and_zero_releases, visibility_ends_twelve_hours_after_the_receive,
          a_receive_may_take_no_visibility_at_all, delays_are_the_messages_own_or_the_queues,
          a_message_received_too_often_goes_to_the_dead_letter_queue,
          handing_back_counts_as_a_receive_for_redrive,
          a_missing_dead_letter_queue_keeps_messages_where_they_are,
          redrive_policies_are_checked_against_the_queues_there_are,
          messages_end_with_the_retention_period_wherever_they_are,
          a_redriven_message_keeps_its_age_for_the_retention_of_its_new_queue,
          no_more_than_120000_messages_are_in_flight, creating_again_wants_equal_attributes,
          attributes_out_of_range_change_nothing, a_deleted_name_is_free_again_after_sixty_seconds,
          a_purge_empties_and_may_come_once_a_minute, queue_names_are_checked,
          a_repeated_message_is_handed_out_twice_and_its_first_handle_is_superseded,
          a_repeated_message_may_be_deleted_released_or_expire_before_it_is_handed_out_again)
