/* Draining: what is handed back, what may finish, what is flushed, and when it ends. Fake SQS, invented time.
 */
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

#define ASSERT_LOG(want) ck_assert_str_eq(fake_log(&f), (want))

static void drain(void)
{
    core_drain(&f.core, f.now_ms, "TERM");
}

START_TEST(an_idle_worker_gives_its_poll_one_second_and_ends)
{
    begin(5);
    (void)fake_log(&f);
    drain();
    fake_advance(&f, CORE_POLL_LAST_MS - 1);
    ASSERT_LOG("");
    ck_assert(!core_is_over(&f.core));
    fake_advance(&f, 1);
    ASSERT_LOG("cancel");
    ck_assert(core_is_over(&f.core));
    ck_assert_int_eq(f.core.exit_code, 0);
    ck_assert_str_eq(f.core.reason, "drained");
    ck_assert_int_eq(f.core.stats.receives_cancelled, 1);
    end();
}
END_TEST

START_TEST(the_last_second_of_a_poll_is_a_real_one)
{
    struct core_settings settings = fake_settings(5);
    settings.scale = 20;
    fake_init(&f, &settings);
    drain();
    ck_assert_int_eq(core_due_ms(&f.core), f.now_ms + (int64_t)CORE_POLL_LAST_MS * 20);
    fake_advance(&f, (int64_t)CORE_POLL_LAST_MS * 20);
    ck_assert(core_is_over(&f.core));
    end();
}
END_TEST

START_TEST(waiting_messages_are_handed_back_at_once_and_running_ones_finish)
{
    begin(1);
    fake_deliver(&f, "a b c");
    struct message *message = fake_take(&f);
    (void)fake_log(&f);
    drain();
    ASSERT_LOG("change:c=0,b=0");
    fake_answer(&f, "oo");
    ck_assert_int_eq(f.core.stats.returned, 2);
    fake_advance(&f, 2000);
    ASSERT_LOG("");
    ck_assert_ptr_null(fake_take(&f));
    ck_assert(!core_is_over(&f.core));
    fake_finish(&f, message, OUTCOME_DONE);
    ASSERT_LOG("delete:a"); /* without the usual wait for a fuller batch */
    ck_assert(!core_is_over(&f.core));
    fake_answer(&f, "o");
    ck_assert(core_is_over(&f.core));
    ck_assert_int_eq(f.core.stats.completed, 1);
    ck_assert_int_eq(f.core.stats.deleted, 1);
    end();
}
END_TEST

START_TEST(what_an_open_poll_still_brings_is_handed_back)
{
    begin(5);
    drain();
    (void)fake_log(&f);
    fake_deliver(&f, "a b");
    ASSERT_LOG("change:a=0,b=0");
    ck_assert_ptr_null(fake_take(&f));
    fake_answer(&f, "oo");
    ck_assert_int_eq(f.core.stats.returned, 2);
    ck_assert(core_is_over(&f.core));
    end();
}
END_TEST

START_TEST(no_poll_is_opened_any_more)
{
    begin(5);
    fake_deliver(&f, "a");
    struct message *message = fake_take(&f);
    drain();
    (void)fake_log(&f);
    fake_deliver(&f, "");
    fake_finish(&f, message, OUTCOME_DONE);
    fake_answer_all(&f);
    ck_assert_ptr_null(strstr(fake_log(&f), "receive"));
    ck_assert(core_is_over(&f.core));
    end();
}
END_TEST

START_TEST(running_messages_are_extended_while_draining)
{
    struct core_settings settings = fake_settings(1);
    settings.grace_ms = 120000;
    fake_init(&f, &settings);
    fake_deliver(&f, "a");
    struct message *message = fake_take(&f);
    drain();
    (void)fake_log(&f);
    fake_advance(&f, 15000);
    ASSERT_LOG("cancel change:a=30");
    fake_answer_all(&f);
    fake_advance(&f, 15000);
    ASSERT_LOG("change:a=30");
    fake_finish(&f, message, OUTCOME_DONE);
    end();
}
END_TEST

