/* CloudWatch: what minutes of a queue show and when, custom metrics, pages, and what is refused; forms and
 * XML. */
#include "localaws/cloudwatch_ops.h"

#include "world.h"

static struct metrics g_metrics;
static const struct metrics_settings SETTINGS = {.delay_ms = 60000, .active_after_ms = 6 * 3600 * 1000};

#define MINUTE INT64_C(60000)

static void open_metrics(const struct world *w, const struct metrics_settings *settings)
{
    ck_assert_int_eq(w->now_ms % MINUTE, 0); /* tests count minutes from here */
    metrics_init(&g_metrics, settings, w->now_ms);
}

static void pass(struct world *w, int64_t ms)
{
    for (int64_t end_ms = w->now_ms + ms; w->now_ms < end_ms;) {
        int64_t next_ms = metrics_next_ms(&g_metrics);
        w->now_ms = next_ms < end_ms ? next_ms : end_ms;
        metrics_roll(&g_metrics, w->engine, w->now_ms);
        sqs_engine_settle(w->engine, w->now_ms);
    }
}

/* Calls an operation; NULL with the failure. The reply is the caller's. */
static json_t *call_with(struct cloudwatch *cloudwatch, enum cloudwatch_op op, json_t *in, int64_t now_ms,
                         struct rpc_failure *failure)
{
    *failure = (struct rpc_failure){.error = NULL};
    struct rpc_call call = {
        .in = in, .out = json_object(), .failure = failure, .engine = cloudwatch, .now_ms = now_ms};
    ck_assert_ptr_nonnull(in);
    CLOUDWATCH_SERVICE.ops[op].run(&call);
    json_decref(in);
    if (failure->error == NULL)
        return call.out;
    json_decref(call.out);
    return NULL;
}

static json_t *good(enum cloudwatch_op op, json_t *in, int64_t now_ms)
{
    struct cloudwatch cloudwatch = {.metrics = &g_metrics};
    struct rpc_failure failure;
    json_t *out = call_with(&cloudwatch, op, in, now_ms, &failure);
    ck_assert_msg(out != NULL, "%s", failure.message);
    return out;
}

static json_t *query_of(const char *id, const char *metric, const char *statistic, int period)
{
    return json_pack("{s:s,s:{s:{s:s,s:s,s:[{s:s,s:s}]},s:i,s:s}}", "Id", id, "MetricStat", "Metric",
                     "Namespace", "AWS/SQS", "MetricName", metric, "Dimensions", "Name", "QueueName", "Value",
                     "orders", "Period", period, "Stat", statistic);
}

static json_t *ask(int64_t start_ms, int64_t end_ms, json_t *query)
{
    return json_pack("{s:f,s:f,s:[o]}", "StartTime", (double)start_ms / 1000, "EndTime",
                     (double)end_ms / 1000, "MetricDataQueries", query);
}

/* The values of one metric over all that is there, newest first; returns how many. */
static size_t values_of(const struct world *w, const char *metric, const char *statistic, int period,
                        double *values, int64_t *times)
{
    json_t *out =
        good(CLOUDWATCH_GET_METRIC_DATA,
             ask(WORLD_START_MS, w->now_ms + 3600000, query_of("a", metric, statistic, period)), w->now_ms);
    const json_t *result = json_array_get(json_object_get(out, "MetricDataResults"), 0);
    const json_t *list = json_object_get(result, "Values");
    ck_assert_str_eq(json_string_value(json_object_get(result, "StatusCode")), "Complete");
    ck_assert_str_eq(json_string_value(json_object_get(result, "Label")), metric);
    size_t count = json_array_size(list);
    ck_assert_uint_eq(count, json_array_size(json_object_get(result, "Timestamps")));
    for (size_t i = 0; i < count; i++) {
        values[i] = json_number_value(json_array_get(list, i));
        if (times != NULL)
            times[i] =
                1000 * (int64_t)json_number_value(json_array_get(json_object_get(result, "Timestamps"), i));
    }
    json_decref(out);
    return count;
}

