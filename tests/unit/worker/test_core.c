/* The core with a fake SQS and invented time: deletes, extensions, redeliveries, failures, limits. */
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
    ck_assert_int_eq(f.live, 0); /* every delivery was released once */
}

#define ASSERT_LOG(want) ck_assert_str_eq(fake_log(&f), (want))

static void handle_one(enum message_outcome outcome)
{
    struct message *message = fake_take(&f);
    ck_assert_ptr_nonnull(message);
    fake_finish(&f, message, outcome);
}

START_TEST(a_message_is_deleted_after_it_was_handled_and_not_before)
{
    begin(5);
    fake_deliver(&f, "a");
    ASSERT_LOG("receive:10 receive:10");
    struct message *message = fake_take(&f);
    fake_advance(&f, 3000);
    ASSERT_LOG("");
    fake_finish(&f, message, OUTCOME_DONE);
    fake_advance(&f, ACKS_DELAY_MS);
    ASSERT_LOG("delete:a");
    ck_assert_int_eq(f.core.stats.deleted, 0);
    fake_answer(&f, "o");
    ck_assert_int_eq(f.core.stats.completed, 1);
    ck_assert_int_eq(f.core.stats.deleted, 1);
    end();
}
END_TEST

START_TEST(ten_deletes_go_at_once_and_fewer_wait_a_moment_for_more)
{
    begin(20);
    fake_deliver_many(&f, "m", 10);
    (void)fake_log(&f);
    for (int i = 0; i < 9; i++)
        handle_one(OUTCOME_DONE);
    ASSERT_LOG("");
    handle_one(OUTCOME_DONE);
    ASSERT_LOG("delete:m0,m1,m2,m3,m4,m5,m6,m7,m8,m9");
    fake_answer_all(&f);
    end();
}
END_TEST

START_TEST(a_failed_delete_entry_is_sent_again_and_the_others_are_not)
{
    begin(5);
    fake_deliver(&f, "a b c");
    for (int i = 0; i < 3; i++)
        handle_one(OUTCOME_DONE);
    fake_advance(&f, ACKS_DELAY_MS);
    (void)fake_log(&f);
    fake_answer(&f, "oro");
    ck_assert_int_eq(f.core.stats.deleted, 2);
    ASSERT_LOG("");
    fake_advance(&f, ACKS_BACKOFF_MS);
    ASSERT_LOG("delete:b");
    fake_answer(&f, "u"); /* in neither list of the reply: not known to be deleted */
    fake_advance(&f, ACKS_BACKOFF_MS * 2);
    ASSERT_LOG("delete:b");
    fake_answer(&f, "o");
    ck_assert_int_eq(f.core.stats.deleted, 3);
    fake_advance(&f, 10000);
    ASSERT_LOG("");
    end();
}
END_TEST

/* All batches fail for so long, a real network of a worker that is cut off. */
static void fail_batches_for(int64_t ms)
{
    for (int64_t end_ms = f.now_ms + ms; f.now_ms < end_ms;) {
        fake_advance(&f, 100);
        while (f.batch_count > 0)
            fake_fail_batch(&f, AWS_KIND_TRANSIENT);
    }
}

START_TEST(deletes_that_fail_beyond_the_lease_are_given_up_but_for_one_and_the_ids_remembered)
{
    begin(5);
    fake_deliver(&f, "a b");
    handle_one(OUTCOME_DONE);
    handle_one(OUTCOME_DONE);
    fail_batches_for(29000);
    ck_assert(!f.core.deletes_refused);
    ck_assert_int_eq(f.core.deletes.queued, 2);
    fail_batches_for(11000);
    ck_assert(f.core.deletes_refused);
    ck_assert_int_eq(f.core.deletes.queued, 1); /* it finds out when deletes work again */
    ck_assert_int_eq(f.core.stats.deleted, 0);
    fail_batches_for(100000);
    ck_assert_int_eq(f.core.deletes.queued, 1);
    while (f.poll_count > 1)
        fake_deliver(&f, "");
    fake_deliver_nth(&f, "a", 2);
    ck_assert_ptr_null(fake_take(&f));
    fake_advance(&f, ACKS_BACKOFF_MS * 32);
    ck_assert_int_eq(f.poll_count, 0); /* nothing is fetched meanwhile */
    fake_answer_all(&f);
    ck_assert_int_eq(f.core.stats.deleted, 2);
    ck_assert_int_eq(f.core.stats.redelivered, 1);
    ck_assert_int_eq(f.core.stats.completed, 2);
    ck_assert_int_eq(f.poll_count, 1);
    end();
}
END_TEST

