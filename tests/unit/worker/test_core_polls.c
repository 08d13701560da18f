/* The core's receives with a fake SQS and invented time: how many, how fast, and what their ends mean. */
#include "tests/unit/unit.h"

#include "tests/unit/worker/fake_sqs.h"
#include "worker/flow.h"

#include "base/exitcode.h"

static struct fake f;

static void begin(int capacity)
{
    struct core_settings settings = fake_settings(capacity);
    fake_init(&f, &settings);
}

static void end(void)
{
    fake_clean_up(&f);
    ck_assert_int_eq(f.live, 0); /* every delivery was released once */
}

#define ASSERT_LOG(want) ck_assert_str_eq(fake_log(&f), (want))

static void handle_one(enum message_outcome outcome)
{
    struct message *message = fake_take(&f);
    ck_assert_ptr_nonnull(message);
    fake_finish(&f, message, outcome);
}

START_TEST(one_poll_is_open_from_the_start_and_after_an_empty_answer)
{
    begin(5);
    ASSERT_LOG("receive:10");
    ck_assert_int_eq(f.polls[0]->wait_s, 0); /* the first one learns the time */
    fake_deliver(&f, "");
    ASSERT_LOG("receive:10");
    ck_assert_int_eq(f.polls[0]->wait_s, 20);
    fake_advance(&f, 20000);
    fake_deliver(&f, "");
    ASSERT_LOG("receive:10");
    ck_assert_int_eq(f.core.stats.receives_empty, 2);
    end();
}
END_TEST

START_TEST(receive_errors_back_off_and_the_worker_goes_on)
{
    begin(5);
    fake_advance(&f, 20000);
    fake_deliver(&f, "");
    (void)fake_log(&f);
    int64_t last_pause_ms = 0;
    for (int i = 0; i < 8; i++) {
        int64_t failed_ms = f.now_ms;
        fake_fail_poll(&f, i % 2 == 0 ? AWS_KIND_TRANSIENT : AWS_KIND_CREDENTIALS);
        ASSERT_LOG("");
        fake_advance(&f, CORE_BACKOFF_MAX_MS);
        ASSERT_LOG("receive:10");
        last_pause_ms = f.core.poll_retry_ms - failed_ms;
        ck_assert_int_gt(last_pause_ms, 0);
    }
    ck_assert_int_ge(last_pause_ms, CORE_BACKOFF_MAX_MS / 2);
    ck_assert(!core_is_over(&f.core));
    fake_deliver(&f, "a");
    ck_assert_int_eq(f.core.poll_failures, 0);
    end();
}
END_TEST

static int exit_code_after(enum aws_kind kind, int64_t for_ms)
{
    begin(5);
    int64_t end_ms = f.now_ms + for_ms;
    while (f.now_ms < end_ms && !core_is_over(&f.core)) {
        if (f.poll_count > 0)
            fake_fail_poll(&f, kind);
        fake_advance(&f, 50);
    }
    int code = core_is_over(&f.core) ? f.core.exit_code : -1;
    end();
    return code;
}

START_TEST(a_worker_that_is_refused_from_the_start_gives_up_after_a_few_seconds)
{
    ck_assert_int_eq(exit_code_after(AWS_KIND_CREDENTIALS, CORE_STARTUP_MS - 1000), -1);
    ck_assert_int_eq(exit_code_after(AWS_KIND_CREDENTIALS, 60000), EXIT_CODE_NOPERM);
    ck_assert_int_eq(exit_code_after(AWS_KIND_DENIED, 60000), EXIT_CODE_NOPERM);
    ck_assert_int_eq(exit_code_after(AWS_KIND_NOT_FOUND, 60000), EXIT_CODE_UNAVAILABLE);
    ck_assert_int_eq(exit_code_after(AWS_KIND_REQUEST, 60000), EXIT_CODE_CONFIG);
    ck_assert_int_eq(exit_code_after(AWS_KIND_TRANSIENT, 60000), -1);
}
END_TEST

