/* Receives that wait: who is woken, when, with what, and what happens when they leave. */
#include "tests/unit/localaws/world.h"

enum { WAITERS = 4 };

struct listener {
    struct sqs_waiter waiter;
    int calls;
    enum sqs_wait_end end;
    size_t count;
    char bodies[SQS_BATCH_MAX][16];
    int order; /* of the call among all */
};

static int g_order;

static void heard(struct sqs_waiter *waiter, enum sqs_wait_end end, struct sqs_message *const *messages,
                  size_t count)
{
    struct listener *l = (struct listener *)(void *)waiter;
    ck_assert_ptr_null(waiter->queue); /* it is detached before the call */
    l->calls++;
    l->end = end;
    l->count = count;
    l->order = ++g_order;
    for (size_t i = 0; i < count; i++)
        (void)snprintf(l->bodies[i], sizeof l->bodies[i], "%.*s", (int)messages[i]->body.len,
                       messages[i]->body.at);
}

static void listen(struct world *w, struct sqs_queue *queue, struct listener *l, size_t max, int64_t wait_ms)
{
    *l = (struct listener){.waiter = {.max = max, .visibility_ms = 30000, .fn = heard}};
    sqs_engine_wait(w->engine, queue, &l->waiter, w->now_ms + wait_ms);
    sqs_engine_settle(w->engine, w->now_ms);
}

START_TEST(a_waiting_receive_is_answered_the_moment_a_message_is_sent)
{
    struct world w = world_new();
    struct listener l;
    listen(&w, w.queue, &l, 10, 20000);
    ck_assert_int_eq(l.calls, 0);
    world_send(&w, "a");
    ck_assert_int_eq(l.calls, 1);
    ck_assert_int_eq(l.end, SQS_WAIT_MESSAGES);
    ck_assert_uint_eq(l.count, 1);
    ck_assert_str_eq(l.bodies[0], "a");
    world_expect_counts(w.queue, 0, 1, 0);
    world_pass(&w, 20000);
    ck_assert_int_eq(l.calls, 1);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_batch_wakes_one_receive_with_all_of_it)
{
    struct world w = world_new();
    struct listener l;
    struct listener later;
    listen(&w, w.queue, &l, 10, 20000);
    listen(&w, w.queue, &later, 10, 20000);
    for (int i = 0; i < 10; i++) {
        struct sqs_message_spec spec = {.body = slice_of("m")};
        (void)sqs_engine_send(w.engine, w.queue, &spec, -1, w.now_ms);
    }
    sqs_engine_settle(w.engine, w.now_ms);
    ck_assert_uint_eq(l.count, 10);
    ck_assert_int_eq(later.calls, 0);
    world_clean_up(&w);
}
END_TEST

START_TEST(receives_are_served_first_come_first_served_up_to_their_maximum)
{
    struct world w = world_new();
    struct listener l[WAITERS];
    static const size_t MAX[WAITERS] = {2, 1, 3, 10};
    g_order = 0;
    for (int i = 0; i < WAITERS; i++)
        listen(&w, w.queue, &l[i], MAX[i], 20000);
    for (int i = 0; i < 7; i++) {
        struct sqs_message_spec spec = {.body = slice_of("m")};
        (void)sqs_engine_send(w.engine, w.queue, &spec, -1, w.now_ms);
    }
    sqs_engine_settle(w.engine, w.now_ms);
    for (int i = 0; i < WAITERS; i++) {
        ck_assert_int_eq(l[i].order, i + 1);
        ck_assert_uint_eq(l[i].count, i < 3 ? MAX[i] : 1);
    }
    world_clean_up(&w);
}
END_TEST

START_TEST(a_wait_ends_empty_at_its_time)
{
    struct world w = world_new();
    struct listener l;
    listen(&w, w.queue, &l, 10, 20000);
    ck_assert_int_eq(sqs_engine_next_ms(w.engine), w.now_ms + 20000);
    world_pass(&w, 19999);
    ck_assert_int_eq(l.calls, 0);
    world_pass(&w, 1);
    ck_assert_int_eq(l.calls, 1);
    ck_assert_int_eq(l.end, SQS_WAIT_TIMEOUT);
    ck_assert_int_eq(sqs_engine_next_ms(w.engine), INT64_MAX);
    ck_assert_uint_eq(w.queue->stats.empty_receives, 1);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_wait_that_ends_with_the_visibility_of_a_message_gets_the_message)
{
    struct world w = world_new();
    struct listener l;
    world_send(&w, "a");
    (void)world_receive(&w, w.queue, 1, 20000);
    listen(&w, w.queue, &l, 10, 20000);
    world_pass(&w, 20000);
    ck_assert_int_eq(l.end, SQS_WAIT_MESSAGES);
    ck_assert_uint_eq(l.count, 1);
    world_clean_up(&w);
}
END_TEST

