/* Table of CloudWatch's operations and errors, names of metrics, and ListMetrics; see cloudwatch_ops.h. */
#include "localaws/cloudwatch_ops.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

#define TYPE "com.amazonaws.cloudwatch#"

const struct rpc_error CLOUDWATCH_INVALID_VALUE = {TYPE "InvalidParameterValueException",
                                                   "InvalidParameterValue", 400};
const struct rpc_error CLOUDWATCH_MISSING = {TYPE "MissingRequiredParameterException", "MissingParameter",
                                             400};
const struct rpc_error CLOUDWATCH_INVALID_COMBINATION = {TYPE "InvalidParameterCombinationException",
                                                         "InvalidParameterCombination", 400};
const struct rpc_error CLOUDWATCH_VALIDATION = {"com.amazon.coral.service#ValidationException",
                                                "ValidationError", 400};
const struct rpc_error CLOUDWATCH_INVALID_TOKEN = {TYPE "InvalidNextToken", "InvalidNextToken", 400};
const struct rpc_error CLOUDWATCH_LIMIT = {TYPE "LimitExceededFault", "LimitExceeded", 400};
static const struct rpc_error INTERNAL = {TYPE "InternalServiceFault", "InternalServiceError", 500};
static const struct rpc_error THROTTLED = {"com.amazon.coral.availability#ThrottlingException", "Throttling",
                                           400};

/* ---- names ---- */

static bool has_length(const struct rpc_call *call, const char *path, const char *key, const char *text)
{
    if (text == NULL)
        rpc_fail(call, &CLOUDWATCH_MISSING, "The parameter %s%s is required.", path, key);
    else if (text[0] == '\0' || strlen(text) > 1024)
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE, "The parameter %s%s must be 1 to 1024 characters long.",
                 path, key);
    else if (strpbrk(text, "\x1e\x1f") != NULL)
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE, "The parameter %s%s must not hold control characters.",
                 path, key);
    return rpc_ok(call);
}

bool cloudwatch_read_id(const struct rpc_call *call, const json_t *object, const char *path,
                        const char *namespace_, struct metrics_id *ret)
{
    char text[METRICS_ID_BYTES_MAX];
    const json_t *list = rpc_list(call, object, "Dimensions");
    *ret = (struct metrics_id){.namespace_ =
                                   namespace_ != NULL ? namespace_ : rpc_text(call, object, "Namespace"),
                               .name = rpc_text(call, object, "MetricName")};
    if (!rpc_ok(call) || !has_length(call, path, "Namespace", ret->namespace_) ||
        !has_length(call, path, "MetricName", ret->name))
        return false;
    if (json_array_size(list) > METRICS_DIMENSIONS_MAX) {
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "The collection %sDimensions must not have a size greater than %d.", path,
                 METRICS_DIMENSIONS_MAX);
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *dimension = json_array_get(list, i);
        struct metrics_dimension *to = &ret->dimensions[ret->dimension_count++];
        *to =
            (struct metrics_dimension){rpc_text(call, dimension, "Name"), rpc_text(call, dimension, "Value")};
        if (!rpc_ok(call) || !has_length(call, path, "Dimensions.member.N.Name", to->name) ||
            !has_length(call, path, "Dimensions.member.N.Value", to->value))
            return false;
    }
    if (!metrics_id_text(ret, text))
        rpc_fail(call, &CLOUDWATCH_INVALID_VALUE,
                 "Names and values of a metric together are longer than %d bytes.", METRICS_ID_BYTES_MAX);
    return rpc_ok(call);
}

json_t *cloudwatch_dimensions(const struct metrics_id *id)
{
    json_t *list = json_array();
    for (size_t i = 0; i < id->dimension_count; i++)
        (void)json_array_append_new(
            list, json_pack("{s:s,s:s}", "Name", id->dimensions[i].name, "Value", id->dimensions[i].value));
    return list;
}

/* ---- ListMetrics ---- */

struct listing {
    char **ids; /* owned texts of metrics_id_text() */
    size_t count;
};

/* Whether the metric has the dimensions that the filter names, with their values where it names them. */
static bool has_dimensions(const struct rpc_call *call, const json_t *filters, const struct metrics_id *id)
{
    for (size_t i = 0; i < json_array_size(filters); i++) {
        const char *name = rpc_text(call, json_array_get(filters, i), "Name");
        const char *value = rpc_text(call, json_array_get(filters, i), "Value");
        size_t d = 0;
        while (d < id->dimension_count && (name == NULL || strcmp(id->dimensions[d].name, name) != 0 ||
                                           (value != NULL && strcmp(id->dimensions[d].value, value) != 0)))
            d++;
        if (d == id->dimension_count)
            return false;
    }
    return true;
}

