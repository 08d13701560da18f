/* Decoders of both protocols, the signature check, and fault rules. */
#include "tests/unit/unit.h"

#include "localaws/auth.h"
#include "localaws/faults.h"
#include "localaws/sqs_request.h"

#include <stdio.h>

static struct sqs_request g_request;
static char g_text[65536];

static enum sqs_error json(enum sqs_op op, const char *text, struct sqs_failure *failure)
{
    memcpy(g_text, text, strlen(text) + 1);
    sqs_request_reset(&g_request, op);
    return sqs_json_decode(&g_request, g_text, strlen(text), failure);
}

static enum sqs_error query(enum sqs_op op, const char *text, struct sqs_failure *failure)
{
    static struct sqs_param params[SQS_PARAMS_MAX];
    size_t count = 0;
    memcpy(g_text, text, strlen(text) + 1);
    sqs_request_reset(&g_request, op);
    enum sqs_error error = sqs_query_split(g_text, strlen(text), params, &count, failure);
    return error != SQS_OK ? error : sqs_query_decode(&g_request, params, count, failure);
}

static void expect_batch(void)
{
    ck_assert(slice_is(g_request.queue_url, "http://h/1/q"));
    ck_assert_uint_eq(g_request.entry_count, 2);
    const struct sqs_entry *e = g_request.entries;
    ck_assert(slice_is(e[0].id, "a") && slice_is(e[1].id, "b"));
    ck_assert(slice_is(e[0].body, "x&y = z") && slice_is(e[1].body, "\xC3\xA9"));
    ck_assert(e[0].delay_s.is_given && e[0].delay_s.value == 5);
    ck_assert(!e[1].delay_s.is_given);
    ck_assert_uint_eq(e[0].attribute_count, 2);
    ck_assert(slice_is(e[0].attributes[0].name, "n") && slice_is(e[0].attributes[0].type, "Number") &&
              slice_is(e[0].attributes[0].value, "7") && !e[0].attributes[0].is_binary);
    ck_assert(slice_is(e[0].attributes[1].name, "b") && slice_is(e[0].attributes[1].value, "hi") &&
              e[0].attributes[1].is_binary);
    ck_assert(slice_is(e[1].trace_header, "Root=1"));
    ck_assert_uint_eq(e[1].attribute_count, 0);
}

START_TEST(both_protocols_give_the_same_batch)
{
    struct sqs_failure failure;
    ck_assert_int_eq(
        json(SQS_SEND_MESSAGE_BATCH,
             "{\"QueueUrl\":\"http://h/1/"
             "q\",\"Unknown\":[{\"a\":1}],\"Entries\":[{\"Id\":\"a\",\"MessageBody\":\"x&y ="
             " z\",\"DelaySeconds\":5,\"MessageAttributes\":{\"n\":{\"DataType\":\"Number\",\"StringValue\":"
             "\"7\"},\"b\":{"
             "\"DataType\":\"Binary\",\"BinaryValue\":\"aGk=\"}}},{\"Id\":\"b\",\"MessageBody\":\"\\u00e9\","
             "\"DelaySeconds\":null,\"MessageSystemAttributes\":{\"AWSTraceHeader\":{\"DataType\":\"String\","
             "\"StringValue\":\"Root=1\"}}}]}",
             &failure),
        SQS_OK);
    expect_batch();
    ck_assert_int_eq(
        query(SQS_SEND_MESSAGE_BATCH,
              "Action=SendMessageBatch&Version=2012-11-05&QueueUrl=http%3A%2F%2Fh%2F1%2Fq"
              "&SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=%C3%A9"
              "&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=x%26y+%3D+z"
              "&SendMessageBatchRequestEntry.1.DelaySeconds=5"
              "&SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n"
              "&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=Number"
              "&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=7"
              "&SendMessageBatchRequestEntry.1.MessageAttribute.2.Name=b"
              "&SendMessageBatchRequestEntry.1.MessageAttribute.2.Value.BinaryValue=aGk%3D"
              "&SendMessageBatchRequestEntry.1.MessageAttribute.2.Value.DataType=Binary"
              "&SendMessageBatchRequestEntry.2.MessageSystemAttribute.1.Name=AWSTraceHeader"
              "&SendMessageBatchRequestEntry.2.MessageSystemAttribute.1.Value.StringValue=Root%3D1",
              &failure),
        SQS_OK);
    expect_batch();
}
END_TEST

