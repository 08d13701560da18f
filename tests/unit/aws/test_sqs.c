/* SQS operations against a scripted server: the bytes of requests, every form of reply, the fates of batch
 * entries. */
#include "aws/sqs.h"

#include "tests/unit/aws/operation_fixture.h"

#include <pthread.h>

/* What the last callback told. */
static struct sqs_entry_result g_entries[SQS_BATCH_MAX];
static size_t g_entry_count;
static char g_text[256];
static struct sqs_queue_attributes g_attributes;
static struct sqs_message *g_messages[SQS_BATCH_MAX];
static size_t g_message_count;
static size_t g_bad_md5;

static const char QUEUE[] = "http://127.0.0.1/000000000000/orders";

static void on_done(void *arg, const struct aws_result *result)
{
    (void)arg;
    told(result);
}

static void on_text(void *arg, const struct aws_result *result, const char *text)
{
    (void)arg;
    told(result);
    (void)snprintf(g_text, sizeof g_text, "%s", text);
}

static void on_batch(void *arg, const struct aws_result *result, const struct sqs_entry_result *results,
                     size_t count)
{
    (void)arg;
    told(result);
    g_entry_count = count;
    memcpy(g_entries, results, count * sizeof *results);
}

static void on_attributes(void *arg, const struct aws_result *result,
                          const struct sqs_queue_attributes *attributes)
{
    (void)arg;
    told(result);
    g_attributes = *attributes;
}

static void on_receive(void *arg, const struct aws_result *result, const struct sqs_receive_reply *reply)
{
    (void)arg;
    told(result);
    g_message_count = reply->count;
    g_bad_md5 = reply->bad_md5;
    for (size_t i = 0; i < reply->count; i++)
        g_messages[i] = reply->messages[i];
}

/* Waits for the callback of the call just started; `want` is the body that must have been sent, NULL: any. */
static void finish(const char *target, const char *want)
{
    wait_for_reply();
    if (target != NULL)
        ck_assert_str_eq(fake_header(&g_server, 0, "X-Amz-Target"), target);
    if (want != NULL)
        ck_assert_str_eq(g_server.requests[0].body, want);
}

static void release_all(void)
{
    for (size_t i = 0; i < g_message_count; i++)
        sqs_message_release(g_messages[i]);
    g_message_count = 0;
}

/* ---- ReceiveMessage ---- */

static struct sqs_receive_request receive_request(void)
{
    return (struct sqs_receive_request){
        .queue_url = QUEUE, .max_messages = 10, .wait_s = 0, .visibility_timeout_s = -1};
}

static void receive(const char *reply)
{
    struct sqs_receive_request request = receive_request();
    reply_with(200, reply);
    (void)sqs_receive_message(g_client, &request, on_receive, NULL);
    finish("AmazonSQS.ReceiveMessage", NULL);
}

START_TEST(a_receive_asks_for_what_is_needed_and_no_more)
{
    set_up();
    struct sqs_receive_request request = receive_request();
    reply_with(200, "{}");
    (void)sqs_receive_message(g_client, &request, on_receive, NULL);
    finish("AmazonSQS.ReceiveMessage",
           "{\"QueueUrl\":\"http://127.0.0.1/000000000000/"
           "orders\",\"MaxNumberOfMessages\":10,\"WaitTimeSeconds\":0,"
           "\"MessageSystemAttributeNames\":[\"ApproximateReceiveCount\",\"SentTimestamp\"]}");
    request.max_messages = 1;
    request.wait_s = 20;
    request.visibility_timeout_s = 0;
    request.message_attributes = true;
    reply_with(200, "{}");
    (void)sqs_receive_message(g_client, &request, on_receive, NULL);
    finish("AmazonSQS.ReceiveMessage", "{\"QueueUrl\":\"http://127.0.0.1/000000000000/"
                                       "orders\",\"MaxNumberOfMessages\":1,\"WaitTimeSeconds\":20,"
                                       "\"VisibilityTimeout\":0,\"MessageSystemAttributeNames\":["
                                       "\"ApproximateReceiveCount\",\"SentTimestamp\"],"
                                       "\"MessageAttributeNames\":[\"All\"]}");
    tear_down();
}
END_TEST

START_TEST(what_a_fifo_queue_and_the_origin_tell_is_asked_for_on_demand)
{
    static const struct {
        unsigned system;
        const char *names;
    } cases[] = {
        {SQS_SYSTEM_FIFO, ",\"MessageGroupId\",\"MessageDeduplicationId\",\"SequenceNumber\"]}"},
        {SQS_SYSTEM_ORIGIN, ",\"SenderId\",\"ApproximateFirstReceiveTimestamp\"]}"},
        {SQS_SYSTEM_FIFO | SQS_SYSTEM_ORIGIN,
         ",\"MessageGroupId\",\"MessageDeduplicationId\",\"SequenceNumber\",\"SenderId\","
         "\"ApproximateFirstReceiveTimestamp\"]}"},
    };
    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char want[1024];
        struct sqs_receive_request request = receive_request();
        request.system = cases[i].system;
        request.attempt_id = "try-1";
        (void)snprintf(want, sizeof want,
                       "{\"QueueUrl\":\"%s\",\"MaxNumberOfMessages\":10,\"WaitTimeSeconds\":0,"
                       "\"ReceiveRequestAttemptId\":\"try-1\",\"MessageSystemAttributeNames\":["
                       "\"ApproximateReceiveCount\",\"SentTimestamp\"%s",
                       QUEUE, cases[i].names);
        reply_with(200, "{}");
        (void)sqs_receive_message(g_client, &request, on_receive, NULL);
        finish("AmazonSQS.ReceiveMessage", want);
    }
    tear_down();
}
END_TEST

