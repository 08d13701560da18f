/* Verdicts other than done: retry delays, the dead-letter queue, the idempotency window, the brake. Fake SQS,
 * invented time. */
#include "tests/unit/unit.h"

#include "tests/unit/worker/fake_sqs.h"

static struct fake f;

static void begin(int capacity)
{
    struct core_settings settings = fake_settings(capacity);
    fake_init(&f, &settings);
}

/* With a DLQ to which messages go after so many failures. */
static void begin_dlq(int capacity, int max_receives)
{
    struct core_settings settings = fake_settings(capacity);
    settings.dlq = true;
    settings.max_receives = max_receives;
    fake_init(&f, &settings);
}

static void end(void)
{
    fake_clean_up(&f);
    ck_assert_int_eq(f.live, 0);
}

#define ASSERT_LOG(want) ck_assert_str_eq(fake_log(&f), (want))

static struct message *take(void)
{
    struct message *message = fake_take(&f);
    ck_assert_ptr_nonnull(message);
    return message;
}

/* One message, received so often, gets this verdict; the log then holds what follows from it. */
static void judge(const char *id, int receive_count, enum message_outcome outcome)
{
    fake_deliver_nth(&f, id, receive_count);
    struct message *message = take();
    (void)fake_log(&f);
    fake_finish(&f, message, outcome);
    fake_advance(&f, ACKS_DELAY_MS);
}

/* Without the receives. */
static const char *calls(void)
{
    static char text[8192];
    text[0] = '\0';
    char *copy = xstrdup(fake_log(&f));
    char *state = NULL;
    for (char *word = strtok_r(copy, " ", &state); word != NULL; word = strtok_r(NULL, " ", &state))
        if (strncmp(word, "receive:", 8) != 0)
            (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
                           text[0] != '\0' ? " " : "", word);
    free(copy);
    return text;
}

#define ASSERT_CALLS(want) ck_assert_str_eq(calls(), (want))

/* ---- verdicts ---- */

START_TEST(a_message_put_off_comes_back_and_is_not_counted_as_failed)
{
    begin(1);
    judge("a", 1, OUTCOME_RETRY);
    ASSERT_CALLS("change:a=1");
    ck_assert_int_eq(f.core.stats.retried, 1);
    ck_assert_int_eq(f.core.stats.failed, 0);
    end();
}
END_TEST

START_TEST(the_handlers_own_delay_wins_over_the_table_for_failures_and_retries)
{
    static const enum message_outcome OUTCOMES[] = {OUTCOME_RETRY, OUTCOME_FAILED};
    static const int DELAYS_S[] = {0, 1, 77, 3600};
    begin(1);
    for (size_t i = 0; i < 2; i++)
        for (size_t n = 0; n < 4; n++) {
            char want[64];
            fake_deliver_nth(&f, "a", 6);
            struct message *message = take();
            message->retry_delay_s = DELAYS_S[n];
            fake_finish(&f, message, OUTCOMES[i]);
            (void)fake_log(&f);
            fake_advance(&f, ACKS_DELAY_MS);
            (void)snprintf(want, sizeof want, "change:a=%d", DELAYS_S[n]);
            ASSERT_CALLS(want);
            fake_answer_all(&f);
        }
    end();
}
END_TEST

START_TEST(a_delay_beyond_the_twelve_hours_of_a_receive_is_cut_to_what_is_left)
{
    begin(1);
    fake_deliver(&f, "a");
    struct message *message = take();
    message->retry_delay_s = SQS_VISIBILITY_MAX_S;
    f.now_ms += 10000;
    fake_finish(&f, message, OUTCOME_RETRY);
    (void)fake_log(&f);
    fake_advance(&f, ACKS_DELAY_MS);
    int delay_s = 0;
    ck_assert_int_eq(sscanf(calls(), "change:a=%d", &delay_s), 1);
    ck_assert_int_le(delay_s, SQS_VISIBILITY_MAX_S - 10 - LEASE_TOTAL_MARGIN_S);
    ck_assert_int_ge(delay_s, SQS_VISIBILITY_MAX_S - 12 - LEASE_TOTAL_MARGIN_S);
    end();
}
END_TEST

