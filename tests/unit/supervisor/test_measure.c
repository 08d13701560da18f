/* sluice measure: rates, limits and verdicts of invented timelines; what is read from localaws and /proc; the
 * list of threads; report and chart. */
#include "supervisor/measure.h"
#include "supervisor/measure_watch.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <stdio.h>

#define START_MS INT64_C(1800000000000)

/* A row that went by the book: `slots` payments at once, the next ones right after, deletes at once. */
struct world {
    struct measure measure;
    struct measure_row *row;
    struct measure_seen seen;
};

static void pay(struct world *w, int order, int64_t start_ms)
{
    char line[160];
    int len = snprintf(line, sizeof line, "order-%d message-%d w 7 1 %lld %lld", order, order,
                       (long long)(START_MS + start_ms),
                       (long long)(START_MS + start_ms + w->row->setup.service_ms));

    ck_assert_int_eq(demo_books_add_payment(&w->row->books, line, (size_t)len, NULL), 0);
}

static void look(struct world *w, int64_t t_ms, int64_t visible)
{
    struct measure_sample sample = {.t_ms = START_MS + t_ms, .visible = visible};

    measure_samples_add(&w->row->samples, &sample);
}

static void world_init(struct world *w, int64_t threads, int64_t orders)
{
    memset(w, 0, sizeof *w);
    w->measure.row_count = 1;
    w->measure.speed = 20;
    w->measure.redelivery = "last";
    w->row = &w->measure.rows[0];
    w->row->setup = (struct measure_setup){
        .threads = threads, .orders = orders, .slots = 5, .service_ms = 3000, .per_poller = 10};
    w->row->start_ms = START_MS;
    w->seen = (struct measure_seen){.samples = &w->row->samples, .books = &w->row->books};
    w->seen.queue.first_receive_us = START_MS * 1000;
}

/* 60 orders in 12 waves of 5. */
static void sixty_orders(struct world *w)
{
    world_init(w, 5, 60);
    look(w, -500, 60);
    for (int wave = 0; wave < 12; wave++) {
        look(w, wave * 3000, 60 - 5 * (wave + 1));
        for (int i = 0; i < 5; i++)
            pay(w, 5 * wave + i, wave * 3000);
    }
    w->seen.queue.deleted = 60;
    w->seen.queue.last_delete_us = (START_MS + 36000) * 1000;
}

static void compute(struct world *w)
{
    measure_compute(&w->row->setup, &w->seen, &w->row->figures);
    measure_judge(&w->row->setup, &w->row->figures, &w->measure.failures);
    w->row->measured = true;
}

static bool complains(const struct world *w, const char *words)
{
    for (size_t i = 0; i < w->measure.failures.count; i++)
        if (strstr(w->measure.failures.texts[i], words) != NULL)
            return true;
    return false;
}

/* ---- limits ---- */

START_TEST(the_limit_is_the_fewer_of_threads_and_slots_by_the_service_time)
{
    struct measure_setup setup = {
        .threads = 1, .orders = 2784, .slots = 5, .service_ms = 3000, .per_poller = 10};

    ck_assert_double_eq_tol(measure_limit_rate(&setup), 1.0 / 3, 1e-12);
    ck_assert_int_eq(measure_time_limit_ms(&setup), 2 * 2784 * 3000);
    setup.threads = 5;
    ck_assert_double_eq_tol(measure_limit_rate(&setup), 5.0 / 3, 1e-12);
    setup.threads = 100;
    ck_assert_double_eq_tol(measure_limit_rate(&setup), 5.0 / 3, 1e-12);
    ck_assert_int_eq(measure_time_limit_ms(&setup), 2 * 2784 * 3000 / 5);
}
END_TEST