START_TEST(a_message_whose_delete_is_not_answered_stays_ours)
{
    begin(5);
    fake_deliver(&f, "a");
    handle_one(OUTCOME_DONE);
    fake_advance(&f, ACKS_DELAY_MS);
    (void)fake_log(&f);
    fake_advance(&f, 15000 - ACKS_DELAY_MS);
    ASSERT_LOG("change:a=30");
    ck_assert_int_eq(f.core.held_count, 0);
    struct core_batch *hung = fake_pop_batch(&f, 0);
    fake_answer(&f, "o");
    fake_deliver(&f, "");
    ASSERT_LOG("receive:10");
    fake_advance(&f, 15000);
    ASSERT_LOG("change:a=30");
    fake_answer(&f, "f"); /* it may have been deleted by now: the delete tells */
    ck_assert_int_eq(f.core.stats.lease_lost, 0);
    f.batches[f.batch_count++] = hung;
    fake_answer(&f, "o");
    ck_assert_int_eq(f.core.stats.deleted, 1);
    ck_assert_int_eq(f.core.stats.lease_lost, 0);
    ck_assert_uint_eq(f.core.known.counts[KNOWN_CONFIRMED], 1);
    fake_advance(&f, 40000);
    ck_assert_ptr_null(strstr(fake_log(&f), "change"));
    end();
}
END_TEST

START_TEST(deletes_are_retried_as_long_as_the_lease_can_be_extended)
{
    begin(5);
    fake_deliver(&f, "a");
    handle_one(OUTCOME_DONE);
    for (int ms = 0; ms < 120000; ms += 100) {
        fake_advance(&f, 100);
        while (f.batch_count > 0)
            if (f.batches[0]->kind == BATCH_DELETE)
                fake_fail_batch(&f, AWS_KIND_TRANSIENT);
            else
                fake_answer(&f, "o");
    }
    ck_assert(!f.core.deletes_refused);
    ck_assert_int_eq(f.core.stats.lease_lost, 0);
    fake_advance(&f, ACKS_BACKOFF_MS * 32);
    fake_answer(&f, "o");
    ck_assert_int_eq(f.core.stats.deleted, 1);
    ck_assert_uint_eq(f.core.known.counts[KNOWN_CONFIRMED], 1);
    end();
}
END_TEST

START_TEST(nothing_is_fetched_while_deletes_are_refused)
{
    static const enum aws_kind KINDS[] = {AWS_KIND_DENIED, AWS_KIND_CREDENTIALS, AWS_KIND_NOT_FOUND};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        begin(5);
        fake_deliver(&f, "a");
        handle_one(OUTCOME_DONE);
        fake_advance(&f, ACKS_DELAY_MS);
        fake_fail_batch(&f, KINDS[i]);
        fake_deliver(&f, "");
        ck_assert_int_eq(f.poll_count, 0);
        (void)fake_log(&f);
        fake_advance(&f, ACKS_BACKOFF_MS);
        ASSERT_LOG("delete:a");
        fake_fail_batch(&f, AWS_KIND_TRANSIENT); /* says nothing */
        fake_advance(&f, 3000);
        ck_assert_int_eq(f.poll_count, 0);
        fake_answer(&f, "o");
        ck_assert_int_eq(f.poll_count, 1);
        end();
    }
}
END_TEST