START_TEST(an_attempt_id_that_sqs_would_refuse_is_not_sent)
{
    char long_id[130];
    memset(long_id, 'a', 129);
    long_id[129] = '\0';
    const char *const bad[] = {"", "a b", "\xc3\xa9", long_id};
    set_up();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sqs_receive_request request = receive_request();
        request.attempt_id = bad[i];
        reply_with(200, "{}");
        (void)sqs_receive_message(g_client, &request, on_receive, NULL);
        finish(NULL, NULL);
        ck_assert_int_eq(g_result.kind, AWS_KIND_REQUEST);
        ck_assert_str_eq(g_result.message,
                         "ReceiveRequestAttemptId must be 1 to 128 letters, digits and punctuation");
        ck_assert_int_eq(g_server.request_count, 0);
    }
    long_id[128] = '\0';
    struct sqs_receive_request request = receive_request();
    request.attempt_id = long_id;
    reply_with(200, "{}");
    (void)sqs_receive_message(g_client, &request, on_receive, NULL);
    finish("AmazonSQS.ReceiveMessage", NULL);
    tear_down();
}
END_TEST

START_TEST(group_sequence_and_origin_are_read)
{
    set_up();
    receive("{\"Messages\":[{\"MessageId\":\"m-1\",\"ReceiptHandle\":\"h-1\",\"Body\":\"x\",\"Attributes\":{"
            "\"MessageGroupId\":\"customer \\u0037\",\"SequenceNumber\":\"18849496460467696128\","
            "\"MessageDeduplicationId\":\"d-1\",\"SenderId\":\"AIDA:me\","
            "\"ApproximateFirstReceiveTimestamp\":\"1795428186999\",\"SentTimestamp\":\"1795428186873\","
            "\"ApproximateReceiveCount\":\"2\",\"AWSTraceHeader\":\"Root=1\"}},"
            "{\"MessageId\":\"m-2\",\"ReceiptHandle\":\"h-2\",\"Body\":\"y\",\"Attributes\":{"
            "\"MessageGroupId\":null,\"ApproximateFirstReceiveTimestamp\":\"soon\"}}]}");
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    ck_assert_uint_eq(g_message_count, 2);
    const struct sqs_message *one = g_messages[0];
    ck_assert_str_eq(one->group_id, "customer 7");
    ck_assert_str_eq(one->deduplication_id, "d-1");
    ck_assert_str_eq(one->sequence_number, "18849496460467696128");
    ck_assert_str_eq(one->sender_id, "AIDA:me");
    ck_assert_int_eq(one->first_receive_ms, 1795428186999);
    ck_assert_int_eq(one->sent_ms, 1795428186873);
    ck_assert_int_eq(one->receive_count, 2);
    const struct sqs_message *two = g_messages[1];
    ck_assert_ptr_null(two->group_id);
    ck_assert_ptr_null(two->deduplication_id);
    ck_assert_ptr_null(two->sequence_number);
    ck_assert_ptr_null(two->sender_id);
    ck_assert_int_eq(two->first_receive_ms, 0);
    release_all();
    tear_down();
}
END_TEST

START_TEST(group_and_deduplication_ids_are_sent)
{
    struct sqs_send_entry entries[] = {
        {.body = "derp", .body_len = 4, .delay_s = -1, .group_id = "g-1", .deduplication_id = "d\"1"},
        {.body = "derp", .body_len = 4, .delay_s = -1, .group_id = "g-2"}};
    set_up();
    reply_with(200, "{}");
    (void)sqs_send_message_batch(g_client, QUEUE, entries, 2, on_batch, NULL);
    finish("AmazonSQS.SendMessageBatch",
           "{\"QueueUrl\":\"http://127.0.0.1/000000000000/orders\",\"Entries\":["
           "{\"Id\":\"0\",\"MessageBody\":\"derp\",\"MessageGroupId\":\"g-1\",\"MessageDeduplicationId\":"
           "\"d\\\"1\"},{\"Id\":\"1\",\"MessageBody\":\"derp\",\"MessageGroupId\":\"g-2\"}]}");
    entries[1].group_id = "g 2";
    reply_with(200, "{}");
    (void)sqs_send_message_batch(g_client, QUEUE, entries, 2, on_batch, NULL);
    finish(NULL, NULL);
    ck_assert_int_eq(g_result.kind, AWS_KIND_REQUEST);
    ck_assert_str_eq(g_result.message,
                     "entry 1: the group id is not 1 to 128 letters, digits and punctuation");
    ck_assert_int_eq(g_server.request_count, 0);
    tear_down();
}
END_TEST

/* Digests: md5sum of the bodies, and the attribute vector that test_sqs_message.c has too. */
#define MESSAGE_ONE                                                                                          \
    "{\"MessageId\":\"m-1\",\"ReceiptHandle\":\"h-1\",\"MD5OfBody\":\"1f3870be274f6c49b3e31a0c6728957f\","   \
    "\"Body\":\"apple\",\"Attributes\":{\"SentTimestamp\":\"1795428186873\",\"ApproximateReceiveCount\":"    \
    "\"3\","                                                                                                 \
    "\"SenderId\":\"x\"}}"
