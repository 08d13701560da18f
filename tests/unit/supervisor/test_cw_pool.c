/* Rounds of GetMetricData for many queues, and what one fleet makes of them, against a scripted server. */
#include "supervisor/cw_pool.h"
#include "supervisor/fleet_sensors.h"

#include "tests/unit/aws/client_fixture.h"

#include <inttypes.h>
#include <jansson.h>
#include <time.h>

enum { MINUTE_MS = 60000, MEMBERS_MAX = 120 };

static struct cw_pool *g_pool;

/* One member of a test, and what it was told. */
struct teller {
    struct cw_member *member;
    int answers;
    bool good;
    size_t wanted;
    struct cw_answer answer;
    bool leaves; /* when it is told */
};
static struct teller g_tellers[MEMBERS_MAX];

static void set_up(void)
{
    set_up_client(1);
    g_pool = cw_pool_new(g_base, g_client, 1);
    memset(g_tellers, 0, sizeof g_tellers);
}

static void tear_down(void)
{
    for (int i = 0; i < MEMBERS_MAX; i++)
        cw_member_leave(g_tellers[i].member);
    cw_pool_destroy(g_pool);
    tear_down_client();
}

static void on_answer(void *arg, const struct aws_result *result, const struct cw_answer *answer,
                      size_t wanted)
{
    struct teller *teller = arg;
    teller->answers++;
    teller->good = answer != NULL;
    ck_assert_int_eq(teller->good, result->kind == AWS_KIND_OK);
    teller->wanted = wanted;
    if (answer != NULL)
        teller->answer = *answer;
    if (teller->leaves) {
        cw_member_leave(teller->member);
        teller->member = NULL;
    }
}

static void join(int index, int64_t period_ms, enum cw_want want)
{
    char name[32];
    (void)snprintf(name, sizeof name, "queue-%d", index);
    g_tellers[index].member = cw_pool_join(g_pool, &(struct cw_member_options){.queue_name = name,
                                                                               .period_ms = period_ms,
                                                                               .windows = 5,
                                                                               .on_answer = on_answer,
                                                                               .arg = &g_tellers[index]});
    cw_member_want(g_tellers[index].member, want);
}

/* Runs the loop until `count` answers have come to this member. */
static void wait_answers(int index, int count)
{
    while (g_tellers[index].answers < count)
        ck_assert_int_eq(event_base_loop(g_base, EVLOOP_ONCE), 0);
    ck_assert_int_eq(g_tellers[index].answers, count);
}

/* The start of a period that every window of now has. */
static int64_t some_period_s(void)
{
    return clock_product_ms() / MINUTE_MS * 60 - 180;
}

static json_t *request(int index)
{
    json_error_t error;
    ck_assert_int_gt(g_server.request_count, index);
    json_t *json = json_loads(g_server.requests[index].body, 0, &error);
    ck_assert_ptr_nonnull(json);
    return json;
}

static size_t queries_of(int index)
{
    json_t *json = request(index);
    size_t count = json_array_size(json_object_get(json, "MetricDataQueries"));
    json_decref(json);
    return count;
}

static const char NOTHING[] = "{\"MetricDataResults\":[]}";

static json_t *status(void)
{
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    json_error_t error;
    cw_pool_write_status(g_pool, &w);
    json_t *json = json_loads(strbuf_str(&text), 0, &error);
    ck_assert_msg(json != NULL, "%s: %s", error.text, strbuf_str(&text));
    strbuf_clean_up(&text);
    return json;
}

START_TEST(queues_share_a_call_of_up_to_500_metrics)
{
    struct fake_step step = {.status = 200, .body = NOTHING};
    set_up();
    fake_script(&g_server, &step, 1);
    for (int i = 0; i < MEMBERS_MAX; i++)
        join(i, MINUTE_MS, CW_WANT_ALL);
    for (int i = 0; i < MEMBERS_MAX; i++)
        wait_answers(i, 1);
    ck_assert_int_eq(g_server.request_count, 2);
    size_t first = queries_of(0);
    size_t second = queries_of(1);
    ck_assert_uint_eq(first + second, (size_t)MEMBERS_MAX * CW_METRIC_COUNT);
    ck_assert_uint_le(first, CLOUDWATCH_QUERIES_MAX);
    ck_assert_uint_le(second, CLOUDWATCH_QUERIES_MAX);
    json_t *told = status();
    ck_assert_int_eq(json_integer_value(json_object_get(told, "calls")), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(told, "metrics_asked_for")), 600);
    ck_assert_double_eq_tol(json_number_value(json_object_get(told, "usd_so_far")), 0.006, 1e-9);
    /* 600 metrics a minute, 730 hours, a cent for a thousand. */
    ck_assert_double_eq_tol(json_number_value(json_object_get(told, "usd_per_month")), 262.8, 1e-6);
    json_decref(told);
    tear_down();
}
END_TEST

