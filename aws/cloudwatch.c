/* CloudWatch calls: what is sent and to whom the answer goes; see cloudwatch.h. */
#include "aws/cloudwatch.h"

#include "aws/cloudwatch_internal.h"
#include "aws/json_reply.h"
#include "base/alloc.h"
#include "base/jsonw.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TARGET "GraniteServiceVersion20100801."

struct cloudwatch_call {
    union {
        cloudwatch_data_fn *data;
        cloudwatch_put_fn *put;
    } fn;
    void *arg;
    size_t query_count;
};

static struct cloudwatch_call *call_new(void *arg)
{
    struct cloudwatch_call *call = xcalloc(1, sizeof *call);
    call->arg = arg;
    return call;
}

static struct aws_call *send_request(struct aws_client *client, const char *target, struct strbuf *body,
                                     aws_json_fn *fn, struct cloudwatch_call *call)
{
    struct aws_json_call json = {.service = "monitoring",
                                 .target = target,
                                 .content_type = "application/x-amz-json-1.0",
                                 .query_mode = true,
                                 .body = body->data,
                                 .body_len = body->len};
    struct aws_call *handle = aws_client_call_json(client, &json, fn, call, free);
    strbuf_clean_up(body);
    return handle;
}

/* [{"Name":..,"Value":..}], or nothing without a name. */
static void write_dimension(struct jsonw *w, const char *name, const char *value)
{
    if (name == NULL)
        return;
    jsonw_key(w, "Dimensions");
    jsonw_array(w);
    jsonw_object(w);
    jsonw_key_str(w, "Name", name);
    jsonw_key_str(w, "Value", value);
    jsonw_end_object(w);
    jsonw_end_array(w);
}

/* ---- GetMetricData ---- */

static void on_data(void *arg, const struct aws_result *result, struct strbuf *body)
{
    const struct cloudwatch_call *call = arg;
    struct cloudwatch_reply *reply = xcalloc(1, sizeof *reply);
    const char *problem = NULL;
    struct aws_result bad;
    reply->next_token = "";
    if (result->kind == AWS_KIND_OK && !cloudwatch_reply_parse(body, call->query_count, reply, &problem)) {
        aws_bad_reply(result, problem, &bad);
        result = &bad;
        reply->count = 0;
        reply->next_token = "";
    }
    call->fn.data(call->arg, result, reply->series, reply->count, reply->next_token);
    cloudwatch_reply_clean_up(reply);
    free(reply);
}

static void write_query(struct jsonw *w, size_t index, const struct cloudwatch_query *query)
{
    char id[24];
    (void)snprintf(id, sizeof id, "q%zu", index); /* an Id begins with a small letter */
    jsonw_object(w);
    jsonw_key_str(w, "Id", id);
    jsonw_key(w, "MetricStat");
    jsonw_object(w);
    jsonw_key(w, "Metric");
    jsonw_object(w);
    jsonw_key_str(w, "Namespace", query->name_space);
    jsonw_key_str(w, "MetricName", query->metric);
    write_dimension(w, query->dimension, query->value);
    jsonw_end_object(w);
    jsonw_key_int(w, "Period", query->period_s);
    jsonw_key_str(w, "Stat", query->stat);
    jsonw_end_object(w);
    jsonw_key_bool(w, "ReturnData", true);
    jsonw_end_object(w);
}

struct aws_call *cloudwatch_get_metric_data(struct aws_client *client, const struct cloudwatch_query *queries,
                                            size_t count, int64_t start_ms, int64_t end_ms,
                                            const char *next_token, cloudwatch_data_fn *fn, void *arg)
{
    struct cloudwatch_call *call = call_new(arg);
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    call->fn.data = fn;
    call->query_count = count;
    if (count < 1 || count > CLOUDWATCH_QUERIES_MAX || start_ms >= end_ms)
        return aws_client_refuse(client, "GetMetricData takes 1 to 500 queries and a start before its end",
                                 on_data, call, free);
    jsonw_object(&w);
    jsonw_key_int(&w, "StartTime", start_ms / 1000);
    jsonw_key_int(&w, "EndTime", end_ms / 1000);
    jsonw_key_str(&w, "ScanBy", "TimestampDescending");
    if (next_token != NULL)
        jsonw_key_str(&w, "NextToken", next_token);
    jsonw_key(&w, "MetricDataQueries");
    jsonw_array(&w);
    for (size_t i = 0; i < count; i++)
        write_query(&w, i, &queries[i]);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    return send_request(client, TARGET "GetMetricData", &body, on_data, call);
}

/* ---- PutMetricData ---- */

/* The reply to a success is empty or {}; there is nothing to read in it. */
static void on_put(void *arg, const struct aws_result *result, struct strbuf *body)
{
    const struct cloudwatch_call *call = arg;
    (void)body;
    call->fn.put(call->arg, result);
}

static bool is_sendable(const struct cloudwatch_datum *data, size_t count)
{
    const double largest = 0x1p360;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(data[i].value) || fabs(data[i].value) > largest)
            return false;
    return count >= 1 && count <= CLOUDWATCH_DATA_MAX;
}

static void write_datum(struct jsonw *w, const struct cloudwatch_datum *datum)
{
    jsonw_object(w);
    jsonw_key_str(w, "MetricName", datum->metric);
    write_dimension(w, datum->dimension, datum->value_of_dimension);
    jsonw_key_int(w, "Timestamp", datum->at_ms / 1000);
    jsonw_key_double(w, "Value", datum->value);
    jsonw_key_str(w, "Unit", datum->unit);
    jsonw_end_object(w);
}

struct aws_call *cloudwatch_put_metric_data(struct aws_client *client, const char *name_space,
                                            const struct cloudwatch_datum *data, size_t count,
                                            cloudwatch_put_fn *fn, void *arg)
{
    struct cloudwatch_call *call = call_new(arg);
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    call->fn.put = fn;
    if (!is_sendable(data, count))
        return aws_client_refuse(client, "PutMetricData takes 1 to 1000 values, finite and up to 2^360",
                                 on_put, call, free);
    jsonw_object(&w);
    jsonw_key_str(&w, "Namespace", name_space);
    jsonw_key(&w, "MetricData");
    jsonw_array(&w);
    for (size_t i = 0; i < count; i++)
        write_datum(&w, &data[i]);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    if (body.len > CLOUDWATCH_BODY_MAX) {
        strbuf_clean_up(&body);
        return aws_client_refuse(client, "PutMetricData takes at most 1 MB", on_put, call, free);
    }
    return send_request(client, TARGET "PutMetricData", &body, on_put, call);
}