START_TEST(when_the_last_refused_delete_is_given_up_the_next_message_finds_out)
{
    begin(5);
    fake_deliver(&f, "a");
    handle_one(OUTCOME_DONE);
    fake_advance(&f, ACKS_DELAY_MS);
    fake_fail_batch(&f, AWS_KIND_DENIED);
    fake_deliver(&f, "");
    ck_assert_int_eq(f.poll_count, 0);
    fake_advance(&f, ACKS_BACKOFF_MS);
    fake_fail_batch(&f, AWS_KIND_REQUEST); /* no use to send it again: nothing is left to find out with */
    ck_assert_int_eq(f.batch_count, 0);
    ck_assert_int_eq(f.core.deletes.queued, 0);
    ck_assert_int_eq(f.poll_count, 1);
    end();
}
END_TEST

START_TEST(one_entry_that_is_always_refused_does_not_stop_the_worker)
{
    begin(5);
    fake_deliver(&f, "a");
    struct message *message = fake_take(&f);
    f.now_ms += 30000;
    fake_finish(&f, message, OUTCOME_DONE);
    fake_advance(&f, ACKS_DELAY_MS);
    fake_deliver(&f, "");
    for (int i = 0; i < 200 && (f.batch_count > 0 || f.core.deletes.queued > 0); i++) {
        while (f.batch_count > 0)
            fake_answer(&f, "r");
        fake_advance(&f, ACKS_BACKOFF_MS * 32);
    }
    ck_assert_int_eq(f.core.deletes.queued, 0);
    ck_assert_int_gt(f.poll_count, 0);
    ck_assert_uint_eq(f.core.known.counts[KNOWN_UNCONFIRMED], 1);
    end();
}
END_TEST

START_TEST(only_a_delete_by_a_handle_that_still_counted_is_taken_for_certain)
{
    begin(5);
    fake_deliver(&f, "a");
    handle_one(OUTCOME_DONE);
    fake_advance(&f, ACKS_DELAY_MS);
    fake_answer(&f, "o");
    ck_assert_uint_eq(f.core.known.counts[KNOWN_CONFIRMED], 1);
    fake_deliver(&f, "b");
    struct message *message = fake_take(&f);
    f.now_ms += 30000; /* nothing was extended; the delete goes by an old handle */
    fake_finish(&f, message, OUTCOME_DONE);
    fake_advance(&f, ACKS_DELAY_MS);
    fake_answer(&f, "f"); /* an extension, too late */
    fake_answer(&f, "o");
    ck_assert_int_eq(f.core.stats.deleted, 2);
    ck_assert_uint_eq(f.core.known.counts[KNOWN_CONFIRMED], 1);
    ck_assert_uint_eq(f.core.known.counts[KNOWN_UNCONFIRMED], 1);
    end();
}
END_TEST

START_TEST(a_lease_counts_from_when_the_reply_was_made)
{
    begin(5);
    f.reply_age_ms = 20000;
    fake_deliver(&f, "a");
    struct message *message = fake_take(&f);
    ck_assert_int_eq(atomic_load(&message->lease_until_ms), f.now_ms + 10000);
    ck_assert_int_eq(f.batch_count, 1); /* more than half is gone: extended at once */
    end();
}
END_TEST

START_TEST(what_comes_after_its_visibility_timeout_is_never_started)
{
    begin(5);
    f.reply_age_ms = 30000;
    fake_deliver(&f, "a b");
    ck_assert_ptr_null(fake_take(&f));
    ck_assert_int_eq(f.core.held_count, 0);
    ck_assert_int_eq(f.core.stats.lease_lost, 2);
    f.reply_age_ms = 0;
    fake_deliver_nth(&f, "a", 2); /* it comes again in time */
    handle_one(OUTCOME_DONE);
    ck_assert_int_eq(f.core.stats.redelivered, 0);
    end();
}
END_TEST