START_TEST(both_protocols_give_the_same_receive)
{
    struct sqs_failure failure;
    ck_assert_int_eq(
        json(SQS_RECEIVE_MESSAGE,
             "{\"QueueUrl\":\"u\",\"MaxNumberOfMessages\":10,\"WaitTimeSeconds\":0,\"VisibilityTimeout\":7,"
             "\"AttributeNames\":[\"All\"],\"MessageSystemAttributeNames\":[\"SentTimestamp\",\"SenderId\"],"
             "\"MessageAttributeNames\":[\"a.*\"]}",
             &failure),
        SQS_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert(g_request.max_messages.is_given && g_request.max_messages.value == 10);
        ck_assert(g_request.wait_s.is_given && g_request.wait_s.value == 0);
        ck_assert(g_request.entries[0].visibility_s.is_given && g_request.entries[0].visibility_s.value == 7);
        ck_assert_uint_eq(g_request.attribute_names.count, 1);
        ck_assert_uint_eq(g_request.system_attribute_names.count, 2);
        ck_assert(slice_is(g_request.system_attribute_names.names[1], "SenderId"));
        ck_assert(slice_is(g_request.message_attribute_names.names[0], "a.*"));
        ck_assert_int_eq(query(SQS_RECEIVE_MESSAGE,
                               "QueueUrl=u&MaxNumberOfMessages=10&WaitTimeSeconds=0&VisibilityTimeout=7"
                               "&AttributeName.1=All&MessageSystemAttributeName.1=SentTimestamp"
                               "&MessageSystemAttributeName.2=SenderId&MessageAttributeName.1=a.%2A",
                               &failure),
                         SQS_OK);
    }
}
END_TEST

START_TEST(both_protocols_give_the_same_queue_attributes_and_tags)
{
    struct sqs_failure failure;
    ck_assert_int_eq(
        json(SQS_CREATE_QUEUE,
             "{\"QueueName\":\"q\",\"Attributes\":{\"DelaySeconds\":\"3\",\"Policy\":\"\"},\"tags\":{\"k\":"
             "\"v\"}}",
             &failure),
        SQS_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert(slice_is(g_request.queue_name, "q"));
        ck_assert_uint_eq(g_request.attributes.count, 2);
        ck_assert(slice_is(g_request.attributes.pairs[0].name, "DelaySeconds"));
        ck_assert(slice_is(g_request.attributes.pairs[0].value, "3"));
        ck_assert(slice_is(g_request.attributes.pairs[1].value, ""));
        ck_assert_uint_eq(g_request.tags.count, 1);
        ck_assert(slice_is(g_request.tags.pairs[0].name, "k") &&
                  slice_is(g_request.tags.pairs[0].value, "v"));
        ck_assert_int_eq(
            query(SQS_CREATE_QUEUE,
                  "QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=3&Attribute.2.Name=Policy"
                  "&Attribute.2.Value=&Tag.1.Key=k&Tag.1.Value=v",
                  &failure),
            SQS_OK);
    }
}
END_TEST

START_TEST(the_wrong_types_are_errors_that_name_the_operation)
{
    struct sqs_failure failure;
    static const char *const BAD_JSON[] = {"[]",
                                           "{\"QueueUrl\":5}",
                                           "{\"WaitTimeSeconds\":\"5\"}",
                                           "{\"WaitTimeSeconds\":1.5}",
                                           "{\"AttributeNames\":\"All\"}",
                                           "{} {}",
                                           "{\"MessageAttributes\":{\"a\":{\"BinaryValue\":\"!\"}}}",
                                           "{\"QueueUrl\":"};
    static const char *const BAD_QUERY[] = {"WaitTimeSeconds=x",
                                            "WaitTimeSeconds=",
                                            "QueueUrl=%4",
                                            "QueueUrl=%zz",
                                            "MessageAttribute.1.Value.BinaryValue=!",
                                            "MessageAttribute.x1.Name=a&WaitTimeSeconds=-"};
    for (size_t i = 0; i < sizeof BAD_JSON / sizeof *BAD_JSON; i++) {
        ck_assert_msg(json(SQS_RECEIVE_MESSAGE, BAD_JSON[i], &failure) == SQS_SERIALIZATION, "%s",
                      BAD_JSON[i]);
        ck_assert_ptr_nonnull(strstr(failure.message, "ReceiveMessage"));
    }
    for (size_t i = 0; i < sizeof BAD_QUERY / sizeof *BAD_QUERY; i++)
        ck_assert_msg(query(SQS_RECEIVE_MESSAGE, BAD_QUERY[i], &failure) == SQS_SERIALIZATION, "%s",
                      BAD_QUERY[i]);
}
END_TEST

