/* What a local fleet tells: counts, the observation's worker part, status. See local_fleet.h. */
#include "supervisor/local_fleet_internal.h"

#include "supervisor/worker_process.h"

#include <stdlib.h>

static bool is_ready(const struct local_slot *slot)
{
    return slot->state == SLOT_READY;
}

static void count_slot(const struct local_slot *slot, struct local_fleet_counts *counts)
{
    bool looping = local_slot_is_crash_looping(slot);
    switch (slot->state) {
    case SLOT_READY:
        counts->ready++;
        break;
    case SLOT_NEW:
    case SLOT_STARTING:
        /* A start that failed three times in a row is no capacity to count on. */
        counts->starting += !looping;
        counts->backoff += looping;
        counts->crash_looping += looping;
        break;
    case SLOT_REPLACING:
    case SLOT_BACKOFF:
        counts->backoff++;
        counts->crash_looping += looping;
        break;
    case SLOT_STOPPING:
    case SLOT_KILLING:
        counts->stopping++;
        break;
    case SLOT_GONE:
    case SLOT_STATE_MAX:
        break;
    }
    counts->undead += slot->undead;
    counts->restarts += slot->restarts;
}

void local_fleet_get_counts(const struct local_fleet *fleet, struct local_fleet_counts *ret_counts)
{
    *ret_counts = (struct local_fleet_counts){.desired = fleet->desired, .restarts = fleet->restarts_of_gone};
    for (size_t i = 0; i < fleet->slot_count; i++)
        count_slot(fleet->slots[i], ret_counts);
}

/* Sums of all processes that ever ran. */
static void add_totals(const struct local_fleet *fleet, struct account_totals *totals)
{
    account_totals_merge(totals, &fleet->shared.dead_totals);
    for (size_t i = 0; i < fleet->slot_count; i++)
        account_totals_add(totals, &fleet->slots[i]->account);
}

/* Whether what the workers say is the whole truth: every place that is ordered has a ready worker, and nobody
 * else works on the queue. A fleet whose workers have just died, or live on as orphans, is not idle: nobody
 * can tell. */
static bool everybody_tells(const struct local_fleet *fleet)
{
    int64_t ready = 0;
    for (size_t i = 0; i < fleet->slot_count; i++) {
        if (is_ready(fleet->slots[i]))
            ready++;
        else if (local_slot_is_place(fleet->slots[i]))
            return false;
    }
    return ready >= fleet->desired && orphans_count(fleet->orphans, fleet->name) == 0;
}

/* One that was ready this instant holds nothing yet. */
static void observe_workers(const struct local_fleet *fleet, int64_t now_ms, struct observation *obs)
{
    struct account_gauges gauges = {.workers = 0};
    for (size_t i = 0; i < fleet->slot_count; i++)
        if (is_ready(fleet->slots[i]))
            account_gauges_add(&gauges, &fleet->slots[i]->account, fleet->slots[i]->since_ms);
    if (everybody_tells(fleet))
        account_gauges_observe_busy(&gauges, now_ms, obs);
    account_gauges_observe_capacity(&gauges, obs);
}

void local_fleet_observe(const struct local_fleet *fleet, int64_t now_ms, struct observation *obs)
{
    struct local_fleet_counts counts;
    local_fleet_get_counts(fleet, &counts);
    reading_set(&obs->ready, counts.ready, now_ms);
    reading_set(&obs->starting, counts.starting, now_ms);
    reading_set(&obs->stopping, counts.stopping, now_ms);
    if (fleet->config->telemetry != TELEMETRY_LINES)
        return;
    struct telemetry_stats counters = fleet->shared.dead_totals.counters;
    for (size_t i = 0; i < fleet->slot_count; i++)
        telemetry_add_counters(&counters, &fleet->slots[i]->account.stats);
    observe_workers(fleet, now_ms, obs);
    account_counters_observe(&counters, now_ms, obs);
}

static void write_worker(const struct local_slot *slot, int64_t now_ms, struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_str(w, "name", slot->name);
    jsonw_key_int(w, "pid", local_slot_pid(slot));
    jsonw_key_str(w, "state", slot_state_name(slot->state));
    jsonw_key_int(w, "since_ms", slot->since_ms);
    jsonw_key_int(w, "state_age_ms", now_ms - slot->since_ms);
    jsonw_key_int(w, "started_ms", slot->started_ms);
    if (slot->start_ready_ms >= 0)
        jsonw_key_int(w, "start_ready_ms", slot->start_ready_ms);
    if (slot->state == SLOT_BACKOFF)
        jsonw_key_int(w, "next_start_in_ms", slot->next_start_ms - now_ms);
    jsonw_key_int(w, "restarts", slot->restarts);
    jsonw_key_int(w, "failures_in_a_row", slot->backoff.failures);
    jsonw_key_bool(w, "crash_looping", local_slot_is_crash_looping(slot));
    jsonw_key_bool(w, "undead", slot->undead);
    jsonw_key_str(w, "last_exit", slot->last_exit[0] != '\0' ? slot->last_exit : NULL);
    if (slot->last_exit[0] != '\0')
        jsonw_key_int(w, "last_exit_age_ms", now_ms - slot->last_exit_ms);
    jsonw_key_int(w, "capacity", slot->account.capacity);
    jsonw_key_int(w, "threads", slot->account.threads);
    worker_account_write(&slot->account, now_ms, w);
    jsonw_end_object(w);
}

/* Counters and distributions over all processes that ever ran. */
static void write_totals(const struct local_fleet *fleet, struct jsonw *w)
{
    struct account_totals totals = {.hists = NULL};
    uint64_t bad_lines = fleet->shared.dead_bad_lines;
    uint64_t cut = fleet->shared.dead_cut_log_lines;
    uint64_t dropped = fleet->shared.dead_dropped_log_lines;
    add_totals(fleet, &totals);
    for (size_t i = 0; i < fleet->slot_count; i++) {
        if (fleet->slots[i]->process == NULL)
            continue;
        struct worker_process_counts counts = worker_process_counts(fleet->slots[i]->process);
        bad_lines += counts.bad_lines;
        cut += counts.cut_log_lines;
        dropped += counts.dropped_log_lines;
    }
    jsonw_key(w, "totals");
    jsonw_object(w);
    account_totals_write(&totals, w);
    jsonw_key_int(w, "bad_telemetry_lines", (int64_t)bad_lines);
    jsonw_key_int(w, "cut_log_lines", (int64_t)cut);
    jsonw_key_int(w, "dropped_log_lines", (int64_t)dropped);
    jsonw_end_object(w);
    account_totals_write_times(&totals, w);
    account_totals_clean_up(&totals);
}

void local_fleet_write_status(const struct local_fleet *fleet, int64_t now_ms, struct jsonw *w)
{
    struct local_fleet_counts counts;
    local_fleet_get_counts(fleet, &counts);
    jsonw_key_int(w, "desired", counts.desired);
    jsonw_key_int(w, "ready", counts.ready);
    jsonw_key_int(w, "starting", counts.starting);
    jsonw_key_int(w, "stopping", counts.stopping);
    jsonw_key_int(w, "backoff", counts.backoff);
    jsonw_key_int(w, "crash_looping", counts.crash_looping);
    jsonw_key_int(w, "undead", counts.undead);
    jsonw_key_int(w, "restarts", counts.restarts);
    jsonw_key(w, "workers");
    jsonw_array(w);
    for (size_t i = 0; i < fleet->slot_count; i++)
        write_worker(fleet->slots[i], now_ms, w);
    jsonw_end_array(w);
    write_totals(fleet, w);
}
