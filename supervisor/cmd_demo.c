/* sluice demo: the source's flash sale on the local endpoint. Options, and the order of things: prepare,
 * play, judge, report. */
#include "supervisor/commands.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/file.h"
#include "supervisor/demo.h"
#include "supervisor/demo_chart.h"
#include "supervisor/demo_report.h"
#include "supervisor/orders.h"

#include <event2/event.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define AT(field) offsetof(struct demo_options, field)

static const struct option_row ROWS[] = {
    {"speed", OPTION_INT, AT(speed), "10", CLOCK_SCALE_MIN, CLOCK_SCALE_MAX, NULL, "N",
     "product seconds in a real one"},
    {"rate", OPTION_DOUBLE, AT(rate), "60", 0.1, 10000, NULL, "N", "orders per second"},
    {"duration", OPTION_DURATION, AT(duration), "60s", 1000, 86400000, NULL, "TIME", "how long orders come"},
    {"min", OPTION_INT, AT(min), "2", 1, 1000, NULL, "N", "least workers"},
    {"max", OPTION_INT, AT(max), "30", 1, 1000, NULL, "N", "most workers"},
    {"target", OPTION_INT, AT(target), "25", 1, 1000, NULL, "N", "workers of the middle step"},
    {"threads", OPTION_INT, AT(threads), "100", 1, 1000, NULL, "N",
     "handler threads of a worker (NUM_WORKERS)"},
    {"slots", OPTION_INT, AT(slots), "5", 1, 1000, NULL, "N", "payments at once in a worker (PAYMENT_SLOTS)"},
    {"payment_time", OPTION_DURATION, AT(payment_time), "3s", 100, 3600000, NULL, "TIME", "of one payment"},
    {"sns", OPTION_DOUBLE, AT(sns), "0.5", 0, 1, NULL, "SHARE",
     "share of orders wrapped as SNS notifications"},
    {"malformed", OPTION_DOUBLE, AT(malformed), "0", 0, 1, NULL, "SHARE", "share of malformed orders"},
    {"seed", OPTION_INT, AT(seed), "0", 0, 9e15, NULL, "N", "makes the orders repeatable (0: random)"},
    {"report", OPTION_STRING, AT(report), NULL, 0, 0, NULL, "FILE", "write the report as JSON"},
    {"chart", OPTION_STRING, AT(chart), NULL, 0, 0, NULL, "FILE",
     "write a chart of depth and workers as SVG"},
    {"chaos", OPTION_BOOL, AT(chaos), "false", 0, 0, NULL, NULL,
     "kill -9 a worker at 20 s and the supervisor at 35 s"},
    {"ecs", OPTION_BOOL, AT(ecs), "false", 0, 0, NULL, NULL,
     "the fleet is an ECS service, its tasks are worker processes"},
    {"ecs_start_latency", OPTION_DURATION, AT(ecs_start_latency), NULL, 1, 600000, NULL, "TIME",
     "with --ecs: how long a task takes to start (30s if not given)"},
    {"keep", OPTION_BOOL, AT(keep), "false", 0, 0, NULL, NULL, "keep the work folder with all logs"},
    {"quiet", OPTION_BOOL, AT(quiet), "false", 0, 0, NULL, NULL, "show the report alone"},
    {"color", OPTION_BOOL, AT(color), "true", 0, 0, NULL, NULL,
     "colours on a terminal (NO_COLOR forbids them too)"},
    OPTION_END,
};

const struct command_spec CMD_DEMO_SPEC = {
    .name = "demo",
    .summary = "Runs a flash sale on a local SQS endpoint: orders come, a supervisor scales payment workers "
               "out and\n"
               "back in, and every order is accounted for. Needs sluice-localaws and sluice-worker beside "
               "it; touches\n"
               "nothing but a folder of its own.",
    .rows = ROWS,
    .details =
        "Exit codes: 0 nothing lost or paid twice and the fleet back at its minimum (with --chaos: second\n"
        "payments named by their kill); 1 otherwise; 64 usage; 74 the report cannot be written.\n",
};