START_TEST(a_naive_poller_that_begins_ten_at_once_can_fill_all_slots_alone)
{
    struct measure_setup setup = {
        .threads = 1, .orders = 10, .slots = 5, .service_ms = 3000, .naive = true, .per_poller = 10};

    ck_assert_int_eq(measure_concurrency(&setup), 10);
    ck_assert_double_eq_tol(measure_limit_rate(&setup), 5.0 / 3, 1e-12);
    setup.per_poller = 1;
    ck_assert_int_eq(measure_concurrency(&setup), 1);
    ck_assert_double_eq_tol(measure_limit_rate(&setup), 1.0 / 3, 1e-12);
    setup.naive = false;
    setup.per_poller = 10;
    ck_assert_int_eq(measure_concurrency(&setup), 1);
}
END_TEST

/* ---- rates ---- */

START_TEST(sixty_orders_in_twelve_waves_reach_the_limit)
{
    struct world w;

    sixty_orders(&w);
    compute(&w);
    const struct measure_figures *f = &w.row->figures;
    ck_assert_double_eq_tol(f->true_rate, 60.0 / 36, 1e-9);
    ck_assert_double_eq_tol(f->share_of_limit, 1, 1e-9);
    ck_assert_double_eq_tol(f->drained_s, 36, 1e-9);
    ck_assert_double_eq_tol(f->paid_once_s, 36, 1e-9);
    ck_assert_int_eq(f->peak_visible, 60);
    ck_assert_int_eq(f->completed, 60);
    ck_assert_int_eq(f->payments, 60);
    ck_assert_int_eq(f->duplicates, 0);
    ck_assert_int_eq(f->undeleted, 0);
    ck_assert_int_eq(f->concurrency_max, 5);
    ck_assert_uint_eq(w.measure.failures.count, 0);
    measure_clean_up(&w.measure);
}
END_TEST

START_TEST(the_apparent_rate_is_the_fall_of_depth_in_its_window)
{
    struct world w;

    world_init(&w, 100, 2746);
    look(&w, -1000, 2746);
    look(&w, 0, 2646);
    look(&w, 30000, 1746);
    look(&w, 60000, 1546);
    look(&w, 61000, 0); /* behind the minute: not looked at */
    ck_assert_double_eq_tol(measure_apparent_rate(&w.row->samples, START_MS, 60000), 20, 1e-9);
    ck_assert_double_eq_tol(measure_apparent_rate(&w.row->samples, START_MS, 30000), 1000.0 / 30, 1e-9);
    /* a window that no sample ends in: what the next one says, over the time until then */
    ck_assert_double_eq_tol(measure_apparent_rate(&w.row->samples, START_MS, 10000), 1000.0 / 30, 1e-9);
    /* longer than the row: until its end */
    ck_assert_double_eq_tol(measure_apparent_rate(&w.row->samples, START_MS, 122000), 2746.0 / 61, 1e-9);
    measure_clean_up(&w.measure);
}
END_TEST

START_TEST(no_samples_or_no_time_make_no_rate)
{
    struct measure_samples none = {.count = 0};
    struct world w;

    ck_assert_double_eq(measure_apparent_rate(&none, START_MS, 60000), 0);
    world_init(&w, 5, 60);
    look(&w, 0, 60);
    ck_assert_double_eq(measure_apparent_rate(&w.row->samples, START_MS, 60000), 0);
    compute(&w); /* nothing was deleted, nobody received */
    ck_assert_double_eq(w.row->figures.true_rate, 0);
    ck_assert_double_eq(w.row->figures.drained_s, -1);
    ck_assert_double_eq(w.row->figures.paid_once_s, -1);
    measure_clean_up(&w.measure);
}
END_TEST

START_TEST(the_lowest_depth_counts_in_the_first_minute_alone)
{
    struct world w;

    world_init(&w, 100, 1000);
    look(&w, -10, 1000);
    look(&w, 1000, 0);
    look(&w, 31000, 990);
    look(&w, 70000, 0);
    compute(&w);
    ck_assert_int_eq(w.row->figures.low_visible_first_minute, 0);
    ck_assert_int_eq(w.row->figures.peak_visible, 1000);
    measure_clean_up(&w.measure);
    world_init(&w, 100, 1000);
    look(&w, -10, 1000);
    look(&w, 31000, 990);
    look(&w, 70000, 0);
    compute(&w);
    ck_assert_int_eq(w.row->figures.low_visible_first_minute, 990);
    measure_clean_up(&w.measure);
}
END_TEST

