/*
 * What `sluice measure` looks at while a row runs: the queue as sluice-localaws itself counts it
 * (/_localaws/stats), and the process as the kernel knows it (/proc/PID/status). Asking blocks, for
 * microseconds on loopback and at most 5 s of real time; parsing is pure.
 */
#ifndef SLUICE_SUPERVISOR_MEASURE_WATCH_H
#define SLUICE_SUPERVISOR_MEASURE_WATCH_H

#include "base/err.h"
#include "base/strbuf.h"
#include "supervisor/measure_figures.h"

#include <stddef.h>
#include <sys/types.h>

struct measure_watch {
    void *curl;          /* owned: one kept connection */
    struct strbuf reply; /* of the last question */
};

/* endpoint: "http://127.0.0.1:9324". Returns 0 or -1 with err. */
int measure_watch_init(struct measure_watch *watch, const char *endpoint, struct err *err);
void measure_watch_clean_up(struct measure_watch *watch); /* safe on a zeroed struct */

/* What localaws says of one queue. Returns 0 or -1 with err. */
int measure_watch_queue(struct measure_watch *watch, const char *queue, struct measure_queue *ret_queue,
                        struct err *err);
int measure_parse_stats(const char *json, size_t len, const char *queue, struct measure_queue *ret_queue,
                        struct err *err);

/* Raises peak_rss_kb and threads to what /proc says of a living process; one that has ended changes nothing.
 */
void measure_watch_process(pid_t pid, struct measure_process *process);
void measure_parse_status(const char *text, struct measure_process *process);

#endif