static double only(const struct world *w, const char *metric, const char *statistic)
{
    double values[METRICS_MINUTES];
    ck_assert_uint_eq(values_of(w, metric, statistic, 60, values, NULL), 1);
    return values[0];
}

START_TEST(a_minute_is_read_after_it_ended_and_the_delay)
{
    struct world w = world_new();
    double values[METRICS_MINUTES];
    int64_t times[METRICS_MINUTES];
    open_metrics(&w, &SETTINGS);
    pass(&w, 10000);
    world_send(&w, "one");
    world_send(&w, "three");
    pass(&w, 50000 + 59999);
    ck_assert_uint_eq(values_of(&w, "NumberOfMessagesSent", "Sum", 60, values, times), 0);
    pass(&w, 1);
    ck_assert_uint_eq(values_of(&w, "NumberOfMessagesSent", "Sum", 60, values, times), 1);
    ck_assert_double_eq(values[0], 2);
    ck_assert_int_eq(times[0], WORLD_START_MS);
    pass(&w, MINUTE);
    ck_assert_uint_eq(values_of(&w, "NumberOfMessagesSent", "Sum", 60, values, times), 2);
    ck_assert_double_eq(values[0],
                        0); /* a quiet minute of an active queue is 0, and the newest comes first */
    ck_assert_int_eq(times[0], WORLD_START_MS + MINUTE);
    metrics_clean_up(&g_metrics);
    world_clean_up(&w);
}
END_TEST

START_TEST(every_metric_of_a_queue)
{
    struct world w = world_new();
    open_metrics(&w, &SETTINGS);
    world_send(&w, "x");
    pass(&w, 20000);
    world_send(&w, "12345");
    world_send(&w, "123");
    world_send_delayed(&w, w.queue, "later", 900);
    struct catch c = world_receive(&w, w.queue, 2, 600000);
    ck_assert_uint_eq(c.count, 2);
    ck_assert_int_eq(world_delete(&w, c.handles[0]), SQS_OK);
    ck_assert_int_eq(world_delete(&w, c.handles[0]), SQS_OK); /* again: counted as SQS counts it */
    pass(&w, 2 * MINUTE - 20000);
    ck_assert_double_eq(only(&w, "NumberOfMessagesSent", "Sum"), 4);
    ck_assert_double_eq(only(&w, "NumberOfMessagesSent", "Average"), 1); /* one sample a message */
    ck_assert_double_eq(only(&w, "NumberOfMessagesSent", "SampleCount"), 4);
    ck_assert_double_eq(only(&w, "NumberOfMessagesReceived", "Sum"), 2);
    ck_assert_double_eq(only(&w, "NumberOfMessagesDeleted", "Sum"), 2);
    ck_assert_double_eq(only(&w, "NumberOfEmptyReceives", "Sum"), 0);
    ck_assert_double_eq(only(&w, "SentMessageSize", "Sum"), 14);
    ck_assert_double_eq(only(&w, "SentMessageSize", "Minimum"), 1);
    ck_assert_double_eq(only(&w, "SentMessageSize", "Maximum"), 5);
    ck_assert_double_eq(only(&w, "SentMessageSize", "Average"), 3.5);
    ck_assert_double_eq(only(&w, "ApproximateNumberOfMessagesVisible", "Maximum"), 1);
    ck_assert_double_eq(only(&w, "ApproximateNumberOfMessagesNotVisible", "Average"), 1);
    ck_assert_double_eq(only(&w, "ApproximateNumberOfMessagesDelayed", "Minimum"), 1);
    ck_assert_double_eq(only(&w, "ApproximateAgeOfOldestMessage", "Maximum"),
                        40); /* the first one was deleted */
    metrics_clean_up(&g_metrics);
    world_clean_up(&w);
}
END_TEST

