/* The ladder of depth sources, the workers' hint and the reading of CloudWatch's answers, with invented time.
 */
#include "supervisor/cw_metrics.h"
#include "supervisor/sensor_ladder.h"
#include "tests/unit/unit.h"

enum { SQS_MS = 15000, CLOUDWATCH_MS = 360000, WORKERS_MS = 60000 };

static struct sensor_ladder g_ladder;
static struct sensor_ladder_input g_input;
static int64_t g_now_ms;

static void begin(void)
{
    g_now_ms = INT64_C(1800000000000);
    g_ladder = (struct sensor_ladder){.started = false};
    g_input = (struct sensor_ladder_input){.enabled = {true, true, true},
                                           .max_age_ms = {SQS_MS, CLOUDWATCH_MS, WORKERS_MS}};
}

static void tell(enum sensor_rung rung, int64_t value, int64_t age_ms)
{
    reading_set(&g_input.last[rung], value, g_now_ms - age_ms);
}

/* Steps, and wants this source; tells whether it changed. */
static bool step_to(enum depth_source want)
{
    bool changed = sensor_ladder_step(&g_ladder, &g_input, g_now_ms);
    ck_assert_str_eq(sensor_source_name(g_ladder.source), sensor_source_name(want));
    return changed;
}

START_TEST(the_best_source_that_is_fresh_is_used_and_each_change_is_told_once)
{
    begin();
    tell(SENSOR_RUNG_SQS, 5, 0);
    ck_assert(!step_to(DEPTH_SOURCE_SQS));
    tell(SENSOR_RUNG_CLOUDWATCH, 9, 120000);
    tell(SENSOR_RUNG_WORKERS, QUEUE_HINT_MORE, 0);
    g_now_ms += SQS_MS;
    ck_assert(!step_to(DEPTH_SOURCE_SQS));
    g_now_ms += 1;
    ck_assert(step_to(DEPTH_SOURCE_CLOUDWATCH));
    ck_assert_int_eq(g_ladder.since_ms, g_now_ms);
    ck_assert_int_eq(g_ladder.faults[SENSOR_RUNG_SQS], SENSOR_STALE);
    ck_assert_int_eq(g_ladder.faults[SENSOR_RUNG_CLOUDWATCH], SENSOR_GOOD);
    ck_assert(!step_to(DEPTH_SOURCE_CLOUDWATCH));
    g_now_ms += CLOUDWATCH_MS;
    tell(SENSOR_RUNG_WORKERS, QUEUE_HINT_EMPTY, WORKERS_MS);
    ck_assert(step_to(DEPTH_SOURCE_WORKERS));
    ck_assert_int_eq(g_ladder.faults[SENSOR_RUNG_CLOUDWATCH], SENSOR_STALE);
    g_now_ms += 1;
    ck_assert(step_to(DEPTH_SOURCE_NONE));
    tell(SENSOR_RUNG_SQS, 5, 0);
    ck_assert(step_to(DEPTH_SOURCE_SQS));
    ck_assert_int_eq(g_ladder.changes, 4);
}
END_TEST

START_TEST(nobody_is_blamed_before_the_first_answer_can_have_come)
{
    begin();
    tell(SENSOR_RUNG_CLOUDWATCH, 9, 120000);
    ck_assert(!step_to(DEPTH_SOURCE_SQS));
    g_now_ms += SQS_MS;
    ck_assert(!step_to(DEPTH_SOURCE_SQS));
    g_now_ms += 1;
    ck_assert(step_to(DEPTH_SOURCE_CLOUDWATCH));
    ck_assert_int_eq(g_ladder.faults[SENSOR_RUNG_SQS], SENSOR_SILENT);
}
END_TEST

START_TEST(what_is_off_unknown_or_says_nothing_is_no_source)
{
    begin();
    g_input.enabled[SENSOR_RUNG_CLOUDWATCH] = false;
    tell(SENSOR_RUNG_SQS, 5, SQS_MS + 1);
    tell(SENSOR_RUNG_CLOUDWATCH, 9, 0);
    tell(SENSOR_RUNG_WORKERS, QUEUE_HINT_NONE, 0);
    ck_assert(step_to(DEPTH_SOURCE_NONE));
    ck_assert_int_eq(g_ladder.faults[SENSOR_RUNG_CLOUDWATCH], SENSOR_OFF);
    ck_assert_int_eq(g_ladder.faults[SENSOR_RUNG_WORKERS], SENSOR_SILENT);
    g_input.enabled[SENSOR_RUNG_CLOUDWATCH] = true;
    g_input.last[SENSOR_RUNG_CLOUDWATCH].known = false;
    ck_assert(!step_to(DEPTH_SOURCE_NONE));
    ck_assert_int_eq(g_ladder.faults[SENSOR_RUNG_CLOUDWATCH], SENSOR_SILENT);
}
END_TEST

