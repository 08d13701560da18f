/* What a plan has beyond the fleet's arithmetic: prices applied, returns, requests; see plan_report.h. */
#include "supervisor/plan_report.h"

void plan_report_fill(struct plan_report *r)
{
    for (int i = 0; i < PRICES_LAUNCH_COUNT; i++)
        r->task_usd_per_month[i] =
            prices_task_month_usd(r->prices, (enum prices_launch)i, r->task_cpu_units, r->task_memory_mib);
    if (!r->price_given)
        r->input.price_usd_per_worker_month = r->task_usd_per_month[r->launch];
    r->plan = plan_work_out(&r->input);
    for (int i = 0; i < r->return_count; i++) {
        struct plan_return *ret = &r->returns[i];
        ret->cost_usd_per_month = (double)ret->workers * r->input.price_usd_per_worker_month;
        ret->return_on_cost =
            ret->cost_usd_per_month > 0 ? r->input.revenue_usd / ret->cost_usd_per_month : 0;
        ret->true_capacity_per_s = (double)ret->workers * plan_rate_per_s(r->plan.limit);
        ret->enough = plan_compare_capacity(ret->workers, r->plan.limit, r->input.rate) >= 0;
    }
    if (r->traffic.messages_per_month <= 0)
        r->traffic.messages_per_month = r->plan.orders;
    r->traffic.idle_workers = (double)r->input.min_workers;
    r->requests = prices_requests_per_month(r->prices, &r->traffic);
    r->sqs_standard_usd_per_month = prices_sqs_month_usd(r->prices, false, r->requests.total);
    r->sqs_fifo_usd_per_month = prices_sqs_month_usd(r->prices, true, r->requests.total);
    r->cloudwatch_usd_per_month =
        prices_cloudwatch_month_usd(r->prices, r->cloudwatch_metrics, r->cloudwatch_period_s);
}
