/* What the core counts and measures. Fake SQS, invented time. */
#include "tests/unit/unit.h"

#include "tests/unit/worker/fake_sqs.h"

static struct fake f;

static void begin(int capacity)
{
    struct core_settings settings = fake_settings(capacity);
    fake_init(&f, &settings);
}

static void end(void)
{
    fake_clean_up(&f);
    ck_assert_int_eq(f.live, 0);
}

static struct telemetry_stats stats(void)
{
    struct telemetry_stats stats;
    core_get_stats(&f.core, f.now_ms, &stats);
    return stats;
}

START_TEST(handling_time_wait_and_lease_margin_are_recorded_for_every_message)
{
    begin(2);
    const struct core_sensors *sensors = core_get_sensors(&f.core);
    fake_deliver(&f, "a b");
    struct message *a = fake_take(&f);
    fake_advance(&f, 700);
    struct message *b = fake_take(&f);
    fake_advance(&f, 300);
    fake_finish(&f, a, OUTCOME_DONE);
    fake_finish(&f, b, OUTCOME_FAILED); /* takes its time too */
    ck_assert_int_eq(sensors->handle_ms.count, 2);
    ck_assert_int_eq(sensors->handle_ms.sum, 1300);
    ck_assert_int_eq(sensors->wait_ms.count, 2);
    ck_assert_int_eq(sensors->wait_ms.sum, 700);
    ck_assert_int_eq(sensors->lease_margin_ms.count, 0); /* not before SQS says so */
    fake_answer_all(&f);
    ck_assert_int_eq(sensors->lease_margin_ms.count, 1);
    ck_assert_int_eq(sensors->lease_margin_ms.sum, 30000 - 1000);
    end();
}
END_TEST

START_TEST(a_message_that_does_not_tell_when_it_was_sent_has_no_wait)
{
    begin(1);
    struct sqs_message *messages[] = {fake_message(&f, "a", 1)};
    messages[0]->sent_ms = 0;
    struct sqs_receive_reply reply = {.messages = messages, .count = 1};
    struct aws_result ok = {.kind = AWS_KIND_OK};
    struct core_poll *poll = f.polls[0];
    fake_drop_poll(&f, poll);
    core_on_receive(&f.core, poll, f.now_ms, &ok, &reply);
    fake_finish(&f, fake_take(&f), OUTCOME_DONE);
    ck_assert_int_eq(core_get_sensors(&f.core)->handle_ms.count, 1);
    ck_assert_int_eq(core_get_sensors(&f.core)->wait_ms.count, 0);
    end();
}
END_TEST

START_TEST(every_call_is_counted_with_how_it_ended)
{
    begin(1);
    ck_assert_int_eq(stats().calls, 1); /* the first receive */
    fake_fail_poll(&f, AWS_KIND_TRANSIENT);
    ck_assert_int_eq(stats().receives_failed, 1);
    ck_assert_int_eq(stats().receives, 0);
    fake_advance(&f, CORE_BACKOFF_FIRST_MS);
    ck_assert_int_eq(stats().calls, 2);
    fake_deliver(&f, "a");
    int64_t calls = stats().calls;
    struct message *message = fake_take(&f);
    fake_advance(&f, 15000);
    ck_assert_int_eq(stats().calls, calls + 1); /* an extension */
    fake_fail_batch(&f, AWS_KIND_THROTTLED);
    ck_assert_int_eq(stats().extends_failed, 1);
    ck_assert_int_eq(stats().stale_handles, 0);
    fake_advance(&f, 1000);
    fake_answer(&f, "o");
    ck_assert_int_eq(stats().extended, 1);
    calls = stats().calls;
    fake_finish(&f, message, OUTCOME_DONE);
    ck_assert_int_eq(stats().calls, calls + 1);
    fake_answer(&f, "f");
    ck_assert_int_eq(stats().stale_handles, 1);
    ck_assert_int_eq(stats().extends_failed, 1);
    end();
}
END_TEST

START_TEST(a_refused_extension_is_a_stale_handle_and_a_lost_lease)
{
    begin(1);
    fake_deliver(&f, "a");
    struct message *message = fake_take(&f);
    fake_advance(&f, 15000);
    fake_answer(&f, "f");
    ck_assert_int_eq(stats().stale_handles, 1);
    ck_assert_int_eq(stats().extends_failed, 1);
    ck_assert_int_eq(stats().lease_lost, 1);
    fake_finish(&f, message, OUTCOME_FAILED);
    end();
}
END_TEST

START_TEST(the_oldest_held_message_is_told_by_its_age_and_handled_ones_are_not_held)
{
    begin(2);
    ck_assert_int_eq(stats().oldest_held_ms, 0);
    fake_deliver(&f, "a");
    struct message *a = fake_take(&f);
    fake_advance(&f, 2000);
    fake_deliver(&f, "b");
    fake_advance(&f, 1000);
    ck_assert_int_eq(stats().oldest_held_ms, 3000);
    fake_finish(&f, a, OUTCOME_DONE);
    ck_assert_int_eq(stats().oldest_held_ms, 1000);
    fake_finish(&f, fake_take(&f), OUTCOME_DONE);
    ck_assert_int_eq(stats().oldest_held_ms, 0);
    end();
}
END_TEST

START_TEST(messages_received_before_are_counted_apart)
{
    begin(5);
    fake_deliver_nth(&f, "a b", 1);
    ck_assert_int_eq(stats().received_again, 0);
    fake_deliver_nth(&f, "c d", 3);
    ck_assert_int_eq(stats().received_again, 2);
    ck_assert_int_eq(stats().received, 4);
    end();
}
END_TEST

UNIT_MAIN("core_sensors", handling_time_wait_and_lease_margin_are_recorded_for_every_message,
          a_message_that_does_not_tell_when_it_was_sent_has_no_wait, every_call_is_counted_with_how_it_ended,
          a_refused_extension_is_a_stale_handle_and_a_lost_lease,
          the_oldest_held_message_is_told_by_its_age_and_handled_ones_are_not_held,
          messages_received_before_are_counted_apart)
