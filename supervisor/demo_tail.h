/* Follows a file that others append whole lines to; and the last lines of one. One thread. */
#ifndef SLUICE_SUPERVISOR_DEMO_TAIL_H
#define SLUICE_SUPERVISOR_DEMO_TAIL_H

#include "base/err.h"
#include "base/strbuf.h"

#include <stddef.h>

struct demo_tail {
    char *path;            /* owned */
    int fd;                /* -1 until the file exists */
    struct strbuf pending; /* a line whose newline is not there yet */
};

void demo_tail_init(struct demo_tail *tail, const char *path);
void demo_tail_clean_up(struct demo_tail *tail);

/* Calls fn for every complete line that is new, without its newline. A file that is not there yet has none.
 * Returns 0, or -1 with err: the file cannot be read, or fn returned non-zero (its err is passed on with path
 * in front). */
int demo_tail_read(struct demo_tail *tail,
                   int (*fn)(void *arg, const char *line, size_t len, struct err *err), void *arg,
                   struct err *err);

/* Appends the last lines of a file, at most max_lines, each indented and cut at 300 bytes; nothing when it
 * cannot be read. */
void demo_tail_last_lines(const char *path, int max_lines, struct strbuf *out);

#endif