START_TEST(a_queue_that_appears_within_the_start_window_is_worked_on)
{
    begin(5);
    fake_fail_poll(&f, AWS_KIND_NOT_FOUND);
    fake_advance(&f, 1000);
    fake_deliver(&f, "a");
    fake_advance(&f, 60000);
    while (f.poll_count > 0 && f.now_ms < 1200000) {
        fake_fail_poll(&f, AWS_KIND_NOT_FOUND); /* gone later: an outage, not a wrong start */
        fake_advance(&f, CORE_BACKOFF_MAX_MS);
    }
    ck_assert(!core_is_over(&f.core));
    end();
}
END_TEST

START_TEST(a_poll_that_hangs_does_not_keep_others_from_being_opened)
{
    begin(100);
    fake_deliver(&f, "");
    ASSERT_LOG("receive:10 receive:10");
    fake_advance(&f, 20000 + CORE_POLL_OVERDUE_MS - 1);
    ASSERT_LOG("");
    fake_advance(&f, 1);
    ASSERT_LOG("receive:10");
    end();
}
END_TEST

START_TEST(polls_multiply_while_they_come_back_full_and_fall_to_one_on_an_empty_one)
{
    begin(100);
    fake_deliver_many(&f, "a", 10);
    ck_assert_int_eq(f.poll_count, 2);
    fake_deliver_many(&f, "b", 10);
    ck_assert_int_eq(f.poll_count, 4);
    fake_deliver(&f, "");
    ck_assert_int_eq(f.core.poll_target, 1);
    ck_assert_int_eq(f.poll_count, 3);
    end();
}
END_TEST

START_TEST(deletes_that_pile_up_stop_the_fetching)
{
    begin(100);
    for (int round = 0; round < 200 && f.poll_count > 0; round++) {
        char prefix[16];
        (void)snprintf(prefix, sizeof prefix, "r%d-", round);
        fake_deliver_many(&f, prefix, f.polls[0]->asked);
        struct message *message = NULL;
        while ((message = fake_take(&f)) != NULL)
            fake_finish(&f, message, OUTCOME_DONE);
    }
    ck_assert_int_eq(f.poll_count, 0); /* no delete was ever answered */
    ck_assert_int_le(f.core.deletes.queued + f.core.deletes.on_wire, 500);
    ck_assert_int_eq(f.core.deletes.batches_on_wire, ACKS_IN_FLIGHT_MAX);
    for (int i = 0; i < 100; i++) {
        fake_answer_all(&f);
        fake_advance(&f, ACKS_DELAY_MS);
    }
    ck_assert_int_gt(f.poll_count, 0);
    end();
}
END_TEST

START_TEST(empty_answers_that_do_not_wait_are_asked_for_at_a_growing_pace)
{
    static const int PAUSES_MS[] = {50, 100, 200, 400, 800, 1000, 1000};
    begin(5);
    fake_deliver(&f, "");
    for (size_t i = 0; i < sizeof PAUSES_MS / sizeof *PAUSES_MS; i++) {
        (void)fake_log(&f);
        fake_deliver(&f, "");
        fake_advance(&f, PAUSES_MS[i] - 1);
        ASSERT_LOG("");
        fake_advance(&f, 1);
        ASSERT_LOG("receive:10");
    }
    fake_deliver(&f, "a");
    ASSERT_LOG("receive:10");
    fake_deliver(&f, "");
    fake_advance(&f, PAUSES_MS[0]); /* from the start again */
    ASSERT_LOG("receive:10");
    end();
}
END_TEST

START_TEST(partial_answers_add_polls_while_slots_are_free)
{
    begin(100);
    for (int want = 2; want <= 6; want++) {
        char id[16];
        (void)snprintf(id, sizeof id, "m%d", want);
        fake_deliver(&f, id);
        ck_assert_int_eq(f.poll_count, want);
    }
    fake_advance(&f, 3000); /* these had to wait: the queue is nearly empty */
    fake_deliver(&f, "n");
    ck_assert_int_eq(f.poll_count, 6);
    end();
}
END_TEST

