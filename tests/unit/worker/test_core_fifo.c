/* The core on a FIFO queue, with a fake SQS and invented time: order within groups, what goes back, attempt
 * ids. A message "a12" is of group "a". */
#include "tests/unit/unit.h"

#include "tests/unit/worker/fake_sqs.h"

static struct fake f;

static void begin(int capacity)
{
    struct core_settings settings = fake_settings(capacity);
    settings.fifo = true;
    fake_init(&f, &settings);
}

static void end(void)
{
    fake_clean_up(&f);
    ck_assert_int_eq(f.live, 0);
}

#define ASSERT_LOG(want) ck_assert_str_eq(fake_log(&f), (want))

/* A thread takes a message, which must be this one. */
static struct message *take(const char *id)
{
    struct message *message = fake_take(&f);
    ck_assert_msg(message != NULL, "%s does not start", id);
    ck_assert_str_eq(message->first->id, id);
    return message;
}

static void take_none(void)
{
    ck_assert_ptr_null(fake_take(&f));
}

/* Deletes and hand-backs that wait for their batch go. */
static const char *flush(void)
{
    fake_advance(&f, ACKS_DELAY_MS);
    return fake_log(&f);
}

START_TEST(messages_of_a_group_start_one_after_the_other_and_groups_side_by_side)
{
    begin(10);
    fake_deliver(&f, "a1 a2 b1 a3 b2");
    struct message *a = take("a1");
    struct message *b = take("b1");
    take_none();
    fake_finish(&f, b, OUTCOME_DONE);
    b = take("b2");
    take_none();
    fake_finish(&f, a, OUTCOME_DONE);
    a = take("a2"); /* the delete of a1 is not even sent */
    take_none();
    fake_finish(&f, a, OUTCOME_DONE);
    fake_finish(&f, take("a3"), OUTCOME_DONE);
    fake_finish(&f, b, OUTCOME_DONE);
    (void)fake_log(&f);
    ck_assert_str_eq(flush(), "delete:b1,a1,a2,a3,b2");
    fake_answer_all(&f);
    ck_assert_int_eq(f.core.stats.deleted, 5);
    end();
}
END_TEST

START_TEST(what_stands_behind_a_failure_goes_back_unstarted)
{
    static const enum message_outcome OUTCOMES[] = {OUTCOME_FAILED, OUTCOME_RETRY, OUTCOME_REJECTED};
    for (size_t i = 0; i < sizeof OUTCOMES / sizeof OUTCOMES[0]; i++) {
        begin(10);
        fake_deliver(&f, "a1 a2 a3 b1 b2");
        struct message *a = take("a1");
        struct message *b = take("b1");
        a->retry_delay_s = 7;
        (void)fake_log(&f);
        fake_finish(&f, a, OUTCOMES[i]);
        take_none();
        ck_assert_str_eq(flush(), "change:a3=0,a2=0,a1=7");
        fake_answer_all(&f);
        ck_assert_int_eq(f.core.stats.returned, 2);
        fake_finish(&f, b, OUTCOME_DONE);
        (void)take("b2"); /* the other group does not notice */
        end();
    }
}
END_TEST

START_TEST(between_a_failure_and_its_collection_nothing_of_the_group_starts)
{
    begin(10);
    fake_deliver(&f, "a1 a2");
    struct message *a = take("a1");
    (void)pthread_mutex_lock(&f.dispatch.lock);
    a->outcome = OUTCOME_FAILED;
    dispatch_finish(&f.dispatch, a); /* the I/O thread has not heard of it */
    (void)pthread_mutex_unlock(&f.dispatch.lock);
    take_none();
    core_on_wakeup(&f.core, f.now_ms);
    take_none();
    end();
}
END_TEST

START_TEST(a_group_that_went_back_comes_again_and_goes_on_in_order)
{
    begin(10);
    fake_deliver(&f, "a1 a2");
    fake_finish(&f, take("a1"), OUTCOME_FAILED);
    (void)flush();
    fake_deliver(&f, "a1 a2"); /* SQS was quicker than its answer to the hand-back */
    fake_finish(&f, take("a1"), OUTCOME_DONE);
    fake_answer_all(&f);
    fake_finish(&f, take("a2"), OUTCOME_DONE);
    (void)flush();
    fake_answer_all(&f);
    ck_assert_int_eq(f.core.stats.deleted, 2);
    ck_assert_int_eq(f.core.held_count, 0);
    end();
}
END_TEST

START_TEST(a_lost_lease_sends_back_what_stands_behind_and_the_running_one_still_comes_first)
{
    begin(10);
    fake_deliver(&f, "a1 a2 b1");
    struct message *a = take("a1");
    fake_advance(&f, 15000); /* extensions go */
    (void)fake_log(&f);
    fake_answer(&f, "fo"); /* that of a1 is refused */
    ck_assert(a->lease.lost);
    ck_assert_str_eq(flush(), "change:a2=0");
    fake_answer_all(&f);
    fake_deliver(&f, "a1 a2"); /* our handler has a1 still, and now its lease again */
    (void)take("b1");
    take_none();
    fake_finish(&f, a, OUTCOME_DONE);
    (void)take("a2");
    end();
}
END_TEST