START_TEST(what_is_not_wanted_is_not_asked_for_and_costs_nothing)
{
    struct fake_step step = {.status = 200, .body = NOTHING};
    set_up();
    fake_script(&g_server, &step, 1);
    join(0, MINUTE_MS, CW_WANT_NOTHING);
    join(1, MINUTE_MS, CW_WANT_RATES);
    wait_answers(1, 1);
    ck_assert_int_eq(g_tellers[0].answers, 0);
    ck_assert_uint_eq(queries_of(0), CW_METRICS_WITHOUT_DEPTH);
    ck_assert(cw_member_month_usd(g_tellers[0].member) == 0);
    ck_assert_double_eq_tol(cw_member_month_usd(g_tellers[1].member), 3 * 60 * 730 * 1e-5, 1e-9);
    json_t *sent = request(0);
    int64_t start_s = json_integer_value(json_object_get(sent, "StartTime"));
    int64_t end_s = json_integer_value(json_object_get(sent, "EndTime"));
    ck_assert_int_eq(end_s - start_s, 300);
    ck_assert_int_le(end_s * 1000, clock_product_ms() - CW_SETTLE_MS);
    json_decref(sent);
    /* More is asked for at once, less with the next round. */
    cw_member_want(g_tellers[1].member, CW_WANT_ALL);
    wait_answers(1, 2);
    ck_assert_uint_eq(queries_of(1), CW_METRIC_COUNT);
    cw_member_want(g_tellers[1].member, CW_WANT_NOTHING);
    /* Wanted again, but not a period later. */
    cw_member_want(g_tellers[1].member, CW_WANT_ALL);
    for (int i = 0; i < 5; i++)
        (void)event_base_loop(g_base, EVLOOP_NONBLOCK);
    ck_assert_int_eq(g_server.request_count, 2);
    cw_member_want(g_tellers[1].member, CW_WANT_NOTHING);
    ck_assert(cw_member_month_usd(g_tellers[1].member) == 0);
    tear_down();
}
END_TEST

START_TEST(other_periods_travel_apart)
{
    struct fake_step step = {.status = 200, .body = NOTHING};
    set_up();
    fake_script(&g_server, &step, 1);
    join(0, MINUTE_MS, CW_WANT_ALL);
    join(1, 5 * MINUTE_MS, CW_WANT_ALL);
    wait_answers(0, 1);
    if (g_tellers[1].answers == 0)
        wait_answers(1, 1);
    ck_assert_int_eq(g_server.request_count, 2);
    tear_down();
}
END_TEST