START_TEST(more_than_fits_is_counted_and_not_kept)
{
    struct sqs_failure failure;
    static char text[60000];
    int len = snprintf(text, sizeof text, "{\"Entries\":[");
    for (int i = 0; i < 100; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "%s{\"Id\":\"%d\"}", i == 0 ? "" : ",", i);
    (void)snprintf(text + len, sizeof text - (size_t)len, "]}");
    ck_assert_int_eq(json(SQS_DELETE_MESSAGE_BATCH, text, &failure), SQS_OK);
    ck_assert_uint_eq(g_request.entry_count, 100);
    ck_assert(slice_is(g_request.entries[8].id, "8"));
    ck_assert_int_eq(query(SQS_DELETE_MESSAGE_BATCH, "DeleteMessageBatchRequestEntry.5000.Id=a", &failure),
                     SQS_OK);
    ck_assert_uint_eq(g_request.entry_count, 5000);
    ck_assert_int_eq(
        query(SQS_DELETE_MESSAGE_BATCH, "DeleteMessageBatchRequestEntry.99999999999.Id=a", &failure),
        SQS_SERIALIZATION);
}
END_TEST

/* ---- signatures: the SQS-shaped vector of the project's notes, made with botocore ---- */

#define VECTOR_BODY                                                                                          \
    "{\"QueueUrl\":\"https://sqs.us-east-1.amazonaws.com/123456789012/jobs\",\"MaxNumberOfMessages\":10,"    \
    "\"WaitTimeSeconds\":20}"
#define VECTOR_SIGNATURE "0b31289911a03fb2e3761e9cb2138d757fd45f73d8ec28fe6698b1bd184cef55"
#define VECTOR_MS INT64_C(1440938160000) /* 2015-08-30T12:36:00Z */

static struct auth vector_auth(void)
{
    return (struct auth){.access_key = "AKIDEXAMPLE",
                         .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                         .region = "us-east-1"};
}

static enum sqs_error check_vector(struct auth *auth, const char *signature, const char *body,
                                   const char *extra, int64_t wall_ms, struct sqs_failure *failure)
{
    static char head[2048];
    static char copy[512];
    struct http_request request;
    int len =
        snprintf(head, sizeof head,
                 "POST / HTTP/1.1\r\nContent-Type: application/x-amz-json-1.0\r\nHost:"
                 " sqs.us-east-1.amazonaws.com\r\nX-Amz-Date: 20150830T123600Z\r\nX-Amz-Security-Token:"
                 " SESSIONTOKENEXAMPLE==\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\nUser-Agent: x\r\n"
                 "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/sqs/aws4_request,"
                 " SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target,"
                 " Signature=%s\r\n%s\r\n",
                 signature, extra);
    ck_assert_int_eq(http_request_parse_head(&request, head, (size_t)len), 0);
    (void)snprintf(copy, sizeof copy, "%s", body);
    request.body = copy;
    request.body_len = strlen(body);
    return auth_check(auth, &request, "sqs", wall_ms, failure);
}

START_TEST(a_good_signature_passes_and_a_changed_byte_does_not)
{
    struct auth auth = vector_auth();
    struct sqs_failure failure;
    ck_assert_int_eq(check_vector(&auth, VECTOR_SIGNATURE, VECTOR_BODY, "", VECTOR_MS, &failure), SQS_OK);
    ck_assert_str_eq(auth.keys[0].day, "20150830");
    ck_assert_str_eq(auth.keys[0].service, "sqs");
    ck_assert_int_eq(check_vector(&auth, VECTOR_SIGNATURE, VECTOR_BODY " ", "", VECTOR_MS, &failure),
                     SQS_BAD_SIGNATURE);
    char changed[] = VECTOR_SIGNATURE;
    changed[63] = '6';
    ck_assert_int_eq(check_vector(&auth, changed, VECTOR_BODY, "", VECTOR_MS, &failure), SQS_BAD_SIGNATURE);
    ck_assert_int_eq(
        check_vector(&auth, VECTOR_SIGNATURE, VECTOR_BODY, "X-Amz-Target: again\r\n", VECTOR_MS, &failure),
        SQS_BAD_SIGNATURE);
    struct auth wrong = vector_auth();
    wrong.secret_key = "wrong";
    ck_assert_int_eq(check_vector(&wrong, VECTOR_SIGNATURE, VECTOR_BODY, "", VECTOR_MS, &failure),
                     SQS_BAD_SIGNATURE);
    ck_assert_ptr_null(strstr(failure.message, "wrong"));
}
END_TEST

