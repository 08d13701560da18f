/* What a queue counts for /_localaws/stats: spans to the microsecond, the most in flight, a new start. */
#include "tests/unit/localaws/world.h"

static void at_us(struct world *w, int64_t us)
{
    w->now_ms = WORLD_START_MS + us / 1000;
    sqs_engine_set_now_us(w->engine, WORLD_START_MS * 1000 + us);
}

static void delete (struct world *w, const char *handle)
{
    ck_assert_int_eq(sqs_engine_delete_message(w->engine, w->queue, slice_of(handle), w->now_ms, &w->failure),
                     SQS_OK);
}

START_TEST(the_time_held_counts_from_the_latest_receive_to_the_delete)
{
    struct world w = world_new();
    const struct sqs_queue_stats *stats = &w.queue->stats;
    world_send(&w, "a");
    ck_assert_int_eq(stats->first_receive_us, 0);
    ck_assert_int_eq(stats->last_delete_us, 0);
    at_us(&w, 250);
    (void)world_receive(&w, w.queue, 1, 1);
    at_us(&w, 5250);
    struct catch c = world_receive(&w, w.queue, 1, 30000);
    ck_assert_uint_eq(c.count, 1);
    at_us(&w, 5257);
    delete (&w, c.handles[0]);
    delete (&w, c.handles[0]); /* again: succeeds, deletes nothing */
    ck_assert_int_eq(stats->held_us.count, 1);
    ck_assert_int_eq(stats->held_us.sum, 7);
    ck_assert_int_eq(stats->first_receive_us, WORLD_START_MS * 1000 + 250);
    ck_assert_int_eq(stats->last_delete_us, WORLD_START_MS * 1000 + 5257);
    world_clean_up(&w);
}
END_TEST

START_TEST(without_a_finer_clock_milliseconds_count)
{
    struct world w = world_new();
    world_send(&w, "a");
    at_us(&w, 250);
    struct catch c = world_receive(&w, w.queue, 1, 30000);
    w.now_ms += 3; /* and nobody set the microseconds of this step */
    delete (&w, c.handles[0]);
    ck_assert_int_eq(w.queue->stats.held_us.sum, 2750);
    world_clean_up(&w);
}
END_TEST

START_TEST(the_most_in_flight_is_kept_until_it_is_forgotten)
{
    struct world w = world_new();
    for (int i = 0; i < 5; i++)
        world_send(&w, "a");
    struct catch c = world_receive(&w, w.queue, 3, 30000);
    delete (&w, c.handles[0]);
    (void)world_receive(&w, w.queue, 1, 30000);
    ck_assert_uint_eq(w.queue->stats.in_flight_max, 3);
    sqs_engine_forget_stats(w.engine);
    ck_assert_uint_eq(w.queue->stats.in_flight_max, 0);
    ck_assert_int_eq(w.queue->stats.held_us.count, 0);
    (void)world_receive(&w, w.queue, 1, 30000);
    ck_assert_uint_eq(w.queue->stats.in_flight_max, 4);
    ck_assert_uint_eq(w.queue->stats.received, 1);
    world_clean_up(&w);
}
END_TEST

UNIT_MAIN("localaws_engine_stats", the_time_held_counts_from_the_latest_receive_to_the_delete,
          without_a_finer_clock_milliseconds_count, the_most_in_flight_is_kept_until_it_is_forgotten)
