/* What `sluice load` says at its end: in words, as JSON, and as an exit code. Pure. */
#ifndef SLUICE_SUPERVISOR_LOAD_REPORT_H
#define SLUICE_SUPERVISOR_LOAD_REPORT_H

#include "base/strbuf.h"
#include "supervisor/load_sender.h"
#include "supervisor/orders.h"

struct load_report {
    const char *queue_url;
    const struct orders *orders;
    double rate_wanted; /* per product second */
    struct load_totals totals;
};

/* Orders whose first attempt was made, per product second of the schedule they took; 0 when none was. */
double load_report_rate(const struct load_report *report);

/* 0 all acknowledged, 1 some failed, 69 nobody answers or no such queue, 74 the log could not be written,
 * 77 credentials or permission. A stopped sender that lost nothing is 0. */
int load_report_exit_code(const struct load_report *report);

void load_report_write_text(const struct load_report *report, struct strbuf *out);
/* One object and a newline. */
void load_report_write_json(const struct load_report *report, struct strbuf *out);

#endif