START_TEST(delays_of_messages_that_failed_together_differ)
{
    struct core_settings settings = fake_settings(10);
    settings.retry = (struct retry_delays){.count = 1, .seconds = {1000}};
    fake_init(&f, &settings);
    fake_deliver_many(&f, "m", 10);
    (void)fake_log(&f);
    for (int i = 0; i < 10; i++)
        fake_finish(&f, take(), OUTCOME_FAILED);
    int differing = 0;
    int first = 0;
    const char *at = calls();
    for (int i = 0; i < 10; i++) {
        at = strchr(at, '=') + 1;
        int delay_s = atoi(at);
        first = i == 0 ? delay_s : first;
        differing += delay_s != first;
        ck_assert_int_ge(delay_s, 800);
        ck_assert_int_le(delay_s, 1200);
    }
    ck_assert_int_ge(differing, 7);
    end();
}
END_TEST

START_TEST(a_rejected_message_without_a_dead_letter_queue_is_a_failed_one)
{
    begin(1);
    judge("a", 2, OUTCOME_REJECTED);
    ASSERT_CALLS("change:a=2");
    ck_assert_int_eq(f.core.stats.rejected, 1);
    ck_assert_int_eq(f.core.stats.quarantined, 0);
    end();
}
END_TEST

START_TEST(a_verdict_after_the_worker_took_the_message_back_counts_for_nothing)
{
    static const enum message_outcome OUTCOMES[] = {OUTCOME_FAILED, OUTCOME_RETRY, OUTCOME_REJECTED};
    for (size_t i = 0; i < 3; i++) {
        begin_dlq(1, 1);
        fake_deliver(&f, "a");
        struct message *message = take();
        fake_advance(&f, 15000);
        (void)fake_log(&f);
        if (i == 2)
            core_abandon(&f.core, f.now_ms);
        else
            fake_answer(&f, "f");
        fake_finish(&f, message, OUTCOMES[i]);
        fake_advance(&f, 100);
        ck_assert_ptr_null(strstr(fake_log(&f), "quarantine"));
        ck_assert_int_eq(f.core.stats.failed + f.core.stats.retried + f.core.stats.rejected, 0);
        ck_assert_int_eq(f.core.brake.count, 0);
        end();
    }
}
END_TEST

START_TEST(a_verdict_after_a_lost_lease_counts_for_nothing_although_the_message_came_again)
{
    static const enum message_outcome OUTCOMES[] = {OUTCOME_FAILED, OUTCOME_RETRY, OUTCOME_REJECTED};
    for (size_t i = 0; i < 3; i++) {
        begin_dlq(1, 1);
        fake_deliver(&f, "a");
        struct message *message = take();
        fake_advance(&f, 15000);
        fake_answer(&f, "f");
        ck_assert(atomic_load(&message->lease_lost)); /* the handler is told to stop ... */
        fake_deliver_nth(&f, "a", 2);                 /* ... and the message is ours again before it has */
        ck_assert(!atomic_load(&message->lease_lost));
        (void)fake_log(&f);
        fake_finish(&f, message, OUTCOMES[i]);
        fake_advance(&f, ACKS_DELAY_MS);
        ASSERT_CALLS("change:a=0");
        ck_assert_str_eq(f.batches[0]->handles[0], "a#2");
        ck_assert_int_eq(f.core.stats.failed + f.core.stats.retried + f.core.stats.rejected, 0);
        ck_assert_int_eq(f.core.brake.count, 0);
        end();
    }
}
END_TEST

/* ---- the dead-letter queue ---- */

START_TEST(a_rejected_message_is_deleted_only_after_the_dead_letter_queue_has_it)
{
    begin_dlq(1, 0);
    fake_deliver_nth(&f, "a", 3);
    struct message *message = take();
    message->reason = xstrdup("no such order");
    message->status = 65;
    (void)fake_log(&f);
    fake_finish(&f, message, OUTCOME_REJECTED);
    fake_advance(&f, ACKS_DELAY_MS);
    ASSERT_CALLS("quarantine:a");
    ck_assert_str_eq(strbuf_str(&f.letters),
                     "body={};sluice.reason=String:no such order;sluice.status=Number:65;"
                     "sluice.receive_count=Number:3;sluice.source_message_id=String:a\n");
    fake_advance(&f, 10000);
    ASSERT_CALLS("");
    ck_assert_int_eq(f.core.stats.quarantined, 0);
    fake_answer(&f, "o");
    fake_advance(&f, ACKS_DELAY_MS);
    ASSERT_CALLS("delete:a");
    fake_answer(&f, "o");
    ck_assert_int_eq(f.core.stats.rejected, 1);
    ck_assert_int_eq(f.core.stats.quarantined, 1);
    ck_assert_int_eq(f.core.stats.deleted, 1);
    ck_assert_int_eq(f.core.stats.failed, 0);
    ck_assert_int_eq(f.core.stats.lease_lost, 0);
    end();
}
END_TEST

