/*
 * When one fleet polls, and what that costs: the plan (policies/poll_plan.h), the fleet's budget and that of
 * all fleets (policies/poll_budget.h), and the count of calls made. Plain data but for the shared part;
 * belongs to the loop's thread. Times are product time.
 */
#ifndef SLUICE_SUPERVISOR_FLEET_POLLS_H
#define SLUICE_SUPERVISOR_FLEET_POLLS_H

#include "base/jsonw.h"
#include "policies/call_meter.h"
#include "policies/poll_budget.h"
#include "policies/poll_plan.h"
#include "policies/prices.h"
#include "supervisor/config.h"

#include <stdbool.h>
#include <stdint.h>

/* What all fleets of a supervisor share. */
struct polls_shared {
    struct poll_budget budget;
    struct prices prices;
    struct call_meter meters[2]; /* of calls to standard and to FIFO queues, which differ in price */
};

void polls_shared_init(struct polls_shared *shared, const struct config *config, int64_t now_ms);
void polls_shared_clean_up(struct polls_shared *shared);
/* Writes the value of "polling": calls a minute, dollars a month, and the budget's state. */
void polls_shared_write_status(const struct polls_shared *shared, int64_t now_ms, struct jsonw *w);

struct fleet_polls {
    struct polls_shared *shared; /* not owned */
    struct poll_plan_config config;
    struct poll_plan_state state;
    struct poll_want want;
    double stretch; /* of the interval in force */
    bool is_fifo;
    struct poll_budget budget; /* the fleet's own */
    struct poll_share own_share, shared_share;
    struct poll_budget *waits_for; /* that deferred the poll which is due; NULL: none */
    struct call_meter meter;
};

void fleet_polls_init(struct fleet_polls *polls, struct polls_shared *shared,
                      const struct config_fleet *fleet, int64_t now_ms);

/* Notes the interval in force for the controller. */
void fleet_polls_observe(const struct fleet_polls *polls, int64_t now_ms, struct observation *obs);

/* After each step: plans. Returns the interval until the next poll, ms. */
int64_t fleet_polls_plan(struct fleet_polls *polls, const struct decision *decision, int64_t now_ms);

/* A poll is due: whether the budgets let it go; false: after *ret_wait_ms ask again. last_ms: when the last
 * one went out. One that was put off for as long as its interval goes in any case. */
bool fleet_polls_may(struct fleet_polls *polls, int64_t last_ms, int64_t now_ms, int64_t *ret_wait_ms);

/* A poll is over: it took so many requests. */
void fleet_polls_note(struct fleet_polls *polls, int requests, int64_t now_ms);

/* The fleet stops polling: its share is the others'. */
void fleet_polls_stop(struct fleet_polls *polls);

/* Writes the value of the fleet's "polling". */
void fleet_polls_write_status(const struct fleet_polls *polls, int64_t now_ms, struct jsonw *w);

#endif
