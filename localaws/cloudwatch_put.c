/* PutMetricData; see cloudwatch_ops.h. */
#include "localaws/cloudwatch_ops.h"

#include <math.h>
#include <stdio.h>

enum { VALUES_MAX = 150 };

#define DAY_MS (INT64_C(86400) * 1000)

static const char *const UNITS[] = {"Seconds",
                                    "Microseconds",
                                    "Milliseconds",
                                    "Bytes",
                                    "Kilobytes",
                                    "Megabytes",
                                    "Gigabytes",
                                    "Terabytes",
                                    "Bits",
                                    "Kilobits",
                                    "Megabits",
                                    "Gigabits",
                                    "Terabits",
                                    "Percent",
                                    "Count",
                                    "Bytes/Second",
                                    "Kilobytes/Second",
                                    "Megabytes/Second",
                                    "Gigabytes/Second",
                                    "Terabytes/Second",
                                    "Bits/Second",
                                    "Kilobits/Second",
                                    "Megabits/Second",
                                    "Gigabits/Second",
                                    "Terabits/Second",
                                    "Count/Second",
                                    "None",
                                    NULL};

/* One entry of MetricData. */
struct datum {
    struct metrics_id id;
    struct metrics_set set;
    int64_t time_ms;
    const char *unit;
};

static void check_value(const struct rpc_call *call, const char *path, const char *key, double value)
{
    if (!isfinite(value) || fabs(value) > 0x1p360)
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "The value %g for parameter %s%s is invalid: NaN, infinity and what is beyond 2^360 are not "
                 "taken.",
                 value, path, key);
}

static void read_statistics(const struct rpc_call *call, const json_t *in, const char *path,
                            struct metrics_set *set)
{
    const struct {
        const char *key;
        double *to;
    } MEMBERS[] = {
        {"SampleCount", &set->count}, {"Sum", &set->sum}, {"Minimum", &set->min}, {"Maximum", &set->max}};
    for (size_t i = 0; i < 4; i++) {
        if (!rpc_number(call, in, MEMBERS[i].key, MEMBERS[i].to))
            rpc_fail(call, &CLOUDWATCH_MISSING, "The parameter %sStatisticValues.%s is required.", path,
                     MEMBERS[i].key);
        check_value(call, path, MEMBERS[i].key, *MEMBERS[i].to);
    }
    if (rpc_ok(call) && (set->count <= 0 || set->min > set->max))
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "The parameter %sStatisticValues is invalid: SampleCount must be above 0, Minimum not above "
                 "Maximum.",
                 path);
}

/* Element i of a list of numbers. */
static double number_at(const struct rpc_call *call, const json_t *list, size_t i, const char *path,
                        const char *key)
{
    double value = 0;
    json_t *holder = json_pack("{s:O}", key, json_array_get(list, i));
    if (!rpc_number(call, holder, key, &value))
        rpc_fail(call, &RPC_SERIALIZATION, "%s%s must be an array of numbers", path, key);
    json_decref(holder);
    check_value(call, path, key, value);
    return value;
}

static void read_values(const struct rpc_call *call, const json_t *in, const char *path,
                        struct metrics_set *set)
{
    const json_t *values = rpc_list(call, in, "Values");
    const json_t *counts = rpc_list(call, in, "Counts");
    size_t count = json_array_size(values);
    if (count > VALUES_MAX)
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "The collection %sValues must not have a size greater than %d.", path, VALUES_MAX);
    if (counts != NULL && json_array_size(counts) != count)
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "The parameters %sValues and %sCounts must have the same size.", path, path);
    for (size_t i = 0; rpc_ok(call) && i < count; i++) {
        double value = number_at(call, values, i, path, "Values");
        double times = counts == NULL ? 1 : number_at(call, counts, i, path, "Counts");
        struct metrics_set one = {.count = times, .sum = value * times, .min = value, .max = value};
        if (times < 0)
            rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                     "The parameter %sCounts must not hold negative numbers.", path);
        metrics_set_add(set, &one);
    }
}

