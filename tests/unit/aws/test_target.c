/* Targets: one for each service and queue host, and signatures whose cached key follows day and credentials.
 */
#include "aws/target.h"

#include "tests/unit/unit.h"

static struct aws_target_list g_list = LIST_HEAD_INITIALIZER(g_list);

static struct aws_target *find(const char *service, const char *queue_url, const char *endpoint_url)
{
    struct aws_endpoint_query query = {
        .service = service, .region = "us-west-2", .endpoint_url = endpoint_url, .queue_url = queue_url};
    struct err err = {""};
    struct aws_target *target = aws_target_find(&g_list, &query, &err);
    ck_assert_msg(target != NULL, "%s", err.text);
    return target;
}

static void clear_environment(void)
{
    (void)unsetenv("AWS_ENDPOINT_URL");
    (void)unsetenv("AWS_ENDPOINT_URL_SQS");
}

START_TEST(calls_to_one_host_share_a_target)
{
    clear_environment();
    struct aws_target *a = find("sqs", "https://sqs.us-west-2.amazonaws.com/1/a", NULL);
    ck_assert_ptr_eq(find("sqs", "https://sqs.us-west-2.amazonaws.com/1/b", NULL), a);
    ck_assert_ptr_ne(find("sqs", "https://sqs.us-west-2.amazonaws.com.evil/1/b", NULL), a);
    ck_assert_ptr_ne(find("sqs", "https://sqs.us-west-2.amazonaws.co/1/b", NULL), a);
    ck_assert_ptr_ne(find("sqs", "https://sqs.eu-west-1.amazonaws.com/1/a", NULL), a);
    struct aws_target *none = find("sqs", NULL, NULL);
    ck_assert_ptr_ne(none, a);
    ck_assert_ptr_eq(find("sqs", NULL, NULL), none);
    ck_assert_ptr_ne(find("ecs", NULL, NULL), none);
    aws_targets_clean_up(&g_list);
    ck_assert(LIST_EMPTY(&g_list));
}
END_TEST

START_TEST(a_configured_endpoint_serves_all_queues)
{
    clear_environment();
    struct aws_target *a = find("sqs", NULL, "http://127.0.0.1:1");
    ck_assert_ptr_eq(find("sqs", "https://sqs.eu-west-1.amazonaws.com/1/a", "http://127.0.0.1:1"), a);
    ck_assert_ptr_ne(find("ecs", NULL, "http://127.0.0.1:1"), a);
    aws_targets_clean_up(&g_list);
}
END_TEST

START_TEST(a_queue_url_that_is_none_is_told)
{
    clear_environment();
    struct aws_endpoint_query query = {.service = "sqs", .region = "us-west-2", .queue_url = "orders"};
    struct err err = {""};
    ck_assert_ptr_null(aws_target_find(&g_list, &query, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "orders"));
}
END_TEST

/* The Authorization value of a request at that time; in `out`. */
static void sign_at(struct aws_target *target, struct aws_credentials *credentials, int64_t epoch_s,
                    struct aws_sign_scratch *scratch, struct strbuf *out)
{
    struct aws_signing signing = {.content_type = "application/x-amz-json-1.0",
                                  .operation = "AmazonSQS.Test",
                                  .body = "{}",
                                  .body_len = 2,
                                  .credentials = credentials,
                                  .epoch_s = epoch_s};
    strbuf_clear(out);
    ck_assert_uint_eq(aws_target_sign(target, &signing, scratch, out), 5);
}

START_TEST(the_cached_key_follows_day_and_credentials)
{
    clear_environment();
    static const int64_t TIMES[] = {1440938160, 1440979199, 1440979200,
                                    1440938160}; /* last second of a day, next */
    struct aws_credentials *all[] = {aws_credentials_new("AKID1", "hush1", NULL, 0, "test"),
                                     aws_credentials_new("AKID2", "hush2", NULL, 0, "test")};
    struct aws_sign_scratch scratch = {STRBUF_INIT, STRBUF_INIT, STRBUF_INIT};
    struct strbuf cached = STRBUF_INIT;
    struct strbuf fresh = STRBUF_INIT;
    struct aws_target *target = find("sqs", NULL, NULL);
    for (int i = 0; i < 8; i++) {
        struct aws_target_list other = LIST_HEAD_INITIALIZER(other);
        struct aws_endpoint_query query = {.service = "sqs", .region = "us-west-2"};
        struct aws_target *unused = aws_target_find(&other, &query, NULL);
        sign_at(target, all[i / 4], TIMES[i % 4], &scratch, &cached);
        sign_at(unused, all[i / 4], TIMES[i % 4], &scratch, &fresh);
        ck_assert_uint_eq(cached.len, fresh.len);
        ck_assert_mem_eq(cached.data, fresh.data, fresh.len);
        aws_targets_clean_up(&other);
    }
    aws_targets_clean_up(&g_list);
    aws_sign_scratch_clean_up(&scratch);
    strbuf_clean_up(&cached);
    strbuf_clean_up(&fresh);
    aws_credentials_release(all[0]);
    aws_credentials_release(all[1]);
}
END_TEST

UNIT_MAIN("target", calls_to_one_host_share_a_target, a_configured_endpoint_serves_all_queues,
          a_queue_url_that_is_none_is_told, the_cached_key_follows_day_and_credentials)