START_TEST(failures_go_there_at_the_last_receive_and_not_before)
{
    begin_dlq(1, 3);
    judge("a", 2, OUTCOME_FAILED);
    ASSERT_CALLS("change:a=2");
    fake_answer_all(&f);
    judge("a", 3, OUTCOME_FAILED);
    ASSERT_CALLS("quarantine:a");
    ck_assert_int_eq(f.core.stats.failed, 2);
    ck_assert_int_eq(f.core.stats.rejected, 0);
    end();
}
END_TEST

START_TEST(what_is_put_off_never_goes_there)
{
    begin_dlq(1, 3);
    judge("a", 3, OUTCOME_RETRY);
    ck_assert_ptr_nonnull(strstr(calls(), "change:a="));
    ck_assert_int_eq(f.core.stats.quarantined, 0);
    end();
}
END_TEST

START_TEST(without_a_number_of_receives_failures_never_go_there)
{
    begin_dlq(1, 0);
    judge("a", 1000, OUTCOME_FAILED);
    ck_assert_ptr_nonnull(strstr(calls(), "change:a="));
    end();
}
END_TEST

START_TEST(a_message_that_killed_its_workers_is_quarantined_without_being_run)
{
    begin_dlq(2, 3);
    (void)fake_log(&f);
    fake_deliver_nth(&f, "a", 4);
    ck_assert_ptr_null(fake_take(&f));
    fake_advance(&f, ACKS_DELAY_MS);
    ASSERT_CALLS("quarantine:a");
    ck_assert_ptr_nonnull(strstr(strbuf_str(&f.letters), "sluice.receive_count=Number:4"));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&f.letters), "sluice.reason=String:received more often"));
    fake_answer(&f, "o");
    fake_advance(&f, ACKS_DELAY_MS);
    ASSERT_CALLS("delete:a");
    fake_answer_all(&f);
    ck_assert_int_eq(f.core.stats.quarantined, 1);
    ck_assert_int_eq(f.core.stats.failed, 0);
    ck_assert_int_eq(f.core.brake.count, 0);
    fake_deliver_nth(&f, "b", 3); /* its last chance */
    ck_assert_str_eq(take()->first->id, "b");
    end();
}
END_TEST

START_TEST(a_send_that_failed_is_tried_again_under_the_lease_and_nothing_is_deleted)
{
    begin_dlq(1, 1);
    judge("a", 1, OUTCOME_FAILED);
    ASSERT_CALLS("quarantine:a");
    fake_answer(&f, "u"); /* it may be there */
    fake_advance(&f, ACKS_BACKOFF_MS);
    ASSERT_CALLS("quarantine:a");
    fake_fail_batch(&f, AWS_KIND_TRANSIENT);
    fake_advance(&f, ACKS_BACKOFF_MS * 2);
    ASSERT_CALLS("quarantine:a");
    fake_advance(&f, 15000); /* it hangs */
    ASSERT_CALLS("change:a=30");
    struct core_batch *hung = fake_pop_batch(&f, 0);
    fake_answer(&f, "o");
    f.batches[f.batch_count++] = hung;
    fake_answer(&f, "o");
    fake_advance(&f, ACKS_DELAY_MS);
    ASSERT_CALLS("delete:a");
    fake_answer(&f, "o");
    ck_assert_int_eq(f.core.stats.quarantined, 1);
    end();
}
END_TEST

