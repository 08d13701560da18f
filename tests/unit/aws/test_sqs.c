/* SQS operations but ReceiveMessage (test_sqs_receive.c) against a scripted server: the bytes of requests,
 * every form of reply, the fates of batch entries. */
#include "aws/sqs.h"

#include "tests/unit/aws/sqs_fixture.h"

/* What the last callback told. */
static struct sqs_entry_result g_entries[SQS_BATCH_MAX];
static size_t g_entry_count;
static char g_text[256];
static struct sqs_queue_attributes g_attributes;

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

UNIT_MAIN("sqs", every_entry_of_a_batch_gets_its_own_fate,
          odd_batch_replies_never_make_an_entry_better_than_it_is,
          a_batch_reply_that_cannot_be_read_leaves_all_unknown,
          the_fate_of_a_failed_call_is_that_of_its_entries, visibility_is_changed_in_batches,
          sent_batches_are_checked_entry_by_entry, group_and_deduplication_ids_are_sent,
          batches_that_cannot_be_sent_are_refused, a_single_message_is_sent_and_checked,
          calls_without_a_result_take_any_reply, queues_are_made_found_and_set, queue_attributes_are_read,
          attributes_that_make_no_sense_are_no_zeros)
