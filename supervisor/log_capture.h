/*
 * A worker's stdout or stderr, written into our own log line by line with worker=<name>. A JSON line gives
 * its message, level and fields; any other line is the message itself. Overlong lines are cut, and a flood is
 * bounded: lines beyond a rate are dropped and counted, never left in the pipe, where they would block the
 * worker.
 */
#ifndef SLUICE_SUPERVISOR_LOG_CAPTURE_H
#define SLUICE_SUPERVISOR_LOG_CAPTURE_H

#include "supervisor/line_splitter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest line taken from a worker; leaves room for our own fields in a log line (base/log.h). */
enum { LOG_CAPTURE_LINE_MAX = 3500 };

/* What may pass, shared by the streams of one worker: a bucket of one second's lines. */
struct log_budget {
    int64_t lines_per_s; /* real seconds; >= 1 */
    double tokens;
    int64_t filled_at_ms;  /* real; 0: not yet */
    uint64_t dropped;      /* lines, so far */
    uint64_t dropped_said; /* of them, reported in the log */
};

struct log_capture {
    const char *worker;        /* not owned, outlives this */
    const char *stream;        /* "stdout" or "stderr" */
    struct log_budget *budget; /* not owned */
    struct line_splitter splitter;
};

void log_capture_init(struct log_capture *capture, const char *worker, const char *stream,
                      struct log_budget *budget);
/* Bytes as they were read from the pipe, now_mono_ms of the real clock. */
void log_capture_feed(struct log_capture *capture, const char *bytes, size_t len, int64_t now_mono_ms);
/* End of the stream: an unfinished last line is written too. */
void log_capture_finish(struct log_capture *capture, int64_t now_mono_ms);
void log_capture_clean_up(struct log_capture *capture);

/* Whether one more line may pass now. */
bool log_budget_take(struct log_budget *budget, int64_t now_mono_ms);

#endif
