/* The table of metrics, its Prometheus text, its CloudWatch lines, and the output that is never waited for.
 * The formats themselves are checked from outside, by tests/integration/test_worker_metrics.py. */
#include "tests/unit/unit.h"

#include "base/emf_line.h"
#include "base/nowait_output.h"
#include "worker/emf.h"
#include "worker/metrics.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static struct histogram g_hists[TELEMETRY_HIST_MAX];

static struct metrics_view view_of(const char *queue)
{
    struct metrics_view view = {.queue = queue, .worker = "w-1"};
    memset(g_hists, 0, sizeof g_hists);
    for (int i = 0; i < TELEMETRY_HIST_MAX; i++)
        view.hists[i] = &g_hists[i];
    return view;
}

static bool is_there(const struct strbuf *text, const char *line)
{
    return strstr(strbuf_str(text), line) != NULL;
}

START_TEST(every_counter_of_telemetry_is_a_metric_once)
{
    struct metrics_view view = view_of("orders");
    int rows = 0;
    int64_t n = 1000;
#define X(name) view.stats.name = ++n;
    TELEMETRY_GAUGES(X)
    TELEMETRY_COUNTERS(X)
    TELEMETRY_MORE_GAUGES(X)
    TELEMETRY_MORE_COUNTERS(X)
#undef X
    for (int64_t value = 1001; value <= n; value++) {
        int found = 0;
        for (const struct metric *metric = metrics_table(); metric->name != NULL; metric++)
            found += metric->type <= METRIC_GAUGE && metrics_value(metric, &view) == value;
        /* Some are told in another form: the waits' sum by their histogram, calls by operation, protection by
         * the view itself. */
        bool other = value == view.stats.wait_ms_sum || value == view.stats.calls ||
                     value == view.stats.protects_itself || value == view.stats.is_protected;
        ck_assert_msg(found == (other ? 0 : 1), "value %d: %d times", (int)value, found);
    }
    for (const struct metric *metric = metrics_table(); metric->name != NULL; metric++) {
        size_t len = strlen(metric->name);
        bool total = strcmp(metric->name + len - 6, "_total") == 0;
        bool seconds = strstr(metric->name, "_seconds") != NULL;
        ck_assert_int_eq(total, metric->type == METRIC_COUNTER || metric->type == METRIC_CALLS);
        ck_assert_int_eq(seconds, metric->unit == PROM_MS);
        rows++;
    }
    ck_assert_int_gt(rows, 30);
}
END_TEST

START_TEST(prometheus_has_seconds_ratios_and_escaped_labels)
{
    struct strbuf text = STRBUF_INIT;
    struct metrics_view view = view_of("a\"b\\c\nd");
    view.stats.handle_ms_sum = 61005;
    view.stats.brake_percent = 7;
    view.calls.count[METRICS_send_message_batch][AWS_KIND_DENIED] = 3;
    metrics_render(&view, &text);
    ck_assert(is_there(&text, "\nsluice_worker_busy_seconds_total{queue=\"a\\\"b\\\\c\\nd\"} 61.005\n"));
    ck_assert(is_there(&text, "\nsluice_worker_brake_ratio{queue=\"a\\\"b\\\\c\\nd\"} 0.07\n"));
    ck_assert(is_there(&text, ",operation=\"send_message_batch\",outcome=\"denied\"} 3\n"));
    strbuf_clean_up(&text);
}
END_TEST

