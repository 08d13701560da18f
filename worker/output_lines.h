/*
 * What a program writes, made into log lines: split, cut, made safe (UTF-8, no control characters), and
 * bounded in number. Time is an argument; the lines go to a function.
 *
 * A stream belongs to one thread; a rate may be shared by all.
 */
#ifndef SLUICE_WORKER_OUTPUT_LINES_H
#define SLUICE_WORKER_OUTPUT_LINES_H

#include "base/strbuf.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OUTPUT_LINE_BYTES_MAX = 2000,     /* of a line; the rest of it is dropped, "..." says so */
    OUTPUT_MESSAGE_LINES_MAX = 1000,  /* of one message */
    OUTPUT_MESSAGE_BYTES_MAX = 65536, /* of one message */
    OUTPUT_RATE_PER_S = 1000,         /* lines a second of all programs of a worker, real time */
};

/* At most `per_s` lines in each second. */
struct output_rate {
    pthread_mutex_t lock;
    int64_t second; /* that is counted */
    int64_t per_s, taken;
};

void output_rate_init(struct output_rate *rate, int64_t per_s);
void output_rate_clean_up(struct output_rate *rate);
/* Whether one more line may be shown. now_ms: any clock that does not jump. */
bool output_rate_take(struct output_rate *rate, int64_t now_ms);

/* What the streams of one message may still show. */
struct output_budget {
    int64_t lines_left, bytes_left; /* INT64_MAX: no bound */
    struct output_rate *rate;       /* not owned; NULL: none */
    int64_t hidden;                 /* lines not shown and not yet told of */
};

struct output_stream {
    const char *label; /* "stdout": stands before each line */
    struct output_budget *budget;
    void (*emit)(void *arg, const char *line);
    void *arg;
    struct strbuf line; /* the open line, at most OUTPUT_LINE_BYTES_MAX of it */
    bool open, cut;
    struct strbuf last; /* the last line that was not empty, made safe, without label; shown or not */
};

/* Takes bytes as they come; ends lines at "\n". */
void output_stream_add(struct output_stream *stream, const char *bytes, size_t len, int64_t now_ms);
/* The end: what is left is a line as well. */
void output_stream_end(struct output_stream *stream, int64_t now_ms);
void output_stream_clean_up(struct output_stream *stream);

/* Says how many lines were not shown, if any, through one of the streams of the budget. */
void output_tell_hidden(struct output_stream *stream);

/* Appends text with U+FFFD for each byte that is not UTF-8 and for each control character; a tab becomes a
 * space. */
void output_append_safe(struct strbuf *out, const char *bytes, size_t len);

/* The longest start of `text` with at most `max` bytes that ends between two characters. */
size_t output_cut(const char *text, size_t len, size_t max);

#endif
