/* `sluice plan --json`; see plan_report.h. Units stand in the names. */
#include "supervisor/plan_report.h"

#include "base/jsonw.h"

#include <math.h>

static const char *limit_name(enum plan_limit limit)
{
    static const char *const NAMES[] = {[PLAN_LIMIT_BELOW] = "below",
                                        [PLAN_LIMIT_EXACT] = "exact",
                                        [PLAN_LIMIT_ROUNDED] = "rounded",
                                        [PLAN_LIMIT_ABOVE] = "above"};
    return NAMES[limit];
}

static void write_input(const struct plan_report *r, struct jsonw *w)
{
    const struct plan_input *in = &r->input;
    jsonw_key(w, "input");
    jsonw_object(w);
    jsonw_key_double(w, "rate_per_s", plan_rate_per_s(in->rate));
    jsonw_key_int(w, "slots_per_worker", in->slots);
    jsonw_key_int(w, "threads_per_worker", in->threads);
    jsonw_key_int(w, "service_time_ms", in->service_time_ms);
    jsonw_key_int(w, "min_workers", in->min_workers);
    jsonw_key_int(w, "max_workers", in->max_workers);
    jsonw_key_int(w, "sale_ms", in->sale_ms);
    jsonw_key_double(w, "sale_orders", r->plan.orders);
    jsonw_key_int(w, "start_time_ms", in->start_time_ms);
    jsonw_key_double(w, "arrival_cv2", in->arrival_cv2);
    jsonw_key_double(w, "service_cv2", in->service_cv2);
    jsonw_key_double(w, "price_usd_per_worker_month", in->price_usd_per_worker_month);
    jsonw_key_str(w, "price_from", r->price_given ? "option" : PRICES_LAUNCH_NAMES[r->launch]);
    jsonw_key_double(w, "revenue_usd", in->revenue_usd);
    jsonw_end_object(w);
}

static void write_rate(struct jsonw *w, const char *key, struct plan_rate rate)
{
    jsonw_key(w, key);
    jsonw_object(w);
    jsonw_key_double(w, "per_s", plan_rate_per_s(rate));
    jsonw_key_int(w, "numerator_orders", rate.num);
    jsonw_key_int(w, "denominator_s", rate.den);
    jsonw_end_object(w);
}

static void write_sale(const struct plan_row *row, struct jsonw *w)
{
    jsonw_key(w, "sale");
    jsonw_object(w);
    jsonw_key_double(w, "behind_at_end_orders", row->sale.at_end);
    jsonw_key_double(w, "peak_behind_orders", row->sale.peak);
    jsonw_key_double(w, "drained_at_s", row->sale.drained_at_s);
    jsonw_key_double(w, "longest_wait_s", row->sale.longest_wait_s);
    jsonw_key_double(w, "mean_wait_s", row->sale.mean_wait_s);
    jsonw_end_object(w);
}

static void write_wait(const struct plan_row *row, struct jsonw *w)
{
    const struct plan_wait *wait = &row->wait;
    jsonw_key(w, "steady");
    jsonw_object(w);
    jsonw_key_bool(w, "fleet_is_stable", row->stable);
    jsonw_key_int(w, "workers", wait->workers);
    jsonw_key_double(w, "utilization_ratio", wait->utilization);
    jsonw_key(w, "servers");
    if (wait->known)
        jsonw_int(w, wait->servers);
    else
        jsonw_null(w);
    /* NaN is written as null. */
    jsonw_key_double(w, "wait_probability_ratio", wait->known ? wait->wait_probability : NAN);
    jsonw_key_double(w, "mean_wait_s", wait->known ? wait->mean_wait_s : NAN);
    jsonw_end_object(w);
}

static void write_row(const struct plan_row *row, struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_str(w, "origin", row->given ? "given" : "derived");
    jsonw_key_double(w, "per_worker_per_s", plan_rate_per_s(row->per_worker));
    jsonw_key_str(w, "slot_limit", limit_name(row->limit));
    jsonw_key_bool(w, "exceeds_slot_limit", row->limit == PLAN_LIMIT_ABOVE);
    jsonw_key_int(w, "workers", row->workers);
    jsonw_key_double(w, "capacity_per_s", row->capacity_per_s);
    jsonw_key_bool(w, "exceeds_max", row->exceeds_max);
    jsonw_key_double(w, "cost_usd_per_month", row->cost_usd_per_month);
    jsonw_key_double(w, "return_on_cost_ratio", row->return_on_cost);
    jsonw_key_double(w, "true_per_worker_per_s", plan_rate_per_s(row->true_per_worker));
    jsonw_key_int(w, "fleet_workers", row->fleet);
    jsonw_key_double(w, "fleet_capacity_per_s", row->true_capacity_per_s);
    write_sale(row, w);
    write_wait(row, w);
    jsonw_end_object(w);
}

