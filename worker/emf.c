/* CloudWatch lines; see emf.h. */
#include "worker/emf.h"

#include "base/emf_line.h"
#include "base/jsonw.h"
#include "base/version.h"

static const char *unit_name(const struct metric *metric)
{
    static const char *const UNITS[] = {
        [PROM_COUNT] = "Count", [PROM_MS] = "Milliseconds", [PROM_PERCENT] = "Percent"};
    return UNITS[metric->unit];
}

/* ---- histograms ---- */

static int64_t gained(const struct histogram *now, const struct histogram *told, int bucket)
{
    return now->buckets[bucket] - told->buckets[bucket];
}

/* The middle of a bucket, which below 32 ms is the value itself. */
static int64_t representative(const struct histogram *h, int bucket)
{
    int64_t middle = (histogram_low(bucket) + histogram_high(bucket)) / 2;
    return middle < h->max ? middle : h->max;
}

/* The rank, from 1, of the i-th of `shown` values that stand for `count` ones. */
static int64_t rank_of(int64_t i, int64_t shown, int64_t count)
{
    if (shown == count || i == shown - 1)
        return i == shown - 1 ? count : i + 1;
    return (i * count + count / 2) / shown + 1;
}

static void put_values(const struct histogram *now, const struct histogram *told, struct jsonw *w)
{
    int64_t count = now->count - told->count;
    int64_t shown = count < EMF_VALUES_MAX ? count : EMF_VALUES_MAX;
    int64_t seen = 0;
    int64_t i = 0;
    jsonw_array(w);
    for (int bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += gained(now, told, bucket);
        for (; i < shown && rank_of(i, shown, count) <= seen; i++)
            jsonw_int(w, representative(now, bucket));
    }
    jsonw_end_array(w);
}

/* ---- the line ---- */

static const struct histogram *told_hist(const struct emf *emf, const struct metric *metric,
                                         const struct metrics_view *view)
{
    const struct histogram *now = metrics_histogram(metric, view);
    for (int i = 0; i < TELEMETRY_HIST_MAX; i++)
        if (view->hists[i] == now)
            return &emf->hists[i];
    return NULL;
}

/* Whether the line has it. */
static bool is_told(const struct emf *emf, const struct metric *metric, const struct metrics_view *view)
{
    if (metric->emf == NULL)
        return false;
    return metric->type != METRIC_HISTOGRAM ||
           metrics_histogram(metric, view)->count > told_hist(emf, metric, view)->count;
}

static void put_metadata(const struct emf *emf, const char *name_space, const struct metrics_view *view,
                         int64_t now_ms, struct jsonw *w)
{
    emf_line_open(w, name_space, "QueueName", now_ms);
    for (const struct metric *metric = metrics_table(); metric->name != NULL; metric++)
        if (is_told(emf, metric, view))
            emf_line_metric(w, metric->emf, unit_name(metric));
    emf_line_values(w);
}

void emf_render(const struct emf *emf, const char *name_space, const struct metrics_view *view,
                int64_t now_ms, struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);
    put_metadata(emf, name_space, view, now_ms, &w);
    jsonw_key_str(&w, "QueueName", view->queue);
    jsonw_key_str(&w, "Worker", view->worker);
    jsonw_key_str(&w, "Version", SLUICE_VERSION);
    for (const struct metric *metric = metrics_table(); metric->name != NULL; metric++) {
        if (!is_told(emf, metric, view))
            continue;
        jsonw_key(&w, metric->emf);
        if (metric->type == METRIC_HISTOGRAM)
            put_values(metrics_histogram(metric, view), told_hist(emf, metric, view), &w);
        else if (metric->type == METRIC_GAUGE)
            jsonw_int(&w, metrics_value(metric, view));
        else
            jsonw_int(&w, metrics_value(metric, view) - metrics_value(metric, &emf->told));
    }
    jsonw_end_object(&w);
    strbuf_append_char(out, '\n');
}

void emf_told(struct emf *emf, const struct metrics_view *view)
{
    emf->told = *view;
    for (int i = 0; i < TELEMETRY_HIST_MAX; i++)
        emf->hists[i] = *view->hists[i];
}