/* What AWS's own measurements and others' tell of tasks on Fargate: 23 to 45 s. */
enum { ECS_START_LATENCY_MS = 30000 };

static int check_ecs(struct demo_options *o)
{
    if (!o->ecs && o->ecs_start_latency != 0)
        return command_fail(CMD_DEMO_SPEC.name, EXIT_CODE_USAGE, "--ecs-start-latency is for --ecs");
    if (o->ecs && o->chaos)
        return command_fail(
            CMD_DEMO_SPEC.name, EXIT_CODE_USAGE,
            "--chaos kills workers that are the supervisor's own processes, with --ecs they are "
            "tasks of ECS: want one of the two");
    if (o->ecs && o->ecs_start_latency == 0)
        o->ecs_start_latency = ECS_START_LATENCY_MS;
    return COMMAND_GO_ON;
}

static int check_options(struct demo_options *o)
{
    double orders = round(o->rate * (double)o->duration / 1000.0);

    if (o->min > o->max)
        return command_fail(CMD_DEMO_SPEC.name, EXIT_CODE_USAGE, "--min %" PRId64 " is above --max %" PRId64,
                            o->min, o->max);
    /* The default target follows a smaller fleet; one that was asked for has to fit. */
    if (o->target > o->max || o->target < o->min) {
        if (o->target != 25)
            return command_fail(CMD_DEMO_SPEC.name, EXIT_CODE_USAGE,
                                "--target %" PRId64 ": want --min %" PRId64 " to --max %" PRId64, o->target,
                                o->min, o->max);
        o->target = o->target > o->max ? o->max : o->min;
    }
    if (o->threads < o->slots)
        return command_fail(CMD_DEMO_SPEC.name, EXIT_CODE_USAGE,
                            "--threads %" PRId64 " cannot fill --slots %" PRId64 ": want at least as many",
                            o->threads, o->slots);
    if (orders < 1 || orders > ORDERS_COUNT_MAX)
        return command_fail(CMD_DEMO_SPEC.name, EXIT_CODE_USAGE,
                            "--rate and --duration make %.0f orders: want 1 to %d", orders, ORDERS_COUNT_MAX);
    if (o->chaos && o->duration <= DEMO_CHAOS_SUPERVISOR_AT_S * INT64_C(1000))
        return command_fail(CMD_DEMO_SPEC.name, EXIT_CODE_USAGE,
                            "--chaos kills at %d and %d s: want a longer --duration", DEMO_CHAOS_WORKER_AT_S,
                            DEMO_CHAOS_SUPERVISOR_AT_S);
    int ecs = check_ecs(o);
    if (ecs != COMMAND_GO_ON)
        return ecs;
    if (o->seed == 0)
        o->seed = orders_random_seed();
    return COMMAND_GO_ON;
}

/* ---- the verdict ---- */

/* Workers that ended without having been told to. */
static int64_t restarts_of(const struct demo *demo)
{
    return demo->options.ecs ? demo->service.exited : demo->sampler.restarts;
}

static void judge(struct demo *demo)
{
    const struct demo_options *o = &demo->options;
    struct orders orders;
    struct err err = {.text = ""};

    if (demo->sampler.options.base != NULL && demo_sampler_read_books(&demo->sampler, &err) != 0)
        demo_failures_add(&demo->failures, "%s", err.text);
    struct demo_truth_input input = {
        .books = &demo->sampler.books,
        .dead_letters = &demo->queue.dead_letters,
        .kills = demo->kills,
        .kill_count = demo->kill_count,
        .slots = o->slots,
        .payment_ms = o->payment_time,
        .workers_max = o->max,
        .visibility_ms = DEMO_VISIBILITY_S * INT64_C(1000),
        .stop_grace_ms = 30000,
    };
    demo_truth_compute(&input, &demo->truth);
    demo_samples_summarize(&demo->sampler.samples, o->min, &demo->summary);
    if (demo->failures.count > 0)
        return; /* a sale that was broken off has no figures to judge */
    (void)orders_init(&orders, (uint64_t)o->seed, demo->view.sale.orders, o->sns, o->malformed, NULL);
    struct demo_verdict_input verdict = {
        .truth = &demo->truth,
        .summary = &demo->summary,
        .samples = &demo->sampler.samples,
        .kills = demo->kills,
        .kill_count = demo->kill_count,
        .chaos = o->chaos,
        .kills_wanted = 2,
        .orders = orders.count,
        .malformed = orders.malformed_count,
        .workers_min = o->min,
        .workers_max = o->max,
        .threads = o->threads,
        .threads_min = demo->sampler.threads_min,
        .restarts = restarts_of(demo),
    };
    demo_verdict_check(&verdict, &demo->failures);
}

