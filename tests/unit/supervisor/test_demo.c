/* Pure parts of the demo besides its truth: samples, /proc, status, tails, verdict, view. */
#include "supervisor/demo_proc.h"
#include "supervisor/demo_samples.h"
#include "supervisor/demo_status.h"
#include "supervisor/demo_tail.h"
#include "supervisor/demo_verdict.h"
#include "supervisor/demo_view.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- samples ---- */

static void add(struct demo_samples *samples, double t_s, int visible, int ready, int draining, int completed)
{
    struct demo_sample sample = {.t_s = t_s,
                                 .visible = visible,
                                 .in_flight = ready * 5,
                                 .desired = ready,
                                 .ready = ready,
                                 .draining = draining,
                                 .completed = completed};
    demo_samples_add(samples, &sample);
}

static struct demo_samples grown_and_shrunk(void)
{
    struct demo_samples samples = {.count = 0};

    add(&samples, 0, 0, 2, 0, 0);
    add(&samples, 10, 300, 2, 0, 10);
    add(&samples, 20, 600, 30, 0, 200);
    add(&samples, 30, 100, 30, 0, 700);
    add(&samples, 40, 0, 16, 14, 1000);
    add(&samples, 50, 0, 2, 14, 1000);
    add(&samples, 60, 0, 2, 0, 1000);
    return samples;
}

START_TEST(peaks_growth_and_return_come_from_the_samples)
{
    struct demo_samples samples = grown_and_shrunk();
    struct demo_samples_summary sum;

    demo_samples_summarize(&samples, 2, &sum);
    ck_assert_int_eq(sum.peak_visible, 600);
    ck_assert_int_eq(sum.peak_in_flight, 150);
    ck_assert_int_eq(sum.peak_workers, 30);
    ck_assert_int_eq(sum.peak_desired, 30);
    ck_assert_int_eq(sum.final_desired, 2);
    ck_assert_double_eq(sum.first_scale_out_s, 20);
    ck_assert_double_eq(sum.scaled_in_s, 50);
    /* 2 x 10 + 2 x 10 + 30 x 10 + 30 x 10 + (16 + 14) x 10, and nothing after the return. */
    ck_assert_double_eq(sum.worker_seconds, 20 + 20 + 300 + 300 + 300);
    ck_assert_double_eq(sum.completed_per_s_max, 50);
    demo_samples_clean_up(&samples);
}
END_TEST

START_TEST(a_fleet_that_does_not_come_back_has_no_return)
{
    struct demo_samples samples = grown_and_shrunk();
    struct demo_samples_summary sum;

    samples.count = 5;
    demo_samples_summarize(&samples, 2, &sum);
    ck_assert_double_eq(sum.scaled_in_s, -1);
    samples.count = 2;
    demo_samples_summarize(&samples, 2, &sum);
    ck_assert_double_eq(sum.first_scale_out_s, -1);
    ck_assert_double_eq(sum.scaled_in_s, 0); /* it never grew */
    ck_assert_double_eq(sum.worker_seconds, 20);
    samples.count = 0;
    demo_samples_summarize(&samples, 2, &sum);
    ck_assert_double_eq(sum.scaled_in_s, -1);
    ck_assert_int_eq(sum.peak_desired, -1);
    ck_assert_int_eq(sum.final_desired, -1);
    demo_samples_clean_up(&samples);
}
END_TEST

START_TEST(the_apparent_rate_is_what_left_the_visible_count)
{
    struct demo_samples samples = {.count = 0};
    struct demo_sample before = {.t_s = 10, .visible = 100, .completed = 50, .sent = 600};
    struct demo_sample after = {.t_s = 12, .visible = 20, .completed = 56, .sent = 720};

    demo_samples_add(&samples, &before);
    ck_assert_double_eq(demo_samples_rates(&samples, 5).completed_per_s, 0);
    demo_samples_add(&samples, &after);
    struct demo_rates rates = demo_samples_rates(&samples, 5);
    ck_assert_double_eq(rates.completed_per_s, 3);
    ck_assert_double_eq(rates.apparent_per_s, 100); /* 120 came, 80 fewer are there, in 2 s */
    demo_samples_clean_up(&samples);
}
END_TEST

START_TEST(tasks_that_stop_are_the_processes_that_ecs_does_not_count)
{
    struct demo_sample sample = {.draining = 7};

    demo_sample_count_tasks(&sample, 16, 0, 30);
    ck_assert_int_eq(sample.ready, 16);
    ck_assert_int_eq(sample.starting, 0);
    ck_assert_int_eq(sample.draining, 14);
    demo_sample_count_tasks(&sample, 2, 23, 2); /* pending ones have no process yet */
    ck_assert_int_eq(demo_sample_workers(&sample), 25);
    ck_assert_int_eq(sample.draining, 0);
    demo_sample_count_tasks(&sample, 2, 23, 25); /* all have one, none is ready */
    ck_assert_int_eq(sample.draining, 0);
}
END_TEST