START_TEST(failed_hand_backs_and_deletes_are_retried_before_the_end)
{
    begin(1);
    fake_deliver(&f, "a b c");
    struct message *message = fake_take(&f);
    fake_finish(&f, message, OUTCOME_DONE);
    (void)fake_log(&f);
    drain();
    ASSERT_LOG("change:c=0,b=0 delete:a");
    fake_answer(&f, "or");
    fake_fail_batch(&f, AWS_KIND_THROTTLED);
    ck_assert(!core_is_over(&f.core));
    fake_advance(&f, ACKS_BACKOFF_MS);
    ASSERT_LOG("change:b=0 delete:a");
    fake_answer_all(&f);
    fake_advance(&f, CORE_POLL_LAST_MS);
    ck_assert(core_is_over(&f.core));
    ck_assert_int_eq(f.core.stats.returned, 2);
    ck_assert_int_eq(f.core.stats.deleted, 1);
    end();
}
END_TEST

START_TEST(a_failed_message_goes_back_with_its_delay_before_the_end)
{
    begin(1);
    fake_deliver_nth(&f, "a", 2); /* below 3 s a delay does not vary */
    struct message *message = fake_take(&f);
    drain();
    (void)fake_log(&f);
    fake_finish(&f, message, OUTCOME_FAILED);
    ASSERT_LOG("change:a=2");
    fake_answer_all(&f);
    ck_assert_int_eq(f.core.stats.returned, 0);
    fake_advance(&f, CORE_POLL_LAST_MS);
    ck_assert(core_is_over(&f.core));
    end();
}
END_TEST

START_TEST(draining_again_changes_nothing)
{
    begin(1);
    fake_deliver(&f, "a b");
    (void)fake_take(&f);
    drain();
    int64_t end_ms = f.core.end_ms;
    (void)fake_log(&f);
    fake_advance(&f, 500);
    core_drain(&f.core, f.now_ms, "QUIT");
    core_drain(&f.core, f.now_ms, "INT");
    ck_assert_int_eq(f.core.end_ms, end_ms);
    ASSERT_LOG("");
    end();
}
END_TEST

START_TEST(when_the_grace_is_over_running_messages_are_flagged_and_handed_back)
{
    begin(1);
    fake_deliver(&f, "a");
    struct message *message = fake_take(&f);
    drain();
    fake_advance(&f, 15000);
    fake_answer_all(&f);
    (void)fake_log(&f);
    fake_advance(&f, 15000 - CORE_RELEASE_MS - 1);
    ASSERT_LOG("");
    ck_assert(!atomic_load(&message->lease_lost));
    fake_advance(&f, 1);
    ASSERT_LOG("change:a=0");
    ck_assert(atomic_load(&message->lease_lost));
    ck_assert(!core_is_over(&f.core));
    fake_answer(&f, "o");
    ck_assert(core_is_over(&f.core));
    ck_assert_str_eq(f.core.reason, "grace over");
    ck_assert_int_eq(f.core.stats.returned, 0); /* it had been started */
    end();
}
END_TEST

START_TEST(the_end_comes_even_when_sqs_does_not_answer)
{
    begin(1);
    fake_deliver(&f, "a b");
    (void)fake_take(&f);
    drain();
    fake_advance(&f, 29999);
    ck_assert(!core_is_over(&f.core));
    fake_advance(&f, 1);
    ck_assert(core_is_over(&f.core));
    end();
}
END_TEST

START_TEST(a_grace_below_two_real_seconds_is_raised_to_that)
{
    struct core_settings settings = fake_settings(1);
    settings.grace_ms = 1000;
    settings.scale = 20;
    fake_init(&f, &settings);
    fake_deliver(&f, "a");
    (void)fake_take(&f);
    drain();
    fake_advance(&f, 39999);
    ck_assert(!core_is_over(&f.core));
    fake_advance(&f, 1);
    ck_assert(core_is_over(&f.core));
    end();
}
END_TEST

START_TEST(a_handler_that_finishes_after_its_hand_back_is_deleted_all_the_same)
{
    begin(1);
    fake_deliver(&f, "a");
    struct message *message = fake_take(&f);
    drain();
    fake_advance(&f, 15000);
    fake_answer_all(&f);
    fake_advance(&f, 15000 - CORE_RELEASE_MS);
    (void)fake_log(&f);
    fake_finish(&f, message, OUTCOME_DONE); /* the hand-back is on the wire */
    ASSERT_LOG("");
    fake_answer(&f, "o");
    ASSERT_LOG("delete:a");
    ck_assert(!core_is_over(&f.core));
    fake_answer(&f, "o");
    ck_assert(core_is_over(&f.core));
    end();
}
END_TEST