START_TEST(a_dead_letter_queue_that_takes_nothing_loses_nothing)
{
    static const enum aws_kind KINDS[] = {AWS_KIND_DENIED, AWS_KIND_NOT_FOUND, AWS_KIND_TRANSIENT,
                                          AWS_KIND_REQUEST};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        begin_dlq(1, 5);
        judge("a", 5, OUTCOME_FAILED);
        ASSERT_CALLS("quarantine:a");
        int sends = 0;
        while (f.batch_count > 0 && f.batches[0]->kind == BATCH_QUARANTINE && sends < 100) {
            sends++;
            fake_fail_batch(&f, KINDS[i]);
            fake_advance(&f, ACKS_BACKOFF_MS * 32);
        }
        ck_assert_int_eq(sends, KINDS[i] == AWS_KIND_REQUEST ? 2 : CORE_QUARANTINE_ATTEMPTS);
        const char *log = calls();
        ck_assert_ptr_null(strstr(log, "delete"));
        ck_assert_ptr_nonnull(strstr(log, "change:a=")); /* visible again after its delay */
        fake_answer_all(&f);
        ck_assert_int_eq(f.core.stats.quarantined, 0);
        ck_assert_int_eq(f.core.stats.deleted, 0);
        ck_assert_ptr_null(known_find(&f.core.known, "a")); /* and handled then */
        end();
    }
}
END_TEST

START_TEST(a_message_refused_with_our_attributes_is_sent_with_its_own_alone)
{
    begin_dlq(2, 1);
    fake_deliver(&f, "a b");
    struct message *a = take();
    struct message *b = take();
    fake_finish(&f, a, OUTCOME_FAILED);
    fake_finish(&f, b, OUTCOME_FAILED);
    fake_advance(&f, ACKS_DELAY_MS);
    strbuf_clear(&f.letters);
    (void)fake_log(&f);
    fake_answer(&f, "of");
    fake_advance(&f, ACKS_BACKOFF_MS);
    ASSERT_CALLS("delete:a quarantine:b");
    ck_assert_str_eq(strbuf_str(&f.letters), "body={}\n");
    fake_answer_all(&f);
    fake_advance(&f, ACKS_DELAY_MS);
    ASSERT_CALLS("delete:b");
    ck_assert_int_eq(f.core.stats.stale_handles, 0);
    end();
}
END_TEST

START_TEST(a_batch_stays_below_what_sqs_takes_and_a_larger_message_goes_alone)
{
    static const size_t SIZES[] = {100000, 100000, 100000, 300000, 1000};
    struct sqs_message *messages[5];
    struct sqs_receive_reply reply = {.messages = messages, .count = 5};
    struct aws_result ok = {.kind = AWS_KIND_OK};
    begin_dlq(5, 1);
    for (int i = 0; i < 5; i++) {
        char id[8];
        (void)snprintf(id, sizeof id, "m%d", i);
        messages[i] = fake_message(&f, id, 2);
        free((char *)messages[i]->body);
        messages[i]->body = xcalloc(SIZES[i], 1);
        messages[i]->body_len = SIZES[i];
    }
    struct core_poll *poll = f.polls[0];
    fake_drop_poll(&f, poll);
    (void)fake_log(&f);
    core_on_receive(&f.core, poll, f.now_ms, &ok, &reply);
    fake_advance(&f, ACKS_DELAY_MS);
    ASSERT_CALLS("quarantine:m0,m1,m4 quarantine:m2 quarantine:m3");
    end();
}
END_TEST

START_TEST(a_lease_lost_on_the_way_leaves_the_message_to_who_has_it)
{
    begin_dlq(1, 1);
    judge("a", 1, OUTCOME_FAILED);
    fake_answer(&f, "r");
    f.now_ms += 30000; /* no extension got through */
    (void)fake_log(&f);
    fake_advance(&f, 0);
    fake_advance(&f, 10000);
    fake_answer_all(&f);
    ck_assert_ptr_null(strstr(calls(), "delete"));
    ck_assert_int_eq(f.core.stats.deleted, 0);
    ck_assert_int_eq(f.core.stats.lease_lost, 1);
    end();
}
END_TEST

START_TEST(one_that_comes_again_on_the_way_is_not_run_and_deleted_by_its_newest_handle)
{
    begin_dlq(1, 1);
    judge("a", 1, OUTCOME_FAILED);
    fake_deliver_nth(&f, "a", 2);
    ck_assert_ptr_null(fake_take(&f));
    fake_answer(&f, "o");
    fake_advance(&f, ACKS_DELAY_MS);
    ck_assert_int_eq(f.batch_count, 1);
    ck_assert_str_eq(f.batches[0]->handles[0], "a#2");
    fake_answer(&f, "o");
    ck_assert_int_eq(f.core.stats.quarantined, 1);
    fake_deliver_nth(&f, "a", 3); /* and not once more, either */
    fake_advance(&f, ACKS_DELAY_MS);
    ck_assert_ptr_null(strstr(calls(), "quarantine:a quarantine:a"));
    ck_assert_int_eq(f.core.stats.duplicates, 1);
    end();
}
END_TEST