START_TEST(pages_are_put_together_and_the_newest_whole_period_of_all_counts)
{
    char first[512];
    char second[512];
    int64_t at_s = some_period_s();
    set_up();
    (void)snprintf(
        first, sizeof first,
        "{\"MetricDataResults\":[{\"Id\":\"q3\",\"StatusCode\":\"PartialData\",\"Timestamps\":[%" PRId64
        "],\"Values\":[7]},{\"Id\":\"q0\",\"Timestamps\":[%" PRId64 "],\"Values\":[30]}],"
        "\"NextToken\":\"n\"}",
        at_s - 60, at_s);
    /* The last one is of a period that has just begun. */
    (void)snprintf(second, sizeof second,
                   "{\"MetricDataResults\":[{\"Id\":\"q3\",\"Timestamps\":[%" PRId64 ",%" PRId64 ",%" PRId64
                   "],\"Values\":[412,5,99]},{\"Id\":\"q4\",\"StatusCode\":\"Forbidden\"}]}",
                   at_s, at_s - 120, at_s + 180);
    struct fake_step steps[] = {{.status = 200, .body = first}, {.status = 200, .body = second}};
    fake_script(&g_server, steps, 2);
    join(0, MINUTE_MS, CW_WANT_ALL);
    wait_answers(0, 1);
    const struct cw_answer *answer = &g_tellers[0].answer;
    ck_assert_int_eq(g_server.request_count, 2);
    ck_assert(answer->readings[CW_METRIC_visible].known);
    ck_assert_int_eq(answer->readings[CW_METRIC_visible].value, 412);
    ck_assert_int_eq(answer->readings[CW_METRIC_visible].at_ms, at_s * 1000);
    ck_assert_int_eq(answer->readings[CW_METRIC_oldest_age_ms].value, 30000);
    ck_assert(!answer->readings[CW_METRIC_sent_per_min].known); /* missing is not zero */
    ck_assert(answer->forbidden);
    json_t *told = status();
    ck_assert_int_eq(json_integer_value(json_object_get(told, "rounds")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(told, "metrics_asked_for")), 10);
    json_decref(told);
    tear_down();
}
END_TEST

static void on_put(void *arg, const struct aws_result *result)
{
    ck_assert_int_eq(result->kind, AWS_KIND_OK);
    *(bool *)arg = true;
}

START_TEST(periods_are_cloudwatchs_own_though_our_clock_is_off)
{
    enum { AHEAD_S = 1800 };
    static const struct cloudwatch_datum DATUM = {.metric = "m", .value = 1, .unit = "Count"};
    char date[80] = "";
    char body[160] = "";
    bool is_put = false;
    set_up();
    /* Its clock is half an hour ahead of ours, as the client knows from an earlier call. */
    time_t there_s = (time_t)(clock_wall_ms() / 1000) + AHEAD_S;
    int64_t at_s = some_period_s() + AHEAD_S;
    struct tm parts;
    (void)strftime(date, sizeof date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime_r(&there_s, &parts));
    (void)snprintf(body, sizeof body,
                   "{\"MetricDataResults\":[{\"Id\":\"q3\",\"Timestamps\":[%" PRId64 "],\"Values\":[412]}]}",
                   at_s);
    struct fake_step steps[] = {{.status = 200, .headers = date, .body = "{}"},
                                {.status = 200, .headers = date, .body = body}};
    fake_script(&g_server, steps, 2);
    (void)cloudwatch_put_metric_data(g_client, "Test", &DATUM, 1, on_put, &is_put);
    while (!is_put)
        ck_assert_int_eq(event_base_loop(g_base, EVLOOP_ONCE), 0);
    join(0, MINUTE_MS, CW_WANT_ALL);
    wait_answers(0, 1);
    json_t *sent = request(1);
    int64_t end_s = json_integer_value(json_object_get(sent, "EndTime"));
    ck_assert_int_gt(end_s, clock_product_ms() / 1000 + AHEAD_S - 240);
    ck_assert_int_le(end_s, clock_product_ms() / 1000 + AHEAD_S);
    json_decref(sent);
    /* A depth is as old for us as it is. */
    const struct reading *visible = &g_tellers[0].answer.readings[CW_METRIC_visible];
    ck_assert(visible->known);
    ck_assert_int_ge(visible->at_ms, (at_s - AHEAD_S - 10) * 1000);
    ck_assert_int_le(visible->at_ms, (at_s - AHEAD_S + 10) * 1000);
    tear_down();
}
END_TEST

START_TEST(a_token_that_never_ends_ends)
{
    struct fake_step step = {.status = 200, .body = "{\"MetricDataResults\":[],\"NextToken\":\"again\"}"};
    set_up();
    fake_script(&g_server, &step, 1);
    join(0, MINUTE_MS, CW_WANT_ALL);
    wait_answers(0, 1);
    ck_assert_int_eq(g_server.request_count, 20);
    tear_down();
}
END_TEST