START_TEST(the_day_of_a_signature_is_within_a_quarter_of_an_hour)
{
    struct auth auth = vector_auth();
    struct sqs_failure failure;
    for (int side = -1; side <= 1; side += 2) {
        ck_assert_int_eq(check_vector(&auth, VECTOR_SIGNATURE, VECTOR_BODY, "",
                                      VECTOR_MS + side * AUTH_SKEW_MAX_MS, &failure),
                         SQS_OK);
        ck_assert_int_eq(check_vector(&auth, VECTOR_SIGNATURE, VECTOR_BODY, "",
                                      VECTOR_MS + side * (AUTH_SKEW_MAX_MS + 1), &failure),
                         SQS_EXPIRED_SIGNATURE);
    }
}
END_TEST

START_TEST(claims_that_are_not_ours_are_told_apart)
{
    struct sqs_failure failure;
    struct auth other_key = vector_auth();
    struct auth other_region = vector_auth();
    other_key.access_key = "AKIDOTHER";
    other_region.region = "eu-west-1";
    ck_assert_int_eq(check_vector(&other_key, VECTOR_SIGNATURE, VECTOR_BODY, "", VECTOR_MS, &failure),
                     SQS_UNKNOWN_KEY);
    ck_assert_int_eq(check_vector(&other_region, VECTOR_SIGNATURE, VECTOR_BODY, "", VECTOR_MS, &failure),
                     SQS_BAD_SIGNATURE);
    ck_assert_ptr_nonnull(strstr(failure.message, "eu-west-1"));
    struct auth auth = vector_auth();
    ck_assert_int_eq(check_vector(&auth, "short", VECTOR_BODY, "", VECTOR_MS, &failure),
                     SQS_INCOMPLETE_SIGNATURE);
    char head[] = "POST / HTTP/1.1\r\nHost: h\r\n\r\n";
    struct http_request bare;
    ck_assert_int_eq(http_request_parse_head(&bare, head, sizeof head - 1), 0);
    ck_assert_int_eq(auth_check(&auth, &bare, "sqs", VECTOR_MS, &failure), SQS_MISSING_TOKEN);
}
END_TEST

/* ---- fault rules ---- */

static int add(struct faults *faults, const char *text, struct err *err)
{
    return faults_add(faults, text, strlen(text), err);
}

START_TEST(bad_rules_are_refused_whole_with_what_is_allowed)
{
    static const char *const BAD[][2] = {
        {"{", "JSON"},
        {"5", "JSON"},
        {"[5]", "object"},
        {"{\"kind\":\"error\"}", "operation"},
        {"{\"operation\":\"*\"}", "kind"},
        {"{\"operation\":\"*\",\"kind\":\"flood\"}", "noisy_counts"},
        {"{\"operation\":\"Nonsense\",\"kind\":\"error\"}", "Nonsense"},
        {"{\"operation\":\"*\",\"kind\":\"error\",\"probability\":1.5}", "0 to 1"},
        {"{\"operation\":\"*\",\"kind\":\"error\",\"count\":-1}", "count"},
        {"{\"operation\":\"*\",\"kind\":\"error\",\"count\":1.5}", "whole number"},
        {"{\"operation\":\"*\",\"kind\":\"error\",\"status\":200}", "400 to 599"},
        {"{\"operation\":\"*\",\"kind\":\"error\",\"unknown\":1}", "unknown"},
        {"{\"operation\":\"*\",\"kind\":\"error\",\"code\":\"a\\r\\nb\"}", "one line"},
        {"{\"operation\":\"*\",\"kind\":\"error\",\"after\":1}", "true or false"},
        {"{\"operation\":\"*\",\"kind\":\"latency\"}", "latency_ms"},
        {"{\"operation\":\"*\",\"kind\":\"truncate\",\"after\":false}", "after"},
        {"[{\"operation\":\"*\",\"kind\":\"error\"},{\"operation\":\"*\",\"kind\":\"x\"}]", "rule 2"},
    };
    struct faults faults = {.rules = NULL};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct err err;
        ck_assert_msg(add(&faults, BAD[i][0], &err) == -1, "%s", BAD[i][0]);
        ck_assert_msg(strstr(err.text, BAD[i][1]) != NULL, "%s: %s", BAD[i][0], err.text);
        ck_assert_uint_eq(faults.count, 0);
    }
    faults_clean_up(&faults);
}
END_TEST