START_TEST(a_drain_waits_for_what_is_on_its_way_there)
{
    begin_dlq(2, 1);
    fake_deliver(&f, "a b");
    struct message *a = take();
    struct message *b = take();
    fake_finish(&f, a, OUTCOME_FAILED);
    core_drain(&f.core, f.now_ms, "TERM");
    fake_finish(&f, b, OUTCOME_REJECTED);
    fake_advance(&f, CORE_POLL_LAST_MS);
    ck_assert(!core_is_over(&f.core));
    fake_answer_all(&f);
    ck_assert(core_is_over(&f.core));
    ck_assert_int_eq(f.core.stats.quarantined, 2);
    ck_assert_int_eq(f.core.stats.deleted, 2);
    end();
}
END_TEST

START_TEST(what_the_dead_letter_queue_does_not_take_in_the_grace_is_handed_back)
{
    begin_dlq(1, 1);
    judge("a", 1, OUTCOME_FAILED);
    core_drain(&f.core, f.now_ms, "TERM");
    fake_answer(&f, "r");
    (void)fake_log(&f);
    core_abandon(&f.core, f.now_ms);
    ck_assert_ptr_nonnull(strstr(fake_log(&f), "change:a=1"));
    fake_answer_all(&f);
    ck_assert(core_is_over(&f.core));
    ck_assert_int_eq(f.core.stats.deleted, 0);
    end();
}
END_TEST

/* ---- the idempotency window ---- */

static void handle_and_delete(const char *id)
{
    fake_deliver(&f, id);
    fake_finish(&f, take(), OUTCOME_DONE);
    fake_advance(&f, ACKS_DELAY_MS);
    fake_answer_all(&f);
}

START_TEST(a_finished_message_that_comes_again_is_deleted_and_counted_within_the_window_only)
{
    struct core_settings settings = fake_settings(1);
    settings.idempotency_window = 3;
    fake_init(&f, &settings);
    static const char *const IDS[] = {"a", "b", "c", "d", "e", "f", "g"};
    for (size_t i = 0; i < sizeof IDS / sizeof *IDS; i++) {
        handle_and_delete(IDS[i]);
        ck_assert_uint_le(f.core.known.counts[KNOWN_CONFIRMED] + f.core.known.counts[KNOWN_UNCONFIRMED], 3);
    }
    fake_deliver_nth(&f, "e", 2);
    ck_assert_ptr_null(fake_take(&f));
    fake_advance(&f, ACKS_DELAY_MS);
    fake_answer_all(&f);
    ck_assert_int_eq(f.core.stats.duplicates, 1);
    fake_deliver_nth(&f, "d", 2); /* out of the window */
    ck_assert_str_eq(take()->first->id, "d");
    ck_assert_int_eq(f.core.stats.duplicates, 1);
    end();
}
END_TEST

START_TEST(without_a_window_only_what_is_held_is_known)
{
    struct core_settings settings = fake_settings(2);
    settings.idempotency_window = 0;
    fake_init(&f, &settings);
    handle_and_delete("a");
    ck_assert_uint_eq(f.core.known.counts[KNOWN_CONFIRMED], 0);
    fake_deliver_nth(&f, "a", 2);
    struct message *message = take();
    fake_deliver_nth(&f, "a", 3); /* held */
    ck_assert_ptr_null(fake_take(&f));
    ck_assert_int_eq(f.core.stats.duplicates, 0);
    ck_assert_int_eq(f.core.stats.redelivered, 1);
    fake_finish(&f, message, OUTCOME_DONE);
    end();
}
END_TEST

/* ---- the brake ---- */

static void begin_brake(int capacity)
{
    struct core_settings settings = fake_settings(capacity);
    settings.brake_percent = 50;
    fake_init(&f, &settings);
}

