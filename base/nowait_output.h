/*
 * Lines on a descriptor that somebody else gave us (standard output) and that may be a pipe which nobody
 * reads: never waited for. Its flags are shared with whoever started us, so it is not made non-blocking: it
 * is asked for room before each piece, and a pipe that has some takes PIPE_BUF bytes. A line that finds no
 * room is dropped and counted; one that went out in part is finished first. One thread.
 */
#ifndef SLUICE_BASE_NOWAIT_OUTPUT_H
#define SLUICE_BASE_NOWAIT_OUTPUT_H

#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

struct nowait_output {
    int fd; /* not owned */
    struct strbuf rest;
    int64_t dropped;
};

/* Writes a line (newline included), or drops it while the last one is not out. False when it was dropped. */
bool nowait_output_send(struct nowait_output *output, const struct strbuf *line);
/* Writes what is left of the last line, as far as there is room. True when nothing is left. */
bool nowait_output_flush(struct nowait_output *output);
void nowait_output_clean_up(struct nowait_output *output);

#endif
