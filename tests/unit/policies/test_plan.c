/* Exact capacity arithmetic, waits and the fluid backlog, against figures worked out by hand. */
#include "tests/unit/unit.h"

#include "policies/plan.h"

#include <math.h>

static struct plan_decimal decimal(const char *text)
{
    struct plan_decimal d = {0};
    ck_assert_msg(plan_decimal_parse(text, strlen(text), &d) == 0, "%s", text);
    return d;
}

static struct plan_rate rate(const char *text)
{
    return plan_rate_of_decimal(decimal(text));
}

/* The flash sale that the project is taken from. */
static struct plan_input sale(void)
{
    return (struct plan_input){.rate = rate("60"),
                               .slots = 5,
                               .threads = 100,
                               .service_time_ms = 3000,
                               .min_workers = 2,
                               .max_workers = 30,
                               .sale_ms = 60000,
                               .arrival_cv2 = 1,
                               .price_usd_per_worker_month = 5,
                               .revenue_usd = 525000,
                               .given = {decimal("1.67"), decimal("1.83"), decimal("2.48")},
                               .given_count = 3};
}

START_TEST(decimals_are_read_exactly)
{
    ck_assert_int_eq(decimal("60").millionths, 60000000);
    ck_assert_int_eq(decimal("60").decimals, 0);
    ck_assert_int_eq(decimal("1.67").millionths, 1670000);
    ck_assert_int_eq(decimal("1.67").decimals, 2);
    ck_assert_int_eq(decimal(".5").millionths, 500000);
    ck_assert_int_eq(decimal("0.000001").millionths, 1);
    ck_assert_int_eq(decimal("1000000").millionths, 1000000000000);
    ck_assert_int_eq(decimal("000001.5").millionths, 1500000);
    static const char *const BAD[] = {"",
                                      "0",
                                      "0.0",
                                      "-1",
                                      "+1",
                                      ".",
                                      "1.",
                                      "1..2",
                                      "1.2.3",
                                      " 1",
                                      "1 ",
                                      "1e3",
                                      "0x10",
                                      "0.0000001",
                                      "1000001",
                                      "inf",
                                      "nan",
                                      "1,5",
                                      "abc",
                                      "1000000.1",
                                      "99999999999999999999",
                                      "1000000.000001"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct plan_decimal d = {.millionths = -7};
        ck_assert_msg(plan_decimal_parse(BAD[i], strlen(BAD[i]), &d) == -1 && d.millionths == -7, "\"%s\"",
                      BAD[i]);
    }
}
END_TEST

/* 60 / 1.67 = 35.9, 60 / 1.83 = 32.8, 60 / 2.48 = 24.2, rounded up; 36 x 1.67 = 60.12 and so on. */
START_TEST(the_source_table)
{
    struct plan_input input = sale();
    struct plan plan = plan_work_out(&input);
    static const struct {
        int64_t workers;
        double capacity, cost, ratio;
        bool exceeds;
        enum plan_limit limit;
    } ROWS[] = {{36, 60.12, 180, 525000.0 / 180, true, PLAN_LIMIT_ROUNDED},
                {33, 60.39, 165, 525000.0 / 165, true, PLAN_LIMIT_ABOVE},
                {25, 62.00, 125, 4200, false, PLAN_LIMIT_ABOVE}};
    ck_assert_int_eq(plan.row_count, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(plan.rows[i].workers, ROWS[i].workers);
        ck_assert_double_eq_tol(plan.rows[i].capacity_per_s, ROWS[i].capacity, 1e-9);
        ck_assert_double_eq_tol(plan.rows[i].cost_usd_per_month, ROWS[i].cost, 1e-9);
        ck_assert_double_eq_tol(plan.rows[i].return_on_cost, ROWS[i].ratio, 1e-9);
        ck_assert_int_eq(plan.rows[i].exceeds_max, ROWS[i].exceeds);
        ck_assert_int_eq(plan.rows[i].limit, ROWS[i].limit);
    }
}
END_TEST