START_TEST(a_redelivery_renews_the_lease_and_old_extensions_say_nothing_of_it)
{
    begin(5);
    fake_deliver(&f, "a");
    struct message *message = fake_take(&f);
    fake_advance(&f, 15000);
    fake_advance(&f, 1000);
    ck_assert_int_eq(f.batch_count, 1);
    fake_deliver_nth(&f, "a", 2);
    ck_assert_int_eq(atomic_load(&message->lease_until_ms), f.now_ms + 30000);
    fake_answer(&f, "f"); /* of the handle before */
    ck_assert(!atomic_load(&message->lease_lost));
    ck_assert_int_eq(f.core.stats.lease_lost, 0);
    fake_finish(&f, message, OUTCOME_DONE);
    end();
}
END_TEST

START_TEST(a_message_that_comes_again_between_a_threads_verdict_and_its_hearing_is_handled)
{
    begin(1);
    fake_deliver(&f, "a");
    f.now_ms += 30000;
    ck_assert_ptr_null(fake_take(&f)); /* the thread finds its lease over */
    fake_deliver_nth(&f, "a", 2);
    ck_assert_int_eq(f.core.stats.lease_lost, 0);
    ck_assert_int_eq(f.core.held_count, 1);
    handle_one(OUTCOME_DONE);
    ck_assert_int_eq(f.core.stats.completed, 1);
    end();
}
END_TEST

START_TEST(a_delete_refused_for_its_handle_is_not_repeated)
{
    begin(5);
    fake_deliver(&f, "a");
    handle_one(OUTCOME_DONE);
    fake_advance(&f, ACKS_DELAY_MS);
    (void)fake_log(&f);
    fake_answer(&f, "f");
    fake_advance(&f, 20000);
    ASSERT_LOG("");
    ck_assert_int_eq(f.core.stats.lease_lost, 1);
    ck_assert_int_eq(f.core.stats.deleted, 0);
    end();
}
END_TEST

START_TEST(a_batch_refused_as_a_whole_is_split_into_single_entries)
{
    begin(5);
    fake_deliver(&f, "a b");
    handle_one(OUTCOME_DONE);
    handle_one(OUTCOME_DONE);
    fake_advance(&f, ACKS_DELAY_MS);
    (void)fake_log(&f);
    fake_fail_batch(&f, AWS_KIND_REQUEST);
    fake_advance(&f, ACKS_BACKOFF_MS);
    ASSERT_LOG("delete:a delete:b");
    fake_fail_batch(&f, AWS_KIND_REQUEST);
    fake_answer(&f, "o");
    ck_assert_int_eq(f.core.stats.deleted, 1);
    fake_advance(&f, 10000);
    ASSERT_LOG("");
    end();
}
END_TEST

START_TEST(a_message_redelivered_after_its_confirmed_delete_is_deleted_and_not_handled)
{
    begin(5);
    fake_deliver(&f, "a");
    handle_one(OUTCOME_DONE);
    fake_advance(&f, ACKS_DELAY_MS);
    fake_answer_all(&f);
    (void)fake_log(&f);
    fake_deliver_nth(&f, "a", 2);
    ck_assert_ptr_null(fake_take(&f));
    fake_advance(&f, ACKS_DELAY_MS);
    ASSERT_LOG("receive:10 delete:a");
    fake_answer_all(&f);
    end();
}
END_TEST

START_TEST(a_message_delivered_twice_while_held_is_handled_once_and_deleted_by_its_newest_handle)
{
    begin(5);
    fake_deliver(&f, "a a");
    struct message *message = fake_take(&f);
    ck_assert_ptr_null(fake_take(&f));
    fake_deliver_nth(&f, "a", 2);
    fake_finish(&f, message, OUTCOME_DONE);
    fake_advance(&f, ACKS_DELAY_MS);
    ck_assert_int_eq(f.batch_count, 1);
    ck_assert_str_eq(f.batches[0]->handles[0], "a#3");
    ck_assert_int_eq(f.core.stats.redelivered, 2);
    fake_answer_all(&f);
    end();
}
END_TEST

