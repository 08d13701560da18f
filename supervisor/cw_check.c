/* Asking CloudWatch what "sluice check" judges; see cw_check.h. */
#include "supervisor/cw_check.h"

#include "aws/cloudwatch.h"
#include "base/clock.h"
#include "base/loop.h"
#include "policies/prices.h"
#include "supervisor/cw_metrics.h"

#include <event2/event.h>
#include <inttypes.h>

/* One question and its answer, on a loop that runs until it is there. */
struct asking {
    struct event_base *base;
    struct aws_result result;
    bool forbidden;
};

static void on_data(void *arg, const struct aws_result *result, const struct cloudwatch_series *series,
                    size_t count, const char *next_token)
{
    struct asking *asking = arg;
    (void)next_token;
    asking->result = *result;
    for (size_t i = 0; i < count; i++)
        asking->forbidden |= series[i].status == CLOUDWATCH_FORBIDDEN;
    (void)event_base_loopbreak(asking->base);
}

static void judge(const struct config_fleet *fleet, const struct asking *asking, struct warnings *warnings)
{
    char text[512];
    if (asking->result.kind != AWS_KIND_OK)
        warnings_add(warnings, "cloudwatch", fleet->name,
                     "the queue's metrics cannot be read (it takes cloudwatch:GetMetricData): %s",
                     aws_result_text(&asking->result, "GetMetricData", text, sizeof text));
    else if (asking->forbidden)
        warnings_add(warnings, "cloudwatch", fleet->name,
                     "CloudWatch forbids the queue's metrics (it takes cloudwatch:GetMetricData)");
}

void cw_check_queue(const struct config *config, const struct config_fleet *fleet, struct warnings *warnings)
{
    const struct config_cloudwatch *cloudwatch = &fleet->queue.cloudwatch;
    const char *name = cw_queue_name(fleet->queue.url != NULL ? fleet->queue.url : fleet->queue.name);
    int64_t start_ms = 0;
    int64_t end_ms = 0;
    if (cloudwatch->mode == CLOUDWATCH_OFF)
        return;
    if (name[0] == '\0') {
        warnings_add(warnings, "cloudwatch", fleet->name,
                     "the queue's URL ends in no name that CloudWatch could know: no metrics");
        return;
    }
    struct asking asking = {.base = loop_base_new()};
    struct err err = {.text = ""};
    struct aws_client_options options = {.base = asking.base,
                                         .region = config_fleet_region(config, fleet),
                                         .endpoint_url = config_fleet_endpoint(config, fleet)};
    struct aws_client *client = aws_client_new(&options, &err);
    struct cloudwatch_query query = cw_query(CW_METRIC_visible, name, cloudwatch->period_ms);
    cw_window(clock_product_ms(), cloudwatch->period_ms, cloudwatch->windows, &start_ms, &end_ms);
    if (client == NULL) {
        warnings_add(warnings, "cloudwatch", fleet->name, "CloudWatch cannot be asked: %s", err.text);
    } else {
        (void)cloudwatch_get_metric_data(client, &query, 1, start_ms, end_ms, NULL, on_data, &asking);
        (void)event_base_dispatch(asking.base);
        judge(fleet, &asking, warnings);
    }
    aws_client_destroy(client);
    event_base_free(asking.base);
}

void cw_check_describe(const struct config_cloudwatch *cloudwatch, struct strbuf *out)
{
    struct prices prices = {.as_of = NULL};
    double period_s = (double)cloudwatch->period_ms / 1000;
    int always = cloudwatch->mode == CLOUDWATCH_ON ? CW_METRICS_WITHOUT_DEPTH : CW_METRIC_COUNT;
    options_set_defaults(PRICES_ROWS, &prices);
    double usd = prices_cloudwatch_month_usd(&prices, always, period_s);
    options_clean_up(PRICES_ROWS, &prices);
    strbuf_appendf(out, "CloudWatch %s, a period of %.0f s: %d metrics",
                   CONFIG_CLOUDWATCH_MODE_NAMES[cloudwatch->mode], period_s, always);
    if (cloudwatch->mode == CLOUDWATCH_ON)
        strbuf_appendf(out, ", $%.2f a month; %d while the queue cannot be read", usd, CW_METRIC_COUNT);
    else
        strbuf_appendf(out, " while the queue cannot be read, $%.2f for a month of that", usd);
}
