/* The demo's truth: books of invented sales, and the figures that must come of them. */
#include "supervisor/demo_books.h"
#include "supervisor/demo_truth.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

enum { START_MS = 1000000 };

struct sale {
    struct demo_books books;
    struct demo_ids dead;
    struct demo_kill kills[2];
    size_t kill_count;
};

static void sent_as(struct sale *sale, const char *order, const char *message, int at_ms, const char *kind,
                    bool resent)
{
    char line[256];
    struct err err = {.text = ""};
    int len = snprintf(line, sizeof line,
                       "{\"order_id\":\"%s\",\"message_id\":\"%s\",\"t_ms\":%d,\"due_ms\":%d,\"kind\":\"%s\","
                       "\"sns\":false,\"attempt\":1,\"resent\":%s}",
                       order, message, START_MS + at_ms, START_MS + at_ms, kind, resent ? "true" : "false");

    ck_assert_msg(demo_books_add_sent(&sale->books, line, (size_t)len, &err) == 0, "%s", err.text);
}

static void sent(struct sale *sale, const char *order, const char *message, int at_ms)
{
    sent_as(sale, order, message, at_ms, "plain", false);
}

static void paid_at(struct sale *sale, const char *order, const char *message, int pid, int receives,
                    int from_ms, int to_ms)
{
    char line[256];
    struct err err = {.text = ""};
    int len = snprintf(line, sizeof line, "%s %s orders-1 %d %d %d %d", order, message, pid, receives,
                       START_MS + from_ms, START_MS + to_ms);

    ck_assert_msg(demo_books_add_payment(&sale->books, line, (size_t)len, &err) == 0, "%s", err.text);
}

static void paid(struct sale *sale, const char *order, const char *message, int pid, int from_ms)
{
    paid_at(sale, order, message, pid, 1, from_ms, from_ms + 3000);
}

static struct demo_truth truth_of(const struct sale *sale)
{
    struct demo_truth_input input = {
        .books = &sale->books,
        .dead_letters = &sale->dead,
        .kills = sale->kills,
        .kill_count = sale->kill_count,
        .slots = 5,
        .payment_ms = 3000,
        .workers_max = 30,
        .visibility_ms = 30000,
        .stop_grace_ms = 30000,
    };
    struct demo_truth truth;

    demo_truth_compute(&input, &truth);
    return truth;
}

static void close_sale(struct sale *sale)
{
    demo_books_clean_up(&sale->books);
    demo_ids_clean_up(&sale->dead);
}

static struct sale two_good_orders(void)
{
    struct sale sale = {.kill_count = 0};

    sent(&sale, "o-1", "m-1", 0);
    sent(&sale, "o-2", "m-2", 1000);
    paid(&sale, "o-1", "m-1", 10, 500);
    paid(&sale, "o-2", "m-2", 10, 7000);
    return sale;
}

START_TEST(a_good_sale_has_nothing_to_complain_of)
{
    struct sale sale = two_good_orders();
    struct demo_truth t = truth_of(&sale);

    ck_assert_int_eq(t.sent, 2);
    ck_assert_int_eq(t.messages, 2);
    ck_assert_int_eq(t.completed_unique, 2);
    ck_assert_int_eq(t.lost, 0);
    ck_assert_int_eq(t.duplicates, 0);
    ck_assert_int_eq(t.failed, 0);
    ck_assert_int_eq(t.resent, 0);
    ck_assert_int_eq(t.paid_unacknowledged, 0);
    ck_assert_double_eq_tol(t.drained_s, 10.0, 1e-9);
    ck_assert_double_eq_tol(t.wait_p50_s, 0.5, 1e-9);
    ck_assert_double_eq_tol(t.wait_p99_s, 6.0, 1e-9);
    ck_assert_int_eq(t.waits_above_5s, 1);
    ck_assert_str_eq(t.physics, "");
    close_sale(&sale);
}
END_TEST

START_TEST(an_order_without_payment_and_not_dead_is_lost)
{
    struct sale sale = two_good_orders();

    sent(&sale, "o-3", "m-3", 1500);
    sent(&sale, "o-4", "m-4", 1500);
    (void)demo_ids_add(&sale.dead, "o-4", 3);
    struct demo_truth t = truth_of(&sale);
    ck_assert_int_eq(t.sent, 4);
    ck_assert_int_eq(t.completed_unique, 2);
    ck_assert_int_eq(t.lost, 1);
    ck_assert_int_eq(t.failed, 1);
    close_sale(&sale);
}
END_TEST