START_TEST(a_failed_call_tells_nothing_and_one_may_leave_at_any_time)
{
    struct fake_step step = {.status = 403, .body = "{\"__type\":\"AccessDeniedException\"}"};
    set_up();
    fake_script(&g_server, &step, 1);
    for (int i = 0; i < 3; i++)
        join(i, MINUTE_MS, CW_WANT_ALL);
    g_tellers[2].leaves = true;
    /* The timer fires, the call goes out; then one of its members leaves. */
    ck_assert_int_eq(event_base_loop(g_base, EVLOOP_ONCE), 0);
    cw_member_leave(g_tellers[1].member);
    g_tellers[1].member = NULL;
    wait_answers(0, 1);
    wait_answers(2, 1);
    ck_assert(!g_tellers[0].good);
    ck_assert_int_eq(g_tellers[1].answers, 0);
    tear_down();
}
END_TEST

START_TEST(a_pool_ends_with_its_calls)
{
    struct fake_step step = {.act = FAKE_HANG};
    set_up();
    fake_script(&g_server, &step, 1);
    join(0, MINUTE_MS, CW_WANT_ALL);
    while (g_server.request_count == 0)
        ck_assert_int_eq(event_base_loop(g_base, EVLOOP_ONCE), 0);
    tear_down();
    ck_assert_int_eq(g_tellers[0].answers, 0);
}
END_TEST

/* ---- one fleet ---- */

static struct fleet_sensors *g_sensors;
static struct config_queue g_queue;

static void make_sensors(enum config_cloudwatch_mode mode)
{
    g_queue = (struct config_queue){
        .cloudwatch = {.mode = (int)mode, .period_ms = MINUTE_MS, .windows = 5, .max_age_ms = 6 * MINUTE_MS}};
    g_sensors = fleet_sensors_new(
        &(struct fleet_sensors_options){.fleet = "orders", .queue = &g_queue, .pool = g_pool});
    fleet_sensors_set_url(g_sensors, "http://127.0.0.1/123456789012/orders");
}

/* An observation now: what SQS told `sqs_age_ms` ago, -1: the poll failed. */
static struct observation observe(int64_t now_ms, int64_t visible, int64_t sqs_age_ms)
{
    struct observation obs;
    observation_init(&obs);
    if (sqs_age_ms >= 0)
        reading_set(&obs.visible, visible, now_ms - sqs_age_ms);
    fleet_sensors_observe(g_sensors, sqs_age_ms >= 0 ? "" : "GetQueueAttributes: throttled", 15000, now_ms,
                          &obs);
    return obs;
}

static json_t *sensors_status(int64_t now_ms)
{
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    json_error_t error;
    fleet_sensors_write_status(g_sensors, now_ms, &w);
    json_t *json = json_loads(strbuf_str(&text), 0, &error);
    ck_assert_ptr_nonnull(json);
    strbuf_clean_up(&text);
    return json;
}

static const char *why_not(const json_t *told, size_t rung)
{
    const json_t *entry = json_array_get(json_object_get(told, "rungs"), rung);
    const char *text = json_string_value(json_object_get(entry, "why_not"));
    return text != NULL ? text : "";
}

/* Runs the loop until CloudWatch has answered this fleet so often. */
static void wait_sensor_answers(json_int_t count)
{
    for (json_int_t seen = 0; seen < count;) {
        ck_assert_int_eq(event_base_loop(g_base, EVLOOP_ONCE), 0);
        json_t *told = sensors_status(clock_product_ms());
        seen = json_integer_value(json_object_get(json_object_get(told, "cloudwatch"), "answers"));
        json_decref(told);
    }
}