START_TEST(a_redelivery_while_its_delete_is_on_the_wire_is_deleted_with_the_new_handle)
{
    begin(5);
    fake_deliver(&f, "a");
    handle_one(OUTCOME_DONE);
    fake_advance(&f, ACKS_DELAY_MS);
    fake_deliver_nth(&f, "a", 2);
    fake_answer(&f, "o"); /* of the superseded handle: deletes nothing and says success */
    ck_assert_int_eq(f.core.stats.deleted, 0);
    fake_advance(&f, ACKS_DELAY_MS);
    ck_assert_int_eq(f.batch_count, 1);
    ck_assert_str_eq(f.batches[0]->handles[0], "a#2");
    fake_answer_all(&f);
    ck_assert_int_eq(f.core.stats.deleted, 1);
    end();
}
END_TEST

START_TEST(all_held_messages_are_extended_in_batches_when_half_their_time_is_over)
{
    begin(12);
    fake_deliver_many(&f, "m", 10);
    fake_deliver(&f, "n0 n1");
    for (int i = 0; i < 5; i++)
        (void)fake_take(&f); /* five run, seven wait: all are covered */
    (void)fake_log(&f);
    fake_advance(&f, 14999);
    ASSERT_LOG("");
    fake_advance(&f, 1);
    ASSERT_LOG("change:m0=30,m1=30,m2=30,m3=30,m4=30,m5=30,m6=30,m7=30,m8=30,m9=30 change:n0=30,n1=30");
    fake_answer_all(&f);
    ck_assert_int_eq(f.core.stats.extended, 12);
    fake_advance(&f, 14999);
    ASSERT_LOG("");
    fake_advance(&f, 1);
    ck_assert_int_eq(f.batch_count, 2);
    fake_answer_all(&f);
    ck_assert_int_eq(f.core.stats.lease_lost, 0);
    end();
}
END_TEST

START_TEST(a_failed_extension_entry_is_sent_again_in_time)
{
    begin(5);
    fake_deliver(&f, "a b");
    (void)fake_take(&f);
    fake_advance(&f, 15000);
    (void)fake_log(&f);
    fake_answer(&f, "ro");
    fake_advance(&f, 1000);
    ASSERT_LOG("change:a=30");
    fake_answer(&f, "o");
    ck_assert_int_eq(f.core.stats.extended, 2);
    ck_assert_int_eq(f.core.stats.lease_lost, 0);
    end();
}
END_TEST

START_TEST(an_extension_counts_from_its_sending_and_not_from_its_answer)
{
    begin(5);
    fake_deliver(&f, "a");
    struct message *message = fake_take(&f);
    int64_t received_ms = f.now_ms;
    fake_advance(&f, 15000);
    fake_advance(&f, 4000); /* SQS may have begun to count at any time since the sending */
    fake_answer(&f, "o");
    ck_assert_int_eq(atomic_load(&message->lease_until_ms), received_ms + 15000 + 30000);
    end();
}
END_TEST

START_TEST(an_extension_that_is_not_answered_is_sent_again_beside_the_first)
{
    begin(5);
    fake_deliver(&f, "a");
    struct message *message = fake_take(&f);
    fake_advance(&f, 15000);
    (void)fake_log(&f);
    fake_advance(&f, 5000);
    ASSERT_LOG("change:a=30");
    fake_advance(&f, 20000);
    ck_assert_int_eq(f.core.stats.lease_lost, 1);
    ck_assert(atomic_load(&message->lease_lost));
    fake_answer_all(&f); /* late, but granted: the lease is ours again */
    ck_assert(!atomic_load(&message->lease_lost));
    end();
}
END_TEST

