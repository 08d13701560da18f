/* GetMetricData: its queries, their points by period, and pages; see cloudwatch_ops.h. */
#include "localaws/cloudwatch_ops.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum statistic { STAT_AVERAGE, STAT_MAXIMUM, STAT_MINIMUM, STAT_SAMPLE_COUNT, STAT_SUM, STAT_MAX };

static const char *const STATISTICS[] = {"Average", "Maximum", "Minimum", "SampleCount", "Sum"};

struct query {
    const char *id, *label;
    bool returns;
    int64_t period_min;
    enum statistic statistic;
    bool has_data; /* ref is set, and the unit asked for is the metric's */
    struct metrics_ref ref;
};

struct page {
    int64_t start_min, end_min; /* minutes, the end not included */
    bool ascending;
    size_t max;     /* points of this page */
    size_t skip;    /* points of pages before it */
    int64_t now_ms; /* of the first page, so that all show the same */
    bool more;
};

/* ---- reading ---- */

static bool is_query_id(const char *text)
{
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    return text[0] >= 'a' && text[0] <= 'z' && strlen(text) <= 255 && text[strspn(text, ALLOWED)] == '\0';
}

static void read_period(const struct rpc_call *call, const json_t *stat, const char *path,
                        struct query *query)
{
    double period = 0;
    if (!rpc_number(call, stat, "Period", &period))
        rpc_fail(call, &CLOUDWATCH_MISSING, "The parameter %sPeriod is required.", path);
    else if (!(period >= 60 && period <= 86400) || fmod(period, 60) != 0)
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "The value %g for parameter %sPeriod is invalid: want a multiple of 60 up to 86400 (periods "
                 "below a"
                 " minute are not kept here).",
                 period, path);
    query->period_min = (int64_t)period / 60;
}

static void read_statistic(const struct rpc_call *call, const json_t *stat, const char *path,
                           struct query *query)
{
    const char *name = rpc_text(call, stat, "Stat");
    int i = 0;
    if (name == NULL) {
        rpc_fail(call, &CLOUDWATCH_MISSING, "The parameter %sStat is required.", path);
        return;
    }
    while (i < STAT_MAX && strcmp(name, STATISTICS[i]) != 0)
        i++;
    if (i == STAT_MAX)
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "The value %.40s for parameter %sStat is not supported: want SampleCount, Average, Sum, "
                 "Minimum or"
                 " Maximum (percentiles are not kept here).",
                 name, path);
    query->statistic = (enum statistic)i;
}

static void read_metric_stat(const struct rpc_call *call, const json_t *stat, size_t number,
                             struct query *query)
{
    const struct cloudwatch *cloudwatch = call->engine;
    char path[64];
    char metric_path[80];
    struct metrics_id id;
    (void)snprintf(path, sizeof path, "MetricDataQueries.member.%zu.MetricStat.", number);
    (void)snprintf(metric_path, sizeof metric_path, "%sMetric.", path);
    const json_t *metric = rpc_object(call, stat, "Metric");
    if (metric == NULL)
        rpc_fail(call, &CLOUDWATCH_MISSING, "The parameter %sMetric is required.", path);
    read_period(call, stat, path, query);
    read_statistic(call, stat, path, query);
    const char *unit = rpc_text(call, stat, "Unit");
    if (!rpc_ok(call) || !cloudwatch_read_id(call, metric, metric_path, NULL, &id))
        return;
    query->label = query->label != NULL ? query->label : id.name;
    query->has_data = metrics_find(cloudwatch->metrics, &id, &query->ref) &&
                      (unit == NULL || query->ref.unit == NULL || strcmp(unit, query->ref.unit) == 0);
}