/* Hands out and judges messages, one at a time. */
static void judge_many(int count, enum message_outcome outcome)
{
    static int serial;
    for (int i = 0; i < count; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "n%d", serial++);
        while (f.poll_count == 0)
            fake_advance(&f, 1000);
        fake_deliver(&f, id);
        fake_finish(&f, take(), outcome);
        fake_advance(&f, ACKS_DELAY_MS);
        fake_answer_all(&f);
    }
}

static int64_t closed(void)
{
    struct telemetry_stats stats;
    core_get_stats(&f.core, f.now_ms, &stats);
    return stats.brake_percent;
}

START_TEST(a_storm_of_failures_and_retries_slows_and_success_gives_all_back)
{
    begin_brake(20);
    judge_many(10, OUTCOME_FAILED);
    judge_many(10, OUTCOME_RETRY);
    ck_assert_int_eq(f.core.capacity, 10);
    ck_assert_int_eq(closed(), 50);
    judge_many(200, OUTCOME_FAILED);
    ck_assert_int_eq(f.core.capacity, 1);
    ck_assert_int_eq(closed(), 95);
    judge_many(200, OUTCOME_DONE);
    ck_assert_int_eq(f.core.capacity, 20);
    ck_assert_int_eq(closed(), 0);
    end();
}
END_TEST

START_TEST(rejected_messages_do_not_brake)
{
    begin_brake(20);
    judge_many(200, OUTCOME_REJECTED);
    ck_assert_int_eq(f.core.capacity, 20);
    end();
}
END_TEST

START_TEST(of_brake_and_limit_the_least_holds)
{
    begin_brake(20);
    judge_many(20, OUTCOME_FAILED);
    ck_assert_int_eq(f.core.capacity, 10);
    core_set_limit(&f.core, f.now_ms, 4);
    ck_assert_int_eq(f.core.capacity, 4);
    ck_assert_int_eq(closed(), 0); /* the limit holds more back than the brake */
    core_set_limit(&f.core, f.now_ms, 1000);
    ck_assert_int_eq(f.core.capacity, 10);
    end();
}
END_TEST

START_TEST(the_concurrency_is_where_the_limit_starts)
{
    struct core_settings settings = fake_settings(20);
    settings.concurrency = 5;
    fake_init(&f, &settings);
    ck_assert_int_eq(f.core.capacity, 5);
    core_set_limit(&f.core, f.now_ms, 8);
    ck_assert_int_eq(f.core.capacity, 8);
    core_set_limit(&f.core, f.now_ms, 100);
    ck_assert_int_eq(f.core.capacity, 20);
    end();
}
END_TEST

UNIT_MAIN("core_failures", a_message_put_off_comes_back_and_is_not_counted_as_failed,
          the_handlers_own_delay_wins_over_the_table_for_failures_and_retries,
          a_delay_beyond_the_twelve_hours_of_a_receive_is_cut_to_what_is_left,
          delays_of_messages_that_failed_together_differ,
          a_rejected_message_without_a_dead_letter_queue_is_a_failed_one,
          a_verdict_after_the_worker_took_the_message_back_counts_for_nothing,
          a_verdict_after_a_lost_lease_counts_for_nothing_although_the_message_came_again,
          a_rejected_message_is_deleted_only_after_the_dead_letter_queue_has_it,
          failures_go_there_at_the_last_receive_and_not_before, what_is_put_off_never_goes_there,
          without_a_number_of_receives_failures_never_go_there,
          a_message_that_killed_its_workers_is_quarantined_without_being_run,
          a_send_that_failed_is_tried_again_under_the_lease_and_nothing_is_deleted,
          a_dead_letter_queue_that_takes_nothing_loses_nothing,
          a_message_refused_with_our_attributes_is_sent_with_its_own_alone,
          a_batch_stays_below_what_sqs_takes_and_a_larger_message_goes_alone,
          a_lease_lost_on_the_way_leaves_the_message_to_who_has_it,
          one_that_comes_again_on_the_way_is_not_run_and_deleted_by_its_newest_handle,
          a_drain_waits_for_what_is_on_its_way_there,
          what_the_dead_letter_queue_does_not_take_in_the_grace_is_handed_back,
          a_finished_message_that_comes_again_is_deleted_and_counted_within_the_window_only,
          without_a_window_only_what_is_held_is_known,
          a_storm_of_failures_and_retries_slows_and_success_gives_all_back, rejected_messages_do_not_brake,
          of_brake_and_limit_the_least_holds, the_concurrency_is_where_the_limit_starts)