START_TEST(a_waiting_message_whose_lease_is_refused_is_dropped_and_never_handled)
{
    begin(1);
    fake_deliver(&f, "a b");
    struct message *message = fake_take(&f);
    fake_advance(&f, 15000);
    (void)fake_log(&f);
    fake_answer(&f, "of");
    ck_assert_int_eq(f.core.stats.lease_lost, 1);
    ck_assert_int_eq(f.core.held_count, 1);
    fake_finish(&f, message, OUTCOME_DONE);
    ck_assert_ptr_null(fake_take(&f));
    fake_deliver_nth(&f, "b", 2); /* it comes back and is handled then */
    handle_one(OUTCOME_DONE);
    ck_assert_int_eq(f.core.stats.redelivered, 0);
    ck_assert_int_eq(f.core.stats.completed, 2);
    end();
}
END_TEST

START_TEST(the_last_delete_of_a_row_does_not_wait_for_a_batch)
{
    begin(2);
    fake_deliver(&f, "a b");
    struct message *a = fake_take(&f);
    struct message *b = fake_take(&f);
    (void)fake_log(&f);
    fake_advance(&f, ACKS_QUIET_MS);
    fake_finish(&f, a, OUTCOME_DONE); /* b's may join it */
    ck_assert_ptr_null(strstr(fake_log(&f), "delete"));
    fake_finish(&f, b, OUTCOME_DONE);
    ck_assert_ptr_nonnull(strstr(fake_log(&f), "delete:a,b"));
    fake_answer_all(&f);
    (void)fake_log(&f);
    fake_deliver(&f, "c"); /* more may come as quickly */
    fake_advance(&f, ACKS_QUIET_MS - 1);
    fake_finish(&f, fake_take(&f), OUTCOME_DONE);
    ck_assert_ptr_null(strstr(fake_log(&f), "delete"));
    fake_advance(&f, ACKS_DELAY_MS);
    ck_assert_ptr_nonnull(strstr(fake_log(&f), "delete:c"));
    end();
}
END_TEST

START_TEST(a_running_message_that_lost_its_lease_is_flagged_and_its_delete_still_tried)
{
    begin(1);
    fake_deliver(&f, "a");
    struct message *message = fake_take(&f);
    fake_advance(&f, 15000);
    fake_answer(&f, "f");
    ck_assert(atomic_load(&message->lease_lost));
    (void)fake_log(&f);
    fake_advance(&f, 20000);
    ck_assert_ptr_null(strstr(fake_log(&f), "change")); /* no more extensions for it */
    fake_finish(&f, message, OUTCOME_DONE);
    ASSERT_LOG("delete:a receive:1");
    fake_answer(&f, "o");
    /* Success may mean nothing for a superseded handle: should it come back, it is not handled again. */
    fake_deliver_nth(&f, "a", 2);
    ck_assert_ptr_null(fake_take(&f));
    ck_assert_int_eq(f.core.stats.redelivered, 1);
    end();
}
END_TEST

START_TEST(a_failed_handler_whose_lease_is_lost_asks_nothing_of_sqs)
{
    begin(1);
    fake_deliver(&f, "a");
    struct message *message = fake_take(&f);
    fake_advance(&f, 15000);
    fake_answer(&f, "f");
    (void)fake_log(&f);
    fake_finish(&f, message, OUTCOME_FAILED);
    fake_advance(&f, 1000);
    ASSERT_LOG("");
    ck_assert_int_eq(f.core.stats.lease_lost, 1);
    ck_assert_int_eq(f.core.stats.failed, 0); /* it gave up because it was told to */
    end();
}
END_TEST

START_TEST(a_message_whose_lease_ran_out_before_its_turn_is_never_started)
{
    begin(1);
    fake_deliver(&f, "a");
    f.now_ms += 30000; /* the I/O thread was stuck: no extension, and the thread is the first to look */
    ck_assert_ptr_null(fake_take(&f));
    core_on_wakeup(&f.core, f.now_ms);
    ck_assert_int_eq(f.core.stats.lease_lost, 1);
    ck_assert_int_eq(f.core.stats.completed + f.core.stats.failed, 0);
    ck_assert_int_eq(f.core.held_count, 0);
    end();
}
END_TEST