START_TEST(prometheus_buckets_count_exactly_what_lies_below_their_bound)
{
    struct strbuf text = STRBUF_INIT;
    struct metrics_view view = view_of("q");
    struct histogram *h = &g_hists[TELEMETRY_HIST_handle_ms];
    for (int ms = 0; ms < 3000; ms++)
        histogram_record(h, ms);
    metrics_render(&view, &text);
    static const char FAMILY[] = "sluice_worker_handle_seconds_bucket{queue=\"q\",le=\"";
    int buckets = 0;
    for (const char *at = strstr(text.data, FAMILY); at != NULL; at = strstr(at + 1, FAMILY)) {
        double le = 0;
        long count = 0;
        ck_assert_int_eq(sscanf(at + sizeof FAMILY - 1, "%lf\"} %ld", &le, &count), 2);
        long below = le * 1000 < 3000 ? (long)(le * 1000 + 0.5) + 1 : 3000;
        ck_assert_msg(count == below, "le %f: %ld, not %ld", le, count, below);
        buckets++;
    }
    ck_assert_int_gt(buckets, 15);
    ck_assert(is_there(&text, "sluice_worker_handle_seconds_bucket{queue=\"q\",le=\"+Inf\"} 3000\n"));
    ck_assert(is_there(&text, "sluice_worker_handle_seconds_sum{queue=\"q\"} 4498.500\n"));
    ck_assert(is_there(&text, "sluice_worker_handle_seconds_count{queue=\"q\"} 3000\n"));
    strbuf_clean_up(&text);
}
END_TEST

/* ---- CloudWatch ---- */

static json_t *emf_line(const struct emf *emf, const struct metrics_view *view)
{
    struct strbuf text = STRBUF_INIT;
    emf_render(emf, "Sluice/Worker", view, 1440938160123, &text);
    ck_assert_ptr_eq(strchr(text.data, '\n'), text.data + text.len - 1);
    json_t *line = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(line);
    strbuf_clean_up(&text);
    return line;
}

START_TEST(emf_tells_what_was_gained_since_the_last_line_that_was_taken)
{
    static struct emf emf;
    struct metrics_view view = view_of("q");
    memset(&emf, 0, sizeof emf);
    view.stats.completed = 10;
    view.stats.busy = 4;
    view.calls.count[METRICS_receive_message][AWS_KIND_OK] = 2;
    json_t *line = emf_line(&emf, &view);
    ck_assert_int_eq(json_integer_value(json_object_get(line, "Completed")), 10);
    json_decref(line);
    view.stats.completed = 25; /* that one was not taken */
    view.calls.count[METRICS_delete_message_batch][AWS_KIND_TRANSIENT] = 3;
    line = emf_line(&emf, &view);
    ck_assert_int_eq(json_integer_value(json_object_get(line, "Completed")), 25);
    ck_assert_int_eq(json_integer_value(json_object_get(line, "ApiCalls")), 5);
    json_decref(line);
    emf_told(&emf, &view);
    view.stats.completed = 26;
    line = emf_line(&emf, &view);
    ck_assert_int_eq(json_integer_value(json_object_get(line, "Completed")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(line, "ApiCalls")), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(line, "Busy")), 4);
    json_decref(line);
}
END_TEST

START_TEST(emf_lists_a_few_values_and_samples_many_evenly)
{
    static struct emf emf;
    struct metrics_view view = view_of("q");
    struct histogram *h = &g_hists[TELEMETRY_HIST_wait_ms];
    memset(&emf, 0, sizeof emf);
    json_t *line = emf_line(&emf, &view);
    ck_assert_ptr_null(json_object_get(line, "WaitTime")); /* nothing: an empty array is no value */
    json_decref(line);
    for (int i = 0; i < 3; i++)
        histogram_record(h, 7 + i);
    line = emf_line(&emf, &view);
    json_t *values = json_object_get(line, "WaitTime");
    ck_assert_uint_eq(json_array_size(values), 3);
    ck_assert_int_eq(json_integer_value(json_array_get(values, 2)), 9);
    json_decref(line);
    emf_told(&emf, &view);
    for (int i = 0; i < 1000; i++)
        histogram_record(h, i < 900 ? 10 : 2000 + i);
    line = emf_line(&emf, &view);
    values = json_object_get(line, "WaitTime");
    ck_assert_uint_eq(json_array_size(values), EMF_VALUES_MAX);
    ck_assert_int_eq(json_integer_value(json_array_get(values, 0)), 10); /* not what was told before */
    ck_assert_int_eq(json_integer_value(json_array_get(values, 89)), 10);
    ck_assert_int_gt(json_integer_value(json_array_get(values, 90)), 2800);
    ck_assert_int_gt(json_integer_value(json_array_get(values, 99)), 2900); /* the largest */
    ck_assert_int_le(json_integer_value(json_array_get(values, 99)), 2999);
    json_decref(line);
}
END_TEST