/* A worker that claims more than 5 / 3 per second gets no more than that in the sale. */
START_TEST(claims_above_the_limit_count_as_the_limit)
{
    struct plan_input input = sale();
    struct plan plan = plan_work_out(&input);
    const struct plan_row *row = &plan.rows[2];
    ck_assert_int_eq(row->fleet, 25);
    ck_assert_double_eq_tol(row->true_capacity_per_s, 125.0 / 3, 1e-9);
    ck_assert_double_eq_tol(row->sale.at_end, 1100, 1e-9); /* (60 - 41.67) x 60 */
    ck_assert_double_eq_tol(row->sale.drained_at_s, 86.4, 1e-9);
    ck_assert(!row->stable);
    ck_assert_int_eq(row->wait.workers, 37);
    /* One that completes less than the limit keeps its own rate: 42 x 1.45 = 60.9, within 30: 43.5. */
    input.given[0] = decimal("1.45");
    plan = plan_work_out(&input);
    ck_assert_int_eq(plan.rows[0].workers, 42);
    ck_assert_int_eq(plan.rows[0].limit, PLAN_LIMIT_BELOW);
    ck_assert_double_eq_tol(plan.rows[0].true_capacity_per_s, 43.5, 1e-9);
}
END_TEST

START_TEST(derived_from_slots_and_time_it_is_36_and_not_37)
{
    struct plan_input input = sale();
    struct plan plan = plan_work_out(&input);
    const struct plan_row *row = &plan.derived;
    ck_assert_int_eq(plan.limit.num, 5);
    ck_assert_int_eq(plan.limit.den, 3);
    ck_assert_int_eq(row->workers, 36);
    ck_assert(row->exceeds_max);
    ck_assert_double_eq(row->capacity_per_s, 60);
    ck_assert_int_eq(row->fleet, 30);
    ck_assert_double_eq(row->true_capacity_per_s, 50);
    ck_assert_double_eq(row->sale.at_end, 600);
    ck_assert_double_eq(row->sale.drained_at_s, 72);
    ck_assert_double_eq(row->sale.longest_wait_s, 12);
    ck_assert_double_eq(row->sale.mean_wait_s, 6);
    ck_assert_double_eq(plan.orders, 3600);
    /* 36 workers are exactly the rate: chance lets their queue grow for ever. */
    input.max_workers = 36;
    plan = plan_work_out(&input);
    ck_assert(!plan.derived.exceeds_max && !plan.derived.stable);
    ck_assert_double_eq(plan.derived.sale.at_end, 0);
    ck_assert_double_eq(plan.derived.sale.drained_at_s, 60);
    ck_assert_int_eq(plan.derived.wait.workers, 37);
    input.max_workers = 35;
    plan = plan_work_out(&input);
    ck_assert(plan.derived.exceeds_max);
}
END_TEST

START_TEST(threads_bind_where_they_are_fewer_than_slots)
{
    ck_assert_double_eq(plan_rate_per_s(plan_rate_of_slots(5, 2, 1000)), 2);
    ck_assert_double_eq(plan_rate_per_s(plan_rate_of_slots(5, 100, 1000)), 5);
    ck_assert_double_eq(plan_rate_per_s(plan_rate_of_slots(0, 100, 1000)), 100);
}
END_TEST

START_TEST(a_fleet_stays_within_min_and_max)
{
    struct plan_input input = sale();
    input.rate = rate("1");
    struct plan plan = plan_work_out(&input);
    ck_assert_int_eq(plan.derived.workers, 1);
    ck_assert_int_eq(plan.derived.fleet, 2);
    ck_assert(plan.derived.stable);
    ck_assert_int_eq(plan.derived.wait.workers, 2);
    ck_assert_int_eq(plan.derived.wait.servers, 10);
}
END_TEST

/* A given rate is the limit when the limit rounds to it, in the digits given. */
START_TEST(rounding_is_told_from_claims)
{
    static const struct {
        const char *given;
        enum plan_limit limit;
    } CASES[] = {
        {"1.6", PLAN_LIMIT_BELOW},      {"1.666666", PLAN_LIMIT_BELOW}, {"1.666667", PLAN_LIMIT_ROUNDED},
        {"1.666668", PLAN_LIMIT_ABOVE}, {"1.67", PLAN_LIMIT_ROUNDED},   {"1.670", PLAN_LIMIT_ABOVE},
        {"1.7", PLAN_LIMIT_ROUNDED},    {"2", PLAN_LIMIT_ROUNDED},      {"1.68", PLAN_LIMIT_ABOVE},
        {"2.0", PLAN_LIMIT_ABOVE},      {"1.8", PLAN_LIMIT_ABOVE}};
    struct plan_rate limit = plan_rate_of_slots(5, 100, 3000);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        ck_assert_msg(plan_limit_of(decimal(CASES[i].given), limit) == CASES[i].limit, "%s", CASES[i].given);
    ck_assert_int_eq(plan_limit_of(decimal("2.50"), plan_rate_of_slots(5, 100, 2000)), PLAN_LIMIT_EXACT);
    /* 1.25 rounds to 1.3, 5 / 3.1 = 1.61 does not round to 1.7 */
    ck_assert_int_eq(plan_limit_of(decimal("1.3"), plan_rate_of_slots(5, 100, 4000)), PLAN_LIMIT_ROUNDED);
    ck_assert_int_eq(plan_limit_of(decimal("1.7"), plan_rate_of_slots(5, 100, 3100)), PLAN_LIMIT_ABOVE);
}
END_TEST