static int64_t firings(const char *rule, int op, const char *queue, int tries)
{
    struct faults faults = {.rules = NULL};
    struct fault_plan plan;
    int64_t fired = 0;
    ck_assert_int_eq(add(&faults, rule, NULL), 0);
    for (int i = 0; i < tries; i++) {
        faults_plan(&faults, op, slice_of(queue), &plan);
        fired += plan.is_needed;
    }
    ck_assert_uint_eq(faults.rules[0].fired[op], (uint64_t)fired);
    ck_assert_uint_eq(faults.rules[0].fired_total, (uint64_t)fired);
    faults_clean_up(&faults);
    return fired;
}

START_TEST(rules_fire_for_their_operation_queue_count_and_probability)
{
    static const char ANY[] = "{\"operation\":\"*\",\"kind\":\"error\"}";
    static const char ONE[] = "{\"operation\":\"SendMessage\",\"kind\":\"error\",\"queue\":\"q\"}";
    static const char THREE[] = "{\"operation\":\"*\",\"kind\":\"error\",\"count\":3}";
    static const char NEVER[] = "{\"operation\":\"*\",\"kind\":\"error\",\"probability\":0}";
    static const char THIRD[] = "{\"operation\":\"*\",\"kind\":\"error\",\"probability\":0.3,\"seed\":7}";
    static const char OTHER[] = "{\"operation\":\"*\",\"kind\":\"error\",\"probability\":0.3,\"seed\":8}";
    ck_assert_int_eq(firings(ANY, SQS_LIST_QUEUES, "", 10), 10);
    ck_assert_int_eq(firings(ONE, SQS_SEND_MESSAGE, "q", 10), 10);
    ck_assert_int_eq(firings(ONE, SQS_SEND_MESSAGE, "p", 10), 0);
    ck_assert_int_eq(firings(ONE, SQS_DELETE_MESSAGE, "q", 10), 0);
    ck_assert_int_eq(firings(THREE, SQS_SEND_MESSAGE, "q", 10), 3);
    ck_assert_int_eq(firings(NEVER, SQS_SEND_MESSAGE, "q", 100), 0);
    int64_t third = firings(THIRD, SQS_SEND_MESSAGE, "q", 10000);
    ck_assert_int_gt(third, 2700);
    ck_assert_int_lt(third, 3300);
    ck_assert_int_eq(third, firings(THIRD, SQS_SEND_MESSAGE, "q", 10000)); /* the seed decides */
    ck_assert_int_ne(third, firings(OTHER, SQS_SEND_MESSAGE, "q", 10000));
}
END_TEST

START_TEST(of_kinds_that_exclude_each_other_the_first_that_fires_counts)
{
    struct faults faults = {.rules = NULL};
    struct fault_plan plan;
    ck_assert_int_eq(add(&faults,
                         "[{\"operation\":\"*\",\"kind\":\"latency\",\"latency_ms\":5},"
                         "{\"operation\":\"*\",\"kind\":\"latency\",\"latency_ms\":7,\"after\":true},"
                         "{\"operation\":\"*\",\"kind\":\"reset\",\"count\":1},"
                         "{\"operation\":\"*\",\"kind\":\"error\"},"
                         "{\"operation\":\"*\",\"kind\":\"stale_counts\"}]",
                         NULL),
                     0);
    faults_plan(&faults, SQS_SEND_MESSAGE, slice_of("q"), &plan);
    ck_assert_int_eq(plan.main.kind, FAULT_RESET);
    ck_assert_int_eq(plan.latency_before_ms, 5);
    ck_assert_int_eq(plan.latency_after_ms, 7);
    ck_assert(plan.has_stale && !plan.has_noisy);
    ck_assert_uint_eq(faults.rules[3].fired_total, 0);
    faults_plan(&faults, SQS_SEND_MESSAGE, slice_of("q"), &plan);
    ck_assert_int_eq(plan.main.kind, FAULT_ERROR);
    faults_clean_up(&faults);
    faults_plan(&faults, SQS_SEND_MESSAGE, slice_of("q"), &plan);
    ck_assert(!plan.is_needed);
}
END_TEST

UNIT_MAIN("localaws_requests", both_protocols_give_the_same_batch, both_protocols_give_the_same_receive,
          both_protocols_give_the_same_queue_attributes_and_tags,
          the_wrong_types_are_errors_that_name_the_operation, more_than_fits_is_counted_and_not_kept,
          a_good_signature_passes_and_a_changed_byte_does_not,
          the_day_of_a_signature_is_within_a_quarter_of_an_hour, claims_that_are_not_ours_are_told_apart,
          bad_rules_are_refused_whole_with_what_is_allowed,
          rules_fire_for_their_operation_queue_count_and_probability,
          of_kinds_that_exclude_each_other_the_first_that_fires_counts)
