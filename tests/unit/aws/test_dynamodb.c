/* DynamoDB against a scripted server: the bytes of requests, every form of reply, what errors mean; and the
 * question whether a write may (still) go out. */
#include "aws/dynamodb.h"

#include "aws/ecs.h"
#include "tests/unit/aws/operation_fixture.h"

static bool g_refused;
static int g_asked, g_allowed; /* how often may_write was asked; how often it says yes */

static bool may_write(void *arg)
{
    (void)arg;
    return g_asked++ < g_allowed;
}

/* A client that asks may_write, and tries again. */
static void set_up_asking(void)
{
    set_up_bare();
    g_asked = 0;
    g_allowed = 1000;
    struct aws_client_options options = plain_options();
    options.may_write = may_write;
    options.max_attempts = 3;
    make_client(&options);
}

static void on_item(void *arg, const struct aws_result *result, bool refused,
                    const struct dynamodb_attribute *attributes, size_t count)
{
    (void)arg;
    told(result);
    g_refused = refused;
    for (size_t i = 0; i < count; i++)
        strbuf_appendf(&g_told, "%s=%s/%lld;", attributes[i].name,
                       attributes[i].text != NULL ? attributes[i].text : "-",
                       (long long)attributes[i].number);
}

static void finish(const char *target, const char *want)
{
    wait_for_reply();
    ck_assert_str_eq(fake_header(&g_server, 0, "X-Amz-Target"), target);
    ck_assert_str_eq(fake_header(&g_server, 0, "Content-Type"), "application/x-amz-json-1.0");
    ck_assert_str_eq(g_server.requests[0].body, want);
    ck_assert_ptr_nonnull(
        strstr(fake_header(&g_server, 0, "Authorization"), "/us-west-2/dynamodb/aws4_request"));
}

static void get(int status, const char *reply)
{
    struct dynamodb_attribute key = {.name = "id", .text = "sale"};
    reply_with(status, reply);
    (void)dynamodb_get(g_client, "sluice", &key, on_item, NULL);
    finish("DynamoDB_20120810.GetItem",
           "{\"TableName\":\"sluice\",\"Key\":{\"id\":{\"S\":\"sale\"}},\"ConsistentRead\":true}");
}

static const char ITEM[] =
    "{\"ConsumedCapacity\":null,\"Item\":{\"id\":{\"S\":\"sale\"},\"rvn\":{\"N\":\"-12\"},"
    "\"flags\":{\"SS\":[\"a\"]},\"owner\":{\"S\":\"\"},\"on\":{\"BOOL\":true}}}";

START_TEST(an_item_is_read_consistently_and_told_by_its_strings_and_numbers)
{
    set_up_asking();
    get(200, ITEM);
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    ck_assert(!g_refused);
    ck_assert_str_eq(strbuf_str(&g_told), "id=sale/0;rvn=-/-12;owner=/0;");
    get(200, "{}");
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    ck_assert_str_eq(strbuf_str(&g_told), "");
    tear_down();
}
END_TEST

START_TEST(a_reply_cut_at_any_byte_tells_nothing)
{
    set_up_asking();
    for (size_t len = 0; len + 1 < sizeof ITEM; len++) {
        char *cut = strndup(ITEM, len);
        get(200, cut);
        ck_assert_int_eq(g_result.kind, AWS_KIND_BAD_REPLY);
        ck_assert_str_eq(strbuf_str(&g_told), "");
        free(cut);
    }
    tear_down();
}
END_TEST

START_TEST(replies_that_make_no_sense_are_told)
{
    static const char *const BAD[] = {"[]",
                                      "{\"Item\":7}",
                                      "{\"Item\":{\"rvn\":{\"N\":7}}}",
                                      "{\"Item\":{\"rvn\":{\"N\":\"1.5\"}}}",
                                      "{\"Item\":{\"rvn\":{\"N\":\"\"}}}",
                                      "{\"Item\":{\"rvn\":{\"N\":\"99999999999999999999\"}}}",
                                      "{\"Item\":{\"owner\":{\"S\":7}}}"};
    set_up_asking();
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        get(200, BAD[i]);
        ck_assert_msg(g_result.kind == AWS_KIND_BAD_REPLY, "%s", BAD[i]);
    }
    tear_down();
}
END_TEST