START_TEST(periods_join_minutes_at_their_multiples)
{
    struct world w = world_new();
    double values[METRICS_MINUTES];
    int64_t times[METRICS_MINUTES];
    open_metrics(&w, &SETTINGS);
    for (int minute = 0; minute < 10; minute++) {
        for (int i = 0; i <= minute; i++)
            world_send(&w, "m");
        pass(&w, MINUTE);
    }
    pass(&w, MINUTE);
    ck_assert_int_eq(WORLD_START_MS % (5 * MINUTE), 0);
    ck_assert_uint_eq(values_of(&w, "NumberOfMessagesSent", "Sum", 300, values, times), 2);
    ck_assert_double_eq(values[0], 6 + 7 + 8 + 9 + 10);
    ck_assert_double_eq(values[1], 1 + 2 + 3 + 4 + 5);
    ck_assert_int_eq(times[1], WORLD_START_MS);
    ck_assert_uint_eq(values_of(&w, "ApproximateNumberOfMessagesVisible", "Average", 300, values, times), 2);
    ck_assert_double_eq(values[1], (1 + 3 + 6 + 10 + 15) / 5.0);

    /* the end is not included */
    json_t *out = good(CLOUDWATCH_GET_METRIC_DATA,
                       ask(WORLD_START_MS + MINUTE, WORLD_START_MS + 2 * MINUTE,
                           query_of("a", "NumberOfMessagesSent", "Sum", 60)),
                       w.now_ms);
    const json_t *result = json_array_get(json_object_get(out, "MetricDataResults"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(result, "Values")), 1);
    ck_assert_double_eq(json_number_value(json_array_get(json_object_get(result, "Values"), 0)), 2);
    json_decref(out);
    metrics_clean_up(&g_metrics);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_queue_that_nobody_calls_falls_silent_and_old_minutes_go)
{
    struct world w = world_new();
    double values[METRICS_MINUTES];
    int64_t times[METRICS_MINUTES];
    const struct metrics_settings short_life = {.delay_ms = 0, .active_after_ms = 10 * MINUTE};
    open_metrics(&w, &short_life);
    w.queue->called_ms = w.now_ms;
    pass(&w, 60 * MINUTE);
    ck_assert_uint_eq(values_of(&w, "NumberOfMessagesSent", "Sum", 60, values, times), 10);
    world_send(&w, "m"); /* not empty: active again, for as long as it lies there */
    pass(&w, 200 * MINUTE);
    size_t count = values_of(&w, "ApproximateNumberOfMessagesVisible", "Sum", 60, values, times);
    ck_assert_uint_eq(count, METRICS_MINUTES - 1);
    ck_assert_int_eq(times[0], w.now_ms - MINUTE);
    metrics_clean_up(&g_metrics);
    world_clean_up(&w);
}
END_TEST

START_TEST(gaps_are_missing_minutes_and_not_zeros)
{
    struct world w = world_new();
    double values[METRICS_MINUTES];
    const struct metrics_settings half = {.active_after_ms = 6 * 3600 * 1000, .gaps = 0.5};
    open_metrics(&w, &half);
    pass(&w, 100 * MINUTE);
    size_t count = values_of(&w, "NumberOfMessagesSent", "Sum", 60, values, NULL);
    ck_assert_uint_gt(count, 25);
    ck_assert_uint_lt(count, 75);

    /* a stopped process is a gap, too: what it collected belongs to the minute it began in */
    metrics_clean_up(&g_metrics);
    open_metrics(&w, &SETTINGS);
    world_send(&w, "m");
    w.now_ms += 7 * MINUTE;
    metrics_roll(&g_metrics, w.engine, w.now_ms);
    pass(&w, 2 * MINUTE);
    ck_assert_uint_eq(values_of(&w, "NumberOfMessagesSent", "Sum", 60, values, NULL), 2);
    ck_assert_double_eq(values[1], 1);
    metrics_clean_up(&g_metrics);
    world_clean_up(&w);
}
END_TEST

