/* The demo's chart and report: scales, escaping, and the keys that others rely on. */
#include "supervisor/demo_chart.h"
#include "supervisor/demo_report.h"
#include "supervisor/svg.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <string.h>

static struct demo_samples some_samples(void)
{
    struct demo_samples samples = {.count = 0};

    for (int i = 0; i <= 100; i++) {
        struct demo_sample s = {.t_s = i,
                                .visible = i < 50 ? 10 * i : 10 * (100 - i),
                                .in_flight = 150,
                                .desired = 30,
                                .ready = i < 20 ? 2 : 30,
                                .completed = 10 * i,
                                .sent = 10 * i};
        demo_samples_add(&samples, &s);
    }
    return samples;
}

/* ---- chart ---- */

START_TEST(ticks_are_round_numbers)
{
    ck_assert_double_eq(svg_axis_step(8, 8), 1);
    ck_assert_double_eq(svg_axis_step(9, 8), 2);
    ck_assert_double_eq(svg_axis_step(17, 8), 5);
    ck_assert_double_eq(svg_axis_step(700, 12), 100);
    ck_assert_double_eq(svg_axis_step(900, 8), 200);
    ck_assert_double_eq(svg_axis_step(0.5, 8), 1);
}
END_TEST

static void count_tags(const char *svg, int *opened, int *closed)
{
    *opened = *closed = 0;
    for (const char *at = svg; (at = strchr(at, '<')) != NULL; at++) {
        const char *end = strchr(at, '>');
        ck_assert_ptr_nonnull(end);
        ck_assert_ptr_null(memchr(at + 1, '<', (size_t)(end - at - 1)));
        if (at[1] == '/')
            (*closed)++;
        else if (end[-1] != '/')
            (*opened)++;
    }
}

START_TEST(the_chart_is_balanced_and_escapes_its_texts)
{
    struct demo_samples samples = some_samples();
    struct demo_chart_mark marks[] = {{.t_s = 20, .text = "kill <9> & \"more\"", .is_kill = 1}};
    struct demo_chart chart = {.title = "A & B < C",
                               .subtitle = "\"quoted\"\ttab",
                               .samples = &samples,
                               .marks = marks,
                               .mark_count = 1};
    struct strbuf out = STRBUF_INIT;
    int opened, closed;

    demo_chart_write(&chart, &out);
    count_tags(strbuf_str(&out), &opened, &closed);
    ck_assert_int_eq(opened, closed);
    ck_assert_ptr_nonnull(strstr(strbuf_str(&out), "A &amp; B &lt; C"));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&out), "kill &lt;9&gt; &amp; &quot;more&quot;"));
    ck_assert_ptr_null(strchr(strbuf_str(&out), '\t'));
    ck_assert_ptr_null(strstr(strbuf_str(&out), "nan"));
    ck_assert_ptr_null(strstr(strbuf_str(&out), "inf"));
    strbuf_clean_up(&out);
    demo_samples_clean_up(&samples);
}
END_TEST

START_TEST(a_chart_of_nothing_is_still_a_chart)
{
    struct demo_samples samples = {.count = 0};
    struct demo_chart chart = {.title = "", .subtitle = "", .samples = &samples};
    struct strbuf out = STRBUF_INIT;
    int opened, closed;

    demo_chart_write(&chart, &out);
    count_tags(strbuf_str(&out), &opened, &closed);
    ck_assert_int_eq(opened, closed);
    ck_assert_ptr_null(strstr(strbuf_str(&out), "nan"));
    strbuf_clean_up(&out);
}
END_TEST

/* ---- report ---- */

struct fixture {
    struct demo_books books;
    struct demo_truth truth;
    struct demo_samples_summary summary;
    struct demo_samples samples;
    struct demo_kill kills[1];
    struct demo_failures failures;
    struct demo_report report;
};

static void open_fixture(struct fixture *f)
{
    *f = (struct fixture){
        .truth = {.sent = 3600,
                  .completed_unique = 3600,
                  .payments = 3601,
                  .duplicates = 1,
                  .start_ms = 1000000,
                  .drained_s = 84.5,
                  .drained_bound_s = 72,
                  .wait_p50_s = 12.25,
                  .wait_p99_s = 20,
                  .wait_max_s = 21,
                  .waits_above_5s = 3000,
                  .process_rate_max_per_s = 1.66,
                  .doubles = {{.order = 0, .message = 0, .t_ms = 1030000, .kill = 0}},
                  .double_count = 1},
        .summary = {.peak_visible = 800,
                    .peak_in_flight = 160,
                    .peak_workers = 30,
                    .first_scale_out_s = 5.2,
                    .scaled_in_s = 695,
                    .worker_seconds = 9000},
        .samples = some_samples(),
        .kills = {{.what = DEMO_KILL_WORKER, .pid = 77, .t_ms = 1020000, .payments_running = 5}},
    };
    (void)demo_ids_add(&f->books.orders, "o-1", 3);
    (void)demo_ids_add(&f->books.messages, "m-1", 3);
    f->report = (struct demo_report){.speed = 10,
                                     .rate = 60,
                                     .duration_ms = 60000,
                                     .orders = 3600,
                                     .workers_min = 2,
                                     .workers_max = 30,
                                     .threads = 100,
                                     .slots = 5,
                                     .payment_ms = 3000,
                                     .chaos = true,
                                     .books = &f->books,
                                     .truth = &f->truth,
                                     .summary = &f->summary,
                                     .samples = &f->samples,
                                     .kills = f->kills,
                                     .kill_count = 1,
                                     .failures = &f->failures,
                                     .threads_min = 102,
                                     .start_ready_ms_p50 = 30,
                                     .start_ready_ms_p99 = 50,
                                     .starts = 30,
                                     .wall_s = 70};
}