START_TEST(malformed_orders_belong_in_the_dead_letter_queue)
{
    struct sale sale = two_good_orders();

    sent_as(&sale, "o-3", "m-3", 1500, "malformed", false);
    sent_as(&sale, "o-4", "m-4", 1500, "malformed", false);
    (void)demo_ids_add(&sale.dead, "o-3", 3);
    struct demo_truth t = truth_of(&sale);
    ck_assert_int_eq(t.sent_malformed, 2);
    ck_assert_int_eq(t.dead_malformed, 1);
    ck_assert_int_eq(t.failed, 0);
    ck_assert_int_eq(t.lost, 1); /* o-4 is nowhere */
    paid(&sale, "o-4", "m-4", 11, 2000);
    t = truth_of(&sale);
    ck_assert_int_eq(t.lost, 0);
    ck_assert_int_eq(t.malformed_paid, 1);
    close_sale(&sale);
}
END_TEST

START_TEST(a_second_payment_of_one_message_is_a_duplicate)
{
    struct sale sale = two_good_orders();

    paid_at(&sale, "o-1", "m-1", 11, 2, 31000, 34000);
    struct demo_truth t = truth_of(&sale);
    ck_assert_int_eq(t.duplicates, 1);
    ck_assert_int_eq(t.duplicates_unexplained, 1);
    ck_assert_int_eq(t.completed_unique, 2);
    ck_assert_int_eq(t.redelivered, 1);
    ck_assert_int_eq(t.resent_paid_twice, 0);
    ck_assert_uint_eq(t.double_count, 1);
    ck_assert_str_eq(sale.books.orders.names[t.doubles[0].order], "o-1");
    /* The second payment is no second wait. */
    ck_assert_double_eq_tol(t.wait_max_s, 6.0, 1e-9);
    close_sale(&sale);
}
END_TEST

START_TEST(a_resent_order_is_counted_apart)
{
    struct sale sale = two_good_orders();

    sent_as(&sale, "o-3", "m-3b", 1500, "plain", true);
    paid(&sale, "o-3", "m-3a", 12, 2000); /* its first sending had come through, unacknowledged */
    paid(&sale, "o-3", "m-3b", 12, 2100);
    struct demo_truth t = truth_of(&sale);
    ck_assert_int_eq(t.resent, 1);
    ck_assert_int_eq(t.resent_paid_twice, 1);
    ck_assert_int_eq(t.duplicates, 0);
    ck_assert_int_eq(t.completed_unique, 3);
    ck_assert_int_eq(t.paid_unacknowledged, 0);
    ck_assert_int_eq(t.lost, 0);
    close_sale(&sale);
}
END_TEST

START_TEST(an_order_paid_but_never_acknowledged_is_noticed)
{
    struct sale sale = two_good_orders();

    paid(&sale, "ghost", "m-9", 12, 2000);
    struct demo_truth t = truth_of(&sale);
    ck_assert_int_eq(t.paid_unacknowledged, 1);
    ck_assert_int_eq(t.completed_unique, 3);
    close_sale(&sale);
}
END_TEST

START_TEST(a_killed_worker_explains_only_its_own_late_payments)
{
    struct sale sale = two_good_orders();

    paid_at(&sale, "o-1", "m-1", 11, 2, 40000, 43000);
    sale.kill_count = 1;
    sale.kills[0] = (struct demo_kill){.what = DEMO_KILL_WORKER, .pid = 10, .t_ms = START_MS + 3600};
    struct demo_truth t = truth_of(&sale);
    ck_assert_int_eq(t.duplicates, 1);
    ck_assert_int_eq(t.duplicates_unexplained, 0);
    ck_assert_int_eq(t.doubles[0].kill, 0);

    sale.kills[0].pid = 99; /* somebody else was killed */
    ck_assert_int_eq(truth_of(&sale).duplicates_unexplained, 1);
    sale.kills[0].pid = 10;
    sale.kills[0].t_ms = START_MS + 3500 + 30001; /* the lease had run out before */
    ck_assert_int_eq(truth_of(&sale).duplicates_unexplained, 1);
    sale.kills[0].t_ms = START_MS + 2000; /* dead processes pay nothing */
    ck_assert_int_eq(truth_of(&sale).duplicates_unexplained, 1);
    close_sale(&sale);
}
END_TEST