START_TEST(abandoning_hands_everything_back_and_ends_with_the_answer)
{
    begin(1);
    fake_deliver(&f, "a b");
    struct message *message = fake_take(&f);
    (void)fake_log(&f);
    core_abandon(&f.core, f.now_ms);
    ASSERT_LOG("change:b=0 change:a=0");
    ck_assert(atomic_load(&message->lease_lost));
    fake_answer_all(&f);
    ck_assert(core_is_over(&f.core));
    ck_assert_int_eq(f.core.stats.returned, 1);
    end();
}
END_TEST

START_TEST(abandoning_without_an_answer_ends_half_a_second_later)
{
    begin(1);
    fake_deliver(&f, "a b");
    (void)fake_take(&f);
    drain();
    fake_advance(&f, 100);
    core_abandon(&f.core, f.now_ms);
    fake_advance(&f, CORE_RELEASE_MS - 1);
    ck_assert(!core_is_over(&f.core));
    fake_advance(&f, 1);
    ck_assert(core_is_over(&f.core));
    end();
}
END_TEST

START_TEST(a_lost_lease_while_draining_does_not_keep_the_worker_from_ending)
{
    begin(1);
    fake_deliver(&f, "a");
    struct message *message = fake_take(&f);
    drain();
    fake_advance(&f, 15000);
    fake_answer(&f, "f");
    fake_finish(&f, message, OUTCOME_FAILED);
    fake_advance(&f, 100);
    ck_assert(core_is_over(&f.core));
    end();
}
END_TEST

START_TEST(a_hand_back_waits_for_an_extension_only_as_long_as_there_is_time)
{
    struct core_settings settings = fake_settings(1);
    settings.grace_ms = 15500;
    fake_init(&f, &settings);
    fake_deliver(&f, "a");
    (void)fake_take(&f);
    drain();
    (void)fake_log(&f);
    fake_advance(&f, 15000);
    ASSERT_LOG("cancel change:a=30"); /* not answered; a moment before, the grace was nearly over */
    fake_advance(&f, 249);
    ASSERT_LOG("");
    fake_advance(&f, 1);
    ASSERT_LOG("change:a=0");
    ck_assert(!core_is_over(&f.core));
    end();
}
END_TEST

START_TEST(refused_deletes_are_tried_until_the_grace_is_over)
{
    begin(1);
    fake_deliver(&f, "a");
    struct message *message = fake_take(&f);
    drain();
    fake_finish(&f, message, OUTCOME_DONE);
    int tries = 0;
    while (!core_is_over(&f.core)) {
        for (; f.batch_count > 0; tries++)
            fake_fail_batch(&f, AWS_KIND_DENIED);
        if (!core_is_over(&f.core))
            fake_advance(&f, 100);
    }
    ck_assert_int_gt(tries, 15);
    ck_assert_int_ge(f.now_ms, f.core.end_ms);
    end();
}
END_TEST

UNIT_MAIN("drain", an_idle_worker_gives_its_poll_one_second_and_ends, the_last_second_of_a_poll_is_a_real_one,
          waiting_messages_are_handed_back_at_once_and_running_ones_finish,
          what_an_open_poll_still_brings_is_handed_back, no_poll_is_opened_any_more,
          running_messages_are_extended_while_draining,
          failed_hand_backs_and_deletes_are_retried_before_the_end,
          a_failed_message_goes_back_with_its_delay_before_the_end, draining_again_changes_nothing,
          when_the_grace_is_over_running_messages_are_flagged_and_handed_back,
          the_end_comes_even_when_sqs_does_not_answer, a_grace_below_two_real_seconds_is_raised_to_that,
          a_handler_that_finishes_after_its_hand_back_is_deleted_all_the_same,
          abandoning_hands_everything_back_and_ends_with_the_answer,
          abandoning_without_an_answer_ends_half_a_second_later,
          a_lost_lease_while_draining_does_not_keep_the_worker_from_ending,
          a_hand_back_waits_for_an_extension_only_as_long_as_there_is_time,
          refused_deletes_are_tried_until_the_grace_is_over)
