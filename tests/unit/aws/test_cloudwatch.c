/* CloudWatch against a scripted server: the bytes of requests, every form of reply, what errors mean. */
#include "aws/cloudwatch.h"

#include "tests/unit/aws/operation_fixture.h"

#include <math.h>

static void on_data(void *arg, const struct aws_result *result, const struct cloudwatch_series *series,
                    size_t count, const char *next_token)
{
    (void)arg;
    told(result);
    for (size_t i = 0; i < count; i++) {
        strbuf_appendf(&g_told, "%d:%d", (int)series[i].query, (int)series[i].status);
        for (size_t j = 0; j < series[i].point_count; j++)
            strbuf_appendf(&g_told, " %lld=%.17g", (long long)series[i].points[j].at_ms,
                           series[i].points[j].value);
        strbuf_append_str(&g_told, "; ");
    }
    strbuf_appendf(&g_told, "next [%s]", next_token);
}

static void on_put(void *arg, const struct aws_result *result)
{
    (void)arg;
    told(result);
}

static void finish(const char *target, const char *want)
{
    wait_for_reply();
    ck_assert_str_eq(fake_header(&g_server, 0, "X-Amz-Target"), target);
    ck_assert_str_eq(fake_header(&g_server, 0, "Content-Type"), "application/x-amz-json-1.0");
    ck_assert_str_eq(g_server.requests[0].body, want);
}

#define TARGET "GraniteServiceVersion20100801."
#define QUERY(id, metric, stat)                                                                              \
    "{\"Id\":\"" id "\",\"MetricStat\":{\"Metric\":{\"Namespace\":\"AWS/SQS\",\"MetricName\":\"" metric      \
    "\",\"Dimensions\":[{\"Name\":\"QueueName\",\"Value\":\"jobs\"}]},\"Period\":60,\"Stat\":\"" stat        \
    "\"},\"ReturnData\":true}"
#define REQUEST(token)                                                                                       \
    "{\"StartTime\":1700000040,\"EndTime\":1700000220,\"ScanBy\":\"TimestampDescending\"," token             \
    "\"MetricDataQueries\":[" QUERY("q0", "ApproximateNumberOfMessagesVisible",                              \
                                    "Maximum") "," QUERY("q1", "NumberOfMessagesSent", "Sum") "]}"