/* ---- /proc ---- */

START_TEST(a_stat_line_is_read_whatever_the_name)
{
    struct demo_proc_stat stat;
    static const char *const line =
        "4711 (a) b (c) S 42 4711 4711 0 -1 4194560 1 0 0 0 5 3 0 0 20 0 103 0 998877 1 2 3";

    ck_assert_int_eq(demo_proc_parse_stat(line, &stat), 0);
    ck_assert_int_eq(stat.state, 'S');
    ck_assert_int_eq(stat.ppid, 42);
    ck_assert_int_eq(stat.threads, 103);
    ck_assert_uint_eq(stat.start_ticks, 998877);
    ck_assert_int_eq(demo_proc_parse_stat("", &stat), -1);
    ck_assert_int_eq(demo_proc_parse_stat("4711 (x) S 42", &stat), -1);
}
END_TEST

START_TEST(children_are_found_as_workers_of_their_parent)
{
    struct demo_proc proc;
    int wait_here[2];
    char byte;

    ck_assert_int_eq(pipe(wait_here), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(wait_here[1]);
        (void)!read(wait_here[0], &byte, 1);
        _exit(0);
    }
    demo_proc_init(&proc, "SLUICE_DEMO_MARK=NOBODYHASTHIS");
    ck_assert_int_eq(demo_proc_scan(&proc, getpid()), 0);
    ck_assert_uint_eq(proc.count, 1);
    ck_assert_int_eq(proc.workers[0].pid, pid);
    ck_assert_int_ge(proc.workers[0].threads, 1);
    ck_assert(!proc.workers[0].orphan);
    /* Without that parent it is nobody of ours, having no mark. */
    ck_assert_int_eq(demo_proc_scan(&proc, 0), 0);
    ck_assert_uint_eq(proc.count, 0);
    (void)close(wait_here[0]);
    (void)close(wait_here[1]);
    demo_proc_clean_up(&proc);
}
END_TEST

/* ---- status ---- */

START_TEST(states_and_decisions_are_read_from_the_status)
{
    static const char json[] =
        "{\"v\":1,\"fleets\":[{\"desired\":25,\"restarts\":3,\"telemetry\":{\"workers_reporting\":4},"
        "\"workers\":["
        "{\"pid\":10,\"state\":\"ready\",\"busy\":5,\"start_ready_ms\":31},"
        "{\"pid\":11,\"state\":\"starting\"},{\"pid\":12,\"state\":\"stopping\",\"busy\":2},"
        "{\"pid\":0,\"state\":\"backoff\"}],"
        "\"last_decision\":{\"text\":\"hold\"},\"last_change\":{\"text\":\"to "
        "25\",\"record\":{\"seq\":7}}}]}";
    struct demo_status_report report;
    struct err err = {.text = ""};

    ck_assert_msg(demo_status_parse(json, sizeof json - 1, &report, &err) == 0, "%s", err.text);
    ck_assert_int_eq(report.desired, 25);
    ck_assert_int_eq(report.restarts, 3);
    ck_assert_int_eq(report.reporting, 4);
    ck_assert_uint_eq(report.worker_count, 3);
    ck_assert_int_eq(report.workers[0].state, DEMO_WORKER_READY);
    ck_assert_int_eq(report.workers[0].busy, 5);
    ck_assert_int_eq(report.workers[0].start_ready_ms, 31);
    ck_assert_int_eq(report.workers[1].state, DEMO_WORKER_STARTING);
    ck_assert_int_eq(report.workers[1].start_ready_ms, -1);
    ck_assert_int_eq(report.workers[2].state, DEMO_WORKER_DRAINING);
    ck_assert_str_eq(report.decision, "hold");
    ck_assert_str_eq(report.change, "to 25");
    ck_assert_int_eq(report.change_seq, 7);
    demo_status_report_clean_up(&report);
    ck_assert_int_eq(demo_status_parse("{", 1, &report, &err), -1);
    ck_assert_int_eq(demo_status_parse("{\"fleets\":[]}", 13, &report, &err), -1);
}
END_TEST

/* ---- tails ---- */

struct lines {
    char text[128];
    int stop_at; /* refuse this line; 0 none */
    int count;
};

static int take(void *arg, const char *line, size_t len, struct err *err)
{
    struct lines *lines = arg;

    if (++lines->count == lines->stop_at)
        return err_set(err, "bad");
    (void)snprintf(lines->text + strlen(lines->text), sizeof lines->text - strlen(lines->text), "[%.*s]",
                   (int)len, line);
    return 0;
}