/* ---- the report ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void measure_starts(const struct demo *demo, struct demo_report *report)
{
    size_t count = demo->sampler.start_count;
    double *times = xcalloc(count + 1, sizeof *times);

    for (size_t i = 0; i < count; i++)
        times[i] = (double)demo->sampler.starts[i].real_ms;
    qsort(times, count, sizeof *times, compare_doubles);
    report->starts = count;
    report->start_ready_ms_p50 = demo_truth_percentile(times, count, 50);
    report->start_ready_ms_p99 = demo_truth_percentile(times, count, 99);
    free(times);
}

static struct demo_report report_of(const struct demo *demo)
{
    const struct demo_options *o = &demo->options;
    struct demo_report report = {
        .speed = o->speed,
        .rate = o->rate,
        .duration_ms = o->duration,
        .orders = demo->view.sale.orders,
        .workers_min = o->min,
        .workers_target = o->target,
        .workers_max = o->max,
        .threads = o->threads,
        .slots = o->slots,
        .payment_ms = o->payment_time,
        .sns_share = o->sns,
        .malformed_share = o->malformed,
        .seed = o->seed,
        .chaos = o->chaos,
        .books = &demo->sampler.books,
        .truth = &demo->truth,
        .summary = &demo->summary,
        .samples = &demo->sampler.samples,
        .kills = demo->kills,
        .kill_count = demo->kill_count,
        .failures = &demo->failures,
        .threads_min = demo->sampler.threads_min,
        .restarts = restarts_of(demo),
        .ecs = o->ecs,
        .ecs_start_latency_ms = o->ecs_start_latency,
        .reporting_max = demo->sampler.reporting_max,
        .wall_s = demo->wall_s,
        .folder = o->keep ? demo->sandbox.folder : NULL,
    };

    measure_starts(demo, &report);
    return report;
}

static int write_file(const char *path, const struct strbuf *text)
{
    struct err err = {.text = ""};

    if (file_write_atomic(path, text->data, text->len, 0644, &err) == 0)
        return EXIT_CODE_OK;
    return command_fail(CMD_DEMO_SPEC.name, EXIT_CODE_IO, "%s", err.text);
}

static int write_chart(const struct demo *demo)
{
    const struct demo_options *o = &demo->options;
    struct demo_chart_mark marks[DEMO_KILLS_MAX + 1];
    char title[160], subtitle[200];
    struct strbuf text = STRBUF_INIT;
    size_t count = 0;

    for (size_t i = 0; i < demo->kill_count; i++)
        marks[count++] = (struct demo_chart_mark){
            .t_s = (double)(demo->kills[i].t_ms - demo->truth.start_ms) / 1000.0,
            .text = demo->kills[i].what == DEMO_KILL_WORKER ? "kill -9 worker" : "kill -9 supervisor",
            .is_kill = 1};
    if (demo->truth.payments > 0)
        marks[count++] = (struct demo_chart_mark){.t_s = demo->truth.drained_s, .text = "last payment done"};
    (void)snprintf(title, sizeof title, "Flash sale: %g orders/s for %g s, %" PRId64 " to %" PRId64 " %s",
                   o->rate, (double)o->duration / 1000.0, o->min, o->max, o->ecs ? "ECS tasks" : "workers");
    (void)snprintf(subtitle, sizeof subtitle,
                   "%" PRId64 " orders paid, %" PRId64 " lost, %" PRId64 " paid twice; %" PRId64
                   " payment slots of %g s a worker; policy threshold; measured at speed %" PRId64,
                   demo->truth.completed_unique, demo->truth.lost, demo->truth.duplicates, o->slots,
                   (double)o->payment_time / 1000.0, o->speed);
    /* The fleet takes much longer to shrink than the sale lasts. */
    double split_s = ceil(demo->truth.drained_s * 1.1 / 10) * 10;
    if (demo->truth.payments == 0 || demo->summary.scaled_in_s < 2 * split_s)
        split_s = 0;
    struct demo_chart chart = {.title = title,
                               .subtitle = subtitle,
                               .samples = &demo->sampler.samples,
                               .marks = marks,
                               .mark_count = count,
                               .split_s = split_s};
    demo_chart_write(&chart, &text);
    int rc = write_file(o->chart, &text);
    strbuf_clean_up(&text);
    return rc;
}

