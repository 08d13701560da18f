/* The price table, what overrides it, and the month's bills worked out by hand. */
#include "tests/unit/unit.h"

#include "policies/prices.h"

#include <math.h>

static struct prices table(void)
{
    struct prices prices = {0};
    options_set_defaults(PRICES_ROWS, &prices);
    return prices;
}

START_TEST(tasks_of_the_smallest_size)
{
    struct prices p = table();
    /* 730 x (0.25 x 0.04048 + 0.5 x 0.004445) and so on */
    ck_assert_double_eq_tol(prices_task_month_usd(&p, PRICES_FARGATE_X86, 256, 512), 9.010025, 1e-9);
    ck_assert_double_eq_tol(prices_task_month_usd(&p, PRICES_FARGATE_ARM, 256, 512), 7.20875, 1e-9);
    ck_assert_double_eq_tol(prices_task_month_usd(&p, PRICES_FARGATE_X86_SPOT, 256, 512), 2.969331575, 1e-9);
    ck_assert_double_eq_tol(prices_task_month_usd(&p, PRICES_FARGATE_ARM_SPOT, 256, 512), 2.374325, 1e-9);
    ck_assert_double_eq_tol(prices_task_month_usd(&p, PRICES_FARGATE_X86, 1024, 2048),
                            730 * (0.04048 + 2 * 0.004445), 1e-9);
    options_clean_up(PRICES_ROWS, &p);
}
END_TEST

START_TEST(requests_and_their_bill)
{
    struct prices p = table();
    struct prices_traffic traffic = {.messages_per_month = 10e6,
                                     .calls_per_thousand = 200,
                                     .sends_per_thousand = 1000,
                                     .idle_workers = 2,
                                     .idle_polls = 1,
                                     .wait_time_s = 20,
                                     .depth_poll_s = 5};
    struct prices_requests r = prices_requests_per_month(&p, &traffic);
    ck_assert_double_eq(r.messages_calls, 2e6);
    ck_assert_double_eq(r.sends, 10e6);
    ck_assert_double_eq(r.idle_receives, 262800);
    ck_assert_double_eq(r.depth_polls, 525600);
    ck_assert_double_eq(r.total, 12788400);
    ck_assert_double_eq_tol(prices_sqs_month_usd(&p, false, r.total), 11.7884 * 0.4, 1e-9);
    ck_assert_double_eq_tol(prices_sqs_month_usd(&p, true, r.total), 11.7884 * 0.5, 1e-9);
    ck_assert_double_eq(prices_sqs_month_usd(&p, false, 1e6), 0);
    ck_assert_double_eq_tol(prices_sqs_month_usd(&p, false, 2e6), 0.4, 1e-12);
    traffic.depth_poll_s = 0;
    ck_assert_double_eq(prices_requests_per_month(&p, &traffic).depth_polls, 0);
    /* 3 metrics each minute: 3 x 43,800 / 1,000 x 0.01 */
    ck_assert_double_eq_tol(prices_cloudwatch_month_usd(&p, 3, 60), 1.314, 1e-9);
    options_clean_up(PRICES_ROWS, &p);
}
END_TEST

START_TEST(fargate_has_certain_sizes_only)
{
    static const struct {
        int64_t cpu, memory;
        bool good;
    } CASES[] = {{256, 512, true},      {256, 1024, true},    {256, 2048, true},     {256, 1536, false},
                 {256, 4096, false},    {512, 512, false},    {512, 1024, true},     {512, 4096, true},
                 {512, 5120, false},    {1024, 8192, true},   {1024, 2560, false},   {2048, 16384, true},
                 {4096, 30720, true},   {4096, 31744, false}, {8192, 16384, true},   {8192, 17408, false},
                 {16384, 122880, true}, {16384, 32768, true}, {16384, 36864, false}, {300, 512, false},
                 {1024, 1024, false}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct err err = {.text = ""};
        int rc = prices_check_task_size(CASES[i].cpu, CASES[i].memory, &err);
        ck_assert_msg((rc == 0) == CASES[i].good && (err.text[0] == '\0') == CASES[i].good, "%lld %lld",
                      (long long)CASES[i].cpu, (long long)CASES[i].memory);
    }
}
END_TEST