START_TEST(a_killed_supervisor_explains_what_its_workers_left)
{
    struct sale sale = two_good_orders();
    pid_t workers[] = {9, 10};

    paid_at(&sale, "o-2", "m-2", 50, 2, 60000, 63000);
    sale.kill_count = 1;
    sale.kills[0] = (struct demo_kill){.what = DEMO_KILL_SUPERVISOR,
                                       .pid = 1,
                                       .t_ms = START_MS + 8000,
                                       .worker_pids = workers,
                                       .worker_count = 2};
    struct demo_truth t = truth_of(&sale);
    ck_assert_int_eq(t.duplicates_unexplained, 0);
    ck_assert_int_eq(t.doubles[0].kill, 0);
    sale.kills[0].worker_count = 1;
    ck_assert_int_eq(truth_of(&sale).duplicates_unexplained, 1);
    close_sale(&sale);
}
END_TEST

/* Orders o-0 ..., `count` of them by one process in `slots` lanes, back to back, each taking `each_ms`. */
static struct sale busy_process(int count, int slots, int each_ms)
{
    struct sale sale = {.kill_count = 0};
    char order[16], message[16];

    for (int i = 0; i < count; i++) {
        (void)snprintf(order, sizeof order, "o-%d", i);
        (void)snprintf(message, sizeof message, "m-%d", i);
        sent(&sale, order, message, 0);
        paid_at(&sale, order, message, 10, 1, i / slots * each_ms, (i / slots + 1) * each_ms);
    }
    return sale;
}

START_TEST(a_process_at_the_limit_is_within_physics)
{
    struct sale sale = busy_process(50, 5, 3000);
    struct demo_truth t = truth_of(&sale);

    ck_assert_str_eq(t.physics, "");
    ck_assert_double_eq_tol(t.process_rate_max_per_s, 5.0 / 3, 1e-9);
    ck_assert_int_eq(t.concurrency_max, 5);
    ck_assert_int_eq(t.payment_min_ms, 3000);
    ck_assert_int_eq(t.processes, 1);
    close_sale(&sale);
}
END_TEST

START_TEST(six_payments_at_once_in_five_slots_beat_physics)
{
    struct sale sale = busy_process(60, 6, 3000);
    struct demo_truth t = truth_of(&sale);

    ck_assert_int_eq(t.concurrency_max, 6);
    ck_assert_str_ne(t.physics, "");
    close_sale(&sale);
}
END_TEST

START_TEST(one_short_payment_beats_physics)
{
    struct sale sale = two_good_orders();

    sent(&sale, "o-3", "m-3", 0);
    paid_at(&sale, "o-3", "m-3", 10, 1, 20000, 22900);
    struct demo_truth t = truth_of(&sale);
    ck_assert_ptr_nonnull(strstr(t.physics, "2900 ms instead of 3000"));
    close_sale(&sale);
}
END_TEST

START_TEST(a_whole_fleet_that_drains_too_early_beats_physics)
{
    /* 40 processes (max is 30) pay 5 orders each at once: 200 in 3 s, where 30 x 5 slots need 4 s. */
    struct sale sale = {.kill_count = 0};
    char order[16], message[16];

    for (int i = 0; i < 200; i++) {
        (void)snprintf(order, sizeof order, "o-%d", i);
        (void)snprintf(message, sizeof message, "m-%d", i);
        sent(&sale, order, message, 0);
        paid(&sale, order, message, 100 + i / 5, 0);
    }
    struct demo_truth t = truth_of(&sale);
    ck_assert_double_eq_tol(t.drained_bound_s, 4.0, 1e-9);
    ck_assert_ptr_nonnull(strstr(t.physics, "drained after 3.00 s"));
    close_sale(&sale);
}
END_TEST

START_TEST(payments_under_way_are_counted_by_time_and_process)
{
    struct sale sale = two_good_orders();

    ck_assert_int_eq(demo_truth_running_at(&sale.books, START_MS + 499, 0), 0);
    ck_assert_int_eq(demo_truth_running_at(&sale.books, START_MS + 500, 0), 1);
    ck_assert_int_eq(demo_truth_running_at(&sale.books, START_MS + 500, 11), 0);
    ck_assert_int_eq(demo_truth_running_at(&sale.books, START_MS + 3500, 0), 0);
    ck_assert(demo_books_has_paid(&sale.books, 10));
    ck_assert(!demo_books_has_paid(&sale.books, 11));
    close_sale(&sale);
}
END_TEST

START_TEST(an_empty_sale_has_no_figures)
{
    struct sale sale = {.kill_count = 0};
    struct demo_truth t = truth_of(&sale);

    ck_assert_int_eq(t.sent, 0);
    ck_assert_double_eq(t.wait_p50_s, -1);
    ck_assert_str_eq(t.physics, "");
    close_sale(&sale);
}
END_TEST