START_TEST(an_undrained_row_has_a_rate_of_what_was_deleted_and_no_drain_time)
{
    struct world w;

    sixty_orders(&w);
    w.seen.queue.deleted = 45;
    w.seen.queue.visible = 5;
    w.seen.queue.in_flight = 10;
    w.seen.stopped = true;
    compute(&w);
    ck_assert_double_eq_tol(w.row->figures.true_rate, 45.0 / 36, 1e-9);
    ck_assert_double_eq(w.row->figures.drained_s, -1);
    ck_assert_int_eq(w.row->figures.undeleted, 15);
    ck_assert(complains(&w, "15 messages were not deleted in twice the time"));
    measure_clean_up(&w.measure);
}
END_TEST

/* ---- duplicates and verdicts ---- */

START_TEST(a_second_payment_is_a_duplicate_by_the_ledger)
{
    struct world w;

    sixty_orders(&w);
    pay(&w, 7, 40000);
    pay(&w, 7, 50000);
    pay(&w, 8, 40000);
    compute(&w);
    ck_assert_int_eq(w.row->figures.duplicates, 2);
    ck_assert_int_eq(w.row->figures.paid_again, 3);
    ck_assert_int_eq(w.row->figures.payments, 63);
    ck_assert_int_eq(w.row->figures.completed, 60);
    ck_assert(complains(&w, "2 orders were paid more than once"));
    measure_clean_up(&w.measure);
}
END_TEST

START_TEST(a_naive_consumer_may_pay_twice_and_leave_messages)
{
    struct world w;

    sixty_orders(&w);
    w.row->setup.naive = true;
    pay(&w, 7, 40000);
    w.seen.queue.deleted = 55;
    w.seen.queue.in_flight = 5;
    compute(&w);
    ck_assert_int_eq(w.row->figures.duplicates, 1);
    ck_assert_int_eq(w.row->figures.undeleted, 5);
    ck_assert_int_eq(w.row->figures.paid_undeleted, 5);
    ck_assert_uint_eq(w.measure.failures.count, 0);
    measure_clean_up(&w.measure);
}
END_TEST

START_TEST(nobody_may_lose_an_order)
{
    struct world w;

    sixty_orders(&w);
    w.row->setup.naive = true;
    w.row->setup.orders = 61;
    w.seen.queue.deleted = 61; /* one of them was never paid */
    compute(&w);
    ck_assert(complains(&w, "1 orders were deleted and not paid"));
    measure_clean_up(&w.measure);

    sixty_orders(&w);
    w.row->setup.naive = true;
    w.seen.queue.deleted = 50;
    w.seen.queue.in_flight = 9;
    compute(&w);
    ck_assert(complains(&w, "1 of 60 messages are neither deleted nor in the queue"));
    measure_clean_up(&w.measure);
}
END_TEST

START_TEST(what_beats_physics_is_a_wrong_measurement)
{
    struct world w;

    sixty_orders(&w);
    w.seen.queue.last_delete_us = (START_MS + 35000) * 1000;
    compute(&w);
    ck_assert(complains(&w, "is above the limit"));
    measure_clean_up(&w.measure);

    sixty_orders(&w);
    pay(&w, 60, 4000); /* a sixth payment at once */
    compute(&w);
    ck_assert_int_eq(w.row->figures.concurrency_max, 6);
    ck_assert(complains(&w, "more than 5 slots can: the measurement is wrong"));
    measure_clean_up(&w.measure);
}
END_TEST

/* ---- the source ---- */

START_TEST(the_source_s_own_figures_give_its_own_rates)
{
    static const double rates[] = {0.97, 1.11, 1.46, 2.41};

    for (int i = 0; i < MEASURE_SOURCE_ROWS; i++)
        ck_assert_double_eq_tol(measure_source_rate(&MEASURE_SOURCE[i]), rates[i], 0.005);
    ck_assert_double_eq_tol(measure_source_least_min(measure_source_find(100)), 27.46, 0.005);
    ck_assert_double_eq_tol(measure_source_limit(), 5.0 / 3, 1e-12);
    ck_assert_ptr_null(measure_source_find(50));
}
END_TEST