START_TEST(faults_leave_queries_without_values)
{
    struct world w = world_new();
    struct rpc_failure failure;
    open_metrics(&w, &SETTINGS);
    pass(&w, 5 * MINUTE);
    struct cloudwatch silent = {.metrics = &g_metrics, .has_gap = true};
    json_t *out = call_with(&silent, CLOUDWATCH_GET_METRIC_DATA,
                            ask(WORLD_START_MS, w.now_ms, query_of("a", "NumberOfMessagesSent", "Sum", 60)),
                            w.now_ms, &failure);
    const json_t *result = json_array_get(json_object_get(out, "MetricDataResults"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(result, "StatusCode")), "Complete");
    ck_assert_uint_eq(json_array_size(json_object_get(result, "Values")), 0);
    json_decref(out);
    metrics_clean_up(&g_metrics);
    world_clean_up(&w);
}
END_TEST

START_TEST(pages_hold_every_point_once)
{
    struct world w = world_new();
    open_metrics(&w, &SETTINGS);
    world_send(&w, "m");
    pass(&w, 12 * MINUTE);
    size_t points[2] = {0, 0};
    int pages = 0;
    char token[64] = "";
    bool complete[2] = {false, false};
    do {
        json_t *in = ask(WORLD_START_MS, w.now_ms + MINUTE, query_of("a", "NumberOfMessagesSent", "Sum", 60));
        json_t *second = query_of("b", "NumberOfMessagesDeleted", "Sum", 60);
        (void)json_array_append_new(json_object_get(in, "MetricDataQueries"), second);
        (void)json_object_set_new(in, "MaxDatapoints", json_integer(4));
        if (token[0] != '\0')
            (void)json_object_set_new(in, "NextToken", json_string(token));
        json_t *out = good(CLOUDWATCH_GET_METRIC_DATA, in, w.now_ms);
        size_t in_page = 0;
        for (size_t i = 0; i < json_array_size(json_object_get(out, "MetricDataResults")); i++) {
            const json_t *result = json_array_get(json_object_get(out, "MetricDataResults"), i);
            size_t which = json_string_value(json_object_get(result, "Id"))[0] == 'a' ? 0 : 1;
            points[which] += json_array_size(json_object_get(result, "Values"));
            in_page += json_array_size(json_object_get(result, "Values"));
            complete[which] =
                strcmp(json_string_value(json_object_get(result, "StatusCode")), "Complete") == 0;
        }
        ck_assert_uint_le(in_page, 4);
        const char *next = json_string_value(json_object_get(out, "NextToken"));
        (void)snprintf(token, sizeof token, "%s", next == NULL ? "" : next);
        json_decref(out);
        pages++;
        pass(&w, MINUTE); /* a point more, which belongs to no page of these */
    } while (token[0] != '\0' && pages < 20);
    ck_assert_uint_eq(points[0], 11);
    ck_assert_uint_eq(points[1], 11);
    ck_assert(complete[0] && complete[1]);
    ck_assert_int_eq(pages, 6);
    metrics_clean_up(&g_metrics);
    world_clean_up(&w);
}
END_TEST

static json_t *datum(const char *name, double value, int64_t time_ms)
{
    return json_pack("{s:s,s:[{s:s,s:f,s:f,s:s,s:[{s:s,s:s},{s:s,s:s}]}]}", "Namespace", "Sluice",
                     "MetricData", "MetricName", name, "Value", value, "Timestamp", (double)time_ms / 1000,
                     "Unit", "Count", "Dimensions", "Name", "b", "Value", "2", "Name", "a", "Value", "1");
}