static void read_query(const struct rpc_call *call, const json_t *in, size_t number, struct query *query)
{
    const json_t *stat = rpc_object(call, in, "MetricStat");
    bool has_expression = rpc_text(call, in, "Expression") != NULL;
    *query = (struct query){.id = rpc_text(call, in, "Id"),
                            .label = rpc_text(call, in, "Label"),
                            .returns = true,
                            .period_min = 1};
    (void)rpc_bool(call, in, "ReturnData", &query->returns);
    if (!json_is_object(in))
        rpc_fail(call, &RPC_SERIALIZATION, "MetricDataQueries.member.%zu must be an object", number);
    else if (query->id == NULL)
        rpc_fail(call, &CLOUDWATCH_MISSING, "The parameter MetricDataQueries.member.%zu.Id is required.",
                 number);
    else if (!is_query_id(query->id))
        rpc_fail(call, &CLOUDWATCH_VALIDATION,
                 "The value %.60s for parameter MetricDataQueries.member.%zu.Id is not matching the expected "
                 "pattern"
                 " ^[a-z][a-zA-Z0-9_]*$.",
                 query->id, number);
    else if (has_expression == (stat != NULL))
        rpc_fail(call, &CLOUDWATCH_VALIDATION,
                 "Exactly one of the elements MetricStat and Expression must be given for"
                 " MetricDataQueries.member.%zu.",
                 number);
    else if (has_expression)
        rpc_fail(call, &CLOUDWATCH_VALIDATION,
                 "Expressions (MetricDataQueries.member.%zu) are not evaluated here.", number);
    else
        read_metric_stat(call, stat, number, query);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void refuse_duplicates(const struct rpc_call *call, const struct query *queries, size_t count)
{
    const char **sorted = xcalloc(count, sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = queries[i].id;
    qsort(sorted, count, sizeof *sorted, by_id);
    for (size_t i = 1; i < count; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            rpc_fail(call, &CLOUDWATCH_VALIDATION,
                     "The values for parameter id in MetricDataQueries are not unique: %.60s.", sorted[i]);
    free(sorted);
}

static struct query *read_queries(const struct rpc_call *call, size_t *ret_count)
{
    const json_t *list = rpc_list(call, call->in, "MetricDataQueries");
    size_t count = json_array_size(list);
    if (count == 0)
        rpc_fail(call, &CLOUDWATCH_MISSING, "The parameter MetricDataQueries is required.");
    if (count > CLOUDWATCH_QUERIES_MAX)
        rpc_fail(call, &CLOUDWATCH_VALIDATION,
                 "The collection MetricDataQueries must not have a size greater than %d.",
                 CLOUDWATCH_QUERIES_MAX);
    if (!rpc_ok(call))
        return NULL;
    struct query *queries = xcalloc(count, sizeof *queries);
    for (size_t i = 0; rpc_ok(call) && i < count; i++)
        read_query(call, json_array_get(list, i), i + 1, &queries[i]);
    if (rpc_ok(call))
        refuse_duplicates(call, queries, count);
    *ret_count = count;
    return queries;
}

static void read_token(const struct rpc_call *call, struct page *page)
{
    const char *token = rpc_text(call, call->in, "NextToken");
    unsigned long long skip = 0;
    long long now_ms = 0;
    int n = 0;
    if (token == NULL)
        return;
    if (sscanf(token, "%16llx-%16llx%n", (unsigned long long *)&now_ms, &skip, &n) != 2 || token[n] != '\0' ||
        now_ms > call->now_ms)
        rpc_fail(call, &CLOUDWATCH_INVALID_TOKEN, "The value of NextToken is not one that was given out.");
    page->now_ms = now_ms;
    page->skip = (size_t)skip;
}

static void read_page(const struct rpc_call *call, struct page *page)
{
    double max = CLOUDWATCH_POINTS_MAX;
    int64_t start_ms = 0;
    int64_t end_ms = 0;
    const char *scan = rpc_text(call, call->in, "ScanBy");
    bool has_start = rpc_time(call, call->in, "StartTime", &start_ms);
    bool has_end = rpc_time(call, call->in, "EndTime", &end_ms);
    if (!has_start || !has_end)
        rpc_fail(call, &CLOUDWATCH_MISSING, "The parameter %s is required.",
                 has_start ? "EndTime" : "StartTime");
    else if (start_ms >= end_ms)
        rpc_fail(call, &CLOUDWATCH_VALIDATION,
                 "The parameter StartTime must be less than the parameter EndTime.");
    if (scan != NULL && strcmp(scan, "TimestampAscending") != 0 && strcmp(scan, "TimestampDescending") != 0)
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "The value %.40s for parameter ScanBy is invalid: want TimestampAscending or "
                 "TimestampDescending.",
                 scan);
    if (rpc_number(call, call->in, "MaxDatapoints", &max) && !(max >= 1 && max <= CLOUDWATCH_POINTS_MAX))
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "The value %g for parameter MaxDatapoints is invalid: want 1 to %d.", max,
                 CLOUDWATCH_POINTS_MAX);
    *page = (struct page){.start_min = start_ms / METRICS_MINUTE_MS,
                          .end_min = (end_ms + METRICS_MINUTE_MS - 1) / METRICS_MINUTE_MS,
                          .ascending = scan != NULL && strcmp(scan, "TimestampAscending") == 0,
                          .max = (size_t)max,
                          .now_ms = call->now_ms};
    read_token(call, page);
}

/* ---- points ---- */

static double value_of(const struct metrics_set *set, enum statistic statistic)
{
    switch (statistic) {
    case STAT_AVERAGE:
        return set->sum / set->count;
    case STAT_MAXIMUM:
        return set->max;
    case STAT_MINIMUM:
        return set->min;
    case STAT_SAMPLE_COUNT:
        return set->count;
    default:
        return set->sum;
    }
}

/* The minutes of a period that were asked for, together; periods stand at multiples of their length. */
static struct metrics_set period_at(const struct rpc_call *call, const struct query *query,
                                    const struct page *page, int64_t at_min)
{
    const struct cloudwatch *cloudwatch = call->engine;
    struct metrics_set all = {.count = 0};
    int64_t start = page->start_min - page->start_min % query->period_min;
    for (int64_t minute = at_min; minute < at_min + query->period_min && minute < page->end_min; minute++) {
        struct metrics_set set = metrics_read(cloudwatch->metrics, &query->ref, minute, page->now_ms);
        if (minute >= start)
            metrics_set_add(&all, &set);
    }
    return all;
}

struct results {
    json_t *timestamps, *values; /* of the query in hand */
    size_t seen;                 /* points of all queries so far, those of other pages too */
    size_t taken;
};

static void add_points(const struct rpc_call *call, const struct query *query, struct page *page,
                       struct results *results)
{
    int64_t kept_min = page->now_ms / METRICS_MINUTE_MS - METRICS_MINUTES;
    int64_t last_min = page->now_ms / METRICS_MINUTE_MS + 120; /* custom points may be 2 h ahead */
    int64_t period = query->period_min;
    int64_t from = (page->start_min > kept_min ? page->start_min : kept_min) / period;
    int64_t to = ((page->end_min < last_min ? page->end_min : last_min) - 1) / period;
    for (int64_t i = 0; i <= to - from; i++) {
        int64_t at_min = (page->ascending ? from + i : to - i) * period;
        struct metrics_set set = period_at(call, query, page, at_min);
        if (set.count <= 0 || results->seen++ < page->skip)
            continue;
        if (results->taken == page->max) {
            page->more = true;
            return;
        }
        results->taken++;
        (void)json_array_append_new(results->timestamps, json_integer(at_min * 60));
        (void)json_array_append_new(results->values, json_real(value_of(&set, query->statistic)));
    }
}

/* A query that pages before this one have answered whole is not shown again. */
static void answer_query(const struct rpc_call *call, const struct query *query, struct page *page,
                         struct results *results, json_t *list)
{
    const struct cloudwatch *cloudwatch = call->engine;
    bool fails = cloudwatch->query_fails != NULL && cloudwatch->query_fails(cloudwatch->query_fails_arg);
    bool begins_here = results->seen >= page->skip;
    results->timestamps = json_array();
    results->values = json_array();
    json_t *messages = json_array();
    if (fails)
        (void)json_array_append_new(messages, json_pack("{s:s,s:s}", "Code", "InternalError", "Value",
                                                        "An error occurred while the metric was read."));
    else if (query->has_data && !cloudwatch->has_gap && !page->more)
        add_points(call, query, page, results);
    bool is_shown = begins_here || page->more || json_array_size(results->values) > 0;
    const char *status = fails ? "InternalError" : page->more ? "PartialData" : "Complete";
    json_t *result =
        json_pack("{s:s,s:s,s:o,s:o,s:s,s:o}", "Id", query->id, "Label", query->label, "Timestamps",
                  results->timestamps, "Values", results->values, "StatusCode", status, "Messages", messages);
    if (is_shown)
        (void)json_array_append_new(list, result);
    else
        json_decref(result);
}

void cloudwatch_get_metric_data(struct rpc_call *call)
{
    struct page page;
    struct results results = {.taken = 0};
    size_t count = 0;
    read_page(call, &page);
    struct query *queries = rpc_ok(call) ? read_queries(call, &count) : NULL;
    if (rpc_ok(call)) {
        json_t *list = json_array();
        for (size_t i = 0; i < count; i++)
            if (queries[i].returns)
                answer_query(call, &queries[i], &page, &results, list);
        (void)json_object_set_new(call->out, "MetricDataResults", list);
        (void)json_object_set_new(call->out, "Messages", json_array());
        if (page.more)
            (void)json_object_set_new(
                call->out, "NextToken",
                json_sprintf("%" PRIx64 "-%zx", (uint64_t)page.now_ms, page.skip + results.taken));
    }
    free(queries);
}