#define MESSAGE_TWO                                                                                          \
    "{\"Body\":\"derp\",\"MD5OfBody\":\"58fd9edd83341c29f1aebba81c31e257\",\"MessageAttributes\":{"          \
    "\"City\":{\"DataType\":\"String\",\"StringValue\":\"Any \\u0043ity\"},"                                 \
    "\"Greeting\":{\"BinaryValue\":\"SGVsbG8sIFdvcmxkIQ==\",\"DataType\":\"Binary\",\"StringListValues\":[]" \
    "},"                                                                                                     \
    "\"Population\":{\"StringValue\":\"1250800\",\"BinaryValue\":null,\"DataType\":\"Number\"}},"            \
    "\"MD5OfMessageAttributes\":\"28eb0e573cf8e8a77e349a2f968eac4a\",\"ReceiptHandle\":\"h-2\","             \
    "\"MessageId\":\"m-2\",\"New\":[{\"x\":1}]}"

START_TEST(messages_are_read_with_all_their_parts)
{
    set_up();
    receive("{\"Other\":null,\"Messages\":[" MESSAGE_ONE "," MESSAGE_TWO "]}");
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    ck_assert_uint_eq(g_message_count, 2);
    ck_assert_uint_eq(g_bad_md5, 0);
    const struct sqs_message *one = g_messages[0];
    const struct sqs_message *two = g_messages[1];
    ck_assert_str_eq(one->id, "m-1");
    ck_assert_str_eq(one->receipt_handle, "h-1");
    ck_assert_str_eq(one->body, "apple");
    ck_assert_uint_eq(one->body_len, 5);
    ck_assert_int_eq(one->receive_count, 3);
    ck_assert_int_eq(one->sent_ms, 1795428186873);
    ck_assert_uint_eq(one->attribute_count, 0);
    ck_assert_int_eq(two->receive_count, 0);
    ck_assert_int_eq(two->sent_ms, 0);
    ck_assert_uint_eq(two->attribute_count, 3);
    ck_assert_str_eq(two->attributes[0].name, "City");
    ck_assert_str_eq(two->attributes[0].data_type, "String");
    ck_assert_str_eq(two->attributes[0].value, "Any City");
    ck_assert_uint_eq(two->attributes[1].value_len, 13);
    ck_assert_mem_eq(two->attributes[1].value, "Hello, World!", 13);
    ck_assert_str_eq(two->attributes[2].value, "1250800");
    ck_assert_ptr_eq(one->reply, two->reply);
    release_all();
    tear_down();
}
END_TEST

START_TEST(no_messages_come_in_many_forms)
{
    static const char *const REPLIES[] = {"{}", "{\"Messages\":[]}", "{\"Messages\":null}", " { } ",
                                          "{\"ResponseMetadata\":{\"RequestId\":\"x\"}}"};
    set_up();
    for (size_t i = 0; i < sizeof REPLIES / sizeof REPLIES[0]; i++) {
        receive(REPLIES[i]);
        ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
        ck_assert_uint_eq(g_message_count, 0);
    }
    tear_down();
}
END_TEST

START_TEST(a_message_with_a_wrong_digest_is_left_out)
{
    set_up();
    receive("{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"h\",\"Body\":\"derp!\",\"MD5OfBody\":"
            "\"58fd9edd83341c29f1aebba81c31e257\"}," MESSAGE_TWO "]}");
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    ck_assert_uint_eq(g_bad_md5, 1);
    ck_assert_uint_eq(g_message_count, 1);
    ck_assert_str_eq(g_messages[0]->id, "m-2");
    ck_assert_str_eq(g_messages[0]->attributes[2].name, "Population");
    release_all();
    receive("{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"h\",\"Body\":\"derp\","
            "\"MessageAttributes\":{"
            "\"timestamp\":{\"DataType\":\"Number\",\"StringValue\":\"1493147359901\"}},"
            "\"MD5OfMessageAttributes\":\"235c5c510d26fb653d073faed50ae77c\"}]}");
    ck_assert_uint_eq(g_bad_md5, 1);
    ck_assert_uint_eq(g_message_count, 0);
    tear_down();
}
END_TEST

#define BAD_BASE64 "\"MessageAttributes\":{\"a\":{\"DataType\":\"Binary\",\"BinaryValue\":\"!\"}}"

START_TEST(replies_that_make_no_sense_are_told)
{
    static const char *const REPLIES[] = {
        "",
        "null",
        "[]",
        "ok",
        "<html></html>",
        "{\"Messages\":{}}",
        "{\"Messages\":[1]}",
        "{\"Messages\":[{}]}",
        "{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"h\"}]}",
        "{\"Messages\":[{\"MessageId\":\"m\",\"Body\":\"b\"}]}",
        "{\"Messages\":[{\"ReceiptHandle\":\"h\",\"Body\":\"b\"}]}",
        "{\"Messages\":[{\"MessageId\":1,\"ReceiptHandle\":\"h\",\"Body\":\"b\"}]}",
        ("{\"Messages\":[" MESSAGE_ONE "],\"Messages\":[" MESSAGE_TWO "]}"),
        ("{\"Messages\":[" MESSAGE_ONE "]}x"),
        ("{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"h\",\"Body\":\"b\"," BAD_BASE64 "}]}"),
        "{\"Messages\":[{},{},{},{},{},{},{},{},{},{},{}]}"};
    set_up();
    for (size_t i = 0; i < sizeof REPLIES / sizeof REPLIES[0]; i++) {
        receive(REPLIES[i]);
        ck_assert_msg(g_result.kind == AWS_KIND_BAD_REPLY, "%s", REPLIES[i]);
        ck_assert_str_eq(g_result.code, "BadReply");
        ck_assert_str_ne(g_result.message, "");
        ck_assert_uint_eq(g_message_count, 0);
    }
    tear_down();
}
END_TEST