START_TEST(a_tail_gives_whole_lines_only)
{
    char path[] = "/tmp/sluice-test-tail-XXXXXX";
    int fd = mkstemp(path);
    struct demo_tail tail;
    struct lines lines = {.text = ""};
    struct err err = {.text = ""};

    demo_tail_init(&tail, path);
    ck_assert_int_eq(write(fd, "one\ntw", 6), 6);
    ck_assert_int_eq(demo_tail_read(&tail, take, &lines, &err), 0);
    ck_assert_str_eq(lines.text, "[one]");
    ck_assert_int_eq(write(fd, "o\n\nthree\n", 9), 9);
    ck_assert_int_eq(demo_tail_read(&tail, take, &lines, &err), 0);
    ck_assert_str_eq(lines.text, "[one][two][][three]");
    lines.stop_at = 5;
    ck_assert_int_eq(write(fd, "four\n", 5), 5);
    ck_assert_int_eq(demo_tail_read(&tail, take, &lines, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "\"four\": bad"));
    (void)close(fd);
    (void)unlink(path);
    demo_tail_clean_up(&tail);

    demo_tail_init(&tail, "/nonexistent/file");
    ck_assert_int_eq(demo_tail_read(&tail, take, &lines, &err), 0); /* not there yet */
    demo_tail_clean_up(&tail);
}
END_TEST

START_TEST(the_last_lines_of_a_file_are_indented_and_cut)
{
    char path[] = "/tmp/sluice-test-tail-XXXXXX";
    int fd = mkstemp(path);
    struct strbuf out = STRBUF_INIT;
    char line[402];

    demo_tail_last_lines(path, 3, &out); /* empty */
    demo_tail_last_lines("/nonexistent/file", 3, &out);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_int_eq(write(fd, "one\ntwo\nthree\nfour\n", 19), 19);
    demo_tail_last_lines(path, 2, &out);
    ck_assert_str_eq(strbuf_str(&out), "    three\n    four\n");
    strbuf_clear(&out);
    memset(line, 'x', sizeof line);
    line[401] = '\n';
    ck_assert_int_eq(write(fd, line, sizeof line), (ssize_t)sizeof line);
    demo_tail_last_lines(path, 1, &out);
    ck_assert_uint_eq(out.len, 4 + 300 + 1);
    (void)close(fd);
    (void)unlink(path);
    strbuf_clean_up(&out);
}
END_TEST

/* ---- verdict ---- */

struct case_of_verdict {
    struct demo_truth truth;
    struct demo_samples_summary summary;
    struct demo_samples samples;
    struct demo_kill kills[2];
    struct demo_verdict_input input;
};

static void good_case(struct case_of_verdict *c)
{
    *c = (struct case_of_verdict){
        .truth = {.sent = 3600, .completed_unique = 3600, .payments = 3600},
        .summary = {.peak_workers = 30, .peak_desired = 30, .final_desired = 2, .scaled_in_s = 690},
        .kills = {{.what = DEMO_KILL_WORKER, .payments_running = 5},
                  {.what = DEMO_KILL_SUPERVISOR, .payments_running = 150}},
    };
    add(&c->samples, 700, 0, 2, 0, 3600);
    c->input = (struct demo_verdict_input){.truth = &c->truth,
                                           .summary = &c->summary,
                                           .samples = &c->samples,
                                           .kills = c->kills,
                                           .kills_wanted = 2,
                                           .orders = 3600,
                                           .workers_min = 2,
                                           .workers_max = 30,
                                           .threads = 100,
                                           .threads_min = 102};
}

static size_t failures_of(struct case_of_verdict *c)
{
    struct demo_failures failures = {.count = 0};

    demo_verdict_check(&c->input, &failures);
    size_t count = failures.count;
    demo_failures_clean_up(&failures);
    return count;
}

#define BREAKS(statement)                                                                                    \
    do {                                                                                                     \
        good_case(&c);                                                                                       \
        statement;                                                                                           \
        ck_assert_uint_eq(failures_of(&c), 1);                                                               \
        demo_samples_clean_up(&c.samples);                                                                   \
    } while (0)