static const struct cloudwatch_query QUERIES[CLOUDWATCH_QUERIES_MAX + 1] = {
    {"AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "jobs", "Maximum", 60},
    {"AWS/SQS", "NumberOfMessagesSent", "QueueName", "jobs", "Sum", 60},
};

static void ask(int status, const char *reply)
{
    reply_with(status, reply);
    (void)cloudwatch_get_metric_data(g_client, QUERIES, 2, 1700000040000, 1700000220000, NULL, on_data, NULL);
    finish(TARGET "GetMetricData", REQUEST(""));
}

static const char REPLY[] =
    "{\"MetricDataResults\":[{\"Id\":\"q0\",\"Label\":\"x\",\"Timestamps\":[1700000160,1.70000010E9],"
    "\"Values\":[412.0,7],\"StatusCode\":\"Complete\"},{\"StatusCode\":\"PartialData\",\"Values\":[60.5],"
    "\"Timestamps\":[1700000100.0],\"Id\":\"q1\",\"Messages\":[{\"Code\":\"c\",\"Value\":\"v\"}]}],"
    "\"NextToken\":\"more\",\"Messages\":[]}";

START_TEST(metrics_are_asked_for_and_told_point_by_point)
{
    set_up();
    ask(200, REPLY);
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    ck_assert_str_eq(strbuf_str(&g_told),
                     "0:0 1700000160000=412 1700000100000=7; 1:1 1700000100000=60.5; next [more]");
    ck_assert_ptr_nonnull(
        strstr(fake_header(&g_server, 0, "Authorization"), "/us-west-2/monitoring/aws4_request"));
    tear_down();
}
END_TEST

START_TEST(a_further_page_is_asked_for_with_its_token)
{
    set_up();
    reply_with(200, "{\"MetricDataResults\":[]}");
    (void)cloudwatch_get_metric_data(g_client, QUERIES, 2, 1700000040000, 1700000220000, "more", on_data,
                                     NULL);
    finish(TARGET "GetMetricData", REQUEST("\"NextToken\":\"more\","));
    ck_assert_str_eq(strbuf_str(&g_told), "next []");
    tear_down();
}
END_TEST

START_TEST(no_points_are_no_points_and_never_zero)
{
    set_up();
    ask(200, "{\"MetricDataResults\":[{\"Id\":\"q1\",\"Timestamps\":[],\"Values\":[],\"StatusCode\":"
             "\"Complete\"},{\"Id\":\"q0\",\"StatusCode\":\"Forbidden\"},{\"Id\":\"q0\",\"StatusCode\":"
             "\"InternalError\",\"Timestamps\":null},{\"Id\":\"q0\",\"StatusCode\":\"Later\"}],"
             "\"NextToken\":null}");
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    ck_assert_str_eq(strbuf_str(&g_told), "1:0; 0:2; 0:3; 0:3; next []");
    tear_down();
}
END_TEST

START_TEST(a_reply_cut_at_any_byte_tells_nothing)
{
    set_up();
    for (size_t len = 0; len + 1 < sizeof REPLY; len++) {
        char *cut = strndup(REPLY, len);
        ask(200, cut);
        ck_assert_int_eq(g_result.kind, AWS_KIND_BAD_REPLY);
        ck_assert_str_eq(strbuf_str(&g_told), "next []");
        free(cut);
    }
    tear_down();
}
END_TEST

START_TEST(replies_that_make_no_sense_are_told)
{
    static const char *const BAD[] = {
        "{}",
        "[]",
        "{\"NextToken\":\"x\"}",
        "{\"MetricDataResults\":[{}]}",
        "{\"MetricDataResults\":[{\"Id\":\"q2\"}]}",
        "{\"MetricDataResults\":[{\"Id\":\"q\"}]}",
        "{\"MetricDataResults\":[{\"Id\":\"q-1\"}]}",
        "{\"MetricDataResults\":[{\"Id\":\"q00001\"}]}",
        "{\"MetricDataResults\":[{\"Id\":5}]}",
        "{\"MetricDataResults\":[{\"Id\":\"q0\",\"Timestamps\":[1]}]}",
        "{\"MetricDataResults\":[{\"Id\":\"q0\",\"Values\":[1]}]}",
        "{\"MetricDataResults\":[{\"Id\":\"q0\",\"Timestamps\":[\"2023\"],\"Values\":[1]}]}",
        "{\"MetricDataResults\":[{\"Id\":\"q0\",\"Timestamps\":[-5],\"Values\":[1]}]}",
        "{\"MetricDataResults\":[{\"Id\":\"q0\",\"Timestamps\":[1e300],\"Values\":[1]}]}",
        "{\"MetricDataResults\":[{\"Id\":\"q0\",\"Timestamps\":[1],\"Values\":[1e999]}]}",
    };
    set_up();
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        ask(200, BAD[i]);
        ck_assert_msg(g_result.kind == AWS_KIND_BAD_REPLY, "%s", BAD[i]);
        ck_assert_str_eq(strbuf_str(&g_told), "next []");
    }
    tear_down();
}
END_TEST

START_TEST(a_call_takes_500_queries_and_a_reply_no_more_points_than_aws_sends)
{
    static struct cloudwatch_query queries[CLOUDWATCH_QUERIES_MAX];
    struct strbuf reply = STRBUF_INIT;
    set_up();
    for (size_t i = 0; i < CLOUDWATCH_QUERIES_MAX; i++)
        queries[i] = QUERIES[1];
    reply_with(200, "{\"MetricDataResults\":[{\"Id\":\"q499\",\"Timestamps\":[1],\"Values\":[2]}]}");
    (void)cloudwatch_get_metric_data(g_client, queries, CLOUDWATCH_QUERIES_MAX, 0, 60000, NULL, on_data,
                                     NULL);
    wait_for_reply();
    ck_assert_str_eq(strbuf_str(&g_told), "499:0 1000=2; next []");
    ck_assert_ptr_nonnull(strstr(g_server.requests[0].body, "\"Id\":\"q499\""));
    strbuf_append_str(&reply, "{\"MetricDataResults\":[{\"Id\":\"q0\",\"Values\":[");
    for (int i = 0; i <= CLOUDWATCH_POINTS_MAX; i++)
        strbuf_append_str(&reply, i > 0 ? ",1" : "1");
    strbuf_append_str(&reply, "]}]}");
    ask(200, strbuf_str(&reply));
    ck_assert_int_eq(g_result.kind, AWS_KIND_BAD_REPLY);
    ck_assert_ptr_nonnull(strstr(g_result.message, "more points"));
    strbuf_clean_up(&reply);
    tear_down();
}
END_TEST