START_TEST(a_reply_cut_at_any_byte_gives_no_messages)
{
    static const char REPLY[] = "{\"Messages\":[" MESSAGE_ONE "," MESSAGE_TWO "]}";
    char text[sizeof REPLY];
    set_up();
    for (size_t len = 0; len < sizeof REPLY - 1; len++) {
        memcpy(text, REPLY, len);
        text[len] = '\0';
        receive(text);
        ck_assert_msg(g_result.kind == AWS_KIND_BAD_REPLY, "cut at %zu", len);
        ck_assert_uint_eq(g_message_count, 0);
    }
    tear_down();
}
END_TEST

START_TEST(eleven_messages_are_one_too_many)
{
    struct strbuf text = STRBUF_INIT;
    set_up();
    for (int count = 10; count <= 11; count++) {
        strbuf_clear(&text);
        strbuf_append_str(&text, "{\"Messages\":[");
        for (int i = 0; i < count; i++)
            strbuf_appendf(&text, "%s%s", i > 0 ? "," : "", MESSAGE_TWO);
        strbuf_append_str(&text, "]}");
        receive(strbuf_str(&text));
        ck_assert_int_eq(g_result.kind, count == 10 ? AWS_KIND_OK : AWS_KIND_BAD_REPLY);
        ck_assert_uint_eq(g_message_count, count == 10 ? 10 : 0);
        release_all();
    }
    strbuf_clean_up(&text);
    tear_down();
}
END_TEST

static void *release_in_thread(void *arg)
{
    sqs_message_release(arg);
    return NULL;
}

START_TEST(messages_of_one_reply_may_be_released_by_different_threads)
{
    set_up();
    receive("{\"Messages\":[" MESSAGE_ONE "," MESSAGE_TWO "," MESSAGE_ONE "]}");
    ck_assert_uint_eq(g_message_count, 3);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, release_in_thread, g_messages[i]), 0);
    for (int i = 0; i < 3; i++)
        (void)pthread_join(threads[i], NULL);
    tear_down();
}
END_TEST

START_TEST(a_receive_with_bad_arguments_sends_nothing)
{
    set_up();
    static const struct {
        int max, wait, visibility;
    } BAD[] = {{0, 0, -1}, {11, 0, -1}, {1, -1, -1}, {1, 21, -1}, {1, 0, 43201}};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct sqs_receive_request request = {.queue_url = QUEUE,
                                              .max_messages = BAD[i].max,
                                              .wait_s = BAD[i].wait,
                                              .visibility_timeout_s = BAD[i].visibility};
        reply_with(200, "{}");
        (void)sqs_receive_message(g_client, &request, on_receive, NULL);
        finish(NULL, NULL);
        ck_assert_int_eq(g_result.kind, AWS_KIND_REQUEST);
        ck_assert_int_eq(g_server.request_count, 0);
    }
    tear_down();
}
END_TEST

/* ---- batches ---- */

static void delete_four(int status, const char *reply)
{
    static const struct sqs_delete_entry ENTRIES[] = {{"h-0"}, {"h-1"}, {"h\"2"}, {"h-3"}};
    reply_with(status, reply);
    (void)sqs_delete_message_batch(g_client, QUEUE, ENTRIES, 4, on_batch, NULL);
    finish("AmazonSQS.DeleteMessageBatch",
           "{\"QueueUrl\":\"http://127.0.0.1/000000000000/"
           "orders\",\"Entries\":[{\"Id\":\"0\",\"ReceiptHandle\":\"h-0\"},"
           "{\"Id\":\"1\",\"ReceiptHandle\":\"h-1\"},{\"Id\":\"2\",\"ReceiptHandle\":\"h\\\"2\"},"
           "{\"Id\":\"3\",\"ReceiptHandle\":\"h-3\"}]}");
    ck_assert_uint_eq(g_entry_count, 4);
}

static void check_outcomes(enum sqs_entry_outcome a, enum sqs_entry_outcome b, enum sqs_entry_outcome c,
                           enum sqs_entry_outcome d)
{
    const enum sqs_entry_outcome want[] = {a, b, c, d};
    for (int i = 0; i < 4; i++)
        ck_assert_msg(g_entries[i].outcome == want[i], "entry %d: %d", i, g_entries[i].outcome);
}