START_TEST(expiry_delay_and_release_wake_a_receive_too)
{
    struct world w = world_new();
    struct listener l;
    world_send(&w, "expiry");
    (void)world_receive(&w, w.queue, 1, 1000);
    listen(&w, w.queue, &l, 1, 20000);
    world_pass(&w, 1000);
    ck_assert_str_eq(l.bodies[0], "expiry");

    world_send_delayed(&w, w.queue, "delay", 3);
    listen(&w, w.queue, &l, 1, 20000);
    world_pass(&w, 2999);
    ck_assert_int_eq(l.calls, 0);
    world_pass(&w, 1);
    ck_assert_str_eq(l.bodies[0], "delay");

    world_send(&w, "release");
    struct catch c = world_receive(&w, w.queue, 1, 20000);
    listen(&w, w.queue, &l, 1, 15000);
    ck_assert_int_eq(world_change(&w, c.handles[0], 0), SQS_OK);
    ck_assert_str_eq(l.bodies[0], "release");
    world_clean_up(&w);
}
END_TEST

START_TEST(a_receive_that_left_takes_nothing)
{
    struct world w = world_new();
    struct listener gone;
    struct listener here;
    listen(&w, w.queue, &gone, 10, 20000);
    listen(&w, w.queue, &here, 10, 20000);
    sqs_engine_cancel(w.engine, &gone.waiter);
    sqs_engine_cancel(w.engine, &gone.waiter); /* twice does no harm */
    world_send(&w, "a");
    ck_assert_int_eq(gone.calls, 0);
    ck_assert_int_eq(here.calls, 1);
    world_pass(&w, 20000);
    ck_assert_int_eq(gone.calls, 0);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_deleted_queue_ends_the_waits_on_it)
{
    struct world w = world_new();
    struct listener l[2];
    listen(&w, w.queue, &l[0], 10, 20000);
    listen(&w, w.queue, &l[1], 10, 20000);
    sqs_engine_delete(w.engine, w.queue, w.now_ms);
    sqs_engine_settle(w.engine, w.now_ms);
    ck_assert_int_eq(l[0].end, SQS_WAIT_DELETED);
    ck_assert_int_eq(l[1].end, SQS_WAIT_DELETED);
    ck_assert_int_eq(sqs_engine_next_ms(w.engine), INT64_MAX);
    world_clean_up(&w);
}
END_TEST

START_TEST(redrive_wakes_a_receive_on_the_dead_letter_queue)
{
    struct world w = world_new();
    struct sqs_queue *dead = world_queue(&w, "dead");
    struct listener source;
    struct listener target;
    ck_assert_int_eq(
        world_set(
            &w, w.queue, "RedrivePolicy",
            "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:123456789012:dead\",\"maxReceiveCount\":1}"),
        SQS_OK);
    world_send(&w, "bad");
    (void)world_receive(&w, w.queue, 1, 1000);
    listen(&w, dead, &target, 1, 20000);
    listen(&w, w.queue, &source, 1, 20000); /* the waiting receive is what moves it */
    world_pass(&w, 1000);
    ck_assert_int_eq(source.calls, 0);
    ck_assert_str_eq(target.bodies[0], "bad");
    world_clean_up(&w);
}
END_TEST

START_TEST(at_the_in_flight_limit_a_wait_goes_on_until_there_is_room)
{
    struct world w = world_new();
    struct listener l;
    struct catch c = {.count = 0};
    for (int i = 0; i < SQS_IN_FLIGHT_MAX + 1; i++)
        world_send(&w, "x");
    for (int i = 0; i < SQS_IN_FLIGHT_MAX / 10; i++)
        c = world_receive(&w, w.queue, 10, 3600000);
    listen(&w, w.queue, &l, 10, 20000);
    world_pass(&w, 10000);
    ck_assert_int_eq(l.calls, 0);
    ck_assert_int_eq(world_delete(&w, c.handles[0]), SQS_OK);
    ck_assert_uint_eq(l.count, 1);
    world_clean_up(&w);
}
END_TEST

UNIT_MAIN("localaws_long_poll", a_waiting_receive_is_answered_the_moment_a_message_is_sent,
          a_batch_wakes_one_receive_with_all_of_it,
          receives_are_served_first_come_first_served_up_to_their_maximum, a_wait_ends_empty_at_its_time,
          a_wait_that_ends_with_the_visibility_of_a_message_gets_the_message,
          expiry_delay_and_release_wake_a_receive_too, a_receive_that_left_takes_nothing,
          a_deleted_queue_ends_the_waits_on_it, redrive_wakes_a_receive_on_the_dead_letter_queue,
          at_the_in_flight_limit_a_wait_goes_on_until_there_is_room)