static void renew(int status, const char *reply)
{
    struct dynamodb_attribute set[] = {{.name = "rvn", .number = 8}, {.name = "owner", .text = "a \"b\""}};
    struct dynamodb_condition conditions[] = {{DYNAMODB_EQUAL, {.name = "owner", .text = "a"}},
                                              {DYNAMODB_EQUAL, {.name = "rvn", .number = 7}}};
    struct dynamodb_update update = {.table = "sluice",
                                     .key = {.name = "id", .text = "sale"},
                                     .set = set,
                                     .set_count = 2,
                                     .conditions = conditions,
                                     .condition_count = 2};
    reply_with(status, reply);
    (void)dynamodb_update(g_client, &update, on_item, NULL);
    finish(
        "DynamoDB_20120810.UpdateItem",
        "{\"TableName\":\"sluice\",\"Key\":{\"id\":{\"S\":\"sale\"}},"
        "\"UpdateExpression\":\"SET #s0 = :s0, #s1 = :s1\","
        "\"ConditionExpression\":\"#c0 = :c0 AND #c1 = :c1\","
        "\"ExpressionAttributeNames\":{\"#s0\":\"rvn\",\"#s1\":\"owner\",\"#c0\":\"owner\",\"#c1\":\"rvn\"},"
        "\"ExpressionAttributeValues\":{\":s0\":{\"N\":\"8\"},\":s1\":{\"S\":\"a \\\"b\\\"\"},"
        "\":c0\":{\"S\":\"a\"},\":c1\":{\"N\":\"7\"}}}");
}

START_TEST(a_condition_that_does_not_hold_is_an_answer)
{
    set_up_asking();
    renew(200, "{}");
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    ck_assert(!g_refused);
    renew(400, "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException\","
               "\"message\":\"The conditional request failed\"}");
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    ck_assert(g_refused);
    ck_assert_int_eq(g_server.request_count, 1);
    tear_down();
}
END_TEST

START_TEST(errors_are_what_they_mean)
{
    static const struct {
        int status;
        const char *code;
        enum aws_kind kind;
    } ERRORS[] = {{400, "ResourceNotFoundException", AWS_KIND_NOT_FOUND},
                  {400, "AccessDeniedException", AWS_KIND_DENIED},
                  {400, "ValidationException", AWS_KIND_REQUEST},
                  {400, "ItemCollectionSizeLimitExceededException", AWS_KIND_REQUEST}};
    set_up_asking();
    for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++) {
        char body[128];
        (void)snprintf(body, sizeof body, "{\"__type\":\"x#%s\",\"message\":\"no\"}", ERRORS[i].code);
        renew(ERRORS[i].status, body);
        ck_assert_int_eq(g_result.kind, ERRORS[i].kind);
        ck_assert(!g_refused);
    }
    tear_down();
}
END_TEST

START_TEST(a_fence_is_raised_and_the_item_comes_with_it)
{
    set_up_asking();
    struct dynamodb_attribute fence = {.name = "fence", .number = 9};
    struct dynamodb_condition not_later = {DYNAMODB_ABSENT_OR_AT_MOST, fence};
    struct dynamodb_condition absent = {DYNAMODB_ABSENT, {.name = "rvn"}};
    struct dynamodb_update update = {.table = "sluice",
                                     .key = {.name = "id", .text = "x"},
                                     .set = &fence,
                                     .set_count = 1,
                                     .conditions = &not_later,
                                     .condition_count = 1,
                                     .want_item = true};
    reply_with(200, "{\"Attributes\":{\"fence\":{\"N\":\"9\"},\"state\":{\"S\":\"{}\"}}}");
    (void)dynamodb_update(g_client, &update, on_item, NULL);
    finish("DynamoDB_20120810.UpdateItem",
           "{\"TableName\":\"sluice\",\"Key\":{\"id\":{\"S\":\"x\"}},\"UpdateExpression\":\"SET #s0 = :s0\","
           "\"ConditionExpression\":\"attribute_not_exists(#c0) OR #c0 <= :c0\","
           "\"ExpressionAttributeNames\":{\"#s0\":\"fence\",\"#c0\":\"fence\"},"
           "\"ExpressionAttributeValues\":{\":s0\":{\"N\":\"9\"},\":c0\":{\"N\":\"9\"}},"
           "\"ReturnValues\":\"ALL_NEW\"}");
    ck_assert_str_eq(strbuf_str(&g_told), "fence=-/9;state={}/0;");
    update.conditions = &absent;
    update.want_item = false;
    reply_with(200, "{}");
    (void)dynamodb_update(g_client, &update, on_item, NULL);
    finish("DynamoDB_20120810.UpdateItem",
           "{\"TableName\":\"sluice\",\"Key\":{\"id\":{\"S\":\"x\"}},\"UpdateExpression\":\"SET #s0 = :s0\","
           "\"ConditionExpression\":\"attribute_not_exists(#c0)\","
           "\"ExpressionAttributeNames\":{\"#s0\":\"fence\",\"#c0\":\"rvn\"},"
           "\"ExpressionAttributeValues\":{\":s0\":{\"N\":\"9\"}}}");
    tear_down();
}
END_TEST