START_TEST(a_fleet_asks_cloudwatch_only_while_sqs_fails_and_takes_its_depth_when_sqs_is_stale)
{
    char body[512];
    int64_t at_s = some_period_s();
    set_up();
    (void)snprintf(body, sizeof body,
                   "{\"MetricDataResults\":[{\"Id\":\"q1\",\"Timestamps\":[%" PRId64 "],\"Values\":[3600]},"
                   "{\"Id\":\"q3\",\"Timestamps\":[%" PRId64 "],\"Values\":[412]}]}",
                   at_s, at_s);
    struct fake_step step = {.status = 200, .body = body};
    fake_script(&g_server, &step, 1);
    make_sensors(CLOUDWATCH_FALLBACK);
    int64_t now_ms = clock_product_ms();
    struct observation obs = observe(now_ms, 7, 0);
    ck_assert(obs.visible.value == 7 && obs.depth_source.value == DEPTH_SOURCE_SQS);
    ck_assert(!obs.depth_max_age_ms.known);
    (void)event_base_loop(g_base, EVLOOP_NONBLOCK);
    ck_assert_int_eq(g_server.request_count, 0);
    obs = observe(now_ms, 0, -1);
    ck_assert(!obs.visible.known && obs.depth_source.value == DEPTH_SOURCE_SQS);
    wait_sensor_answers(1);
    obs = observe(now_ms + 15000, 0, -1);
    ck_assert(!obs.visible.known);
    obs = observe(now_ms + 15001, 0, -1);
    ck_assert_int_eq(obs.depth_source.value, DEPTH_SOURCE_CLOUDWATCH);
    ck_assert(obs.visible.known && obs.visible.value == 412 && obs.visible.at_ms == at_s * 1000);
    ck_assert_int_eq(obs.depth_max_age_ms.value, 6 * MINUTE_MS);
    ck_assert(obs.sent_per_min.known && obs.sent_per_min.value == 3600);
    ck_assert(!obs.deleted_per_min.known && !obs.in_flight.known);
    json_t *told = sensors_status(now_ms + 15001);
    ck_assert_str_eq(json_string_value(json_object_get(told, "depth_source")), "cloudwatch");
    ck_assert_str_eq(why_not(told, 0), "its last word is too old: GetQueueAttributes: throttled");
    ck_assert_str_eq(why_not(told, 1), "");
    json_decref(told);
    obs = observe(now_ms + 20000, 3, 0);
    ck_assert(obs.depth_source.value == DEPTH_SOURCE_SQS && obs.visible.value == 3);
    fleet_sensors_destroy(g_sensors);
    tear_down();
}
END_TEST

START_TEST(without_data_cloudwatch_is_no_source_and_the_fleet_is_blind)
{
    struct fake_step step = {.status = 200, .body = NOTHING};
    set_up();
    fake_script(&g_server, &step, 1);
    make_sensors(CLOUDWATCH_ON);
    int64_t now_ms = clock_product_ms();
    (void)observe(now_ms, 7, 0);
    wait_sensor_answers(1);
    ck_assert_uint_eq(queries_of(0), CW_METRICS_WITHOUT_DEPTH);
    (void)observe(now_ms, 7, -1);
    wait_sensor_answers(2);
    ck_assert_uint_eq(queries_of(1), CW_METRIC_COUNT);
    struct observation obs = observe(now_ms + 15001, 7, -1);
    ck_assert(!obs.visible.known);
    ck_assert_int_eq(obs.depth_source.value, DEPTH_SOURCE_NONE);
    json_t *told = sensors_status(now_ms + 15001);
    ck_assert_str_eq(json_string_value(json_object_get(told, "depth_source")), "none");
    ck_assert_str_eq(why_not(told, 1), "tells nothing");
    json_decref(told);
    fleet_sensors_destroy(g_sensors);
    tear_down();
}
END_TEST

START_TEST(an_old_depth_of_sqs_stays_what_it_is_when_nobody_else_tells_one)
{
    set_up();
    make_sensors(CLOUDWATCH_OFF);
    int64_t now_ms = clock_product_ms();
    struct observation obs = observe(now_ms, 7, 15001);
    ck_assert_int_eq(obs.depth_source.value, DEPTH_SOURCE_NONE);
    ck_assert(obs.visible.known && obs.visible.value == 7 && !obs.depth_max_age_ms.known);
    fleet_sensors_destroy(g_sensors);
    tear_down();
}
END_TEST

UNIT_MAIN("cw_pool", queues_share_a_call_of_up_to_500_metrics,
          what_is_not_wanted_is_not_asked_for_and_costs_nothing, other_periods_travel_apart,
          pages_are_put_together_and_the_newest_whole_period_of_all_counts,
          periods_are_cloudwatchs_own_though_our_clock_is_off, a_token_that_never_ends_ends,
          a_failed_call_tells_nothing_and_one_may_leave_at_any_time, a_pool_ends_with_its_calls,
          a_fleet_asks_cloudwatch_only_while_sqs_fails_and_takes_its_depth_when_sqs_is_stale,
          without_data_cloudwatch_is_no_source_and_the_fleet_is_blind,
          an_old_depth_of_sqs_stays_what_it_is_when_nobody_else_tells_one)