START_TEST(custom_metrics_come_back)
{
    struct world w = world_new();
    open_metrics(&w, &SETTINGS);
    json_decref(good(CLOUDWATCH_PUT_METRIC_DATA, datum("Desired", 2, w.now_ms), w.now_ms));
    json_decref(good(CLOUDWATCH_PUT_METRIC_DATA, datum("Desired", 6, w.now_ms + 1000), w.now_ms));
    static const struct {
        const char *statistic;
        double value;
    } CASES[] = {{"Sum", 8}, {"Average", 4}, {"Minimum", 2}, {"Maximum", 6}, {"SampleCount", 2}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        json_t *in =
            json_pack("{s:f,s:f,s:[{s:s,s:s,s:{s:{s:s,s:s,s:[{s:s,s:s},{s:s,s:s}]},s:i,s:s,s:s}}]}",
                      "StartTime", (double)(w.now_ms / 1000), "EndTime", (double)(w.now_ms / 1000 + 60),
                      "MetricDataQueries", "Id", "a", "Label", "mine", "MetricStat", "Metric", "Namespace",
                      "Sluice", "MetricName", "Desired", "Dimensions", "Name", "a", "Value", "1", "Name", "b",
                      "Value", "2", "Period", 60, "Stat", CASES[i].statistic, "Unit", "Count");
        json_t *out = good(CLOUDWATCH_GET_METRIC_DATA, in, w.now_ms);
        const json_t *result = json_array_get(json_object_get(out, "MetricDataResults"), 0);
        ck_assert_str_eq(json_string_value(json_object_get(result, "Label")), "mine");
        ck_assert_double_eq(json_number_value(json_array_get(json_object_get(result, "Values"), 0)),
                            CASES[i].value);
        json_decref(out);
    }
    json_t *out = good(CLOUDWATCH_LIST_METRICS, json_pack("{s:s}", "Namespace", "Sluice"), w.now_ms);
    const json_t *listed = json_object_get(out, "Metrics");
    ck_assert_uint_eq(json_array_size(listed), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(listed, 0), "Dimensions")), 2);
    json_decref(out);
    struct cloudwatch cloudwatch = {.metrics = &g_metrics};
    struct rpc_failure failure;
    char name[32];
    for (int i = 1; i <= METRICS_CUSTOM_MAX; i++) {
        (void)snprintf(name, sizeof name, "m%d", i);
        out =
            call_with(&cloudwatch, CLOUDWATCH_PUT_METRIC_DATA, datum(name, 1, w.now_ms), w.now_ms, &failure);
        ck_assert_int_eq(out != NULL, i < METRICS_CUSTOM_MAX);
        json_decref(out);
    }
    ck_assert_str_eq(rpc_error_query(failure.error), "LimitExceeded");
    metrics_clean_up(&g_metrics);
    world_clean_up(&w);
}
END_TEST

#define METRIC "\"Metric\":{\"Namespace\":\"N\",\"MetricName\":\"M\"}"
#define TIMES "\"StartTime\":60,\"EndTime\":120"