/* Whatever slots, time and rate: n workers are enough, n - 1 are not. The products are below 2^53, so that
 * whole numbers check the fractions: n slots x 1,000 ms against rate x time. */
START_TEST(workers_are_exact_for_all_slots_and_times)
{
    long pairs = 0;
    int64_t step = unit_steps(100) < 100 ? 37 : 7;
    for (int64_t slots = 1; slots <= 40; slots++)
        for (int64_t time_ms = 1; time_ms <= 10000; time_ms += step)
            for (int64_t per_s = 1; per_s <= 601; per_s += 50, pairs++) {
                struct plan_rate want = {.num = per_s, .den = 1};
                struct plan_rate each = plan_rate_of_slots(slots, 1000, time_ms);
                int64_t n = plan_workers(want, each);
                ck_assert_msg(n * slots * 1000 >= per_s * time_ms && (n - 1) * slots * 1000 < per_s * time_ms,
                              "%lld slots, %lld ms, %lld/s: %lld", (long long)slots, (long long)time_ms,
                              (long long)per_s, (long long)n);
                ck_assert_int_ge(plan_compare_capacity(n, each, want), 0);
                ck_assert_int_lt(plan_compare_capacity(n - 1, each, want), 0);
            }
    ck_assert_int_gt(pairs, 10000);
}
END_TEST

START_TEST(more_orders_never_need_fewer_workers)
{
    struct plan_rate each = plan_rate_of_slots(7, 100, 1301);
    int64_t last = 0;
    for (int64_t millionths = 1; millionths < 1000000000000; millionths += millionths / 50 + 1) {
        struct plan_rate want =
            plan_rate_of_decimal((struct plan_decimal){.millionths = millionths, .decimals = 6});
        int64_t n = plan_workers(want, each);
        ck_assert_int_ge(n, last);
        ck_assert_int_ge(n, 1);
        last = n;
    }
    ck_assert_int_gt(last, 1);
}
END_TEST

START_TEST(the_largest_input_does_not_overflow)
{
    struct plan_rate each = plan_rate_of_decimal((struct plan_decimal){.millionths = 1, .decimals = 6});
    ck_assert_int_eq(plan_workers(rate("1000000"), each), 1000000000000);
    ck_assert_int_eq(plan_workers(rate("1000000"), rate("999999.999999")), 2);
    ck_assert_int_eq(plan_workers(rate("999999.999999"), plan_rate_of_slots(1, 1, PLAN_SERVICE_MAX_MS)),
                     43200000000);
    ck_assert_int_eq(plan_compare_capacity(43199999999, plan_rate_of_slots(1, 1, PLAN_SERVICE_MAX_MS),
                                           rate("999999.999999")),
                     -1);
}
END_TEST

START_TEST(cost_free_workers_have_no_return)
{
    struct plan_input input = sale();
    input.price_usd_per_worker_month = 0;
    ck_assert_double_eq(plan_work_out(&input).derived.return_on_cost, 0);
}
END_TEST

UNIT_MAIN("plan", decimals_are_read_exactly, the_source_table, claims_above_the_limit_count_as_the_limit,
          derived_from_slots_and_time_it_is_36_and_not_37, threads_bind_where_they_are_fewer_than_slots,
          a_fleet_stays_within_min_and_max, rounding_is_told_from_claims,
          workers_are_exact_for_all_slots_and_times, more_orders_never_need_fewer_workers,
          the_largest_input_does_not_overflow, cost_free_workers_have_no_return)
