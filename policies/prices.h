/*
 * What AWS charges, as a dated table, and what a month of tasks, requests and metrics costs by it. Pure. US
 * dollars, without tax, discounts and data transfer.
 */
#ifndef SLUICE_POLICIES_PRICES_H
#define SLUICE_POLICIES_PRICES_H

#include "base/err.h"
#include "base/options.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* One field a row of PRICES_ROWS, with the table's prices as defaults: options_set_defaults() fills it,
 * options_clean_up() ends it. */
struct prices {
    char *as_of;  /* YYYY-MM-DD */
    char *region; /* words */
    double hours_per_month;
    double fargate_x86_vcpu_hour_usd;
    double fargate_x86_gb_hour_usd;
    double fargate_arm_vcpu_hour_usd;
    double fargate_arm_gb_hour_usd;
    double fargate_x86_spot_vcpu_hour_usd;
    double fargate_x86_spot_gb_hour_usd;
    double fargate_arm_spot_vcpu_hour_usd;
    double fargate_arm_spot_gb_hour_usd;
    double sqs_standard_million_usd;
    double sqs_fifo_million_usd;
    double sqs_free_requests_per_month;
    double cloudwatch_thousand_metrics_usd; /* GetMetricData, per 1,000 metrics asked for */
};

extern const struct option_row PRICES_ROWS[];

/* Where the table's own figures come from, and how good they are. NULL-terminated by `prices`. */
struct price_source {
    const char *prices; /* which rows */
    const char *as_of;
    const char *source;
    bool two_sources_agree; /* two public repeats of AWS's page, found alike; false: take it as a guess */
};
extern const struct price_source PRICE_SOURCES[];

/* Prices from a JSON object with the members of PRICES_ROWS, each optional except as_of: a file says its
 * date. Strict: an unknown member, a wrong type or a value out of range is an error that names it. `prices`
 * was filled with defaults before; on failure it is half set. Returns 0 or -1. */
int prices_set_json(struct prices *prices, const json_t *object, struct err *err);

/* Prices from "name=value,name=value". Returns 0 or -1 with err naming the pair and what is allowed. */
int prices_set_list(struct prices *prices, const char *list, struct err *err);

/* True for a date of the calendar as YYYY-MM-DD. */
bool prices_is_date(const char *text);

enum prices_launch {
    PRICES_FARGATE_X86,
    PRICES_FARGATE_ARM,
    PRICES_FARGATE_X86_SPOT,
    PRICES_FARGATE_ARM_SPOT,
    PRICES_LAUNCH_COUNT
};
extern const char *const PRICES_LAUNCH_NAMES[]; /* by enum prices_launch, NULL-terminated */

/* One task for all hours of a month. cpu_units: 1,024 are a vCPU; memory_mib: 1,024 are a GB, as Fargate
 * counts. */
double prices_task_month_usd(const struct prices *prices, enum prices_launch launch, int64_t cpu_units,
                             int64_t memory_mib);

/* 0 when Fargate has a task of this size, or -1 with err that names what it has. Source: Amazon ECS Developer
 * Guide, "Fargate task definition considerations", task CPU and memory (Linux). */
int prices_check_task_size(int64_t cpu_units, int64_t memory_mib, struct err *err);

/* Requests to a queue in a month. */
struct prices_traffic {
    double messages_per_month;
    double calls_per_thousand; /* receives and deletes for 1,000 messages: 200 in batches of ten */
    double sends_per_thousand; /* sends for 1,000 messages: 1,000 one by one, 100 in batches of ten */
    double idle_workers;       /* workers that wait all month */
    double idle_polls;         /* long polls that each keeps open */
    double wait_time_s;        /* of a long poll, > 0 */
    double depth_poll_s;       /* the supervisor's GetQueueAttributes, each so many seconds; 0: none */
};
struct prices_requests {
    double messages_calls; /* receives and deletes */
    double sends;
    double idle_receives;
    double depth_polls;
    double total;
};
struct prices_requests prices_requests_per_month(const struct prices *prices,
                                                 const struct prices_traffic *traffic);

/* The month's bill for so many requests of up to 64 KB, the free ones taken off. */
double prices_sqs_month_usd(const struct prices *prices, bool fifo, double requests);

/* What so many requests a minute, all month long, cost beyond the free ones. */
double prices_sqs_rate_month_usd(const struct prices *prices, bool fifo, double calls_per_min);
/* Calls a minute that so many dollars a month pay for, beyond the free ones. */
double prices_sqs_month_rate(const struct prices *prices, bool fifo, double usd_per_month);

/* GetMetricData for so many metrics each period_s > 0. */
double prices_cloudwatch_month_usd(const struct prices *prices, double metrics, double period_s);

#endif
