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
static struct telemetry_stats totals_of(const struct local_fleet *fleet)
{
    struct telemetry_stats totals = fleet->shared.dead_totals;
    for (size_t i = 0; i < fleet->slot_count; i++)
        telemetry_add_counters(&totals, &fleet->slots[i]->stats);
    return totals;
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

static int64_t told_at_ms(const struct local_slot *slot)
{
    return slot->has_stats ? slot->stats_at_ms : slot->since_ms;
}

/* Busy and waiting, as old as the oldest word among the ready workers. One that was ready this instant holds
 * nothing yet. */
static void observe_busy(const struct local_fleet *fleet, int64_t now_ms, struct observation *obs)
{
    int64_t busy = 0;
    int64_t waiting = 0;
    int64_t oldest_ms = now_ms;
    for (size_t i = 0; i < fleet->slot_count; i++) {
        const struct local_slot *slot = fleet->slots[i];
        if (!is_ready(slot))
            continue;
        oldest_ms = told_at_ms(slot) < oldest_ms ? told_at_ms(slot) : oldest_ms;
        busy += slot->stats.busy;
        waiting += slot->stats.waiting;
    }
    reading_set(&obs->busy, busy, oldest_ms);
    reading_set(&obs->waiting, waiting, oldest_ms);
}

/* What one worker can run at once: the mean over those that told. It holds for the others too, which may be
 * crashing or starting, so one ready worker is enough. */
static void observe_capacity(const struct local_fleet *fleet, struct observation *obs)
{
    int64_t capacity = 0;
    int64_t count = 0;
    int64_t newest_ms = 0;
    for (size_t i = 0; i < fleet->slot_count; i++) {
        const struct local_slot *slot = fleet->slots[i];
        if (!is_ready(slot) || slot->capacity <= 0)
            continue;
        capacity += slot->capacity;
        count++;
        newest_ms = told_at_ms(slot) > newest_ms ? told_at_ms(slot) : newest_ms;
    }
    if (count > 0)
        reading_set(&obs->worker_capacity, capacity / count, newest_ms);
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
    struct telemetry_stats totals = totals_of(fleet);
    if (everybody_tells(fleet))
        observe_busy(fleet, now_ms, obs);
    observe_capacity(fleet, obs);
    reading_set(&obs->completed_total, totals.completed, now_ms);
    reading_set(&obs->failed_total, totals.failed, now_ms);
    reading_set(&obs->handle_ms_sum, totals.handle_ms_sum, now_ms);
    reading_set(&obs->received, totals.received, now_ms);
    reading_set(&obs->receives, totals.receives, now_ms);
    reading_set(&obs->receives_full, totals.receives_full, now_ms);
    reading_set(&obs->receives_empty, totals.receives_empty, now_ms);
    reading_set(&obs->wait_ms_sum, totals.wait_ms_sum, now_ms);
    reading_set(&obs->redelivered, totals.redelivered, now_ms);
}

static void write_stats(const struct local_slot *slot, int64_t now_ms, struct jsonw *w)
{
    if (!slot->has_stats)
        return;
    const struct telemetry_stats *stats = &slot->stats;
    jsonw_key_int(w, "telemetry_age_ms", now_ms - slot->stats_at_ms);
    jsonw_key_bool(w, "draining", stats->state == TELEMETRY_DRAINING);
#define X(name) jsonw_key_int(w, #name, stats->name);
    /* clang-format does not agree with itself about this list. */
    /* clang-format off */
    X(busy) X(waiting) X(held) X(last_receive_age_ms)
    TELEMETRY_MORE_GAUGES(X)
    TELEMETRY_COUNTERS(X)
    TELEMETRY_MORE_COUNTERS(X)
    /* clang-format on */
#undef X
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
    jsonw_key_int(w, "capacity", slot->capacity);
    jsonw_key_int(w, "threads", slot->threads);
    write_stats(slot, now_ms, w);
    jsonw_end_object(w);
}

static void write_totals(const struct local_fleet *fleet, struct jsonw *w)
{
    struct telemetry_stats totals = totals_of(fleet);
    uint64_t bad_lines = fleet->shared.dead_bad_lines;
    uint64_t cut = fleet->shared.dead_cut_log_lines;
    uint64_t dropped = fleet->shared.dead_dropped_log_lines;
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
#define X(name) jsonw_key_int(w, #name, totals.name);
    TELEMETRY_COUNTERS(X)
    TELEMETRY_MORE_COUNTERS(X)
#undef X
    jsonw_key_int(w, "bad_telemetry_lines", (int64_t)bad_lines);
    jsonw_key_int(w, "cut_log_lines", (int64_t)cut);
    jsonw_key_int(w, "dropped_log_lines", (int64_t)dropped);
    jsonw_end_object(w);
}

static void write_hist(const char *name, const struct histogram *h, struct jsonw *w)
{
    jsonw_key(w, name);
    jsonw_object(w);
    jsonw_key_int(w, "count", h->count);
    jsonw_key_int(w, "sum", h->sum);
    jsonw_key_int(w, "p50", histogram_quantile(h, 0.5));
    jsonw_key_int(w, "p90", histogram_quantile(h, 0.9));
    jsonw_key_int(w, "p99", histogram_quantile(h, 0.99));
    jsonw_key_int(w, "max", h->max);
    jsonw_end_object(w);
}

/* Distributions over all processes that ever ran; those that nobody told are left out. */
static void write_hists(const struct local_fleet *fleet, struct jsonw *w)
{
    static const char *const NAMES[TELEMETRY_HIST_MAX] = {
#define X(name) #name,
        TELEMETRY_HISTS(X)
#undef X
    };
    struct histogram *sum = NULL;
    local_slot_add_hists(&sum, fleet->shared.dead_hists);
    for (size_t i = 0; i < fleet->slot_count; i++)
        local_slot_add_hists(&sum, fleet->slots[i]->hists);
    jsonw_key(w, "times");
    jsonw_object(w);
    for (int i = 0; sum != NULL && i < TELEMETRY_HIST_MAX; i++)
        if (sum[i].count > 0)
            write_hist(NAMES[i], &sum[i], w);
    jsonw_end_object(w);
    free(sum);
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
    write_hists(fleet, w);
}