START_TEST(words_from_the_future_are_none)
{
    begin();
    tell(SENSOR_RUNG_SQS, 5, -1);
    tell(SENSOR_RUNG_CLOUDWATCH, 9, -1);
    ck_assert(step_to(DEPTH_SOURCE_NONE));
    ck_assert_int_eq(g_ladder.faults[SENSOR_RUNG_SQS], SENSOR_AHEAD);
}
END_TEST

START_TEST(sources_are_ordered_and_have_names)
{
    ck_assert(sensor_source_is_below(DEPTH_SOURCE_CLOUDWATCH, DEPTH_SOURCE_SQS));
    ck_assert(sensor_source_is_below(DEPTH_SOURCE_NONE, DEPTH_SOURCE_WORKERS));
    ck_assert(!sensor_source_is_below(DEPTH_SOURCE_SQS, DEPTH_SOURCE_SQS));
    for (int i = SENSOR_GOOD + 1; i <= SENSOR_AHEAD; i++)
        ck_assert_str_ne(sensor_fault_text((enum sensor_fault)i), "");
}
END_TEST

/* ---- the workers' hint ---- */

static struct hint_tracker g_tracker;
static struct observation g_obs;

/* So many more receives of each kind; returns the hint. */
static int64_t hear(int64_t full, int64_t empty, int64_t other, int64_t busy)
{
    g_now_ms += 5000;
    reading_set(&g_obs.receives, g_obs.receives.value + full + empty + other, g_now_ms);
    reading_set(&g_obs.receives_full, g_obs.receives_full.value + full, g_now_ms);
    reading_set(&g_obs.receives_empty, g_obs.receives_empty.value + empty, g_now_ms);
    reading_set(&g_obs.busy, busy, g_now_ms);
    reading_set(&g_obs.waiting, 0, g_now_ms);
    hint_tracker_take(&g_tracker, &g_obs);
    return g_tracker.hint.known ? g_tracker.hint.value : -1;
}

START_TEST(workers_tell_more_and_empty_and_age_when_they_receive_nothing)
{
    g_tracker = (struct hint_tracker){.started = false};
    observation_init(&g_obs);
    hint_tracker_take(&g_tracker, &g_obs);
    ck_assert(!g_tracker.hint.known);
    ck_assert_int_eq(hear(5, 0, 0, 0), -1); /* of what came before we looked */
    ck_assert_int_eq(hear(1, 0, 1, 3), QUEUE_HINT_MORE);
    ck_assert_int_eq(hear(1, 0, 2, 3), QUEUE_HINT_NONE);
    ck_assert_int_eq(hear(0, 3, 0, 0), QUEUE_HINT_EMPTY);
    int64_t at_ms = g_tracker.hint.at_ms;
    ck_assert_int_eq(hear(0, 0, 0, 0), QUEUE_HINT_EMPTY);
    ck_assert_int_eq(g_tracker.hint.at_ms, at_ms);
    ck_assert_int_eq(hear(0, 3, 1, 0), QUEUE_HINT_NONE);
    ck_assert_int_eq(hear(0, 3, 0, 1), QUEUE_HINT_NONE); /* somebody holds something */
    g_obs.receives.value = 0;
    ck_assert_int_eq(hear(0, 1, 0, 0), -1); /* the counters began anew */
}
END_TEST

START_TEST(busy_unknown_is_not_idle)
{
    g_tracker = (struct hint_tracker){.started = false};
    observation_init(&g_obs);
    (void)hear(0, 1, 0, 0);
    reading_set(&g_obs.receives, g_obs.receives.value + 2, g_now_ms);
    reading_set(&g_obs.receives_empty, g_obs.receives_empty.value + 2, g_now_ms);
    g_obs.busy.known = false;
    hint_tracker_take(&g_tracker, &g_obs);
    ck_assert_int_eq(g_tracker.hint.value, QUEUE_HINT_NONE);
}
END_TEST

/* ---- CloudWatch's answers ---- */