START_TEST(every_bad_figure_fails_the_demo)
{
    struct case_of_verdict c;

    good_case(&c);
    ck_assert_uint_eq(failures_of(&c), 0);
    demo_samples_clean_up(&c.samples);
    BREAKS(c.truth.sent = 3599);
    BREAKS(c.truth.lost = 1);
    BREAKS(c.truth.failed = 1);
    BREAKS(c.truth.dead_malformed = 1);
    BREAKS(c.truth.malformed_paid = 1);
    BREAKS(c.truth.paid_unacknowledged = 1);
    BREAKS(c.truth.duplicates_unexplained = 1);
    BREAKS((void)snprintf(c.truth.physics, sizeof c.truth.physics, "too fast"));
    BREAKS(c.samples.all[0].ready = 3);
    BREAKS(c.summary.scaled_in_s = -1);
    BREAKS(c.summary.peak_workers = 31);
    BREAKS(c.summary.peak_desired = 31);
    BREAKS(c.summary.final_desired = 3);
    BREAKS(c.input.threads_min = 100);
    BREAKS(c.input.restarts = 1);
    BREAKS(c.input.chaos = true); /* without kills */
    BREAKS((c.input.chaos = true, c.input.kill_count = 2, c.kills[1].payments_running = 0));
    good_case(&c);
    c.input.chaos = true;
    c.input.kill_count = 2;
    c.truth.duplicates = 3; /* all explained */
    ck_assert_uint_eq(failures_of(&c), 0);
    demo_samples_clean_up(&c.samples);
}
END_TEST

/* ---- view ---- */

static size_t visible_columns(const char *line, size_t len)
{
    size_t columns = 0;

    for (size_t i = 0; i < len; i++) {
        if (line[i] == '\033')
            while (i < len && line[i] != 'm')
                i++;
        else
            columns += ((unsigned char)line[i] & 0xc0) != 0x80;
    }
    return columns;
}

static void check_view(const struct demo_view_style *style)
{
    static const char events[2][DEMO_VIEW_EVENT_BYTES] = {"first \xc3\xa4\xc3\xb6", "second"};
    struct demo_view_sale sale = {
        .speed = 10, .rate = 60, .duration_ms = 60000, .orders = 3600, .min = 2, .max = 30};
    struct demo_view_now now = {
        .act = "sale",
        .in_sale = true,
        .sample = {.t_s = 42,
                   .visible = 812,
                   .in_flight = 150,
                   .ready = 27,
                   .starting = 3,
                   .draining = 4,
                   .completed = 1200},
        .rates = {49.8, 60.2},
        .peak_visible = 900,
        .decision =
            "visible 812 > 600: to max 30 (was 25), and a long tale about why that is so \xe2\x9c\x93 "
            "which goes on and on and on and on",
    };
    struct strbuf out = STRBUF_INIT;
    int lines = 0;

    demo_view_render(&sale, &now, events, 2, style, &out);
    for (const char *line = strbuf_str(&out); *line != '\0'; lines++) {
        size_t len = strcspn(line, "\n");
        ck_assert_msg(visible_columns(line, len) <= (size_t)style->columns, "%zu > %d: %.*s",
                      visible_columns(line, len), style->columns, (int)len, line);
        line += len + 1;
    }
    ck_assert_int_eq(lines, DEMO_VIEW_LINES);
    ck_assert_ptr_nonnull(strstr(strbuf_str(&out), "1200 / 3600 ( 33%)"));
    ck_assert_int_eq(strchr(strbuf_str(&out), '\033') != NULL, style->color);
    strbuf_clean_up(&out);
}

START_TEST(the_block_fits_its_terminal)
{
    static const int widths[] = {60, 80, 120, 160};

    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        check_view(&(struct demo_view_style){.columns = widths[i]});
        check_view(&(struct demo_view_style){.columns = widths[i], .color = true});
        check_view(&(struct demo_view_style){.columns = widths[i], .color = true, .utf8 = true});
    }
}
END_TEST

START_TEST(a_plain_line_says_it_all)
{
    struct demo_view_sale sale = {.orders = 3600};
    struct demo_view_now now = {
        .act = "drain",
        .sample = {.t_s = 70, .visible = 5, .in_flight = 150, .ready = 30, .completed = 3400},
        .rates = {50, 50.2},
        .decision = "hold"};
    struct strbuf out = STRBUF_INIT;

    demo_view_render_line(&sale, &now, &out);
    ck_assert_str_eq(
        strbuf_str(&out),
        "   70 s  drain: depth 5, in flight 150, workers 30 ready 0 starting 0 stopping, paid 3400/3600, "
        "50.0 completed/s, 50.2/s apparent; hold\n");
    strbuf_clean_up(&out);
}
END_TEST

UNIT_MAIN("demo", peaks_growth_and_return_come_from_the_samples,
          a_fleet_that_does_not_come_back_has_no_return, the_apparent_rate_is_what_left_the_visible_count,
          tasks_that_stop_are_the_processes_that_ecs_does_not_count, a_stat_line_is_read_whatever_the_name,
          children_are_found_as_workers_of_their_parent, states_and_decisions_are_read_from_the_status,
          a_tail_gives_whole_lines_only, the_last_lines_of_a_file_are_indented_and_cut,
          every_bad_figure_fails_the_demo, the_block_fits_its_terminal, a_plain_line_says_it_all)
