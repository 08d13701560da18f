/* What `sluice plan` says, in words and as JSON: the same content twice. Pure. */
#ifndef SLUICE_SUPERVISOR_PLAN_REPORT_H
#define SLUICE_SUPERVISOR_PLAN_REPORT_H

#include "base/strbuf.h"
#include "policies/plan.h"
#include "policies/prices.h"

#include <stdbool.h>

/* The return on a fleet of a stated size, whatever it can complete. */
struct plan_return {
    int64_t workers;
    double cost_usd_per_month;
    double return_on_cost;      /* revenue / cost; 0 when the cost is 0 */
    double true_capacity_per_s; /* by slots and service time */
    bool enough;                /* that is at least the rate */
};

struct plan_report {
    struct plan_input input;
    struct plan plan;

    bool price_given; /* --price-per-worker; else the price of a task by `launch` */
    enum prices_launch launch;
    int64_t task_cpu_units;
    int64_t task_memory_mib;
    double task_usd_per_month[PRICES_LAUNCH_COUNT];

    struct plan_return returns[PLAN_ROWS_MAX];
    int return_count;

    const struct prices *prices; /* not owned */
    const char *prices_file;     /* NULL: the table of the program; not owned */
    const char *overridden;      /* --price, as given; NULL: none; not owned */
    struct prices_traffic traffic;
    struct prices_requests requests;
    double sqs_standard_usd_per_month;
    double sqs_fifo_usd_per_month;
    double cloudwatch_metrics; /* 0: none asked for */
    double cloudwatch_period_s;
    double cloudwatch_usd_per_month;
};

/* Works out what follows from input, launch, task size, prices, traffic, cloudwatch_* and the workers of
 * returns[]. */
void plan_report_fill(struct plan_report *report);

void plan_report_write_text(const struct plan_report *report, struct strbuf *out);
/* One object and a newline. */
void plan_report_write_json(const struct plan_report *report, struct strbuf *out);

#endif
