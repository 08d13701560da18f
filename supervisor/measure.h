/*
 * `sluice measure`: the source's experiment, one process that drains a backlog, once for each number of
 * threads. This header is shared by the command's own files:
 *
 *   cmd_measure.c      options and the order of things
 *   measure_run.c      endpoint, queue, backlog, process, one row after the other
 *   measure_watch.c    what localaws and the kernel say
 *   measure_figures.c  figures of what was seen; the source's published figures
 *   measure_report.c   text and JSON               measure_chart.c  the picture
 *   measure_naive.c    the source's way to consume, cmd_measure_naive.c its process
 *
 * From the demo: children, local endpoint, sandbox, books, svg.
 */
#ifndef SLUICE_SUPERVISOR_MEASURE_H
#define SLUICE_SUPERVISOR_MEASURE_H

#include "base/err.h"
#include "base/strbuf.h"
#include "supervisor/demo_verdict.h"
#include "supervisor/measure_figures.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MEASURE_ROWS_MAX = 16, MEASURE_THREADS_MAX = 1000, MEASURE_VISIBILITY_S = 30 };

/* One number of threads: what is asked for and, later, what was found. */
struct measure_row {
    struct measure_setup setup;
    struct demo_books books;
    struct measure_samples samples;
    struct measure_figures figures;
    int64_t start_ms; /* product epoch: the first receive, or the row's start when there was none */
    bool measured;    /* the figures are there */
};

struct measure {
    struct measure_row rows[MEASURE_ROWS_MAX];
    size_t row_count;
    int64_t speed;
    const char *redelivery; /* "last" or "first": where a message stands in the queue that is visible again */
    bool quiet;             /* no lines of progress on stderr */
    bool keep;
    char *folder;                  /* owned: where the files were kept; NULL: removed */
    struct demo_failures failures; /* of all rows, and why measuring was broken off */
    double wall_s;                 /* real */
};

/* Reads "1,5,20,100" into numbers. Returns how many, or -1 with err. */
int measure_parse_threads(const char *text, int64_t numbers[static MEASURE_ROWS_MAX], struct err *err);

/* "thread", "threads", "naive poller" or "naive pollers". */
const char *measure_row_word(const struct measure_row *row);

/* Measures row by row; what goes wrong is in failures. */
void measure_run(struct measure *measure);
void measure_clean_up(struct measure *measure);

void measure_report_write_text(const struct measure *measure, struct strbuf *out);
void measure_report_write_json(const struct measure *measure, struct strbuf *out);
/* Visible and completed over time, a panel for each row that was measured. */
void measure_chart_write(const struct measure *measure, struct strbuf *out);

#endif