START_TEST(namespaces_that_cloudwatch_refuses_are_refused)
{
    char longest[EMF_NAMESPACE_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[EMF_NAMESPACE_MAX] = '\0';
    ck_assert_int_eq(emf_check_namespace("--emf-namespace", longest, NULL), 0);
    longest[EMF_NAMESPACE_MAX] = 'x';
    longest[EMF_NAMESPACE_MAX + 1] = '\0';
    ck_assert_int_eq(emf_check_namespace("--emf-namespace", "Shop/Orders.eu-1_a#b:c", NULL), 0);
    const char *bad[] = {"", "AWS/SQS", ":a", "a b", "caf\xc3\xa9", "a\"b", longest};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = {""};
        ck_assert_int_eq(emf_check_namespace("--emf-namespace", bad[i], &err), -1);
        ck_assert_ptr_nonnull(strstr(err.text, "--emf-namespace"));
    }
}
END_TEST

/* ---- output ---- */

START_TEST(a_full_pipe_drops_whole_lines_and_finishes_the_one_that_was_cut)
{
    int ends[2];
    static char bytes[1 << 20];
    struct strbuf line = STRBUF_INIT;
    size_t got = 0;
    int64_t taken = 0;
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    struct nowait_output output = {.fd = ends[1]};
    while (line.len < 9999)
        strbuf_append_char(&line, 'x');
    strbuf_append_char(&line, '\n');
    for (int i = 0; i < 20; i++)
        taken += nowait_output_send(&output, &line);
    ck_assert_int_gt(taken, 3); /* 64 KB */
    ck_assert_int_eq(output.dropped, 20 - taken);
    ck_assert(!nowait_output_flush(&output));
    ck_assert_int_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0); /* it is shared: left as it was */
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    for (bool done = false; !done;) {
        ssize_t n = read(ends[0], bytes + got, sizeof bytes - got);
        got += n > 0 ? (size_t)n : 0;
        done = nowait_output_flush(&output) && n < 0;
    }
    ck_assert_uint_eq(got, (size_t)taken * line.len);
    for (int64_t i = 0; i < taken; i++)
        ck_assert_mem_eq(bytes + (size_t)i * line.len, line.data, line.len);
    nowait_output_clean_up(&output);
    strbuf_clean_up(&line);
    (void)close(ends[0]);
    (void)close(ends[1]);
}
END_TEST

START_TEST(a_reader_that_is_gone_costs_lines_and_nothing_else)
{
    int ends[2];
    struct strbuf line = STRBUF_INIT;
    (void)signal(SIGPIPE, SIG_IGN); /* as the worker does */
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    struct nowait_output output = {.fd = ends[1]};
    strbuf_append_str(&line, "{}\n");
    (void)close(ends[0]);
    ck_assert(!nowait_output_send(&output, &line));
    ck_assert(!nowait_output_send(&output, &line));
    ck_assert_int_eq(output.dropped, 2);
    (void)close(ends[1]);
    ck_assert(!nowait_output_send(&output, &line)); /* as with ">&-" */
    nowait_output_clean_up(&output);
    strbuf_clean_up(&line);
}
END_TEST

UNIT_MAIN("metrics", every_counter_of_telemetry_is_a_metric_once,
          prometheus_has_seconds_ratios_and_escaped_labels,
          prometheus_buckets_count_exactly_what_lies_below_their_bound,
          emf_tells_what_was_gained_since_the_last_line_that_was_taken,
          emf_lists_a_few_values_and_samples_many_evenly, namespaces_that_cloudwatch_refuses_are_refused,
          a_full_pipe_drops_whole_lines_and_finishes_the_one_that_was_cut,
          a_reader_that_is_gone_costs_lines_and_nothing_else)