START_TEST(bad_requests_are_refused_by_name)
{
    static const struct {
        enum cloudwatch_op op;
        const char *body, *code, *text;
    } CASES[] = {
        {CLOUDWATCH_GET_METRIC_DATA, "{}", "MissingParameter", "StartTime"},
        {CLOUDWATCH_GET_METRIC_DATA, "{\"StartTime\":120,\"EndTime\":120}", "ValidationError", "less than"},
        {CLOUDWATCH_GET_METRIC_DATA, "{\"StartTime\":\"x\",\"EndTime\":120}", "MalformedInput", "StartTime"},
        {CLOUDWATCH_GET_METRIC_DATA, "{" TIMES "}", "MissingParameter", "MetricDataQueries"},
        {CLOUDWATCH_GET_METRIC_DATA, "{" TIMES ",\"MetricDataQueries\":[{}]}", "MissingParameter",
         "member.1.Id"},
        {CLOUDWATCH_GET_METRIC_DATA, "{" TIMES ",\"MetricDataQueries\":[{\"Id\":\"A\"}]}", "ValidationError",
         "pattern"},
        {CLOUDWATCH_GET_METRIC_DATA, "{" TIMES ",\"MetricDataQueries\":[{\"Id\":\"a\"}]}", "ValidationError",
         "Exactly one"},
        {CLOUDWATCH_GET_METRIC_DATA,
         "{" TIMES ",\"MetricDataQueries\":[{\"Id\":\"a\",\"Expression\":\"b+1\"}]}", "ValidationError",
         "not evaluated"},
        {CLOUDWATCH_GET_METRIC_DATA,
         "{" TIMES ",\"MetricDataQueries\":[{\"Id\":\"a\",\"MetricStat\":{" METRIC
         ",\"Period\":30,\"Stat\":\"Sum\"}}]}",
         "InvalidParameterValue", "multiple of 60"},
        {CLOUDWATCH_GET_METRIC_DATA,
         "{" TIMES ",\"MetricDataQueries\":[{\"Id\":\"a\",\"MetricStat\":{" METRIC
         ",\"Period\":60,\"Stat\":\"p99\"}}]}",
         "InvalidParameterValue", "p99"},
        {CLOUDWATCH_GET_METRIC_DATA,
         "{" TIMES ",\"MetricDataQueries\":[{\"Id\":\"a\",\"MetricStat\":{" METRIC
         ",\"Period\":60,\"Stat\":\"Sum\"}},"
         "{\"Id\":\"a\",\"MetricStat\":{" METRIC ",\"Period\":60,\"Stat\":\"Sum\"}}]}",
         "ValidationError", "not unique"},
        {CLOUDWATCH_GET_METRIC_DATA, "{" TIMES ",\"ScanBy\":\"Up\"}", "InvalidParameterValue", "ScanBy"},
        {CLOUDWATCH_GET_METRIC_DATA, "{" TIMES ",\"MaxDatapoints\":100801}", "InvalidParameterValue",
         "100800"},
        {CLOUDWATCH_GET_METRIC_DATA, "{" TIMES ",\"NextToken\":\"x\"}", "InvalidNextToken", "NextToken"},
        {CLOUDWATCH_PUT_METRIC_DATA, "{}", "MissingParameter", "Namespace"},
        {CLOUDWATCH_PUT_METRIC_DATA, "{\"Namespace\":\"AWS/SQS\"}", "InvalidParameterValue", "reserved"},
        {CLOUDWATCH_PUT_METRIC_DATA, "{\"Namespace\":\"N\",\"MetricData\":[]}", "MissingParameter",
         "MetricData"},
        {CLOUDWATCH_PUT_METRIC_DATA, "{\"Namespace\":\"N\",\"MetricData\":[{\"MetricName\":\"m\"}]}",
         "MissingParameter", "At least one"},
        {CLOUDWATCH_PUT_METRIC_DATA,
         "{\"Namespace\":\"N\",\"MetricData\":[{\"MetricName\":\"m\",\"Value\":1,\"Values\":[1]}]}",
         "InvalidParameterCombination", "mutually exclusive"},
        {CLOUDWATCH_PUT_METRIC_DATA,
         "{\"Namespace\":\"N\",\"MetricData\":[{\"MetricName\":\"m\",\"Value\":\"NaN\"}]}",
         "InvalidParameterValue", "NaN"},
        {CLOUDWATCH_PUT_METRIC_DATA,
         "{\"Namespace\":\"N\",\"MetricData\":[{\"MetricName\":\"m\",\"Value\":1,\"Timestamp\":1}]}",
         "InvalidParameterValue", "two weeks"},
        {CLOUDWATCH_PUT_METRIC_DATA,
         "{\"Namespace\":\"N\",\"MetricData\":[{\"MetricName\":\"m\",\"Value\":1,\"Unit\":\"Eggs\"}]}",
         "InvalidParameterValue", "Eggs"},
        {CLOUDWATCH_PUT_METRIC_DATA,
         "{\"Namespace\":\"N\",\"MetricData\":[{\"MetricName\":\"ok\",\"Value\":1},{\"MetricName\":\"\","
         "\"Value\":1}]}",
         "InvalidParameterValue", "MetricData.member.2.MetricName"},
        {CLOUDWATCH_LIST_METRICS, "{\"NextToken\":\"-\"}", "InvalidNextToken", "NextToken"},
    };
    struct world w = world_new();
    struct cloudwatch cloudwatch = {.metrics = &g_metrics};
    open_metrics(&w, &SETTINGS);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct rpc_failure failure;
        json_t *out =
            call_with(&cloudwatch, CASES[i].op, json_loads(CASES[i].body, 0, NULL), w.now_ms, &failure);
        ck_assert_msg(out == NULL, "%s was taken", CASES[i].body);
        ck_assert_msg(strcmp(rpc_error_query(failure.error), CASES[i].code) == 0 &&
                          strstr(failure.message, CASES[i].text) != NULL,
                      "%s: %s: %s", CASES[i].body, rpc_error_query(failure.error), failure.message);
    }
    ck_assert_uint_eq(g_metrics.customs.count, 0); /* all or none */
    metrics_clean_up(&g_metrics);
    world_clean_up(&w);
}
END_TEST

