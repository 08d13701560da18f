/* ReceiveMessage against a scripted server: the bytes of requests, every form of reply, messages that are bad
 * or too many. */
#include "aws/sqs.h"

#include "tests/unit/aws/sqs_fixture.h"

#include <pthread.h>

/* What the last callback told. */
static struct sqs_message *g_messages[SQS_BATCH_MAX];
static size_t g_message_count;
static size_t g_bad_md5;

static void on_receive(void *arg, const struct aws_result *result, const struct sqs_receive_reply *reply)
{
    (void)arg;
    told(result);
    g_message_count = reply->count;
    g_bad_md5 = reply->bad_md5;
    for (size_t i = 0; i < reply->count; i++)
        g_messages[i] = reply->messages[i];
}

static void release_all(void)
{
    for (size_t i = 0; i < g_message_count; i++)
        sqs_message_release(g_messages[i]);
    g_message_count = 0;
}

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

UNIT_MAIN("sqs_receive", a_receive_asks_for_what_is_needed_and_no_more,
          what_a_fifo_queue_and_the_origin_tell_is_asked_for_on_demand,
          an_attempt_id_that_sqs_would_refuse_is_not_sent, group_sequence_and_origin_are_read,
          messages_are_read_with_all_their_parts, no_messages_come_in_many_forms,
          a_message_with_a_wrong_digest_is_left_out, replies_that_make_no_sense_are_told,
          a_reply_cut_at_any_byte_gives_no_messages, eleven_messages_are_one_too_many,
          messages_of_one_reply_may_be_released_by_different_threads,
          a_receive_with_bad_arguments_sends_nothing)