START_TEST(every_entry_of_a_batch_gets_its_own_fate)
{
    set_up();
    delete_four(200, "{\"Failed\":[{\"Id\":\"2\",\"SenderFault\":true,\"Code\":\"ReceiptHandleIsInvalid\","
                     "\"Message\":\"bad\"},{\"Id\":\"0\",\"SenderFault\":false,\"Code\":\"InternalError\"}],"
                     "\"Successful\":[{\"Id\":\"3\"}]}");
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    check_outcomes(SQS_ENTRY_RETRYABLE, SQS_ENTRY_UNKNOWN, SQS_ENTRY_FAILED, SQS_ENTRY_OK);
    ck_assert_str_eq(g_entries[2].code, "ReceiptHandleIsInvalid");
    ck_assert_str_eq(g_entries[2].message, "bad");
    ck_assert_str_eq(g_entries[0].code, "InternalError");
    ck_assert_str_eq(g_entries[3].code, "");
    tear_down();
}
END_TEST

START_TEST(odd_batch_replies_never_make_an_entry_better_than_it_is)
{
    set_up();
    /* Throttled though the sender's fault; in both lists; ids that are none of ours; null and missing lists.
     */
    delete_four(
        200, "{\"Successful\":[{\"Id\":\"1\"},{\"Id\":\"7\"},{\"Id\":\"\"},{\"Id\":\"02\"},{\"Id\":null},{}],"
             "\"Failed\":[{\"Id\":\"0\",\"SenderFault\":true,\"Code\":\"RequestThrottled\"},"
             "{\"Id\":\"1\",\"SenderFault\":true,\"Code\":\"X\"},{\"Id\":\"-1\",\"Code\":\"Y\"}]}");
    check_outcomes(SQS_ENTRY_RETRYABLE, SQS_ENTRY_FAILED, SQS_ENTRY_UNKNOWN, SQS_ENTRY_UNKNOWN);
    delete_four(
        200,
        "{\"Failed\":[{\"Id\":\"1\",\"SenderFault\":true,\"Code\":\"X\"}],\"Successful\":[{\"Id\":\"1\"}]}");
    check_outcomes(SQS_ENTRY_UNKNOWN, SQS_ENTRY_FAILED, SQS_ENTRY_UNKNOWN, SQS_ENTRY_UNKNOWN);
    delete_four(
        200,
        "{\"Failed\":null,\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"1\"},{\"Id\":\"2\"},{\"Id\":\"3\"}]}");
    check_outcomes(SQS_ENTRY_OK, SQS_ENTRY_OK, SQS_ENTRY_OK, SQS_ENTRY_OK);
    delete_four(200, "{}");
    check_outcomes(SQS_ENTRY_UNKNOWN, SQS_ENTRY_UNKNOWN, SQS_ENTRY_UNKNOWN, SQS_ENTRY_UNKNOWN);
    tear_down();
}
END_TEST

START_TEST(a_batch_reply_that_cannot_be_read_leaves_all_unknown)
{
    static const char *const REPLIES[] = {"",
                                          "x",
                                          "{\"Successful\":[{\"Id\":\"0\"},",
                                          "{\"Successful\":{}}",
                                          "{\"Successful\":[{\"Id\":\"0\"}]} trailing",
                                          "{\"Failed\":[{\"Id\":\"0\",\"SenderFault\":\"true\"}]}"};
    set_up();
    for (size_t i = 0; i < sizeof REPLIES / sizeof REPLIES[0]; i++) {
        delete_four(200, REPLIES[i]);
        ck_assert_msg(g_result.kind == AWS_KIND_BAD_REPLY, "%s", REPLIES[i]);
        check_outcomes(SQS_ENTRY_UNKNOWN, SQS_ENTRY_UNKNOWN, SQS_ENTRY_UNKNOWN, SQS_ENTRY_UNKNOWN);
    }
    tear_down();
}
END_TEST

START_TEST(the_fate_of_a_failed_call_is_that_of_its_entries)
{
    set_up();
    delete_four(403, "{\"__type\":\"x#RequestThrottled\",\"message\":\"slow\"}");
    check_outcomes(SQS_ENTRY_RETRYABLE, SQS_ENTRY_RETRYABLE, SQS_ENTRY_RETRYABLE, SQS_ENTRY_RETRYABLE);
    ck_assert_str_eq(g_entries[3].code, "RequestThrottled");
    ck_assert_str_eq(g_entries[3].message, "slow");
    delete_four(500, "");
    check_outcomes(SQS_ENTRY_UNKNOWN, SQS_ENTRY_UNKNOWN, SQS_ENTRY_UNKNOWN, SQS_ENTRY_UNKNOWN);
    delete_four(400, "{\"__type\":\"x#QueueDoesNotExist\"}");
    check_outcomes(SQS_ENTRY_FAILED, SQS_ENTRY_FAILED, SQS_ENTRY_FAILED, SQS_ENTRY_FAILED);
    delete_four(403, "{\"__type\":\"x#AccessDenied\"}");
    check_outcomes(SQS_ENTRY_FAILED, SQS_ENTRY_FAILED, SQS_ENTRY_FAILED, SQS_ENTRY_FAILED);
    tear_down();
}
END_TEST

