/* The queue's metrics and how an answer is read; see cw_metrics.h. Pure. */
#include "supervisor/cw_metrics.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum kind { CW_GAUGE, CW_SECONDS, CW_PER_MINUTE };

static const struct {
    const char *name;
    const char *metric;
    const char *stat;
    enum kind kind;
    size_t offset;
} TABLE[CW_METRIC_COUNT] = {
#define X(name, metric, stat, kind) {#name, metric, stat, kind, offsetof(struct observation, name)},
    CW_METRICS(X)
#undef X
};

enum { MINUTE_MS = 60000, QUEUE_NAME_MAX = 80 };
#define COUNT_MAX 1e15 /* more messages or ms than this nobody has */

void cw_window(int64_t now_ms, int64_t period_ms, int64_t windows, int64_t *ret_start_ms, int64_t *ret_end_ms)
{
    int64_t end_ms = (now_ms - CW_SETTLE_MS) / period_ms * period_ms;
    *ret_end_ms = end_ms;
    *ret_start_ms = end_ms - windows * period_ms;
}

bool cw_newest(const struct cloudwatch_point *points, size_t count, int64_t start_ms, int64_t end_ms,
               int64_t period_ms, struct cloudwatch_point *ret_point)
{
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        bool is_whole = points[i].at_ms >= start_ms && points[i].at_ms <= end_ms - period_ms;
        if (!is_whole || (found && points[i].at_ms <= ret_point->at_ms))
            continue;
        *ret_point = points[i];
        found = true;
    }
    return found;
}

struct reading cw_reading(enum cw_metric metric, const struct cloudwatch_point *point, int64_t period_ms)
{
    struct reading reading = {.known = false};
    double value = point->value;
    int64_t at_ms = point->at_ms;
    if (TABLE[metric].kind == CW_SECONDS) {
        value *= 1000;
    } else if (TABLE[metric].kind == CW_PER_MINUTE) {
        value *= (double)MINUTE_MS / (double)period_ms;
        at_ms += period_ms;
    }
    if (value >= 0 && value <= COUNT_MAX)
        reading_set(&reading, (int64_t)llround(value), at_ms);
    return reading;
}

struct cloudwatch_query cw_query(enum cw_metric metric, const char *queue_name, int64_t period_ms)
{
    return (struct cloudwatch_query){.name_space = "AWS/SQS",
                                     .metric = TABLE[metric].metric,
                                     .dimension = "QueueName",
                                     .value = queue_name,
                                     .stat = TABLE[metric].stat,
                                     .period_s = period_ms / 1000};
}

const char *cw_queue_name(const char *url)
{
    const char *slash = strrchr(url, '/');
    const char *name = slash != NULL ? slash + 1 : url;
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && strchr("-_.", name[i]) == NULL)
            return "";
    return len <= QUEUE_NAME_MAX ? name : "";
}

struct reading *cw_field(struct observation *obs, enum cw_metric metric)
{
    return (struct reading *)(void *)((char *)obs + TABLE[metric].offset);
}

const char *cw_field_name(enum cw_metric metric)
{
    return TABLE[metric].name;
}