START_TEST(leases_that_end_together_drop_the_group_once)
{
    begin(1);
    fake_deliver(&f, "a1 a2 a3 b1 b2");
    struct message *a = take("a1");
    f.now_ms += 30000; /* no extension was answered, or even sent: the process stood still */
    core_on_wakeup(&f.core, f.now_ms);
    ck_assert_int_eq(f.core.stats.lease_lost, 5);
    ck_assert_int_eq(f.core.held_count, 1);
    fake_finish(&f, a, OUTCOME_DONE);
    take_none();
    end();
}
END_TEST

START_TEST(a_message_whose_lease_ended_before_its_turn_stops_its_group)
{
    begin(1);
    fake_deliver(&f, "b1 a1 a2");
    struct message *b = take("b1");
    f.now_ms += 30000;
    (void)pthread_mutex_lock(&f.dispatch.lock);
    b->outcome = OUTCOME_DONE;
    dispatch_finish(&f.dispatch, b);
    ck_assert_ptr_null(dispatch_take(&f.dispatch, f.now_ms)); /* a1 has lapsed, a2 is behind it */
    (void)pthread_mutex_unlock(&f.dispatch.lock);
    core_on_wakeup(&f.core, f.now_ms);
    take_none();
    ck_assert_int_eq(f.core.held_count, 0);
    end();
}
END_TEST

START_TEST(a_drain_hands_back_from_the_end)
{
    begin(2);
    fake_deliver(&f, "a1 a2 b1 a3 c1 c2");
    struct message *a = take("a1");
    (void)take("b1");
    (void)fake_log(&f);
    core_drain(&f.core, f.now_ms, "TERM");
    ck_assert_str_eq(fake_log(&f), "change:c2=0,a3=0,a2=0,c1=0");
    fake_finish(&f, a, OUTCOME_DONE);
    take_none();
    end();
}
END_TEST

START_TEST(a_lower_limit_hands_back_whole_groups_from_their_ends)
{
    begin(20);
    fake_deliver(&f, "a1 a2 b1 b2 b3");
    struct message *a = take("a1");
    (void)fake_log(&f);
    core_set_limit(&f.core, f.now_ms, 0);
    ck_assert_str_eq(flush(), "change:b3=0,b2=0,b1=0");
    fake_answer_all(&f);
    fake_finish(&f, a, OUTCOME_DONE); /* a2's turn, but there are no slots */
    take_none();
    ck_assert_str_eq(flush(), "delete:a1 change:a2=0");
    end();
}
END_TEST

START_TEST(what_waits_behind_others_leaves_room_to_fetch_other_groups)
{
    begin(3);
    fake_deliver(&f, "a1 a2 a3 a4 a5 a6 a7 a8 a9 a10");
    ASSERT_LOG("receive:10 receive:10"); /* nine of ten need no slot */
    (void)take("a1");
    fake_deliver(&f, "b1 b2 b3 b4 b5 b6 b7 b8 b9 b10");
    (void)take("b1");
    fake_deliver(&f, "c1 d1 e1 f1 g1 h1 i1 j1 k1 l1");
    ck_assert_int_eq(f.core.held_count, 30);
    struct flow_view view = core_flow_view(&f.core, f.now_ms);
    ck_assert_int_eq(view.held, 12);
    ck_assert_int_le(view.held + view.polled, 3 + FLOW_PREFETCH_MAX);
    end();
}
END_TEST

START_TEST(a_redelivery_of_what_is_done_is_deleted_and_holds_up_nobody)
{
    begin(10);
    fake_deliver(&f, "a1");
    fake_finish(&f, take("a1"), OUTCOME_DONE);
    (void)flush();
    fake_answer(&f, "f"); /* its delete came too late */
    fake_deliver(&f, "a1 a2");
    (void)take("a2");
    take_none();
    (void)fake_log(&f);
    ck_assert_str_eq(flush(), "delete:a1");
    ck_assert_int_eq(f.core.stats.duplicates, 1);
    end();
}
END_TEST

START_TEST(a_reply_with_a_broken_body_goes_back_whole)
{
    struct sqs_message *messages[2];
    struct sqs_receive_reply reply = {.messages = messages, .count = 2, .bad_md5 = 1};
    struct aws_result ok = {.kind = AWS_KIND_OK};
    begin(10);
    struct core_poll *poll = f.polls[0];
    fake_drop_poll(&f, poll);
    messages[0] = fake_message(&f, "a2", 1);
    messages[1] = fake_message(&f, "b1", 1);
    core_on_receive(&f.core, poll, f.now_ms, &ok, &reply);
    take_none(); /* a1 may be the one that is left out */
    (void)fake_log(&f);
    ck_assert_str_eq(flush(), "change:a2=0,b1=0");
    end();
}
END_TEST