START_TEST(extensions_end_at_twelve_hours_from_the_receive)
{
    begin(1);
    fake_deliver(&f, "a");
    (void)fake_take(&f);
    int64_t start_ms = f.now_ms;
    int last = 0;
    int64_t last_ms = 0;
    for (int i = 0; i < 20000 && f.core.stats.lease_lost == 0; i++) {
        fake_advance(&f, 1000);
        for (; f.batch_count > 0; fake_answer(&f, "o")) {
            last = f.batches[0]->seconds[0];
            last_ms = f.now_ms;
            ck_assert_int_le(f.now_ms - start_ms + (int64_t)last * 1000, 43200000 - 5000);
        }
        f.now_ms += f.core.stats.extended > 5 && f.now_ms - start_ms < 43000000 ? 9000 : 0;
    }
    ck_assert_int_eq(f.core.stats.lease_lost, 1);
    ck_assert_int_gt(last_ms - start_ms, 43200000 - 40000);
    ck_assert_int_le(last, 30);
    end();
}
END_TEST

START_TEST(a_failed_message_is_shown_again_after_a_delay_that_grows_and_is_not_deleted)
{
    static const struct {
        int receive_count, delay_s;
    } ROWS[] = {{0, 1}, {1, 1}, {2, 2}, {3, 5}, {4, 10}, {5, 20}, {6, 30}, {1000, 30}};
    begin(1);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        fake_deliver_nth(&f, "a", ROWS[i].receive_count);
        (void)fake_log(&f);
        handle_one(OUTCOME_FAILED);
        (void)fake_log(&f);
        fake_advance(&f, ACKS_DELAY_MS);
        int delay_s = 0;
        ck_assert_int_eq(sscanf(fake_log(&f), "change:a=%d", &delay_s), 1);
        ck_assert_int_ge(delay_s * 5, ROWS[i].delay_s * 4);
        ck_assert_int_le(delay_s * 5, ROWS[i].delay_s * 6);
        fake_answer_all(&f);
    }
    ck_assert_int_eq(f.core.stats.failed, (int64_t)(sizeof ROWS / sizeof *ROWS));
    ck_assert_int_eq(f.core.stats.returned, 0);
    ck_assert_int_eq(f.core.stats.deleted, 0);
    end();
}
END_TEST

START_TEST(a_hand_back_waits_for_the_extension_that_is_under_way)
{
    begin(1);
    fake_deliver(&f, "a");
    struct message *message = fake_take(&f);
    fake_advance(&f, 15000);
    (void)fake_log(&f);
    fake_finish(&f, message, OUTCOME_FAILED);
    fake_advance(&f, 100);
    ASSERT_LOG("");
    fake_answer(&f, "o");
    fake_advance(&f, ACKS_DELAY_MS);
    ASSERT_LOG("change:a=1");
    fake_answer_all(&f);
    end();
}
END_TEST

START_TEST(held_and_coming_messages_never_exceed_capacity_and_ten)
{
    begin(5);
    fake_deliver_many(&f, "m", 10);
    ASSERT_LOG("receive:10"); /* the first one; with ten held a batch does not fit any more */
    for (int i = 0; i < 4; i++)
        handle_one(OUTCOME_DONE);
    fake_advance(&f, ACKS_DELAY_MS);
    ASSERT_LOG("delete:m0,m1,m2,m3");
    handle_one(OUTCOME_DONE);
    fake_advance(&f, 1);
    ASSERT_LOG("receive:10");
    fake_deliver_many(&f, "n", 10);
    ck_assert_int_eq(f.core.held_count, 15);
    ck_assert_int_eq(f.poll_count, 0);
    end();
}
END_TEST

