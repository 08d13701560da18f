/*
 * Cuts a byte stream into lines. A line longer than the limit is delivered cut, once, and its rest is
 * skipped. Pure.
 */
#ifndef SLUICE_SUPERVISOR_LINE_SPLITTER_H
#define SLUICE_SUPERVISOR_LINE_SPLITTER_H

#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line without its newline (and without a carriage return before it); cut: its end is missing. */
typedef void line_splitter_fn(void *arg, const char *line, size_t len, bool cut);

struct line_splitter {
    size_t limit;          /* longest line in bytes */
    struct strbuf pending; /* a line whose end has not come yet */
    bool skipping;         /* its head was delivered, the rest is dropped */
    uint64_t cut_lines;    /* so far */
};

void line_splitter_feed(struct line_splitter *splitter, const char *bytes, size_t len, line_splitter_fn *fn,
                        void *arg);
/* The stream has ended: delivers an unfinished last line. */
void line_splitter_finish(struct line_splitter *splitter, line_splitter_fn *fn, void *arg);
void line_splitter_clean_up(struct line_splitter *splitter);

#endif