static int set_json(const char *text, struct err *err, double *ret_price)
{
    struct prices p = table();
    json_t *object = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(object);
    int rc = prices_set_json(&p, object, err);
    *ret_price = p.sqs_fifo_million_usd;
    json_decref(object);
    options_clean_up(PRICES_ROWS, &p);
    return rc;
}

START_TEST(a_file_is_checked_strictly)
{
    static const struct {
        const char *json, *text;
    } BAD[] = {{"{\"sqs_fifo_million_usd\":0.7}", "as_of: missing"},
               {"{\"as_of\":\"2027-02-30\"}", "as_of: \"2027-02-30\": want a date as YYYY-MM-DD"},
               {"{\"as_of\":\"soon\"}", "as_of: \"soon\""},
               {"{\"as_of\":\"2027-01-01\",\"sqs\":1}", "sqs: unknown key"},
               {"{\"as_of\":\"2027-01-01\",\"sqs_fifo_million_usd\":\"0.7\"}",
                "sqs_fifo_million_usd: \"0.7\": want"},
               {"{\"as_of\":\"2027-01-01\",\"sqs_fifo_million_usd\":-1}", "sqs_fifo_million_usd: -1"},
               {"{\"as_of\":\"2027-01-01\",\"hours_per_month\":0}", "from 1 to 744"},
               {"[]", "want an object"}};
    struct err err;
    double price = 0;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        ck_assert_int_eq(set_json(BAD[i].json, &err, &price), -1);
        ck_assert_msg(strstr(err.text, BAD[i].text) != NULL, "%s: %s", BAD[i].json, err.text);
    }
    ck_assert_int_eq(set_json("{\"as_of\":\"2028-02-29\",\"sqs_fifo_million_usd\":0.7}", &err, &price), 0);
    ck_assert_double_eq(price, 0.7);
}
END_TEST

START_TEST(single_prices_are_set_by_name)
{
    struct prices p = table();
    struct err err = {.text = ""};
    ck_assert_int_eq(prices_set_list(&p, "sqs_fifo_million_usd=0.7,fargate_arm_gb_hour_usd=0.1", &err), 0);
    ck_assert_double_eq(p.sqs_fifo_million_usd, 0.7);
    ck_assert_double_eq(p.fargate_arm_gb_hour_usd, 0.1);
    static const struct {
        const char *list, *text;
    } BAD[] = {{"", "want NAME=VALUE"},
               {"x", "\"x\": want NAME=VALUE"},
               {"x=1", "\"x\": no such price"},
               {"sqs_fifo_million_usd=", "want a number"},
               {"sqs_fifo_million_usd=1,", "want NAME=VALUE"},
               {"sqs_fifo_million_usd=101", "from 0 to 100"},
               {"as_of=2026-13-01", "want a date"}};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        ck_assert_int_eq(prices_set_list(&p, BAD[i].list, &err), -1);
        ck_assert_msg(strstr(err.text, BAD[i].text) != NULL, "%s: %s", BAD[i].list, err.text);
    }
    options_clean_up(PRICES_ROWS, &p);
}
END_TEST

START_TEST(the_table_has_a_date_and_sources)
{
    struct prices p = table();
    ck_assert(prices_is_date(p.as_of));
    ck_assert(!prices_is_date("2026-6-13") && !prices_is_date("2026-02-29") &&
              !prices_is_date("2026-06-31x"));
    int count = 0;
    for (const struct price_source *s = PRICE_SOURCES; s->prices != NULL; s++, count++)
        ck_assert(s->as_of[0] != '\0' && s->source[0] != '\0');
    ck_assert_int_gt(count, 0);
    options_clean_up(PRICES_ROWS, &p);
}
END_TEST

UNIT_MAIN("prices", tasks_of_the_smallest_size, requests_and_their_bill, fargate_has_certain_sizes_only,
          a_file_is_checked_strictly, single_prices_are_set_by_name, the_table_has_a_date_and_sources)