START_TEST(a_lower_limit_hands_back_the_newest_waiting_messages)
{
    begin(5);
    fake_deliver_many(&f, "m", 10);
    for (int i = 0; i < 5; i++)
        ck_assert_ptr_nonnull(fake_take(&f));
    (void)fake_log(&f);
    core_set_limit(&f.core, f.now_ms, 0);
    fake_advance(&f, ACKS_DELAY_MS);
    ASSERT_LOG("change:m9=0,m8=0,m7=0,m6=0,m5=0");
    fake_answer_all(&f);
    ck_assert_int_eq(f.core.stats.returned, 5);
    ck_assert_int_eq(f.core.capacity, 0);
    (void)fake_log(&f);
    fake_advance(&f, 100);
    ASSERT_LOG("");
    core_set_limit(&f.core, f.now_ms, 100);
    ck_assert_int_eq(f.core.capacity, 5);
    ASSERT_LOG("receive:10");
    end();
}
END_TEST

START_TEST(what_was_handled_within_the_wake_is_deleted_at_once)
{
    begin(20);
    f.quick = true;
    f.wakes = 0;
    (void)fake_log(&f);
    fake_deliver_many(&f, "m", 10);
    ck_assert_ptr_nonnull(strstr(fake_log(&f), "delete:"));
    ck_assert_int_eq(f.core.deletes.on_wire, 10);
    ck_assert_int_eq(f.wakes, 1);
    fake_answer_all(&f);
    ck_assert_int_eq(f.core.stats.deleted, 10);
    end();
}
END_TEST

UNIT_MAIN(
    "core", a_message_is_deleted_after_it_was_handled_and_not_before,
    ten_deletes_go_at_once_and_fewer_wait_a_moment_for_more,
    a_failed_delete_entry_is_sent_again_and_the_others_are_not,
    deletes_that_fail_beyond_the_lease_are_given_up_but_for_one_and_the_ids_remembered,
    a_message_whose_delete_is_not_answered_stays_ours,
    deletes_are_retried_as_long_as_the_lease_can_be_extended, nothing_is_fetched_while_deletes_are_refused,
    when_the_last_refused_delete_is_given_up_the_next_message_finds_out,
    one_entry_that_is_always_refused_does_not_stop_the_worker,
    only_a_delete_by_a_handle_that_still_counted_is_taken_for_certain,
    a_lease_counts_from_when_the_reply_was_made, what_comes_after_its_visibility_timeout_is_never_started,
    a_redelivery_renews_the_lease_and_old_extensions_say_nothing_of_it,
    a_message_that_comes_again_between_a_threads_verdict_and_its_hearing_is_handled,
    a_delete_refused_for_its_handle_is_not_repeated, a_batch_refused_as_a_whole_is_split_into_single_entries,
    a_message_redelivered_after_its_confirmed_delete_is_deleted_and_not_handled,
    a_message_delivered_twice_while_held_is_handled_once_and_deleted_by_its_newest_handle,
    a_redelivery_while_its_delete_is_on_the_wire_is_deleted_with_the_new_handle,
    all_held_messages_are_extended_in_batches_when_half_their_time_is_over,
    a_failed_extension_entry_is_sent_again_in_time,
    an_extension_counts_from_its_sending_and_not_from_its_answer,
    an_extension_that_is_not_answered_is_sent_again_beside_the_first,
    a_waiting_message_whose_lease_is_refused_is_dropped_and_never_handled,
    the_last_delete_of_a_row_does_not_wait_for_a_batch,
    a_running_message_that_lost_its_lease_is_flagged_and_its_delete_still_tried,
    a_failed_handler_whose_lease_is_lost_asks_nothing_of_sqs,
    a_message_whose_lease_ran_out_before_its_turn_is_never_started,
    extensions_end_at_twelve_hours_from_the_receive,
    a_failed_message_is_shown_again_after_a_delay_that_grows_and_is_not_deleted,
    a_hand_back_waits_for_the_extension_that_is_under_way,
    held_and_coming_messages_never_exceed_capacity_and_ten,
    a_lower_limit_hands_back_the_newest_waiting_messages, what_was_handled_within_the_wake_is_deleted_at_once)