static int report(const struct demo *demo)
{
    struct demo_report what = report_of(demo);
    struct strbuf text = STRBUF_INIT;
    int exit_code = demo->failures.count == 0 ? EXIT_CODE_OK : EXIT_CODE_NO;

    demo_report_write_text(&what, &text);
    (void)fputs(strbuf_str(&text), stdout);
    (void)fflush(stdout);
    strbuf_clear(&text);
    demo_report_write_json(&what, &text);
    if (demo->options.report != NULL && write_file(demo->options.report, &text) != EXIT_CODE_OK)
        exit_code = EXIT_CODE_IO;
    if (demo->options.chart != NULL && write_chart(demo) != EXIT_CODE_OK)
        exit_code = EXIT_CODE_IO;
    strbuf_clean_up(&text);
    return exit_code;
}

/* ---- the command ---- */

static void demo_clean_up(struct demo *demo)
{
    demo_sampler_clean_up(&demo->sampler);
    demo_chaos_clean_up(demo);
    demo_queue_clean_up(&demo->queue);
    demo_service_clean_up(&demo->service);
    aws_client_destroy(demo->client);
    if (demo->children.base != NULL)
        demo_children_clean_up(&demo->children);
    if (demo->base != NULL)
        event_base_free(demo->base);
    demo_setup_clean_up(demo);
    demo_failures_clean_up(&demo->failures);
    options_clean_up(ROWS, &demo->options);
}

static struct demo_view_sale sale_of(const struct demo_options *o)
{
    return (struct demo_view_sale){
        .speed = o->speed,
        .rate = o->rate,
        .duration_ms = o->duration,
        .orders = (int64_t)llround(o->rate * (double)o->duration / 1000.0),
        .min = o->min,
        .max = o->max,
    };
}

int cmd_demo(int argc, char **argv)
{
    struct demo *demo = xcalloc(1, sizeof *demo);
    struct err err = {.text = ""};
    int exit_code = command_parse(&CMD_DEMO_SPEC, &demo->options, argc, argv, NULL, NULL);

    if (exit_code == COMMAND_GO_ON)
        exit_code = check_options(&demo->options);
    if (exit_code != COMMAND_GO_ON)
        goto done;
    demo->begun_mono_ms = clock_mono_ms();
    if (demo_setup(demo, &err) != 0) {
        exit_code = command_fail(CMD_DEMO_SPEC.name, EXIT_CODE_UNAVAILABLE, "%s", err.text);
        goto done;
    }
    struct demo_view_sale sale = sale_of(&demo->options);
    demo_view_init(&demo->view, &sale, demo->options.quiet, demo->options.color);
    demo->base = loop_base_new();
    demo_acts_run(demo);
    demo_view_close(&demo->view);
    demo->wall_s = (double)(clock_mono_ms() - demo->begun_mono_ms) / 1000.0;
    judge(demo);
    exit_code = report(demo);
done:
    demo_clean_up(demo);
    free(demo);
    return exit_code;
}