START_TEST(hand_backs_that_pile_up_stop_the_fetching)
{
    begin(100);
    for (int round = 0; round < 200 && f.poll_count > 0; round++) {
        char prefix[16];
        (void)snprintf(prefix, sizeof prefix, "r%d-", round);
        fake_deliver_many(&f, prefix, f.polls[0]->asked);
        struct message *message = NULL;
        while ((message = fake_take(&f)) != NULL)
            fake_finish(&f, message, OUTCOME_FAILED);
    }
    ck_assert_int_eq(f.poll_count, 0); /* none was ever answered */
    ck_assert_int_le(f.core.releases.queued + f.core.releases.on_wire, 500);
    for (int i = 0; i < 100; i++) {
        fake_answer_all(&f);
        fake_advance(&f, ACKS_DELAY_MS);
    }
    ck_assert_int_gt(f.poll_count, 0);
    end();
}
END_TEST

START_TEST(a_reply_that_is_too_large_is_asked_for_in_parts)
{
    static const char *const WANT[] = {"receive:5", "receive:2", "receive:1", "receive:1"};
    begin(5);
    (void)fake_log(&f);
    for (size_t i = 0; i < sizeof WANT / sizeof *WANT; i++) {
        fake_fail_poll_with(&f, AWS_KIND_BAD_REPLY, "ReplyTooLarge");
        fake_advance(&f, CORE_BACKOFF_MAX_MS);
        ASSERT_LOG(WANT[i]);
    }
    fake_deliver(&f, "a");
    ASSERT_LOG("receive:2");
    end();
}
END_TEST

START_TEST(a_queue_with_too_many_messages_in_flight_is_left_alone_for_a_while)
{
    begin(5);
    for (int i = 0; i < 10; i++) {
        (void)fake_log(&f);
        fake_fail_poll_with(&f, AWS_KIND_THROTTLED, "OverLimit");
        fake_advance(&f, CORE_OVER_LIMIT_MS - 1);
        ASSERT_LOG("");
        fake_advance(&f, CORE_OVER_LIMIT_MS);
        ck_assert_int_eq(f.poll_count, 1);
    }
    ck_assert(!core_is_over(&f.core));
    end();
}
END_TEST

START_TEST(hung_polls_that_take_all_the_room_are_given_up)
{
    begin(10);
    fake_deliver_many(&f, "m", 10);
    for (int i = 0; i < 10; i++)
        handle_one(OUTCOME_DONE);
    fake_answer_all(&f);
    ck_assert_int_eq(f.poll_count, 2);
    (void)fake_log(&f);
    fake_advance(&f, 20000 + CORE_POLL_OVERDUE_MS - 1);
    ASSERT_LOG("");
    fake_advance(&f, 1);
    ASSERT_LOG("cancel receive:10");
    ck_assert_int_eq(f.poll_count, 2);
    end();
}
END_TEST

START_TEST(pauses_after_failed_receives_vary_within_half_their_length)
{
    int64_t pauses_ms[2];
    for (int i = 0; i < 2; i++) {
        struct core_settings settings = fake_settings(5);
        settings.seed = (uint64_t)i * 1000 + 77;
        fake_init(&f, &settings);
        fake_deliver(&f, "a");
        for (int n = 0; n < 12; n++) {
            fake_fail_poll(&f, AWS_KIND_TRANSIENT);
            pauses_ms[i] = f.core.poll_retry_ms - f.now_ms;
            fake_advance(&f, CORE_BACKOFF_MAX_MS);
        }
        ck_assert_int_ge(pauses_ms[i], CORE_BACKOFF_MAX_MS / 2);
        ck_assert_int_le(pauses_ms[i], CORE_BACKOFF_MAX_MS);
        end();
    }
    ck_assert_int_ne(pauses_ms[0], pauses_ms[1]);
}
END_TEST