START_TEST(errors_are_judged_by_their_code)
{
    static const struct {
        int status;
        const char *code;
        enum aws_kind kind;
    } CASES[] = {
        {400, "ThrottlingException", AWS_KIND_THROTTLED},
        {400, "Throttling", AWS_KIND_THROTTLED},
        {500, "InternalServiceFault", AWS_KIND_TRANSIENT},
        {403, "AccessDeniedException", AWS_KIND_DENIED},
        {400, "InvalidParameterValueException", AWS_KIND_REQUEST},
        {400, "InvalidNextToken", AWS_KIND_REQUEST},
        {403, "ExpiredTokenException", AWS_KIND_CREDENTIALS},
    };
    set_up();
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char body[128];
        (void)snprintf(body, sizeof body, "{\"__type\":\"com.amazonaws.cloudwatch#%s\",\"Message\":\"no\"}",
                       CASES[i].code);
        ask(CASES[i].status, body);
        ck_assert_msg(g_result.kind == CASES[i].kind, "%s: %s", CASES[i].code, aws_kind_name(g_result.kind));
        ck_assert_str_eq(strbuf_str(&g_told), "next []");
    }
    tear_down();
}
END_TEST

START_TEST(values_are_put_with_and_without_a_dimension)
{
    static const struct cloudwatch_datum DATA[] = {
        {"Desired", "Fleet", "orders", "Count", 1700000000999, 25},
        {"Uptime", NULL, NULL, "Seconds", 1700000000000, 0.5},
    };
    static const char WANT[] =
        "{\"Namespace\":\"Sluice\",\"MetricData\":[{\"MetricName\":\"Desired\",\"Dimensions\":[{\"Name\":"
        "\"Fleet\",\"Value\":\"orders\"}],\"Timestamp\":1700000000,\"Value\":25,\"Unit\":\"Count\"},"
        "{\"MetricName\":\"Uptime\",\"Timestamp\":1700000000,\"Value\":0.5,\"Unit\":\"Seconds\"}]}";
    static const char *const REPLIES[] = {"", "{}"};
    set_up();
    for (int i = 0; i < 2; i++) {
        reply_with(200, REPLIES[i]);
        (void)cloudwatch_put_metric_data(g_client, "Sluice", DATA, 2, on_put, NULL);
        finish(TARGET "PutMetricData", WANT);
        ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    }
    tear_down();
}
END_TEST

static void finish_refused(void)
{
    wait_for_reply();
    ck_assert_int_eq(g_result.kind, AWS_KIND_REQUEST);
    ck_assert_int_eq(g_server.request_count, 0);
    g_calls = 0;
}

START_TEST(calls_that_cloudwatch_would_refuse_are_not_sent)
{
    static struct cloudwatch_datum data[CLOUDWATCH_DATA_MAX + 1];
    const double bad[] = {NAN, INFINITY, -INFINITY, 0x1p361, -0x1p361};
    char *longest = xmalloc(2000);
    set_up();
    reply_with(200, "{}");
    (void)cloudwatch_get_metric_data(g_client, QUERIES, 0, 0, 60000, NULL, on_data, NULL);
    finish_refused();
    (void)cloudwatch_get_metric_data(g_client, QUERIES, CLOUDWATCH_QUERIES_MAX + 1, 0, 60000, NULL, on_data,
                                     NULL);
    finish_refused();
    (void)cloudwatch_get_metric_data(g_client, QUERIES, 1, 60000, 60000, NULL, on_data, NULL);
    finish_refused();
    for (size_t i = 0; i < CLOUDWATCH_DATA_MAX + 1; i++)
        data[i] = (struct cloudwatch_datum){"M", NULL, NULL, "Count", 0, 1};
    (void)cloudwatch_put_metric_data(g_client, "S", data, CLOUDWATCH_DATA_MAX + 1, on_put, NULL);
    finish_refused();
    (void)cloudwatch_put_metric_data(g_client, "S", data, 0, on_put, NULL);
    finish_refused();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        data[1].value = bad[i];
        (void)cloudwatch_put_metric_data(g_client, "S", data, 2, on_put, NULL);
        finish_refused();
    }
    memset(longest, 'x', 1999);
    longest[1999] = '\0';
    for (size_t i = 0; i < CLOUDWATCH_DATA_MAX; i++)
        data[i] = (struct cloudwatch_datum){"M", "Fleet", longest, "Count", 0, 1};
    (void)cloudwatch_put_metric_data(g_client, "S", data, CLOUDWATCH_DATA_MAX, on_put, NULL);
    finish_refused();
    free(longest);
    tear_down();
}
END_TEST

UNIT_MAIN("cloudwatch", metrics_are_asked_for_and_told_point_by_point,
          a_further_page_is_asked_for_with_its_token, no_points_are_no_points_and_never_zero,
          a_reply_cut_at_any_byte_tells_nothing, replies_that_make_no_sense_are_told,
          a_call_takes_500_queries_and_a_reply_no_more_points_than_aws_sends, errors_are_judged_by_their_code,
          values_are_put_with_and_without_a_dimension, calls_that_cloudwatch_would_refuse_are_not_sent)