START_TEST(visibility_is_changed_in_batches)
{
    static const struct sqs_visibility_entry ENTRIES[] = {{"a", 0}, {"b", 43200}};
    set_up();
    reply_with(200, "{\"Successful\":[{\"Id\":\"1\"}],\"Failed\":[]}");
    (void)sqs_change_message_visibility_batch(g_client, QUEUE, ENTRIES, 2, on_batch, NULL);
    finish("AmazonSQS.ChangeMessageVisibilityBatch",
           "{\"QueueUrl\":\"http://127.0.0.1/000000000000/"
           "orders\",\"Entries\":[{\"Id\":\"0\",\"ReceiptHandle\":\"a\","
           "\"VisibilityTimeout\":0},{\"Id\":\"1\",\"ReceiptHandle\":\"b\",\"VisibilityTimeout\":43200}]}");
    ck_assert_uint_eq(g_entry_count, 2);
    ck_assert_int_eq(g_entries[0].outcome, SQS_ENTRY_UNKNOWN);
    ck_assert_int_eq(g_entries[1].outcome, SQS_ENTRY_OK);
    tear_down();
}
END_TEST

static const struct sqs_message_attribute STAMP = {
    .name = "timestamp", .data_type = "Number", .value = "1493147359900", .value_len = 13};
static const struct sqs_message_attribute GREETING = {
    .name = "bin", .data_type = "Binary", .value = "hi", .value_len = 2};

START_TEST(sent_batches_are_checked_entry_by_entry)
{
    const struct sqs_send_entry entries[] = {
        {.body = "derp", .body_len = 4, .delay_s = -1},
        {.body = "derp", .body_len = 4, .delay_s = 5, .attributes = &STAMP, .attribute_count = 1},
        {.body = "derp", .body_len = 4, .delay_s = 0, .attributes = &GREETING, .attribute_count = 1},
        {.body = "derp", .body_len = 4, .delay_s = -1}};
    set_up();
    reply_with(
        200,
        "{\"Successful\":["
        "{\"Id\":\"0\",\"MessageId\":\"m-0\",\"MD5OfMessageBody\":\"58fd9edd83341c29f1aebba81c31e257\"},"
        "{\"Id\":\"1\",\"MessageId\":\"m-1\",\"MD5OfMessageBody\":\"58fd9edd83341c29f1aebba81c31e257\","
        "\"MD5OfMessageAttributes\":\"235c5c510d26fb653d073faed50ae77c\"},"
        "{\"Id\":\"2\",\"MessageId\":\"m-2\",\"MD5OfMessageBody\":\"58fd9edd83341c29f1aebba81c31e257\","
        "\"MD5OfMessageAttributes\":\"235c5c510d26fb653d073faed50ae77c\"},"
        "{\"Id\":\"3\",\"MessageId\":\"m-3\",\"MD5OfMessageBody\":\"00000000000000000000000000000000\"}]}");
    (void)sqs_send_message_batch(g_client, QUEUE, entries, 4, on_batch, NULL);
    finish("AmazonSQS.SendMessageBatch",
           "{\"QueueUrl\":\"http://127.0.0.1/000000000000/"
           "orders\",\"Entries\":[{\"Id\":\"0\",\"MessageBody\":\"derp\"},"
           "{\"Id\":\"1\",\"MessageBody\":\"derp\",\"DelaySeconds\":5,\"MessageAttributes\":{\"timestamp\":{"
           "\"DataType\":\"Number\",\"StringValue\":\"1493147359900\"}}},"
           "{\"Id\":\"2\",\"MessageBody\":\"derp\",\"DelaySeconds\":0,\"MessageAttributes\":{\"bin\":{"
           "\"DataType\":\"Binary\",\"BinaryValue\":\"aGk=\"}}},"
           "{\"Id\":\"3\",\"MessageBody\":\"derp\"}]}");
    check_outcomes(SQS_ENTRY_OK, SQS_ENTRY_OK, SQS_ENTRY_UNKNOWN, SQS_ENTRY_UNKNOWN);
    ck_assert_str_eq(g_entries[0].message_id, "m-0");
    ck_assert_str_eq(g_entries[1].message_id, "m-1");
    ck_assert_str_eq(g_entries[3].code, "BadMD5");
    tear_down();
}
END_TEST

START_TEST(batches_that_cannot_be_sent_are_refused)
{
    struct sqs_send_entry entries[] = {{.body = "ok", .body_len = 2, .delay_s = -1},
                                       {.body = "\xff", .body_len = 1, .delay_s = -1}};
    set_up();
    reply_with(200, "{}");
    (void)sqs_send_message_batch(g_client, QUEUE, entries, 2, on_batch, NULL);
    finish(NULL, NULL);
    ck_assert_int_eq(g_result.kind, AWS_KIND_REQUEST);
    ck_assert_str_eq(g_result.message, "entry 1: the body is not UTF-8");
    ck_assert_uint_eq(g_entry_count, 2);
    ck_assert_int_eq(g_entries[0].outcome, SQS_ENTRY_FAILED);
    for (size_t count = 0; count <= 11; count += 11) {
        g_calls = 0;
        (void)sqs_delete_message_batch(g_client, QUEUE, NULL, count, on_batch, NULL);
        finish(NULL, NULL);
        ck_assert_int_eq(g_result.kind, AWS_KIND_REQUEST);
        ck_assert_str_eq(g_result.message, "a batch has 1 to 10 entries");
        ck_assert_uint_eq(g_entry_count, 0);
    }
    ck_assert_int_eq(g_server.request_count, 0);
    tear_down();
}
END_TEST

/* ---- single calls ---- */