/* ---- reading ---- */

START_TEST(statistics_of_a_queue_are_read_whole_or_not_at_all)
{
    static const char json[] =
        "{\"t_ms\":5,\"queues\":{\"q\":{\"visible\":1,\"in_flight\":2,\"delayed\":3,\"sent\":4,"
        "\"received\":5,\"deleted\":6,\"first_receive_us\":7,\"last_delete_us\":8,\"x\":9}}}";
    struct measure_queue queue;
    struct err err = {.text = ""};

    ck_assert_int_eq(measure_parse_stats(json, strlen(json), "q", &queue, &err), 0);
    ck_assert_int_eq(queue.t_ms, 5);
    ck_assert_int_eq(queue.visible, 1);
    ck_assert_int_eq(queue.in_flight, 2);
    ck_assert_int_eq(queue.delayed, 3);
    ck_assert_int_eq(queue.deleted, 6);
    ck_assert_int_eq(queue.first_receive_us, 7);
    ck_assert_int_eq(queue.last_delete_us, 8);
    ck_assert_int_eq(measure_parse_stats(json, strlen(json), "other", &queue, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "no queue other"));
    ck_assert_int_eq(measure_parse_stats("{", 1, "q", &queue, &err), -1);
    ck_assert_int_eq(measure_parse_stats("{\"t_ms\":1,\"queues\":{\"q\":{}}}", 29, "q", &queue, &err), -1);
}
END_TEST

START_TEST(the_kernel_s_peaks_never_fall_and_a_zombie_says_nothing)
{
    struct measure_process process = {.cpu_s = 0};

    measure_parse_status("Name:\tx\nVmPeak:\t  9 kB\nVmHWM:\t  11000 kB\nThreads:\t101\n", &process);
    ck_assert_int_eq(process.peak_rss_kb, 11000);
    ck_assert_int_eq(process.threads, 101);
    measure_parse_status("Name:\tx\nVmHWM:\t  10000 kB\nThreads:\t1\n", &process);
    ck_assert_int_eq(process.peak_rss_kb, 11000);
    ck_assert_int_eq(process.threads, 101);
    measure_parse_status("Name:\tVmHWM: 99999\nState:\tZ (zombie)\nThreads:\t500\n", &process);
    ck_assert_int_eq(process.peak_rss_kb, 11000);
    ck_assert_int_eq(process.threads, 101);
}
END_TEST

START_TEST(lists_of_threads_are_read_or_refused)
{
    static const char *const bad[] = {"",
                                      ",",
                                      "1,",
                                      ",1",
                                      "1,,2",
                                      "0",
                                      "1001",
                                      "-1",
                                      "+1",
                                      "1 ",
                                      " 1",
                                      "1;2",
                                      "x",
                                      "99999999999999999999",
                                      "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"};
    int64_t numbers[MEASURE_ROWS_MAX];
    struct err err = {.text = ""};

    ck_assert_int_eq(measure_parse_threads("1,5,20,100", numbers, &err), 4);
    ck_assert_int_eq(numbers[0], 1);
    ck_assert_int_eq(numbers[3], 100);
    ck_assert_int_eq(measure_parse_threads("1000", numbers, &err), 1);
    ck_assert_int_eq(measure_parse_threads("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", numbers, &err), 16);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        err.text[0] = '\0';
        ck_assert_msg(measure_parse_threads(bad[i], numbers, &err) < 0, "\"%s\" was taken", bad[i]);
        ck_assert_ptr_nonnull(strstr(err.text, "--threads"));
    }
}
END_TEST

/* ---- what it says ---- */