static void close_fixture(struct fixture *f)
{
    demo_books_clean_up(&f->books);
    demo_samples_clean_up(&f->samples);
    demo_failures_clean_up(&f->failures);
}

static json_t *json_of(const struct fixture *f)
{
    struct strbuf out = STRBUF_INIT;
    json_error_t error;

    demo_report_write_json(&f->report, &out);
    json_t *json = json_loads(strbuf_str(&out), JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(json != NULL, "%s", error.text);
    strbuf_clean_up(&out);
    return json;
}

START_TEST(the_json_report_has_every_promised_key)
{
    static const char *const keys[] = {"sent",
                                       "completed_unique",
                                       "duplicates",
                                       "lost",
                                       "failed",
                                       "peak_visible",
                                       "peak_in_flight",
                                       "peak_workers",
                                       "final_workers",
                                       "first_scale_out_s",
                                       "drained_s",
                                       "scaled_in_s",
                                       "worker_seconds",
                                       "wait_p50_s",
                                       "wait_p99_s",
                                       "threads_per_worker_min",
                                       "start_ready_ms_p50",
                                       "start_ready_ms_p99",
                                       "wall_s",
                                       "speed"};
    static const char *const sample_keys[] = {"t_s",   "visible",  "in_flight", "desired",
                                              "ready", "starting", "draining",  "completed"};
    struct fixture f;

    open_fixture(&f);
    json_t *json = json_of(&f);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        ck_assert_msg(json_is_number(json_object_get(json, keys[i])), "%s", keys[i]);
    const json_t *samples = json_object_get(json, "samples");
    ck_assert_uint_eq(json_array_size(samples), 101);
    for (size_t i = 0; i < sizeof sample_keys / sizeof sample_keys[0]; i++)
        ck_assert_msg(json_is_number(json_object_get(json_array_get(samples, 7), sample_keys[i])), "%s",
                      sample_keys[i]);
    const json_t *kill = json_array_get(json_object_get(json, "kills"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(kill, "what")), "worker");
    ck_assert_int_eq(json_integer_value(json_object_get(kill, "pid")), 77);
    ck_assert_double_eq(json_number_value(json_object_get(kill, "t_s")), 20);
    ck_assert_int_eq(json_integer_value(json_object_get(kill, "payments_running")), 5);
    const json_t *twice = json_array_get(json_object_get(json, "doubles"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(twice, "message_id")), "m-1");
    ck_assert_int_eq(json_integer_value(json_object_get(twice, "kill")), 0);
    ck_assert(json_is_true(json_object_get(json, "good")));
    ck_assert(json_is_false(json_object_get(json, "promise_5s_holds")));
    json_decref(json);
    close_fixture(&f);
}
END_TEST

START_TEST(figures_that_do_not_exist_are_null)
{
    struct fixture f;

    open_fixture(&f);
    f.truth.payments = 0;
    f.truth.wait_p50_s = -1;
    f.summary.scaled_in_s = -1;
    demo_failures_add(&f.failures, "%s", "broken \"off\"");
    json_t *json = json_of(&f);
    ck_assert(json_is_null(json_object_get(json, "drained_s")));
    ck_assert(json_is_null(json_object_get(json, "wait_p50_s")));
    ck_assert(json_is_null(json_object_get(json, "scaled_in_s")));
    ck_assert(json_is_false(json_object_get(json, "good")));
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(json, "failures"), 0)),
                     "broken \"off\"");
    json_decref(json);
    close_fixture(&f);
}
END_TEST

START_TEST(the_words_judge_the_promise_and_name_the_kill)
{
    struct strbuf out = STRBUF_INIT;
    struct fixture f;

    open_fixture(&f);
    demo_report_write_text(&f.report, &out);
    const char *text = strbuf_str(&out);
    ck_assert_ptr_nonnull(strstr(text, "\"< 5 second delay\" does not hold:\n           3000 of 3600"));
    ck_assert_ptr_nonnull(
        strstr(text, "worker (pid 77) at 20.0 s with 5 payments running;\n           1 paid twice"));
    ck_assert_ptr_nonnull(
        strstr(text, "Verdict    good: nothing lost, every second payment named by its kill"));
    strbuf_clear(&out);
    f.truth.waits_above_5s = 0;
    demo_failures_add(&f.failures, "7 orders are lost");
    demo_report_write_text(&f.report, &out);
    text = strbuf_str(&out);
    ck_assert_ptr_nonnull(strstr(text, "\"< 5 second delay\" holds"));
    ck_assert_ptr_nonnull(strstr(text, "not good"));
    ck_assert_ptr_nonnull(strstr(text, "- 7 orders are lost"));
    strbuf_clean_up(&out);
    close_fixture(&f);
}
END_TEST

UNIT_MAIN("chart_report", ticks_are_round_numbers, the_chart_is_balanced_and_escapes_its_texts,
          a_chart_of_nothing_is_still_a_chart, the_json_report_has_every_promised_key,
          figures_that_do_not_exist_are_null, the_words_judge_the_promise_and_name_the_kill)