START_TEST(a_single_message_is_sent_and_checked)
{
    const struct sqs_send_entry entry = {.body = "derp", .body_len = 4, .delay_s = -1};
    set_up();
    reply_with(200, "{\"MD5OfMessageBody\":\"58fd9edd83341c29f1aebba81c31e257\",\"MessageId\":\"m-1\"}");
    (void)sqs_send_message(g_client, QUEUE, &entry, on_text, NULL);
    finish("AmazonSQS.SendMessage",
           "{\"QueueUrl\":\"http://127.0.0.1/000000000000/orders\",\"MessageBody\":\"derp\"}");
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    ck_assert_str_eq(g_text, "m-1");
    static const char *const BAD[] = {"{\"MD5OfMessageBody\":\"x\",\"MessageId\":\"m-1\"}", "{}",
                                      "{\"MessageId\":null}", "{\"MessageId\":7}", ""};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        reply_with(200, BAD[i]);
        (void)sqs_send_message(g_client, QUEUE, &entry, on_text, NULL);
        finish(NULL, NULL);
        ck_assert_msg(g_result.kind == AWS_KIND_BAD_REPLY, "%s", BAD[i]);
        ck_assert_str_eq(g_text, "");
    }
    reply_with(400, "{\"__type\":\"x#InvalidMessageContents\"}");
    (void)sqs_send_message(g_client, QUEUE, &entry, on_text, NULL);
    finish(NULL, NULL);
    ck_assert_str_eq(g_result.code, "InvalidMessageContents");
    ck_assert_str_eq(g_text, "");
    tear_down();
}
END_TEST

START_TEST(calls_without_a_result_take_any_reply)
{
    static const char *const REPLIES[] = {"", "{}"};
    set_up();
    for (size_t i = 0; i < 2; i++) {
        reply_with(200, REPLIES[i]);
        (void)sqs_delete_message(g_client, QUEUE, "h", on_done, NULL);
        finish("AmazonSQS.DeleteMessage",
               "{\"QueueUrl\":\"http://127.0.0.1/000000000000/orders\",\"ReceiptHandle\":\"h\"}");
        ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
        reply_with(200, REPLIES[i]);
        (void)sqs_change_message_visibility(g_client, QUEUE, "h", 0, on_done, NULL);
        finish("AmazonSQS.ChangeMessageVisibility", "{\"QueueUrl\":\"http://127.0.0.1/000000000000/orders\","
                                                    "\"ReceiptHandle\":\"h\",\"VisibilityTimeout\":0}");
        ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
        reply_with(200, REPLIES[i]);
        (void)sqs_delete_queue(g_client, QUEUE, on_done, NULL);
        finish("AmazonSQS.DeleteQueue", "{\"QueueUrl\":\"http://127.0.0.1/000000000000/orders\"}");
        ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
        reply_with(200, REPLIES[i]);
        (void)sqs_purge_queue(g_client, QUEUE, on_done, NULL);
        finish("AmazonSQS.PurgeQueue", "{\"QueueUrl\":\"http://127.0.0.1/000000000000/orders\"}");
        ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    }
    tear_down();
}
END_TEST

START_TEST(queues_are_made_found_and_set)
{
    static const struct sqs_attribute ATTRIBUTES[] = {{"VisibilityTimeout", "30"},
                                                      {"RedrivePolicy", "{\"maxReceiveCount\":5}"}};
    static const struct sqs_attribute BAD[] = {{"a\"b", "1"}};
    set_up();
    reply_with(200, "{\"QueueUrl\":\"http://h/1/q\"}");
    (void)sqs_create_queue(g_client, "q", ATTRIBUTES, 2, on_text, NULL);
    finish("AmazonSQS.CreateQueue", "{\"QueueName\":\"q\",\"Attributes\":{\"VisibilityTimeout\":\"30\","
                                    "\"RedrivePolicy\":\"{\\\"maxReceiveCount\\\":5}\"}}");
    ck_assert_str_eq(g_text, "http://h/1/q");
    reply_with(200, "{\"QueueUrl\":\"http://h/1/q\"}");
    (void)sqs_create_queue(g_client, "q", NULL, 0, on_text, NULL);
    finish("AmazonSQS.CreateQueue", "{\"QueueName\":\"q\"}");
    reply_with(200, "{\"QueueUrl\":\"http:\\/\\/h/1/q\"}");
    (void)sqs_get_queue_url(g_client, "q", on_text, NULL);
    finish("AmazonSQS.GetQueueUrl", "{\"QueueName\":\"q\"}");
    ck_assert_str_eq(g_text, "http://h/1/q");
    reply_with(400, "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"no\"}");
    (void)sqs_get_queue_url(g_client, "q", on_text, NULL);
    finish(NULL, NULL);
    ck_assert_int_eq(g_result.kind, AWS_KIND_NOT_FOUND);
    reply_with(200, "");
    (void)sqs_set_queue_attributes(g_client, QUEUE, ATTRIBUTES, 1, on_done, NULL);
    finish("AmazonSQS.SetQueueAttributes", "{\"QueueUrl\":\"http://127.0.0.1/000000000000/"
                                           "orders\",\"Attributes\":{\"VisibilityTimeout\":\"30\"}}");
    g_calls = 0;
    (void)sqs_set_queue_attributes(g_client, QUEUE, BAD, 1, on_done, NULL);
    finish(NULL, NULL);
    ck_assert_int_eq(g_result.kind, AWS_KIND_REQUEST);
    tear_down();
}
END_TEST