START_TEST(the_report_says_unknown_as_null_and_marks_what_no_model_reaches)
{
    struct strbuf text = STRBUF_INIT;
    struct world w;

    sixty_orders(&w);
    w.row->setup.threads = 100;
    w.row->setup.naive = true;
    w.seen.queue.deleted = 59;
    w.seen.queue.in_flight = 1;
    compute(&w);
    measure_report_write_json(&w.measure, &text);
    json_t *json = json_loadb(text.data, text.len, 0, NULL);
    const json_t *row = json_array_get(json_object_get(json, "rows"), 0);
    ck_assert(json_is_null(json_object_get(row, "drained_s")));
    ck_assert_int_eq(json_integer_value(json_object_get(row, "begun_at_once")), 1000);
    const json_t *source = json_object_get(row, "source");
    ck_assert(json_is_false(json_object_get(source, "printed_rate_possible")));
    ck_assert(json_is_false(json_object_get(source, "drain_possible")));
    json_decref(json);

    strbuf_clear(&text);
    measure_report_write_text(&w.measure, &text);
    ck_assert_ptr_nonnull(strstr(strbuf_str(&text), "never"));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&text), "19 min*"));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&text), "2.48/s*"));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&text), "no model of one process reaches it"));
    strbuf_clean_up(&text);
    measure_clean_up(&w.measure);
}
END_TEST

START_TEST(a_printed_rate_that_rounds_to_the_limit_is_no_miracle)
{
    struct strbuf text = STRBUF_INIT;
    struct world w;

    sixty_orders(&w);
    w.row->setup.threads = 1; /* published: 1.67/s in 48 min, 5 / 3 s and 27.8 min at least */
    compute(&w);
    measure_report_write_text(&w.measure, &text);
    ck_assert_ptr_nonnull(strstr(strbuf_str(&text), "1.67/s "));
    ck_assert_ptr_null(strstr(strbuf_str(&text), "1.67/s*"));
    ck_assert_ptr_null(strstr(strbuf_str(&text), "48 min*"));
    strbuf_clean_up(&text);
    measure_clean_up(&w.measure);
}
END_TEST

START_TEST(the_chart_has_a_panel_for_each_measured_row)
{
    struct strbuf text = STRBUF_INIT;
    struct world w;
    int panels = 0;

    sixty_orders(&w);
    compute(&w);
    w.measure.row_count = 2; /* the second was not measured */
    w.measure.rows[1].setup = w.row->setup;
    measure_chart_write(&w.measure, &text);
    for (const char *at = strbuf_str(&text); (at = strstr(at, "<path")) != NULL; at++)
        panels++;
    ck_assert_int_eq(panels, 1);
    ck_assert_ptr_null(strstr(strbuf_str(&text), "nan"));
    ck_assert_ptr_null(strstr(strbuf_str(&text), "inf"));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&text), "</svg>"));
    strbuf_clean_up(&text);
    measure_clean_up(&w.measure);
}
END_TEST

UNIT_MAIN("measure", the_limit_is_the_fewer_of_threads_and_slots_by_the_service_time,
          a_naive_poller_that_begins_ten_at_once_can_fill_all_slots_alone,
          sixty_orders_in_twelve_waves_reach_the_limit, the_apparent_rate_is_the_fall_of_depth_in_its_window,
          no_samples_or_no_time_make_no_rate, the_lowest_depth_counts_in_the_first_minute_alone,
          an_undrained_row_has_a_rate_of_what_was_deleted_and_no_drain_time,
          a_second_payment_is_a_duplicate_by_the_ledger, a_naive_consumer_may_pay_twice_and_leave_messages,
          nobody_may_lose_an_order, what_beats_physics_is_a_wrong_measurement,
          the_source_s_own_figures_give_its_own_rates, statistics_of_a_queue_are_read_whole_or_not_at_all,
          the_kernel_s_peaks_never_fall_and_a_zombie_says_nothing, lists_of_threads_are_read_or_refused,
          the_report_says_unknown_as_null_and_marks_what_no_model_reaches,
          a_printed_rate_that_rounds_to_the_limit_is_no_miracle, the_chart_has_a_panel_for_each_measured_row)
