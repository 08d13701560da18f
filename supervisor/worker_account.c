/* Accounts of telemetry; see worker_account.h. */
#include "supervisor/worker_account.h"

#include "base/alloc.h"

#include <stdlib.h>

/* ---- one worker ---- */

static void take_stats(struct worker_account *account, const struct telemetry_stats *stats, int64_t now_ms)
{
    struct telemetry_stats taken = *stats;
#define X(name)                                                                                              \
    if (taken.name < account->stats.name)                                                                    \
        taken.name = account->stats.name;
    TELEMETRY_COUNTERS(X)
    TELEMETRY_MORE_COUNTERS(X)
#undef X
    account->stats = taken;
    account->has_stats = true;
    account->stats_at_ms = now_ms;
    if (stats->capacity > 0)
        account->capacity = stats->capacity;
}

static struct histogram *hists_new(void)
{
    return xcalloc(TELEMETRY_HIST_MAX, sizeof(struct histogram));
}

/* Cumulative like the counters: one with fewer values is none of this process. */
static void take_hist(struct worker_account *account, enum telemetry_hist hist,
                      const struct histogram *histogram)
{
    if (account->hists == NULL)
        account->hists = hists_new();
    if (histogram->count >= account->hists[hist].count)
        account->hists[hist] = *histogram;
}

void worker_account_take(struct worker_account *account, const struct telemetry_line *line, int64_t now_ms)
{
    if (line->type == TELEMETRY_READY) {
        account->capacity = line->capacity;
        account->threads = line->threads;
    } else if (line->type == TELEMETRY_STATS) {
        take_stats(account, &line->stats, now_ms);
    } else if (line->type == TELEMETRY_HIST) {
        take_hist(account, line->hist, &line->histogram);
    }
}

void worker_account_close(struct worker_account *account, struct account_totals *totals)
{
    account_totals_add(totals, account);
    worker_account_clean_up(account);
}

void worker_account_clean_up(struct worker_account *account)
{
    free(account->hists);
    *account = (struct worker_account){.has_stats = false};
}

void worker_account_write(const struct worker_account *account, int64_t now_ms, struct jsonw *w)
{
    if (!account->has_stats)
        return;
    const struct telemetry_stats *stats = &account->stats;
    jsonw_key_int(w, "telemetry_age_ms", now_ms - account->stats_at_ms);
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

/* ---- sums ---- */

static void add_hists(struct account_totals *totals, const struct histogram *more)
{
    if (more == NULL)
        return;
    if (totals->hists == NULL)
        totals->hists = hists_new();
    for (int i = 0; i < TELEMETRY_HIST_MAX; i++)
        histogram_merge(&totals->hists[i], &more[i]);
}

void account_totals_add(struct account_totals *totals, const struct worker_account *account)
{
    telemetry_add_counters(&totals->counters, &account->stats);
    add_hists(totals, account->hists);
}

void account_totals_merge(struct account_totals *totals, const struct account_totals *more)
{
    telemetry_add_counters(&totals->counters, &more->counters);
    add_hists(totals, more->hists);
}

void account_totals_clean_up(struct account_totals *totals)
{
    free(totals->hists);
    *totals = (struct account_totals){.hists = NULL};
}

void account_counters_observe(const struct telemetry_stats *counters, int64_t now_ms, struct observation *obs)
{
    reading_set(&obs->completed_total, counters->completed, now_ms);
    reading_set(&obs->failed_total, counters->failed, now_ms);
    reading_set(&obs->handle_ms_sum, counters->handle_ms_sum, now_ms);
    reading_set(&obs->received, counters->received, now_ms);
    reading_set(&obs->receives, counters->receives, now_ms);
    reading_set(&obs->receives_full, counters->receives_full, now_ms);
    reading_set(&obs->receives_empty, counters->receives_empty, now_ms);
    reading_set(&obs->wait_ms_sum, counters->wait_ms_sum, now_ms);
    reading_set(&obs->redelivered, counters->redelivered, now_ms);
}

void account_totals_write(const struct account_totals *totals, struct jsonw *w)
{
#define X(name) jsonw_key_int(w, #name, totals->counters.name);
    TELEMETRY_COUNTERS(X)
    TELEMETRY_MORE_COUNTERS(X)
#undef X
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

void account_totals_write_times(const struct account_totals *totals, struct jsonw *w)
{
    static const char *const NAMES[TELEMETRY_HIST_MAX] = {
#define X(name) #name,
        TELEMETRY_HISTS(X)
#undef X
    };
    jsonw_key(w, "times");
    jsonw_object(w);
    for (int i = 0; totals->hists != NULL && i < TELEMETRY_HIST_MAX; i++)
        if (totals->hists[i].count > 0)
            write_hist(NAMES[i], &totals->hists[i], w);
    jsonw_end_object(w);
}

/* ---- gauges ---- */

void account_gauges_add(struct account_gauges *gauges, const struct worker_account *account, int64_t since_ms)
{
    int64_t told_ms = account->has_stats ? account->stats_at_ms : since_ms;
    if (gauges->workers == 0 || told_ms < gauges->oldest_ms)
        gauges->oldest_ms = told_ms;
    gauges->workers++;
    gauges->busy += account->stats.busy;
    gauges->waiting += account->stats.waiting;
    if (account->capacity <= 0)
        return;
    gauges->capacity += account->capacity;
    gauges->capacity_count++;
    if (gauges->capacity_count == 1 || told_ms > gauges->capacity_at_ms)
        gauges->capacity_at_ms = told_ms;
}

void account_gauges_observe_busy(const struct account_gauges *gauges, int64_t now_ms, struct observation *obs)
{
    int64_t told_ms = gauges->workers > 0 && gauges->oldest_ms < now_ms ? gauges->oldest_ms : now_ms;
    reading_set(&obs->busy, gauges->busy, told_ms);
    reading_set(&obs->waiting, gauges->waiting, told_ms);
}

void account_gauges_observe_capacity(const struct account_gauges *gauges, struct observation *obs)
{
    if (gauges->capacity_count > 0)
        reading_set(&obs->worker_capacity, gauges->capacity / gauges->capacity_count, gauges->capacity_at_ms);
}
