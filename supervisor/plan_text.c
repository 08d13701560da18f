/* `sluice plan` in words and tables; see plan_report.h. */
#include "supervisor/plan_report.h"

#include "base/duration.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CELL_MAX = 64 };

/* 1234567.5 with 1 decimal as "1,234,567.5". Returns out. */
static const char *grouped(double value, int decimals, char out[static CELL_MAX])
{
    char digits[CELL_MAX];
    (void)snprintf(digits, sizeof digits, "%.*f", decimals, value);
    size_t whole = strcspn(digits, ".");
    size_t used = 0;
    for (size_t i = 0; digits[i] != '\0' && used < CELL_MAX - 2; i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = '\0';
    return out;
}

static bool is_whole(double value)
{
    return fabs(value - round(value)) < 1e-9 * fmax(1, fabs(value));
}

static const char *dollars(double value, char out[static CELL_MAX])
{
    out[0] = '$';
    char rest[CELL_MAX];
    (void)snprintf(out + 1, CELL_MAX - 1, "%s", grouped(value, is_whole(value) ? 0 : 2, rest));
    return out;
}

static const char *count(double value, char out[static CELL_MAX])
{
    return grouped(value, is_whole(value) || value >= 100 ? 0 : 1, out);
}

/* "72 s", "86.4 s", "63 ms"; "-" for no wait at all. */
static const char *seconds(double value, char out[static CELL_MAX])
{
    char rest[CELL_MAX];
    if (value > 0 && value < 1)
        (void)snprintf(out, CELL_MAX, value < 0.001 ? "< 1 ms" : "%.0f ms", value * 1000);
    else
        (void)snprintf(out, CELL_MAX, "%s s", grouped(value, is_whole(value) ? 0 : 1, rest));
    return out;
}

/* A rate as the source prints capacities: one decimal; three below ten. */
static const char *per_s(double value, char out[static CELL_MAX])
{
    char rest[CELL_MAX];
    (void)snprintf(out, CELL_MAX, "%s/s", grouped(value, value >= 10 ? 1 : 3, rest));
    return out;
}

/* The rate that was asked for: no more digits than it has. */
static const char *wanted(const struct plan_report *r, char out[static CELL_MAX])
{
    (void)snprintf(out, CELL_MAX, "%.12g/s", plan_rate_per_s(r->input.rate));
    return out;
}

/* The rate of a row, with the digits that were given. */
static const char *row_rate(const struct plan_row *row, char out[static CELL_MAX])
{
    if (!row->given)
        return per_s(plan_rate_per_s(row->per_worker), out);
    (void)snprintf(out, CELL_MAX, "%.*f/s", row->decimal.decimals, plan_rate_per_s(row->per_worker));
    return out;
}

static void write_limit(const struct plan_report *r, struct strbuf *out)
{
    const struct plan_input *in = &r->input;
    char time[48];
    char cell[CELL_MAX];
    strbuf_appendf(out, "A worker of %" PRId64 " threads", in->threads);
    if (in->slots > 0)
        strbuf_appendf(out, " behind %" PRId64 " slots", in->slots);
    strbuf_appendf(out, " completes at most %" PRId64 " in %s: %s.\n",
                   in->slots > 0 && in->slots < in->threads ? in->slots : in->threads,
                   duration_format(in->service_time_ms, time), per_s(plan_rate_per_s(r->plan.limit), cell));
    if (in->slots > in->threads)
        strbuf_appendf(out, "Note: %" PRId64 " slots are more than %" PRId64 " threads can use.\n", in->slots,
                       in->threads);
}

static void write_notes(const struct plan_report *r, const struct plan_row *row, struct strbuf *out)
{
    char cell[CELL_MAX];
    const char *gap = "  ";
    if (row->exceeds_max) {
        strbuf_appendf(out, "%sexceeds max %" PRId64, gap, r->input.max_workers);
        gap = "; ";
    }
    if (row->limit == PLAN_LIMIT_ROUNDED)
        strbuf_appendf(out, "%sthe slot limit %s, rounded up", gap,
                       per_s(plan_rate_per_s(r->plan.limit), cell));
    if (row->limit == PLAN_LIMIT_ABOVE)
        strbuf_appendf(out, "%sexceeds its slot limit %s", gap, per_s(plan_rate_per_s(r->plan.limit), cell));
    if (row->limit == PLAN_LIMIT_ABOVE)
        strbuf_appendf(out, ": %" PRId64 " complete %s", row->workers,
                       per_s((double)row->workers * plan_rate_per_s(r->plan.limit), cell));
}

static void write_row(const struct plan_report *r, const struct plan_row *row, struct strbuf *out)
{
    char rate[CELL_MAX];
    char capacity[CELL_MAX];
    char cost[CELL_MAX];
    char cell[CELL_MAX];
    strbuf_appendf(out, "  %-12s %-8s %7" PRId64 " %11s %10s", row_rate(row, rate),
                   row->given ? "given" : "derived", row->workers, per_s(row->capacity_per_s, capacity),
                   dollars(row->cost_usd_per_month, cost));
    strbuf_appendf(out, " %8s", row->return_on_cost > 0 ? grouped(row->return_on_cost, 0, cell) : "-");
    write_notes(r, row, out);
    strbuf_append_char(out, '\n');
}

static void write_table(const struct plan_report *r, struct strbuf *out)
{
    char cell[CELL_MAX];
    strbuf_appendf(out, "\nWorkers for %s, at %s a worker and month%s%s\n", wanted(r, cell),
                   dollars(r->input.price_usd_per_worker_month, (char[CELL_MAX]){0}),
                   r->price_given ? "" : ", the price of a task by ",
                   r->price_given ? "" : PRICES_LAUNCH_NAMES[r->launch]);
    strbuf_appendf(out, "  %-12s %-8s %7s %11s %10s %8s\n", "per worker", "", "workers", "capacity",
                   "a month", "return");
    for (int i = 0; i < r->plan.row_count; i++)
        write_row(r, &r->plan.rows[i], out);
    write_row(r, &r->plan.derived, out);
}

static void write_returns(const struct plan_report *r, struct strbuf *out)
{
    char revenue[CELL_MAX];
    char price[CELL_MAX];
    char cost[CELL_MAX];
    char ratio[CELL_MAX];
    char rate[CELL_MAX];
    if (r->input.revenue_usd <= 0 || r->return_count == 0)
        return;
    strbuf_appendf(
        out,
        "\nReturn on cost, as the source computes it: revenue protected / cost of the fleet for a month\n");
    for (int i = 0; i < r->return_count; i++) {
        const struct plan_return *ret = &r->returns[i];
        if (ret->cost_usd_per_month <= 0)
            continue;
        strbuf_appendf(out, "  %s / (%" PRId64 " workers x %s = %s) = %s",
                       dollars(r->input.revenue_usd, revenue), ret->workers,
                       dollars(r->input.price_usd_per_worker_month, price),
                       dollars(ret->cost_usd_per_month, cost), grouped(ret->return_on_cost, 0, ratio));
        strbuf_appendf(out, "; %" PRId64 " complete %s", ret->workers, per_s(ret->true_capacity_per_s, rate));
        strbuf_appendf(out, "%s %s\n", ret->enough ? ", enough for" : ", too few for", wanted(r, rate));
    }
}

/* The derived row first, then the given ones. */
static const struct plan_row *row_at(const struct plan_report *r, int index)
{
    return index == 0 ? &r->plan.derived : &r->plan.rows[index - 1];
}

static bool same_rate(const struct plan_row *a, const struct plan_row *b)
{
    return a->true_per_worker.num == b->true_per_worker.num &&
           a->true_per_worker.den == b->true_per_worker.den;
}

/* Whether a row before this one has the same fleet within the limits: it is told once. */
static bool is_fleet_told(const struct plan_report *r, int index)
{
    for (int i = 0; i < index; i++)
        if (row_at(r, i)->fleet == row_at(r, index)->fleet && same_rate(row_at(r, i), row_at(r, index)))
            return true;
    return false;
}

static void write_sale_row(const struct plan_row *row, struct strbuf *out)
{
    char rate[CELL_MAX];
    char behind[CELL_MAX];
    char drained[CELL_MAX];
    char longest[CELL_MAX];
    char mean[CELL_MAX];
    strbuf_appendf(out, "  %7" PRId64 " %11s %12s %12s %13s %10s\n", row->fleet,
                   per_s(row->true_capacity_per_s, rate), count(row->sale.at_end, behind),
                   seconds(row->sale.drained_at_s, drained), seconds(row->sale.longest_wait_s, longest),
                   seconds(row->sale.mean_wait_s, mean));
}

static void write_sale(const struct plan_report *r, struct strbuf *out)
{
    const struct plan_input *in = &r->input;
    const struct plan_row *derived = &r->plan.derived;
    char rate[CELL_MAX];
    char cell[CELL_MAX];
    char time[48];
    strbuf_appendf(out,
                   "\nA sale of %s for %s, %s orders, on fleets within %" PRId64 " to %" PRId64 " workers\n",
                   wanted(r, rate), duration_format(in->sale_ms, time), count(r->plan.orders, cell),
                   in->min_workers, in->max_workers);
    strbuf_appendf(out, "  %7s %11s %12s %12s %13s %10s\n", "workers", "complete", "behind then",
                   "drained at", "longest wait", "mean wait");
    for (int i = 0; i <= r->plan.row_count; i++)
        if (!is_fleet_told(r, i))
            write_sale_row(row_at(r, i), out);
    if (derived->exceeds_max)
        strbuf_appendf(out, "  %" PRId64 " workers > max %" PRId64 ", which leaves %s: ", derived->workers,
                       in->max_workers, per_s(derived->true_capacity_per_s, rate));
    if (derived->exceeds_max)
        strbuf_appendf(out, "%s orders behind after %s, ", count(derived->sale.at_end, cell),
                       seconds((double)in->sale_ms / 1000.0, rate));
    if (derived->exceeds_max)
        strbuf_appendf(out, "drained at %s at best\n", seconds(derived->sale.drained_at_s, cell));
    if (in->start_time_ms > 0)
        strbuf_appendf(
            out, "  Assumed: %" PRId64 " workers at the start, all others ready together %s after it;\n",
            in->min_workers, duration_format(in->start_time_ms, time));
    else
        strbuf_append_str(out,
                          "  Assumed: the whole fleet ready at the start (--start-time sets another);\n");
    strbuf_append_str(out,
                      "  arrivals and service flow evenly, so that chance makes it worse, never better\n");
}

static void write_unstable(const struct plan_row *row, struct strbuf *out)
{
    char rate[CELL_MAX];
    if (!row->stable)
        strbuf_appendf(out, "  %" PRId64 " workers: none, they complete %s and the queue grows\n", row->fleet,
                       per_s(row->true_capacity_per_s, rate));
}

static void write_wait(const struct plan_row *row, struct strbuf *out)
{
    const struct plan_wait *wait = &row->wait;
    char each[CELL_MAX];
    char cell[CELL_MAX];
    strbuf_appendf(out, "  %" PRId64 " workers of %s: %.1f%% busy", wait->workers,
                   per_s(plan_rate_per_s(row->true_per_worker), each), wait->utilization * 100);
    if (wait->known)
        strbuf_appendf(out, ", %.1f%% of orders wait, %s in the mean of all\n", wait->wait_probability * 100,
                       seconds(wait->mean_wait_s, cell));
    else
        strbuf_appendf(out, "; no estimate above %d servers\n", QUEUEING_SERVERS_MAX);
}

/* Whether a row before this one tells the same wait. */
static bool is_wait_told(const struct plan_report *r, int index)
{
    const struct plan_row *row = row_at(r, index);
    for (int i = 0; i < index; i++) {
        const struct plan_row *other = row_at(r, i);
        if (other->wait.workers == row->wait.workers && same_rate(other, row))
            return true;
    }
    return false;
}

static void write_steady(const struct plan_report *r, struct strbuf *out)
{
    char cell[CELL_MAX];
    strbuf_appendf(out,
                   "\nSteady state at %s without end; waits by Erlang C and Allen-Cunneen (docs/plan.md)\n",
                   wanted(r, cell));
    for (int i = 0; i <= r->plan.row_count; i++)
        if (!is_fleet_told(r, i))
            write_unstable(row_at(r, i), out);
    for (int i = 0; i <= r->plan.row_count; i++)
        if (!is_wait_told(r, i))
            write_wait(row_at(r, i), out);
}

static void write_tasks(const struct plan_report *r, struct strbuf *out)
{
    char task[CELL_MAX];
    char idle[CELL_MAX];
    char most[CELL_MAX];
    char need[CELL_MAX];
    strbuf_appendf(out, "\nFargate tasks of %" PRId64 " CPU units and %" PRId64 " MiB for a month of %g h\n",
                   r->task_cpu_units, r->task_memory_mib, r->prices->hours_per_month);
    (void)snprintf(idle, sizeof idle, "%" PRId64 " idle (min)", r->input.min_workers);
    (void)snprintf(most, sizeof most, "%" PRId64 " (max)", r->input.max_workers);
    (void)snprintf(need, sizeof need, "%" PRId64 " (derived)", r->plan.derived.workers);
    strbuf_appendf(out, "  %-17s %9s %14s %13s %14s\n", "", "1", idle, most, need);
    for (int i = 0; i < PRICES_LAUNCH_COUNT; i++)
        strbuf_appendf(out, "  %-17s %9s %14s %13s %14s\n", PRICES_LAUNCH_NAMES[i],
                       dollars(r->task_usd_per_month[i], task),
                       dollars(r->task_usd_per_month[i] * (double)r->input.min_workers, idle),
                       dollars(r->task_usd_per_month[i] * (double)r->input.max_workers, most),
                       dollars(r->task_usd_per_month[i] * (double)r->plan.derived.workers, need));
    if (r->price_given && r->task_usd_per_month[r->launch] > 0)
        strbuf_appendf(out, "  The price given, %s, is %.0f%% of a %s task\n",
                       dollars(r->input.price_usd_per_worker_month, task),
                       100 * r->input.price_usd_per_worker_month / r->task_usd_per_month[r->launch],
                       PRICES_LAUNCH_NAMES[r->launch]);
}

static void write_requests(const struct plan_report *r, struct strbuf *out)
{
    char a[CELL_MAX];
    char b[CELL_MAX];
    char c[CELL_MAX];
    strbuf_appendf(out, "\nSQS requests in a month with %s messages\n",
                   count(r->traffic.messages_per_month, a));
    strbuf_appendf(out, "  %12s  receive and delete, %g for 1,000 messages\n",
                   count(r->requests.messages_calls, a), r->traffic.calls_per_thousand);
    strbuf_appendf(out, "  %12s  send, %g for 1,000 messages\n", count(r->requests.sends, a),
                   r->traffic.sends_per_thousand);
    strbuf_appendf(out, "  %12s  empty long polls of %g s by %g idle workers\n",
                   count(r->requests.idle_receives, a), r->traffic.wait_time_s, r->traffic.idle_workers);
    strbuf_appendf(out, "  %12s  depth polls by the supervisor, each %g s\n",
                   count(r->requests.depth_polls, a), r->traffic.depth_poll_s);
    strbuf_appendf(out, "  %12s  of which %s free: %s standard", count(r->requests.total, a),
                   count(fmin(r->requests.total, r->prices->sqs_free_requests_per_month), b),
                   dollars(r->sqs_standard_usd_per_month, c));
    strbuf_appendf(out, ", %s FIFO\n", dollars(r->sqs_fifo_usd_per_month, a));
    if (r->cloudwatch_metrics > 0)
        strbuf_appendf(out, "CloudWatch: %g metrics each %g s by GetMetricData: %s a month\n",
                       r->cloudwatch_metrics, r->cloudwatch_period_s,
                       dollars(r->cloudwatch_usd_per_month, a));
}

static void write_prices(const struct plan_report *r, struct strbuf *out)
{
    strbuf_appendf(out, "\nPrices of %s for %s%s%s", r->prices->as_of, r->prices->region,
                   r->prices_file != NULL ? ", from " : ", the program's table",
                   r->prices_file != NULL ? r->prices_file : "");
    if (r->overridden != NULL)
        strbuf_appendf(out, "; by --price: %s", r->overridden);
    strbuf_append_char(out, '\n');
    for (const struct price_source *s = PRICE_SOURCES; r->prices_file == NULL && s->prices != NULL; s++)
        strbuf_appendf(out, "  %s, %s, %s: %s\n", s->prices, s->as_of,
                       s->two_sources_agree ? "two sources agree" : "NOT verified", s->source);
}

void plan_report_write_text(const struct plan_report *r, struct strbuf *out)
{
    write_limit(r, out);
    write_table(r, out);
    write_returns(r, out);
    write_sale(r, out);
    write_steady(r, out);
    write_tasks(r, out);
    write_requests(r, out);
    write_prices(r, out);
}