static void read_set(const struct rpc_call *call, const json_t *in, const char *path, struct metrics_set *set)
{
    double value = 0;
    const json_t *statistics = rpc_object(call, in, "StatisticValues");
    bool has_values = rpc_list(call, in, "Values") != NULL;
    bool has_value = rpc_number(call, in, "Value", &value);
    *set = (struct metrics_set){.count = 0};
    if (has_value + has_values + (statistics != NULL) > 1) {
        rpc_fail(call, &CLOUDWATCH_INVALID_COMBINATION,
                 "The parameters %sValue, %sValues and %sStatisticValues are mutually exclusive and you have "
                 "specified"
                 " more than one.",
                 path, path, path);
    } else if (has_value) {
        check_value(call, path, "Value", value);
        *set = (struct metrics_set){.count = 1, .sum = value, .min = value, .max = value};
    } else if (has_values) {
        read_values(call, in, path, set);
    } else if (statistics != NULL) {
        read_statistics(call, statistics, path, set);
    } else {
        rpc_fail(call, &CLOUDWATCH_MISSING,
                 "At least one of the parameters %sValue, %sValues and %sStatisticValues must be specified.",
                 path, path, path);
    }
}

static void read_rest(const struct rpc_call *call, const json_t *in, const char *path, struct datum *datum)
{
    double resolution = 60;
    datum->time_ms = call->now_ms;
    if (rpc_time(call, in, "Timestamp", &datum->time_ms) &&
        (datum->time_ms < call->now_ms - 14 * DAY_MS || datum->time_ms > call->now_ms + DAY_MS / 12))
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "The parameter %sTimestamp must specify a time no more than two weeks in the past and two "
                 "hours in the"
                 " future.",
                 path);
    const char *unit = rpc_text(call, in, "Unit");
    size_t i = 0;
    datum->unit = unit == NULL ? "None" : unit;
    while (UNITS[i] != NULL && strcmp(datum->unit, UNITS[i]) != 0)
        i++;
    if (UNITS[i] == NULL)
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "The value %.40s for parameter %sUnit is not a unit of CloudWatch.", datum->unit, path);
    (void)rpc_number(call, in, "StorageResolution", &resolution);
    if (resolution != 1 && resolution != 60)
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "The value %g for parameter %sStorageResolution is invalid: want 1 or 60.", resolution,
                 path);
}

static bool read_datum(const struct rpc_call *call, const char *namespace_, const json_t *in, size_t number,
                       struct datum *datum)
{
    char path[48];
    (void)snprintf(path, sizeof path, "MetricData.member.%zu.", number);
    if (!json_is_object(in))
        rpc_fail(call, &RPC_SERIALIZATION, "MetricData.member.%zu must be an object", number);
    if (!rpc_ok(call) || !cloudwatch_read_id(call, in, path, namespace_, &datum->id))
        return false;
    read_set(call, in, path, &datum->set);
    read_rest(call, in, path, datum);
    return rpc_ok(call);
}

static void check_namespace(const struct rpc_call *call, const char *namespace_)
{
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_/#: ";
    if (namespace_ == NULL)
        rpc_fail(call, &CLOUDWATCH_MISSING, "The parameter Namespace is required.");
    else if (strncmp(namespace_, "AWS/", 4) == 0)
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "The value AWS/ for parameter Namespace is invalid: namespaces that begin with AWS/ are "
                 "reserved.");
    else if (namespace_[0] == '\0' || namespace_[0] == ':' || strlen(namespace_) > 255 ||
             namespace_[strspn(namespace_, ALLOWED)] != '\0')
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "The value %.60s for parameter Namespace is invalid: want 1 to 255 letters, digits and . - "
                 "_ / # : and"
                 " spaces, not beginning with a colon.",
                 namespace_);
}

/* All or none: what is wrong is found before anything is stored. */
void cloudwatch_put_metric_data(struct rpc_call *call)
{
    const struct cloudwatch *cloudwatch = call->engine;
    const char *namespace_ = rpc_text(call, call->in, "Namespace");
    const json_t *list = rpc_list(call, call->in, "MetricData");
    struct datum datum;
    check_namespace(call, namespace_);
    if (json_array_size(list) == 0)
        rpc_fail(call, &CLOUDWATCH_MISSING, "The parameter MetricData is required.");
    if (json_array_size(list) > CLOUDWATCH_DATA_MAX)
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "The collection MetricData must not have a size greater than %d.", CLOUDWATCH_DATA_MAX);
    for (size_t i = 0; rpc_ok(call) && i < json_array_size(list); i++)
        (void)read_datum(call, namespace_, json_array_get(list, i), i + 1, &datum);
    for (size_t i = 0; rpc_ok(call) && i < json_array_size(list); i++)
        if (read_datum(call, namespace_, json_array_get(list, i), i + 1, &datum) &&
            !metrics_put(cloudwatch->metrics, &datum.id, datum.unit, &datum.set, datum.time_ms, call->now_ms))
            rpc_fail(call, &CLOUDWATCH_LIMIT, "There are %d custom metrics already; no more are kept here.",
                     METRICS_CUSTOM_MAX);
}
