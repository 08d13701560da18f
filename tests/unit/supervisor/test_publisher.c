/* Publishing gauges: batches, what is left out, and rounds and lines that nobody takes. */
#include "supervisor/publisher.h"

#include "tests/unit/aws/client_fixture.h"

#include <jansson.h>
#include <unistd.h>

enum { FLEETS = 300 };

static struct config_metrics g_metrics[METRICS_WAYS];
static bool g_leads;

static void set_up(void)
{
    set_up_client(1);
    memset(g_metrics, 0, sizeof g_metrics);
    g_leads = true;
}

/* Everything but the four gauges below is unknown. */
static bool get(void *arg, size_t index, struct fleet_facts *facts, struct aws_client **client)
{
    static const struct fleet_facts UNKNOWN = {.visible = FACT_UNKNOWN,
                                               .in_flight = FACT_UNKNOWN,
                                               .oldest_age_ms = FACT_UNKNOWN,
                                               .busy = FACT_UNKNOWN};
    (void)arg;
    (void)index;
    *facts = UNKNOWN;
    facts->name = "orders";
    facts->desired = 25;
    *client = g_client;
    return g_leads;
}

static struct publisher *make(enum config_metrics_way way, int64_t every_ms, int fd)
{
    static char name_space[] = "Shop";
    g_metrics[way] = (struct config_metrics){.enabled = true, .name_space = name_space, .every_ms = every_ms};
    return publisher_new(&(struct publisher_options){
        .base = g_base, .metrics = g_metrics, .fleet_count = FLEETS, .get = get, .fd = fd});
}

static int64_t counted(const struct publisher *publisher, const char *key)
{
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    json_error_t error;
    publisher_write_status(publisher, &w);
    json_t *json = json_loads(strbuf_str(&text), 0, &error);
    int64_t value = json_integer_value(json_object_get(json, key));
    json_decref(json);
    strbuf_clean_up(&text);
    return value;
}

static void wait_for(const struct publisher *publisher, const char *key, int64_t count)
{
    while (counted(publisher, key) < count)
        ck_assert_int_eq(event_base_loop(g_base, EVLOOP_ONCE), 0);
}

static size_t data_of(int index)
{
    json_error_t error;
    json_t *json = json_loads(g_server.requests[index].body, 0, &error);
    ck_assert_str_eq(json_string_value(json_object_get(json, "Namespace")), "Shop");
    size_t count = json_array_size(json_object_get(json, "MetricData"));
    json_decref(json);
    return count;
}

START_TEST(a_round_is_batches_of_1000_and_leaves_out_what_is_unknown)
{
    struct fake_step step = {.status = 200, .body = "{}"};
    set_up();
    fake_script(&g_server, &step, 1);
    struct publisher *publisher = make(METRICS_CLOUDWATCH, 1, -1);
    wait_for(publisher, "rounds", 2);
    /* Desired, Ready, Starting, Stopping: 4 x 300. */
    ck_assert_uint_eq(data_of(0) + data_of(1), 1200);
    ck_assert_uint_eq(data_of(0) > data_of(1) ? data_of(0) : data_of(1), 1000);
    ck_assert_ptr_null(strstr(g_server.requests[0].body, "Visible"));
    ck_assert_int_eq(counted(publisher, "failures"), 0);
    publisher_destroy(publisher);
    tear_down_client();
}
END_TEST

START_TEST(a_round_that_finds_calls_under_way_is_skipped)
{
    struct fake_step step = {.act = FAKE_HANG};
    set_up();
    fake_script(&g_server, &step, 1);
    struct publisher *publisher = make(METRICS_CLOUDWATCH, 1, -1);
    wait_for(publisher, "rounds_skipped", 3);
    ck_assert_int_eq(counted(publisher, "rounds"), 1);
    ck_assert_int_eq(counted(publisher, "calls"), 2);
    publisher_destroy(publisher);
    tear_down_client();
}
END_TEST

START_TEST(failures_are_counted_and_the_next_round_comes)
{
    struct fake_step step = {.status = 403, .body = "{\"__type\":\"AccessDeniedException\"}"};
    set_up();
    fake_script(&g_server, &step, 1);
    struct publisher *publisher = make(METRICS_CLOUDWATCH, 1, -1);
    wait_for(publisher, "failures", 4);
    ck_assert_int_ge(counted(publisher, "rounds"), 2);
    publisher_destroy(publisher);
    tear_down_client();
}
END_TEST

START_TEST(a_follower_publishes_nothing)
{
    struct fake_step step = {.status = 200, .body = "{}"};
    set_up();
    fake_script(&g_server, &step, 1);
    g_leads = false;
    struct publisher *publisher = make(METRICS_CLOUDWATCH, 1, -1);
    wait_for(publisher, "rounds", 3);
    ck_assert_int_eq(counted(publisher, "calls"), 0);
    ck_assert_int_eq(g_server.request_count, 0);
    publisher_destroy(publisher);
    tear_down_client();
}
END_TEST

START_TEST(lines_that_nobody_takes_are_dropped_whole)
{
    int ends[2];
    char text[4096];
    set_up();
    ck_assert_int_eq(pipe(ends), 0);
    struct publisher *publisher = make(METRICS_EMF, 1, ends[1]);
    wait_for(publisher, "lines_dropped", 1);
    int64_t lines = counted(publisher, "lines");
    ck_assert_int_gt(lines, 0);
    ssize_t got = read(ends[0], text, sizeof text - 1);
    ck_assert_int_gt(got, 0);
    text[got] = '\0';
    *strchr(text, '\n') = '\0';
    json_error_t error;
    json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(line != NULL, "%s: %s", error.text, text);
    ck_assert_str_eq(json_string_value(json_object_get(line, "Fleet")), "orders");
    ck_assert_int_eq(json_integer_value(json_object_get(line, "Desired")), 25);
    ck_assert_ptr_null(json_object_get(line, "Visible"));
    json_decref(line);
    publisher_destroy(publisher);
    (void)close(ends[0]);
    (void)close(ends[1]);
    tear_down_client();
}
END_TEST

UNIT_MAIN("publisher", a_round_is_batches_of_1000_and_leaves_out_what_is_unknown,
          a_round_that_finds_calls_under_way_is_skipped, failures_are_counted_and_the_next_round_comes,
          a_follower_publishes_nothing, lines_that_nobody_takes_are_dropped_whole)
