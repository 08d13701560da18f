/*
 * What one worker process told of itself by telemetry, and the sums over many: of processes that ended, and
 * of those that live. The same for processes of this host (local_slot.h) and for tasks of an ECS service
 * (task_account.h). Pure: time is an argument. Not thread-safe.
 *
 * Counters never fall, whatever a worker says: the sums of the fleet stand on them.
 */
#ifndef SLUICE_SUPERVISOR_WORKER_ACCOUNT_H
#define SLUICE_SUPERVISOR_WORKER_ACCOUNT_H

#include "base/jsonw.h"
#include "base/telemetry.h"
#include "policies/observation.h"

#include <stdbool.h>
#include <stdint.h>

/* Of the present process; zeroed: nothing told yet. */
struct worker_account {
    bool has_stats;
    struct telemetry_stats stats;
    int64_t stats_at_ms;       /* product: when they came */
    int64_t capacity, threads; /* as the worker says; 0 until then */
    struct histogram *hists;   /* owned: the last ones it sent, one a kind; NULL: none yet (14 KB) */
};

/* Sums; zeroed: nothing. */
struct account_totals {
    struct telemetry_stats counters; /* its gauges mean nothing */
    struct histogram *hists;         /* owned; NULL: none */
};

/* Takes ready, stats and hist lines in; others say nothing of the counts. Out of a hist with fewer values
 * than before nothing is taken. */
void worker_account_take(struct worker_account *account, const struct telemetry_line *line, int64_t now_ms);
/* The process ended: what it counted goes to the sums, and the account is empty. */
void worker_account_close(struct worker_account *account, struct account_totals *totals);
void worker_account_clean_up(struct worker_account *account);

void account_totals_add(struct account_totals *totals, const struct worker_account *account);
/* Adds sums to sums. */
void account_totals_merge(struct account_totals *totals, const struct account_totals *more);
void account_totals_clean_up(struct account_totals *totals);
/* Notes sums of counters in the observation, told at now_ms. */
void account_counters_observe(const struct telemetry_stats *counters, int64_t now_ms,
                              struct observation *obs);
/* Writes the counters as members of the object that w is in. */
void account_totals_write(const struct account_totals *totals, struct jsonw *w);
/* Writes the member "times": the distributions that anybody told. */
void account_totals_write_times(const struct account_totals *totals, struct jsonw *w);

/* Gauges of workers that live, summed. */
struct account_gauges {
    int64_t workers;
    int64_t busy, waiting;
    int64_t oldest_ms; /* of their words */
    int64_t capacity, capacity_count, capacity_at_ms;
};
/* since_ms: when the worker was ready, which is when it held nothing, for one that told nothing since. */
void account_gauges_add(struct account_gauges *gauges, const struct worker_account *account,
                        int64_t since_ms);
/* Busy and waiting, as old as the oldest word; of no workers: 0, now. */
void account_gauges_observe_busy(const struct account_gauges *gauges, int64_t now_ms,
                                 struct observation *obs);
/* What one worker can run at once: the mean over those that told. It holds for the others too, which may be
 * crashing or starting, so one is enough. */
void account_gauges_observe_capacity(const struct account_gauges *gauges, struct observation *obs);

/* Writes what a worker's last stats say, as members of the object that w is in; nothing without stats. */
void worker_account_write(const struct worker_account *account, int64_t now_ms, struct jsonw *w);

#endif