START_TEST(a_receive_whose_answer_was_lost_is_asked_again_under_its_id)
{
    char first[CORE_ATTEMPT_ID_BYTES];
    char second[CORE_ATTEMPT_ID_BYTES];
    begin(10);
    memcpy(first, f.polls[0]->attempt_id, sizeof first);
    ck_assert_uint_eq(strlen(first), CORE_ATTEMPT_ID_BYTES - 1);
    fake_fail_poll(&f, AWS_KIND_TRANSIENT);
    fake_advance(&f, 1000);
    ck_assert_int_eq(f.poll_count, 1);
    ck_assert_str_eq(f.polls[0]->attempt_id, first);
    fake_fail_poll(&f, AWS_KIND_BAD_REPLY);
    fake_advance(&f, 1000);
    ck_assert_str_eq(f.polls[0]->attempt_id, first);
    fake_deliver(&f, "a1"); /* answered: over */
    memcpy(second, f.polls[0]->attempt_id, sizeof second);
    ck_assert_str_ne(second, first);
    fake_fail_poll(&f, AWS_KIND_THROTTLED); /* brought nothing for certain */
    fake_advance(&f, 1000);
    ck_assert_str_ne(f.polls[0]->attempt_id, first);
    ck_assert_str_ne(f.polls[0]->attempt_id, second);
    memcpy(second, f.polls[0]->attempt_id, sizeof second);
    fake_fail_poll_with(&f, AWS_KIND_BAD_REPLY, "ReplyTooLarge"); /* would be too large again */
    fake_advance(&f, 1000);
    ck_assert_str_ne(f.polls[0]->attempt_id, second);
    end();
}
END_TEST

START_TEST(an_id_of_a_lost_answer_is_forgotten_when_its_messages_are_visible_again)
{
    char first[CORE_ATTEMPT_ID_BYTES];
    begin(10);
    memcpy(first, f.polls[0]->attempt_id, sizeof first);
    core_set_limit(&f.core, f.now_ms, 0); /* no poll follows */
    fake_fail_poll(&f, AWS_KIND_TRANSIENT);
    fake_advance(&f, 30000);
    core_set_limit(&f.core, f.now_ms, 10);
    ck_assert_int_eq(f.poll_count, 1);
    ck_assert_str_ne(f.polls[0]->attempt_id, first);
    end();
}
END_TEST

START_TEST(a_standard_queue_has_neither_groups_nor_attempt_ids)
{
    struct core_settings settings = fake_settings(10);
    fake_init(&f, &settings);
    ck_assert_str_eq(f.polls[0]->attempt_id, "");
    fake_deliver(&f, "a1 a2");
    (void)take("a1");
    (void)take("a2");
    end();
}
END_TEST

START_TEST(receives_behind_others_do_not_make_a_message_poison)
{
    struct core_settings settings = fake_settings(10);
    settings.fifo = settings.dlq = true;
    settings.max_receives = 2;
    fake_init(&f, &settings);
    fake_deliver_nth(&f, "a1 a2", 3);
    fake_finish(&f, take("a1"), OUTCOME_DONE);
    struct message *a = take("a2");
    fake_finish(&f, a, OUTCOME_REJECTED);
    (void)fake_log(&f);
    ck_assert_str_eq(flush(), "quarantine:a2 delete:a1");
    end();
}
END_TEST

START_TEST(what_stands_behind_a_quarantined_message_goes_back)
{
    struct core_settings settings = fake_settings(10);
    settings.fifo = settings.dlq = true;
    fake_init(&f, &settings);
    fake_deliver(&f, "a1 a2");
    struct message *a = take("a1");
    fake_finish(&f, a, OUTCOME_REJECTED);
    take_none();
    (void)fake_log(&f);
    ck_assert_str_eq(flush(), "change:a2=0 quarantine:a1"); /* SQS keeps the group until a1 is deleted */
    end();
}
END_TEST

UNIT_MAIN("core_fifo", messages_of_a_group_start_one_after_the_other_and_groups_side_by_side,
          what_stands_behind_a_failure_goes_back_unstarted,
          between_a_failure_and_its_collection_nothing_of_the_group_starts,
          a_group_that_went_back_comes_again_and_goes_on_in_order,
          a_lost_lease_sends_back_what_stands_behind_and_the_running_one_still_comes_first,
          leases_that_end_together_drop_the_group_once,
          a_message_whose_lease_ended_before_its_turn_stops_its_group, a_drain_hands_back_from_the_end,
          a_lower_limit_hands_back_whole_groups_from_their_ends,
          what_waits_behind_others_leaves_room_to_fetch_other_groups,
          a_redelivery_of_what_is_done_is_deleted_and_holds_up_nobody,
          a_reply_with_a_broken_body_goes_back_whole,
          a_receive_whose_answer_was_lost_is_asked_again_under_its_id,
          an_id_of_a_lost_answer_is_forgotten_when_its_messages_are_visible_again,
          a_standard_queue_has_neither_groups_nor_attempt_ids,
          receives_behind_others_do_not_make_a_message_poison,
          what_stands_behind_a_quarantined_message_goes_back)