START_TEST(percentiles_are_nearest_rank)
{
    static const double values[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

    ck_assert_double_eq(demo_truth_percentile(values, 10, 50), 5);
    ck_assert_double_eq(demo_truth_percentile(values, 10, 99), 10);
    ck_assert_double_eq(demo_truth_percentile(values, 10, 0), 1);
    ck_assert_double_eq(demo_truth_percentile(values, 1, 50), 1);
    ck_assert_double_eq(demo_truth_percentile(values, 0, 50), -1);
}
END_TEST

static void refused(const char *line, const char *why)
{
    struct demo_books books = DEMO_BOOKS_INIT;
    struct err err = {.text = ""};

    ck_assert_int_eq(demo_books_add_payment(&books, line, strlen(line), &err), -1);
    ck_assert_msg(strstr(err.text, why) != NULL, "\"%s\" says \"%s\"", line, err.text);
    ck_assert_uint_eq(books.payment_count, 0);
    demo_books_clean_up(&books);
}

START_TEST(lines_that_are_no_payments_are_refused)
{
    refused("", "7 fields");
    refused("o-1 m-1 w 1 1 1000", "7 fields");
    refused("o-1 m-1 w 1 1 1000 2000 3", "7 fields");
    refused(" o-1 m-1 w 1 1 1000 2000", "7 fields");
    refused("o-1  w 1 1 1000 2000", "empty");
    refused("o-1 m-1 w x 1 1000 2000", "field 4");
    refused("o-1 m-1 w 1 1 -5 2000", "field 6");
    refused("o-1 m-1 w 1 1 1000 2000x", "field 7");
    refused("o-1 m-1 w 1 1 2000 1000", "before");
    refused("o-1 m-1 w 1 1 1000 99999999999999999999", "field 7");
}
END_TEST

START_TEST(a_line_may_be_filled_up_with_spaces)
{
    static const char line[] = "o-1 m-1 w 7 1 1000 2000    ";
    struct demo_books books = DEMO_BOOKS_INIT;
    ck_assert_int_eq(demo_books_add_payment(&books, line, strlen(line), NULL), 0);
    ck_assert_int_eq(books.payments[0].end_ms, 2000);
    demo_books_clean_up(&books);
}
END_TEST

START_TEST(lines_that_are_no_acknowledgement_are_refused)
{
    static const char *const lines[] = {"", "{", "[]", "{\"order_id\":\"a\"}",
                                        ("{\"order_id\":1,\"message_id\":\"m\",\"kind\":\"plain\",\"t_ms\":1,"
                                         "\"due_ms\":1,\"resent\":false}")};
    struct demo_books books = DEMO_BOOKS_INIT;
    struct err err;

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        ck_assert_int_eq(demo_books_add_sent(&books, lines[i], strlen(lines[i]), &err), -1);
    ck_assert_uint_eq(books.sent_count, 0);
    demo_books_clean_up(&books);
}
END_TEST

START_TEST(ids_keep_their_numbers_while_the_table_grows)
{
    struct demo_ids ids = {.names = NULL};
    char name[32];

    for (size_t i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof name, "id-%zu", i);
        ck_assert_uint_eq(demo_ids_add(&ids, name, strlen(name)), i);
    }
    for (size_t i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof name, "id-%zu", i);
        ck_assert_uint_eq(demo_ids_add(&ids, name, strlen(name)), i);
        ck_assert_int_eq(demo_ids_find(&ids, name, strlen(name)), (ssize_t)i);
    }
    ck_assert_int_eq(demo_ids_find(&ids, "id-5000", 7), -1);
    ck_assert_int_eq(demo_ids_find(&ids, "id-1", 3), -1); /* "id-" is no name */
    demo_ids_clean_up(&ids);
}
END_TEST

UNIT_MAIN("demo_truth", a_good_sale_has_nothing_to_complain_of, an_order_without_payment_and_not_dead_is_lost,
          malformed_orders_belong_in_the_dead_letter_queue, a_second_payment_of_one_message_is_a_duplicate,
          a_resent_order_is_counted_apart, an_order_paid_but_never_acknowledged_is_noticed,
          a_killed_worker_explains_only_its_own_late_payments,
          a_killed_supervisor_explains_what_its_workers_left, a_process_at_the_limit_is_within_physics,
          six_payments_at_once_in_five_slots_beat_physics, one_short_payment_beats_physics,
          a_whole_fleet_that_drains_too_early_beats_physics,
          payments_under_way_are_counted_by_time_and_process, an_empty_sale_has_no_figures,
          percentiles_are_nearest_rank, lines_that_are_no_payments_are_refused,
          a_line_may_be_filled_up_with_spaces, lines_that_are_no_acknowledgement_are_refused,
          ids_keep_their_numbers_while_the_table_grows)