static void list_one(const struct rpc_call *call, struct listing *listing, char *text)
{
    char parsed[METRICS_ID_BYTES_MAX];
    struct metrics_id id;
    const char *namespace_ = rpc_text(call, call->in, "Namespace");
    const char *name = rpc_text(call, call->in, "MetricName");
    (void)snprintf(parsed, sizeof parsed, "%s", text);
    metrics_id_parse(parsed, &id);
    if ((namespace_ == NULL || strcmp(namespace_, id.namespace_) == 0) &&
        (name == NULL || strcmp(name, id.name) == 0) &&
        has_dimensions(call, rpc_list(call, call->in, "Dimensions"), &id))
        listing->ids[listing->count++] = xstrdup(text);
}

static void collect(const struct rpc_call *call, const struct metrics *metrics, struct listing *listing)
{
    enum { ROWS = 9 };
    char text[METRICS_ID_BYTES_MAX];
    size_t position = 0;
    const struct metrics_series *series = NULL;
    const char *recent = rpc_text(call, call->in, "RecentlyActive");
    int64_t since = recent == NULL ? INT64_MIN : metrics->minute - METRICS_MINUTES;
    listing->ids = xcalloc(metrics->queues.count * ROWS + metrics->customs.count + 1, sizeof *listing->ids);
    while ((series = strmap_next(&metrics->queues, &position)) != NULL)
        for (int row = 0; row < ROWS && series->latest_minute >= since; row++) {
            struct metrics_id id = {.namespace_ = METRICS_SQS_NAMESPACE,
                                    .name = metrics_sqs_name(row),
                                    .dimensions = {{"QueueName", series->id}},
                                    .dimension_count = 1};
            if (metrics_id_text(&id, text))
                list_one(call, listing, text);
        }
    position = 0;
    while ((series = strmap_next(&metrics->customs, &position)) != NULL)
        if (series->latest_minute >= since)
            list_one(call, listing, series->id);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_metrics(struct rpc_call *call)
{
    enum { PAGE = 500 };
    const struct cloudwatch *cloudwatch = call->engine;
    struct listing listing = {.count = 0};
    const char *token = rpc_text(call, call->in, "NextToken");
    char *end = NULL;
    size_t from = token == NULL ? 0 : (size_t)strtoull(token, &end, 16);
    if (token != NULL && (token[0] == '\0' || *end != '\0'))
        rpc_fail(call, &CLOUDWATCH_INVALID_TOKEN, "The value of NextToken is not one that was given out.");
    collect(call, cloudwatch->metrics, &listing);
    if (listing.count > 0)
        qsort(listing.ids, listing.count, sizeof *listing.ids, by_text);
    json_t *metrics = json_array();
    size_t i = from;
    for (; i < listing.count && i < from + PAGE; i++) {
        struct metrics_id id;
        metrics_id_parse(listing.ids[i], &id);
        (void)json_array_append_new(metrics,
                                    json_pack("{s:s,s:s,s:o}", "Namespace", id.namespace_, "MetricName",
                                              id.name, "Dimensions", cloudwatch_dimensions(&id)));
    }
    (void)json_object_set_new(call->out, "Metrics", metrics);
    if (i < listing.count)
        (void)json_object_set_new(call->out, "NextToken", json_sprintf("%zx", i));
    for (size_t k = 0; k < listing.count; k++)
        free(listing.ids[k]);
    free(listing.ids);
}

/* ---- the table ---- */

static const struct rpc_op OPS[] = {
    [CLOUDWATCH_GET_METRIC_DATA] = {"GetMetricData", cloudwatch_get_metric_data, false},
    [CLOUDWATCH_LIST_METRICS] = {"ListMetrics", list_metrics, false},
    [CLOUDWATCH_PUT_METRIC_DATA] = {"PutMetricData", cloudwatch_put_metric_data, false},
};

_Static_assert(sizeof OPS / sizeof *OPS == CLOUDWATCH_OP_MAX, "every operation has a row");

static const struct rpc_error *const ERRORS[] = {&CLOUDWATCH_INVALID_VALUE,
                                                 &CLOUDWATCH_MISSING,
                                                 &CLOUDWATCH_INVALID_COMBINATION,
                                                 &CLOUDWATCH_VALIDATION,
                                                 &CLOUDWATCH_INVALID_TOKEN,
                                                 &CLOUDWATCH_LIMIT,
                                                 &INTERNAL,
                                                 &THROTTLED,
                                                 NULL};

const struct rpc_service CLOUDWATCH_SERVICE = {.target = "GraniteServiceVersion20100801.",
                                               .xmlns = "http://monitoring.amazonaws.com/doc/2010-08-01/",
                                               .signed_as = "monitoring",
                                               .ops = OPS,
                                               .op_count = CLOUDWATCH_OP_MAX,
                                               .errors = ERRORS,
                                               .internal = &INTERNAL,
                                               .throttled = &THROTTLED,
                                               .throttled_message = "Rate exceeded",
                                               .is_query_compatible = true};
