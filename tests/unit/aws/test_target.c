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
                    struct strbuf *out)
{
    struct aws_signing signing = {.content_type = "application/x-amz-json-1.0",
                                  .operation = "AmazonSQS.Test",
                                  .body = "{}",
                                  .body_len = 2,
                                  .credentials = credentials,
                                  .epoch_s = epoch_s};
    strbuf_clear(out);
    aws_target_sign(target, &signing, out);
}

/* One target signs in turns; others that are new sign each request for themselves. */
START_TEST(what_is_kept_between_requests_follows_each_of_their_parts)
{
    clear_environment();
    static const char JSON[] = "application/x-amz-json-1.0";
    static const char FORM[] = "application/x-www-form-urlencoded";
    struct aws_credentials *keys[] = {aws_credentials_new("AKID1", "hush1", NULL, 0, "test"),
                                      aws_credentials_new("AKID1", "hush1", "TOKEN", 0, "test"),
                                      aws_credentials_new("", "", NULL, 0, "test")};
    const struct aws_signing signings[] = {
        {JSON, "AmazonSQS.A", true, "{}", 2, keys[0], 1440938160},
        {JSON, "AmazonSQS.A", true, "{\"longer\":1}", 12, keys[0], 1440938160},
        {JSON, "AmazonSQS.A", true, "{}", 2, keys[0], 1440938161},
        {JSON, "AmazonSQS.B", true, "{}", 2, keys[0], 1440938161},
        {JSON, "AmazonSQS.B", false, "{}", 2, keys[0], 1440938161},
        {FORM, NULL, false, "A=1", 3, keys[0], 1440938161},
        {JSON, NULL, false, "A=1", 3, keys[0], 1440938161},
        {JSON, NULL, false, "A=1", 3, keys[1], 1440938161},
        {JSON, NULL, false, "A=1", 3, keys[2], 1440938161},
        {JSON, NULL, false, "A=1", 3, keys[0], 1440938161},
    };
    struct strbuf kept = STRBUF_INIT;
    struct strbuf fresh = STRBUF_INIT;
    struct strbuf last = STRBUF_INIT;
    struct aws_target *target = find("sqs", NULL, NULL);
    for (size_t i = 0; i < sizeof signings / sizeof signings[0]; i++) {
        struct aws_target_list other = LIST_HEAD_INITIALIZER(other);
        struct aws_endpoint_query query = {.service = "sqs", .region = "us-west-2"};
        strbuf_clear(&kept);
        strbuf_clear(&fresh);
        aws_target_sign(target, &signings[i], &kept);
        aws_target_sign(aws_target_find(&other, &query, NULL), &signings[i], &fresh);
        ck_assert_str_eq(strbuf_str(&kept), strbuf_str(&fresh));
        ck_assert_str_ne(strbuf_str(&kept), strbuf_str(&last));
        ck_assert_int_eq(strstr(kept.data, "Authorization: ") == NULL, signings[i].credentials == keys[2]);
        strbuf_clear(&last);
        strbuf_append_str(&last, kept.data);
        aws_targets_clean_up(&other);
    }
    aws_targets_clean_up(&g_list);
    strbuf_clean_up(&kept);
    strbuf_clean_up(&fresh);
    strbuf_clean_up(&last);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        aws_credentials_release(keys[i]);
}
END_TEST

START_TEST(the_cached_key_follows_day_and_credentials)
{
    clear_environment();
    static const int64_t TIMES[] = {1440938160, 1440979199, 1440979200,
                                    1440938160}; /* last second of a day, next */
    struct aws_credentials *all[] = {aws_credentials_new("AKID1", "hush1", NULL, 0, "test"),
                                     aws_credentials_new("AKID2", "hush2", NULL, 0, "test")};
    struct strbuf cached = STRBUF_INIT;
    struct strbuf fresh = STRBUF_INIT;
    struct aws_target *target = find("sqs", NULL, NULL);
    for (int i = 0; i < 8; i++) {
        struct aws_target_list other = LIST_HEAD_INITIALIZER(other);
        struct aws_endpoint_query query = {.service = "sqs", .region = "us-west-2"};
        struct aws_target *unused = aws_target_find(&other, &query, NULL);
        sign_at(target, all[i / 4], TIMES[i % 4], &cached);
        sign_at(unused, all[i / 4], TIMES[i % 4], &fresh);
        ck_assert_uint_eq(cached.len, fresh.len);
        ck_assert_mem_eq(cached.data, fresh.data, fresh.len);
        aws_targets_clean_up(&other);
    }
    aws_targets_clean_up(&g_list);
    strbuf_clean_up(&cached);
    strbuf_clean_up(&fresh);
    aws_credentials_release(all[0]);
    aws_credentials_release(all[1]);
}
END_TEST

UNIT_MAIN("target", calls_to_one_host_share_a_target, a_configured_endpoint_serves_all_queues,
          a_queue_url_that_is_none_is_told, what_is_kept_between_requests_follows_each_of_their_parts,
          the_cached_key_follows_day_and_credentials)