START_TEST(forms_become_trees)
{
    char form[] = "Action=PutMetricData&Namespace=A%20b&MetricData.member.1.Value=3&MetricData.member.2."
                  "Values.member.1=4"
                  "&MetricData.member.2.Values.member.2=%C3%A9&Empty=";
    struct rpc_failure failure = {.error = NULL};
    struct slice action = rpc_form_action(slice_of(form));
    ck_assert(slice_is(action, "PutMetricData"));
    json_t *tree = rpc_form_tree(form, strlen(form), &failure);
    json_t *want = json_pack("{s:s,s:s,s:[{s:s},{s:[s,s]}],s:s}", "Action", "PutMetricData", "Namespace",
                             "A b", "MetricData", "Value", "3", "Values", "4", "\xC3\xA9", "Empty", "");
    ck_assert(json_equal(tree, want));
    json_decref(want);
    json_decref(tree);
    static const char *const BAD[] = {"A=%zz", "A.member.2=1", "A.member.x=1", "A=1&A.B=2", "A=%ff", "A=%00"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        char text[32];
        memcpy(text, BAD[i], strlen(BAD[i]) + 1);
        failure = (struct rpc_failure){.error = NULL};
        ck_assert_msg(rpc_form_tree(text, strlen(text), &failure) == NULL, "%s", BAD[i]);
        ck_assert_ptr_eq(failure.error, &RPC_SERIALIZATION);
    }
    char none[] = "XAction=1&Bction=2";
    ck_assert_ptr_null(rpc_form_action(slice_of(none)).at);
}
END_TEST

START_TEST(trees_become_xml)
{
    struct strbuf out = STRBUF_INIT;
    json_t *tree =
        json_pack("{s:[{s:s,s:[i],s:[f]}]}", "Results", "Id", "<a>", "Timestamps", 60, "Values", 1.5);
    rpc_write_xml(&CLOUDWATCH_SERVICE, "GetMetricData", tree, "r", &out);
    ck_assert_str_eq(
        strbuf_str(&out),
        "<GetMetricDataResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\">"
        "<GetMetricDataResult><Results><member><Id>&lt;a&gt;</Id><Timestamps><member>"
        "1970-01-01T00:01:00.000Z</member></Timestamps><Values><member>1.5</member></Values></member>"
        "</Results></GetMetricDataResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
        "</GetMetricDataResponse>");
    json_decref(tree);
    strbuf_clean_up(&out);
    int64_t ms = 0;
    ck_assert(rpc_parse_time("2026-11-23T09:20:00.5Z", &ms) && ms % 60000 == 500);
    ck_assert(rpc_parse_time("1970-01-01T00:01:00+00:00", &ms) && ms == 60000);
    ck_assert(!rpc_parse_time("2026-11-23", &ms) && !rpc_parse_time("2026-11-23T09:20:00+01:00", &ms));
}
END_TEST

UNIT_MAIN("cloudwatch", a_minute_is_read_after_it_ended_and_the_delay, every_metric_of_a_queue,
          periods_join_minutes_at_their_multiples, a_queue_that_nobody_calls_falls_silent_and_old_minutes_go,
          gaps_are_missing_minutes_and_not_zeros, faults_leave_queries_without_values,
          pages_hold_every_point_once, custom_metrics_come_back, bad_requests_are_refused_by_name,
          forms_become_trees, trees_become_xml)