static void get_attributes(const char *reply, bool all)
{
    reply_with(200, reply);
    (void)sqs_get_queue_attributes(g_client, QUEUE, all, on_attributes, NULL);
    finish("AmazonSQS.GetQueueAttributes", NULL);
}

START_TEST(queue_attributes_are_read)
{
    set_up();
    get_attributes(
        "{\"Attributes\":{\"ApproximateNumberOfMessages\":\"412\",\"ApproximateNumberOfMessagesNotVisible\":"
        "\"0\",\"ApproximateNumberOfMessagesDelayed\":\"7\"}}",
        false);
    ck_assert_str_eq(g_server.requests[0].body,
                     "{\"QueueUrl\":\"http://127.0.0.1/000000000000/orders\",\"AttributeNames\":["
                     "\"ApproximateNumberOfMessages\",\"ApproximateNumberOfMessagesNotVisible\","
                     "\"ApproximateNumberOfMessagesDelayed\"]}");
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    ck_assert_int_eq(g_attributes.visible, 412);
    ck_assert_int_eq(g_attributes.in_flight, 0);
    ck_assert_int_eq(g_attributes.delayed, 7);
    ck_assert_int_eq(g_attributes.visibility_timeout_s, -1);
    ck_assert_int_eq(g_attributes.max_receive_count, -1);
    ck_assert_str_eq(g_attributes.queue_arn, "");

    get_attributes("{\"Attributes\":{\"QueueArn\":\"arn:aws:sqs:us-west-2:1:q\",\"VisibilityTimeout\":\"30\","
                   "\"MessageRetentionPeriod\":\"345600\",\"RedrivePolicy\":\"{\\\"deadLetterTargetArn\\\":"
                   "\\\"arn:aws:sqs:us-west-2:1:dlq\\\",\\\"maxReceiveCount\\\":5}\",\"Policy\":\"{}\"}}",
                   true);
    ck_assert_ptr_nonnull(strstr(g_server.requests[0].body, "\"AttributeNames\":[\"All\"]"));
    ck_assert_int_eq(g_attributes.visible, -1);
    ck_assert_int_eq(g_attributes.visibility_timeout_s, 30);
    ck_assert_int_eq(g_attributes.retention_s, 345600);
    ck_assert_str_eq(g_attributes.queue_arn, "arn:aws:sqs:us-west-2:1:q");
    ck_assert_str_eq(g_attributes.redrive_target_arn, "arn:aws:sqs:us-west-2:1:dlq");
    ck_assert_int_eq(g_attributes.max_receive_count, 5);

    get_attributes("{\"Attributes\":{\"RedrivePolicy\":\"{\\\"maxReceiveCount\\\":\\\"12\\\"}\"}}", true);
    ck_assert_int_eq(g_attributes.max_receive_count, 12);
    get_attributes("{\"Attributes\":null}", true);
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    ck_assert_int_eq(g_attributes.visible, -1);
    tear_down();
}
END_TEST

START_TEST(attributes_that_make_no_sense_are_no_zeros)
{
    static const char *const BAD[] = {
        "{\"Attributes\":{\"ApproximateNumberOfMessages\":\"many\"}}",
        "{\"Attributes\":{\"ApproximateNumberOfMessages\":\"-1\"}}",
        "{\"Attributes\":{\"ApproximateNumberOfMessages\":\"\"}}",
        "{\"Attributes\":{\"ApproximateNumberOfMessages\":\"99999999999999999999\"}}",
        "{\"Attributes\":{\"ApproximateNumberOfMessages\":5}}",
        "{\"Attributes\":{\"RedrivePolicy\":\"{broken\"}}",
        "{\"Attributes\":[]}",
        "{\"Attributes\":{\"ApproximateNumberOfMessages\":\"5\"}",
        ""};
    set_up();
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        get_attributes(BAD[i], false);
        ck_assert_msg(g_result.kind == AWS_KIND_BAD_REPLY, "%s", BAD[i]);
        ck_assert_int_eq(g_attributes.visible, -1);
    }
    tear_down();
}
END_TEST

UNIT_MAIN("sqs", a_receive_asks_for_what_is_needed_and_no_more,
          what_a_fifo_queue_and_the_origin_tell_is_asked_for_on_demand,
          an_attempt_id_that_sqs_would_refuse_is_not_sent, group_sequence_and_origin_are_read,
          group_and_deduplication_ids_are_sent, messages_are_read_with_all_their_parts,
          no_messages_come_in_many_forms, a_message_with_a_wrong_digest_is_left_out,
          replies_that_make_no_sense_are_told, a_reply_cut_at_any_byte_gives_no_messages,
          eleven_messages_are_one_too_many, messages_of_one_reply_may_be_released_by_different_threads,
          a_receive_with_bad_arguments_sends_nothing, every_entry_of_a_batch_gets_its_own_fate,
          odd_batch_replies_never_make_an_entry_better_than_it_is,
          a_batch_reply_that_cannot_be_read_leaves_all_unknown,
          the_fate_of_a_failed_call_is_that_of_its_entries, visibility_is_changed_in_batches,
          sent_batches_are_checked_entry_by_entry, batches_that_cannot_be_sent_are_refused,
          a_single_message_is_sent_and_checked, calls_without_a_result_take_any_reply,
          queues_are_made_found_and_set, queue_attributes_are_read,
          attributes_that_make_no_sense_are_no_zeros)