START_TEST(what_was_not_due_at_the_last_event_is_waited_for_although_its_time_has_come_since)
{
    begin(5);
    fake_deliver(&f, "");
    fake_fail_poll(&f, AWS_KIND_THROTTLED);
    int64_t retry_ms = f.core.poll_retry_ms;
    core_on_wakeup(&f.core, retry_ms - 1); /* a timer that is a moment early */
    ck_assert_int_eq(f.poll_count, 0);
    ck_assert_int_eq(core_due_ms(&f.core), retry_ms); /* whatever the clock says by now */
    core_on_wakeup(&f.core, retry_ms);
    ck_assert_int_eq(f.poll_count, 1);
    int64_t overdue_ms = f.polls[0]->overdue_ms;
    core_on_wakeup(&f.core, overdue_ms - 1);
    ck_assert_int_eq(core_due_ms(&f.core), overdue_ms);
    core_on_wakeup(&f.core, overdue_ms);
    ck_assert_int_eq(f.poll_count, 2);
    end();
}
END_TEST

/* A worker of one slot has room for one poll of ten and a smaller one. */
START_TEST(two_polls_that_hang_one_after_another_stop_a_small_worker_for_two_seconds_more)
{
    begin(1);
    fake_deliver(&f, "");
    ASSERT_LOG("receive:10 receive:10");
    fake_advance(&f, 20000 + CORE_POLL_OVERDUE_MS - 1);
    ASSERT_LOG("");
    fake_advance(&f, 1);
    ASSERT_LOG("receive:1");
    ck_assert_int_eq(f.polls[1]->wait_s, CORE_POLL_SUSPECT_S);
    fake_advance(&f, CORE_POLL_SUSPECT_S * 1000 + CORE_POLL_OVERDUE_MS * 2);
    ASSERT_LOG("cancel receive:10");
    ck_assert_int_eq(f.core.stats.receives_cancelled, 1);
    ck_assert_int_eq(f.polls[1]->wait_s, CORE_POLL_SUSPECT_S);
    struct core_poll *hung = f.polls[0];
    f.polls[0] = f.polls[1];
    f.polls[1] = hung;
    fake_deliver(&f, ""); /* it lives: long polls again */
    fake_advance(&f, 0);
    ck_assert_int_eq(f.polls[f.poll_count - 1]->wait_s, 20);
    end();
}
END_TEST

/* A server that takes longer than a second for everything is slow, not dead: the patience grows. */
START_TEST(an_endpoint_that_takes_ten_seconds_is_waited_for)
{
    begin(1);
    fake_deliver(&f, "");
    int answered = 0;
    for (int s = 0; s < 300; s++) {
        fake_advance(&f, 1000);
        for (int i = 0; i < f.poll_count; i++)
            if (f.now_ms - f.polls[i]->opened_ms >= (int64_t)f.polls[i]->wait_s * 1000 + 10000) {
                struct core_poll *poll = f.polls[i];
                f.polls[i] = f.polls[0];
                f.polls[0] = poll;
                fake_deliver(&f, "");
                answered++;
                break;
            }
    }
    ck_assert_int_ge(answered, 5);
    end();
}
END_TEST

UNIT_MAIN("core_polls", one_poll_is_open_from_the_start_and_after_an_empty_answer,
          receive_errors_back_off_and_the_worker_goes_on,
          a_worker_that_is_refused_from_the_start_gives_up_after_a_few_seconds,
          a_queue_that_appears_within_the_start_window_is_worked_on,
          a_poll_that_hangs_does_not_keep_others_from_being_opened,
          polls_multiply_while_they_come_back_full_and_fall_to_one_on_an_empty_one,
          deletes_that_pile_up_stop_the_fetching,
          empty_answers_that_do_not_wait_are_asked_for_at_a_growing_pace,
          partial_answers_add_polls_while_slots_are_free, hand_backs_that_pile_up_stop_the_fetching,
          a_reply_that_is_too_large_is_asked_for_in_parts,
          a_queue_with_too_many_messages_in_flight_is_left_alone_for_a_while,
          hung_polls_that_take_all_the_room_are_given_up,
          pauses_after_failed_receives_vary_within_half_their_length,
          two_polls_that_hang_one_after_another_stop_a_small_worker_for_two_seconds_more,
          an_endpoint_that_takes_ten_seconds_is_waited_for,
          what_was_not_due_at_the_last_event_is_waited_for_although_its_time_has_come_since)