START_TEST(what_is_too_large_is_not_sent)
{
    set_up_asking();
    char *large = malloc(DYNAMODB_ITEM_BYTES_MAX + 1);
    memset(large, 'x', DYNAMODB_ITEM_BYTES_MAX);
    large[DYNAMODB_ITEM_BYTES_MAX] = '\0';
    struct dynamodb_attribute set = {.name = "state", .text = large};
    struct dynamodb_update update = {
        .table = "sluice", .key = {.name = "id", .text = "x"}, .set = &set, .set_count = 1};
    reply_with(200, "{}");
    (void)dynamodb_update(g_client, &update, on_item, NULL);
    wait_for_reply();
    ck_assert_int_eq(g_result.kind, AWS_KIND_REQUEST);
    ck_assert_int_eq(g_server.request_count, 0);
    free(large);
    tear_down();
}
END_TEST

/* ---- may_write ---- */

static void on_services(void *arg, const struct aws_result *result, const struct ecs_service *services,
                        size_t count, const struct ecs_failure *failures, size_t failure_count)
{
    (void)arg, (void)services, (void)count, (void)failures, (void)failure_count;
    told(result);
}

static void on_protection(void *arg, const struct aws_result *result, const struct ecs_protected_task *tasks,
                          size_t count, const struct ecs_failure *failures, size_t failure_count)
{
    (void)tasks;
    on_services(arg, result, NULL, count, failures, failure_count);
}

START_TEST(who_may_not_write_sends_nothing_but_may_read)
{
    static const char *const NAME[] = {"w"};
    set_up_asking();
    g_allowed = 0;
    reply_with(200, "{}");
    (void)ecs_update_desired(g_client, "c", "w", 3, on_services, NULL);
    wait_for_reply();
    ck_assert_int_eq(g_result.kind, AWS_KIND_REQUEST);
    ck_assert_str_eq(g_result.code, "WriteRefused");
    ck_assert_int_eq(g_result.attempts, 0);
    ck_assert_int_eq(g_server.connection_count, 0);
    g_calls = 0;
    (void)ecs_update_task_protection(g_client, "c", NAME, 1, true, 1, on_protection, NULL);
    wait_for_reply();
    ck_assert_str_eq(g_result.code, "WriteRefused");
    ck_assert_int_eq(g_server.request_count, 0);
    reply_with(200, "{\"services\":[],\"failures\":[]}");
    (void)ecs_describe_services(g_client, "c", NAME, 1, on_services, NULL);
    wait_for_reply();
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    tear_down();
}
END_TEST

START_TEST(a_write_is_asked_about_again_before_it_is_repeated)
{
    set_up_asking();
    reply_with(500, "{\"__type\":\"ServerException\"}");
    g_allowed = 2; /* at the attempt and, with libcurl 7.80 and later, on its connection */
    (void)ecs_update_desired(g_client, "c", "w", 3, on_services, NULL);
    wait_for_reply();
    ck_assert_str_eq(g_result.code, "WriteRefused");
    ck_assert_int_le(g_server.request_count, 2);
    ck_assert_int_ge(g_server.request_count, 1);
    tear_down();
}
END_TEST

START_TEST(a_write_that_lost_its_leave_on_the_way_is_not_sent)
{
    set_up_asking();
    reply_with(200, "{}");
    g_allowed = 1;
    (void)ecs_update_desired(g_client, "c", "w", 3, on_services, NULL);
    wait_for_reply();
    if (g_asked > 1) { /* libcurl 7.80 and later */
        ck_assert_int_eq(g_server.request_count, 0);
        ck_assert_int_eq(g_result.kind, AWS_KIND_REQUEST);
        ck_assert_str_eq(g_result.code, "WriteRefused");
        ck_assert_int_eq(g_result.attempts, 1);
    }
    tear_down();
}
END_TEST

UNIT_MAIN("dynamodb", an_item_is_read_consistently_and_told_by_its_strings_and_numbers,
          a_reply_cut_at_any_byte_tells_nothing, replies_that_make_no_sense_are_told,
          a_condition_that_does_not_hold_is_an_answer, errors_are_what_they_mean,
          a_fence_is_raised_and_the_item_comes_with_it, what_is_too_large_is_not_sent,
          who_may_not_write_sends_nothing_but_may_read, a_write_is_asked_about_again_before_it_is_repeated,
          a_write_that_lost_its_leave_on_the_way_is_not_sent)
