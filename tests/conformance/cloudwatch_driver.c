/* Runs operations of aws/cloudwatch.h for a test; see driver.h. */
#include "aws/cloudwatch.h"
#include "tests/conformance/driver.h"

static void on_data(void *arg, const struct aws_result *result, const struct cloudwatch_series *series,
                    size_t count, const char *next_token)
{
    struct driver *d = arg;
    open_answer(d, result);
    jsonw_key(&d->w, "series");
    jsonw_array(&d->w);
    for (size_t i = 0; i < count; i++) {
        jsonw_object(&d->w);
        jsonw_key_int(&d->w, "query", (int64_t)series[i].query);
        jsonw_key_int(&d->w, "status", series[i].status);
        jsonw_key(&d->w, "points");
        jsonw_array(&d->w);
        for (size_t j = 0; j < series[i].point_count; j++) {
            jsonw_array(&d->w);
            jsonw_int(&d->w, series[i].points[j].at_ms);
            jsonw_double(&d->w, series[i].points[j].value);
            jsonw_end_array(&d->w);
        }
        jsonw_end_array(&d->w);
        jsonw_end_object(&d->w);
    }
    jsonw_end_array(&d->w);
    jsonw_key_str(&d->w, "next_token", next_token);
    close_answer(d);
}

static void on_put(void *arg, const struct aws_result *result)
{
    struct driver *d = arg;
    open_answer(d, result);
    close_answer(d);
}

static int64_t ms_of(const struct driver *d, const char *key)
{
    return json_integer_value(json_object_get(d->line, key));
}

/* One query for each name in "metrics". */
static void do_get(struct driver *d)
{
    struct cloudwatch_query queries[8];
    const json_t *metrics = json_object_get(d->line, "metrics");
    size_t count = json_array_size(metrics);
    for (size_t i = 0; i < count && i < 8; i++)
        queries[i] = (struct cloudwatch_query){.name_space = text_of(d, "namespace"),
                                               .metric = json_string_value(json_array_get(metrics, i)),
                                               .dimension = "Fleet",
                                               .value = text_of(d, "fleet"),
                                               .stat = text_of(d, "stat"),
                                               .period_s = 60};
    (void)cloudwatch_get_metric_data(d->client, queries, count, ms_of(d, "start_ms"), ms_of(d, "end_ms"),
                                     NULL, on_data, d);
}

static void do_put(struct driver *d)
{
    struct cloudwatch_datum datum = {.metric = text_of(d, "metric"),
                                     .dimension = "Fleet",
                                     .value_of_dimension = text_of(d, "fleet"),
                                     .unit = "Count",
                                     .at_ms = ms_of(d, "at_ms"),
                                     .value = json_number_value(json_object_get(d->line, "value"))};
    (void)cloudwatch_put_metric_data(d->client, text_of(d, "namespace"), &datum, 1, on_put, d);
}

static const struct driver_operation OPERATIONS[] = {
    {"GetMetricData", do_get},
    {"PutMetricData", do_put},
    {NULL, NULL},
};

int main(void)
{
    return driver_main("cloudwatch_driver", OPERATIONS);
}
