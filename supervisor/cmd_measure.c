/* sluice measure: one worker drains a backlog, for several numbers of threads. Options and the order of
 * things: measure, report. */
#include "supervisor/commands.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/file.h"
#include "supervisor/measure.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct measure_options {
    char *threads;
    int64_t orders;
    int64_t slots;
    int64_t service_time; /* product ms */
    int64_t speed;
    bool json;
    char *chart;
    bool naive;
    int64_t per_poller; /* 0: not given */
    int redelivery;     /* index into REDELIVERY */
    bool keep;
    bool quiet;
};

enum { PER_POLLER_DEFAULT = 10 };

#define AT(field) offsetof(struct measure_options, field)

static const char *const REDELIVERY[] = {"last", "first", NULL};

static const struct option_row ROWS[] = {
    {"threads", OPTION_STRING, AT(threads), "1,5,20,100", 0, 0, NULL, "N,N...",
     "handler threads (NUM_WORKERS), a row each: up to 16 numbers from 1 to 1000"},
    {"orders", OPTION_INT, AT(orders), "2784", 1, 1000000, NULL, "N", "backlog in the queue at the start"},
    {"slots", OPTION_INT, AT(slots), "5", 1, 1000, NULL, "N", "payments at once"},
    {"service_time", OPTION_DURATION, AT(service_time), "3s", 100, 3600000, NULL, "TIME", "of one payment"},
    {"speed", OPTION_INT, AT(speed), "20", CLOCK_SCALE_MIN, CLOCK_SCALE_MAX, NULL, "N",
     "product seconds in a real one"},
    {"json", OPTION_BOOL, AT(json), "false", 0, 0, NULL, NULL, "print JSON"},
    {"chart", OPTION_STRING, AT(chart), NULL, 0, 0, NULL, "FILE",
     "write a chart of depth and completed orders as SVG"},
    {"naive", OPTION_BOOL, AT(naive), "false", 0, 0, NULL, NULL,
     "measure a consumer that extends nothing and takes all it can get"},
    {"per_poller", OPTION_INT, AT(per_poller), NULL, 1, 10, NULL, "N",
     "with --naive: of the ten messages of a receive, how many are begun at once (without it: 10)"},
    {"redelivery", OPTION_ENUM, AT(redelivery), "last", 0, 0, REDELIVERY, "PLACE",
     "where in the queue a message stands that is visible again: SQS promises no order"},
    {"keep", OPTION_BOOL, AT(keep), "false", 0, 0, NULL, NULL, "keep the work folder with ledgers and logs"},
    {"quiet", OPTION_BOOL, AT(quiet), "false", 0, 0, NULL, NULL, "no lines of progress on stderr"},
    OPTION_END,
};

const struct command_spec CMD_MEASURE_SPEC = {
    .name = "measure",
    .summary =
        "Measures one sluice-worker draining a backlog of orders on a local SQS endpoint, once for each "
        "number of\n"
        "threads: how fast the queue seems to fall, how fast orders are completed, what was paid twice, "
        "what it\n"
        "costs. Needs sluice-localaws and sluice-worker beside it; touches nothing but a folder of its "
        "own.",
    .rows = ROWS,
    .details =
        "A row takes orders / (min(threads, slots) / service time), divided by the speed; at twice that it "
        "is\n"
        "stopped and what is left is reported. Rates are per second of product time. The source's published\n"
        "figures (five payments of 3 s at once) stand beside the rows of 1, 5, 20 and 100 threads.\n"
        "\n"
        "--naive: N pollers ask for ten messages each and start them, visibility is 30 s and never "
        "extended,\n"
        "messages wait for a slot however long it takes. It ends when each order was paid, or is stopped.\n"
        "\n"
        "Exit codes: 0 measured, and without --naive every order was completed once; 1 otherwise; 64 usage;\n"
        "74 the chart cannot be written.\n",
};

int measure_parse_threads(const char *text, int64_t numbers[static MEASURE_ROWS_MAX], struct err *err)
{
    int count = 0;

    for (const char *at = text;; at++) {
        char *end;
        errno = 0;
        long number = strtol(at, &end, 10);
        if (*at < '0' || *at > '9' || errno != 0 || number < 1 || number > MEASURE_THREADS_MAX ||
            (*end != ',' && *end != '\0') || count == MEASURE_ROWS_MAX)
            return err_set(
                err, "--threads %s: want 1 to %d numbers from 1 to %d with commas between, as 1,5,20,100",
                text, MEASURE_ROWS_MAX, MEASURE_THREADS_MAX);
        numbers[count++] = number;
        at = end;
        if (*at == '\0')
            return count;
    }
}

static int prepare(const struct measure_options *o, struct measure *measure)
{
    int64_t threads[MEASURE_ROWS_MAX];
    struct err err = {.text = ""};
    int count = measure_parse_threads(o->threads, threads, &err);

    if (count < 0)
        return command_fail(CMD_MEASURE_SPEC.name, EXIT_CODE_USAGE, "%s", err.text);
    if (o->per_poller != 0 && !o->naive)
        return command_fail(CMD_MEASURE_SPEC.name, EXIT_CODE_USAGE,
                            "--per-poller %" PRId64 ": goes with --naive alone", o->per_poller);
    measure->speed = o->speed;
    measure->redelivery = REDELIVERY[o->redelivery];
    measure->quiet = o->quiet;
    measure->keep = o->keep;
    measure->row_count = (size_t)count;
    for (int i = 0; i < count; i++)
        measure->rows[i].setup =
            (struct measure_setup){.threads = threads[i],
                                   .orders = o->orders,
                                   .slots = o->slots,
                                   .service_ms = o->service_time,
                                   .naive = o->naive,
                                   .per_poller = o->per_poller != 0 ? o->per_poller : PER_POLLER_DEFAULT};
    return COMMAND_GO_ON;
}

static int write_chart(const struct measure *measure, const char *path)
{
    struct strbuf text = STRBUF_INIT;
    struct err err = {.text = ""};

    measure_chart_write(measure, &text);
    int rc = file_write_atomic(path, text.data, text.len, 0644, &err);
    strbuf_clean_up(&text);
    return rc == 0 ? EXIT_CODE_OK : command_fail(CMD_MEASURE_SPEC.name, EXIT_CODE_IO, "%s", err.text);
}

static int report(const struct measure *measure, const struct measure_options *o)
{
    int exit_code = measure->failures.count == 0 ? EXIT_CODE_OK : EXIT_CODE_NO;
    struct strbuf text = STRBUF_INIT;

    if (o->json)
        measure_report_write_json(measure, &text);
    else
        measure_report_write_text(measure, &text);
    if (fputs(strbuf_str(&text), stdout) < 0 || fflush(stdout) != 0)
        exit_code = EXIT_CODE_IO;
    strbuf_clean_up(&text);
    if (o->chart != NULL && write_chart(measure, o->chart) != EXIT_CODE_OK)
        exit_code = EXIT_CODE_IO;
    return exit_code;
}

int cmd_measure(int argc, char **argv)
{
    struct measure_options options = {.threads = NULL};
    struct measure *measure = xcalloc(1, sizeof *measure);
    int exit_code = command_parse(&CMD_MEASURE_SPEC, &options, argc, argv, NULL, NULL);

    if (exit_code == COMMAND_GO_ON)
        exit_code = prepare(&options, measure);
    if (exit_code == COMMAND_GO_ON) {
        measure_run(measure);
        exit_code = report(measure, &options);
    }
    measure_clean_up(measure);
    free(measure);
    options_clean_up(ROWS, &options);
    return exit_code;
}
