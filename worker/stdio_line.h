/*
 * The lines that pass between the worker and a co-process: one JSON object each, the protocol of
 * docs/handlers.md. Pure.
 */
#ifndef SLUICE_WORKER_STDIO_LINE_H
#define SLUICE_WORKER_STDIO_LINE_H

#include "base/err.h"
#include "base/strbuf.h"
#include "worker/include/sluice/handler.h"

#include <stddef.h>
#include <stdint.h>

enum { STDIO_LINE_MAX = 1048576 }; /* bytes of a result line */

/* What a co-process said of a message. Texts point into the line. */
struct stdio_result {
    const char *id;
    enum sluice_verdict verdict;
    const char *reason; /* NULL: none */
    int64_t delay_s;    /* -1: none */
    int64_t status;     /* INT64_MIN: none */
};

/* Appends the line of a message, newline included. */
void stdio_line_write_message(struct strbuf *out, const struct sluice_message *message);

/* Appends the line that tells that the message's lease is lost. */
void stdio_line_write_cancel(struct strbuf *out, const char *id);

/* Parses a result line, without its newline, in place. Returns 0, or -1 with err saying what is wrong with
 * it. */
int stdio_line_parse(char *line, size_t len, struct stdio_result *ret_result, struct err *err);

#endif