static void write_returns(const struct plan_report *r, struct jsonw *w)
{
    jsonw_key(w, "returns");
    jsonw_array(w);
    for (int i = 0; i < r->return_count; i++) {
        jsonw_object(w);
        jsonw_key_int(w, "workers", r->returns[i].workers);
        jsonw_key_double(w, "revenue_usd", r->input.revenue_usd);
        jsonw_key_double(w, "cost_usd_per_month", r->returns[i].cost_usd_per_month);
        jsonw_key_double(w, "return_on_cost_ratio", r->returns[i].return_on_cost);
        jsonw_key_double(w, "true_capacity_per_s", r->returns[i].true_capacity_per_s);
        jsonw_key_bool(w, "enough", r->returns[i].enough);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void write_tasks(const struct plan_report *r, struct jsonw *w)
{
    jsonw_key(w, "tasks");
    jsonw_object(w);
    jsonw_key_int(w, "cpu_units", r->task_cpu_units);
    jsonw_key_int(w, "memory_mib", r->task_memory_mib);
    for (int i = 0; i < PRICES_LAUNCH_COUNT; i++) {
        double task = r->task_usd_per_month[i];
        jsonw_key(w, PRICES_LAUNCH_NAMES[i]);
        jsonw_object(w);
        jsonw_key_double(w, "task_usd_per_month", task);
        jsonw_key_double(w, "idle_min_usd_per_month", task * (double)r->input.min_workers);
        jsonw_key_double(w, "max_usd_per_month", task * (double)r->input.max_workers);
        jsonw_key_double(w, "derived_usd_per_month", task * (double)r->plan.derived.workers);
        jsonw_end_object(w);
    }
    jsonw_end_object(w);
}

static void write_queue(const struct plan_report *r, struct jsonw *w)
{
    jsonw_key(w, "sqs");
    jsonw_object(w);
    jsonw_key_double(w, "messages_per_month", r->traffic.messages_per_month);
    jsonw_key_double(w, "calls_per_thousand_messages", r->traffic.calls_per_thousand);
    jsonw_key_double(w, "sends_per_thousand_messages", r->traffic.sends_per_thousand);
    jsonw_key_double(w, "receive_and_delete_requests_per_month", r->requests.messages_calls);
    jsonw_key_double(w, "send_requests_per_month", r->requests.sends);
    jsonw_key_double(w, "idle_receive_requests_per_month", r->requests.idle_receives);
    jsonw_key_double(w, "depth_poll_requests_per_month", r->requests.depth_polls);
    jsonw_key_double(w, "requests_per_month", r->requests.total);
    jsonw_key_double(w, "standard_usd_per_month", r->sqs_standard_usd_per_month);
    jsonw_key_double(w, "fifo_usd_per_month", r->sqs_fifo_usd_per_month);
    jsonw_end_object(w);
    jsonw_key(w, "cloudwatch");
    jsonw_object(w);
    jsonw_key_double(w, "metrics", r->cloudwatch_metrics);
    jsonw_key_double(w, "period_s", r->cloudwatch_period_s);
    jsonw_key_double(w, "usd_per_month", r->cloudwatch_usd_per_month);
    jsonw_end_object(w);
}

/* "prices" can be saved as a file for --prices. */
static void write_prices(const struct plan_report *r, struct jsonw *w)
{
    jsonw_key(w, "prices");
    jsonw_object(w);
    options_dump(PRICES_ROWS, r->prices, w);
    jsonw_end_object(w);
    jsonw_key_str(w, "prices_file", r->prices_file);
    jsonw_key_str(w, "prices_overridden", r->overridden);
    jsonw_key(w, "price_sources");
    jsonw_array(w);
    for (const struct price_source *s = PRICE_SOURCES; r->prices_file == NULL && s->prices != NULL; s++) {
        jsonw_object(w);
        jsonw_key_str(w, "prices", s->prices);
        jsonw_key_str(w, "as_of", s->as_of);
        jsonw_key_str(w, "source", s->source);
        jsonw_key_bool(w, "two_sources_agree", s->two_sources_agree);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

void plan_report_write_json(const struct plan_report *r, struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);
    jsonw_object(&w);
    jsonw_key_int(&w, "v", 1);
    write_input(r, &w);
    write_rate(&w, "slot_limit", r->plan.limit);
    jsonw_key(&w, "rows");
    jsonw_array(&w);
    for (int i = 0; i < r->plan.row_count; i++)
        write_row(&r->plan.rows[i], &w);
    if (r->plan.row_count == 0)
        write_row(&r->plan.derived, &w);
    jsonw_end_array(&w);
    jsonw_key(&w, "derived");
    write_row(&r->plan.derived, &w);
    write_returns(r, &w);
    write_tasks(r, &w);
    write_queue(r, &w);
    write_prices(r, &w);
    jsonw_end_object(&w);
    strbuf_append_char(out, '\n');
}