START_TEST(only_periods_that_have_been_over_for_a_minute_are_asked_for)
{
    int64_t start_ms = 0;
    int64_t end_ms = 0;
    const int64_t minute = 60000;
    for (int64_t now_ms = 1000 * minute; now_ms < 1002 * minute; now_ms += 997) {
        cw_window(now_ms, minute, 3, &start_ms, &end_ms);
        ck_assert_int_eq(end_ms % minute, 0);
        ck_assert_int_eq(end_ms - start_ms, 3 * minute);
        ck_assert_int_ge(now_ms - end_ms, CW_SETTLE_MS);
        ck_assert_int_lt(now_ms - end_ms, CW_SETTLE_MS + minute);
    }
    cw_window(1000 * minute, 5 * minute, 4, &start_ms, &end_ms);
    ck_assert_int_eq(end_ms, 995 * minute);
    ck_assert_int_eq(start_ms, 975 * minute);
}
END_TEST

START_TEST(the_newest_whole_period_counts_and_an_unfinished_one_never)
{
    static const struct cloudwatch_point POINTS[] = {
        {120000, 2}, {300000, 9}, {180000, 3}, {60000, 1}, {0, 8}};
    struct cloudwatch_point point = {0, 0};
    ck_assert(cw_newest(POINTS, 5, 60000, 300000, 60000, &point));
    ck_assert_int_eq(point.at_ms, 180000);
    /* That of 180 s is not over at 239 s. */
    ck_assert(cw_newest(POINTS, 5, 60000, 239999, 60000, &point));
    ck_assert_int_eq(point.at_ms, 120000);
    ck_assert(cw_newest(POINTS, 5, 60000, 120000, 60000, &point));
    ck_assert_int_eq(point.at_ms, 60000);
    ck_assert(!cw_newest(POINTS, 5, 60000, 119999, 60000, &point));
    ck_assert(!cw_newest(POINTS, 0, 0, 300000, 60000, &point));
}
END_TEST

START_TEST(points_become_readings_in_our_units)
{
    struct cloudwatch_point point = {60000, 90};
    struct reading r = cw_reading(CW_METRIC_visible, &point, 60000);
    ck_assert(r.known && r.value == 90 && r.at_ms == 60000);
    r = cw_reading(CW_METRIC_oldest_age_ms, &point, 60000);
    ck_assert(r.known && r.value == 90000 && r.at_ms == 60000);
    r = cw_reading(CW_METRIC_sent_per_min, &point, 60000);
    ck_assert(r.known && r.value == 90 && r.at_ms == 120000);
    r = cw_reading(CW_METRIC_deleted_per_min, &point, 300000);
    ck_assert(r.known && r.value == 18 && r.at_ms == 360000);
    const double bad[] = {-1, 1e300};
    for (int i = 0; i < 2; i++) {
        point.value = bad[i];
        ck_assert(!cw_reading(CW_METRIC_visible, &point, 60000).known);
    }
}
END_TEST

START_TEST(queries_name_the_queue_and_no_account)
{
    struct cloudwatch_query q = cw_query(CW_METRIC_sent_per_min, "jobs.fifo", 300000);
    ck_assert_str_eq(q.name_space, "AWS/SQS");
    ck_assert_str_eq(q.metric, "NumberOfMessagesSent");
    ck_assert_str_eq(q.stat, "Sum");
    ck_assert_str_eq(q.dimension, "QueueName");
    ck_assert_str_eq(q.value, "jobs.fifo");
    ck_assert_int_eq(q.period_s, 300);
    ck_assert_str_eq(cw_queue_name("https://sqs.us-west-2.amazonaws.com/123456789012/jobs.fifo"),
                     "jobs.fifo");
    ck_assert_str_eq(cw_queue_name("jobs"), "jobs");
    ck_assert_str_eq(cw_queue_name("http://h/1/jobs?x=y"), "");
    ck_assert_str_eq(cw_queue_name("http://h/1/"), "");
    struct observation obs;
    ck_assert_ptr_eq(cw_field(&obs, CW_METRIC_in_flight), &obs.in_flight);
    ck_assert_str_eq(cw_field_name(CW_METRIC_oldest_age_ms), "oldest_age_ms");
}
END_TEST

UNIT_MAIN("sensor_ladder", the_best_source_that_is_fresh_is_used_and_each_change_is_told_once,
          nobody_is_blamed_before_the_first_answer_can_have_come,
          what_is_off_unknown_or_says_nothing_is_no_source, words_from_the_future_are_none,
          sources_are_ordered_and_have_names, workers_tell_more_and_empty_and_age_when_they_receive_nothing,
          busy_unknown_is_not_idle, only_periods_that_have_been_over_for_a_minute_are_asked_for,
          the_newest_whole_period_counts_and_an_unfinished_one_never, points_become_readings_in_our_units,
          queries_name_the_queue_and_no_account)
