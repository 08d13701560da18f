/* Headers of replies, line by line. */
#include "aws/http_reply.h"

#include "tests/unit/unit.h"

static struct http_reply g_reply;
static struct http_date_cache g_dates;

static void start(void)
{
    g_reply = (struct http_reply){.body = STRBUF_INIT};
    g_dates = (struct http_date_cache){.text = ""};
    http_reply_clear(&g_reply);
}

static void take(const char *line)
{
    http_reply_take_line(&g_reply, &g_dates, line, strlen(line));
}

START_TEST(http_dates_are_read)
{
    static const struct {
        const char *text;
        int64_t ms;
    } DATES[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777000}, {"Mon, 23 Nov 2026 10:03:06 GMT", 1795428186000},
        {"Sunday, 06-Nov-94 08:49:37 GMT", -1},          {"Sun, 06 Nov 1994 08:49:37 PST", -1},
        {"Sun, 06 Xov 1994 08:49:37 GMT", -1},           {"Sun, 06 ovD 1994 08:49:37 GMT", -1},
        {"Sun, 0x Nov 1994 08:49:37 GMT", -1},           {"", -1}};
    for (size_t i = 0; i < sizeof DATES / sizeof DATES[0]; i++)
        ck_assert_int_eq(http_date_parse(DATES[i].text, strlen(DATES[i].text)), DATES[i].ms);
}
END_TEST

START_TEST(headers_are_read_in_any_case_and_with_any_space)
{
    start();
    take("HTTP/1.1 200 OK\r\n");
    ck_assert_int_eq(g_reply.date_ms, -1);
    ck_assert_int_eq(g_reply.retry_after_ms, -1);
    take("x-amzn-REQUESTID:r-1\r\n");
    take("DATE: \t Sun, 06 Nov 1994 08:49:37 GMT \r\n");
    take("X-Amzn-Query-Error:  A.B;Sender  \r\n");
    take("Content-Type: application/json\r\n");
    take("\r\n");
    ck_assert_str_eq(g_reply.request_id, "r-1");
    ck_assert_str_eq(g_reply.query_error, "A.B;Sender");
    ck_assert_int_eq(g_reply.date_ms, 784111777000);
    ck_assert(!g_reply.has_age);
    take("Age:0\r\n");
    ck_assert(g_reply.has_age);
    take("x-amz-request-id: r-2\r\n");
    ck_assert_str_eq(g_reply.request_id, "r-2");
    take("Date: Sun, 06 Nov 1994 08:49:38 GMT"); /* another second than the one kept */
    ck_assert_int_eq(g_reply.date_ms, 784111778000);
    take("Date: nonsense");
    ck_assert_int_eq(g_reply.date_ms, -1);
    start();
    take("Date:\r\n"); /* not 1970 */
    ck_assert_int_eq(g_reply.date_ms, -1);
}
END_TEST

START_TEST(hints_when_to_come_again_are_read)
{
    start();
    take("Retry-After: 7\r\n");
    ck_assert_int_eq(g_reply.retry_after_ms, 7000);
    take("x-amz-retry-after: 250\r\n"); /* finer: wins, whichever comes first */
    ck_assert_int_eq(g_reply.retry_after_ms, 250);
    take("Retry-After: 7\r\n");
    ck_assert_int_eq(g_reply.retry_after_ms, 250);
    start();
    take("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    take("Retry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\n");
    ck_assert_int_eq(g_reply.retry_after_ms, 10000);
    start();
    take("Retry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\n"); /* long ago */
    ck_assert_int_eq(g_reply.retry_after_ms, 0);
    static const char *const BAD[] = {
        "Retry-After: soon", "Retry-After: -1",         "Retry-After: 1.5",
        "Retry-After:",      "Retry-After: 9999999999", "x-amz-retry-after: 1s"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        start();
        take(BAD[i]);
        ck_assert_msg(g_reply.retry_after_ms == -1, "%s", BAD[i]);
    }
}
END_TEST

START_TEST(headers_of_an_interim_reply_do_not_count)
{
    start();
    take("HTTP/1.1 103 Early Hints\r\n");
    take("x-amzn-RequestId: early\r\n");
    take("Age: 1\r\n");
    take("HTTP/1.1 200 OK\r\n");
    ck_assert_str_eq(g_reply.request_id, "");
    ck_assert(!g_reply.has_age);
}
END_TEST

START_TEST(long_values_are_cut_and_odd_lines_passed_over)
{
    char line[400] = "x-amzn-RequestId: ";
    start();
    memset(line + strlen(line), 'r', 300);
    take(line);
    ck_assert_uint_eq(strlen(g_reply.request_id), sizeof g_reply.request_id - 1);
    take("no colon");
    take(":");
    take("date");
    take("");
    take("HTTP/");
}
END_TEST

START_TEST(a_length_above_the_limit_is_noticed_and_one_below_makes_room)
{
    start();
    take("Content-Length: 67108864\r\n");
    ck_assert(!g_reply.too_large);
    ck_assert_uint_ge(g_reply.body.capacity, 67108864);
    strbuf_clean_up(&g_reply.body);
    take("Content-Length: 67108865\r\n");
    ck_assert(g_reply.too_large);
    ck_assert_uint_eq(g_reply.body.capacity, 0);
}
END_TEST

UNIT_MAIN("http_reply", http_dates_are_read, headers_are_read_in_any_case_and_with_any_space,
          hints_when_to_come_again_are_read, headers_of_an_interim_reply_do_not_count,
          long_values_are_cut_and_odd_lines_passed_over,
          a_length_above_the_limit_is_noticed_and_one_below_makes_room)
