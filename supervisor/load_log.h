/*
 * The log of `sluice load`: one JSON object a line for every message that SQS acknowledged, appended by one
 * write per batch of whole lines. It is the truth that ledgers are compared with, so a line is written for
 * nothing else.
 */
#ifndef SLUICE_SUPERVISOR_LOAD_LOG_H
#define SLUICE_SUPERVISOR_LOAD_LOG_H

#include "base/err.h"
#include "base/strbuf.h"
#include "supervisor/orders.h"

#include <stdbool.h>
#include <stdint.h>

struct load_log_line {
    const struct orders_item *item;
    const char *message_id;
    int64_t due_ms;  /* product epoch ms at which the schedule wanted it sent */
    int64_t sent_ms; /* product epoch ms at which the acknowledged call was started */
    int attempt;     /* 1 for the first */
    bool resent;     /* an earlier attempt ended unknown: the order may be in the queue twice */
};

/* Appends
 * {"order_id":..,"message_id":..,"t_ms":..,"due_ms":..,"kind":"plain|sns|malformed","sns":..,"attempt":..,
 * "resent":..} and a newline. */
void load_log_encode(const struct load_log_line *line, struct strbuf *out);

/* Opens the file for appending, creating it with mode 0644. Returns the fd, or negative errno with err. */
int load_log_open(const char *path, struct err *err);

/* Writes the whole buffer. Returns 0 or negative errno with err; a regular file takes it in one write. */
int load_log_write(int fd, const struct strbuf *lines, struct err *err);

#endif
