/* Capacity and cost arithmetic; see plan.h. */
#include "policies/plan.h"

/* Products of two fractions' terms: up to 1e12 x 4.4e7 x 1e4. */
__extension__ typedef __int128 wide;

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static struct plan_rate lowest_terms(int64_t num, int64_t den)
{
    int64_t divisor = common_divisor(num, den);
    return (struct plan_rate){.num = num / divisor, .den = den / divisor};
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int plan_decimal_parse(const char *text, size_t len, struct plan_decimal *ret)
{
    const int64_t most = (int64_t)PLAN_RATE_MAX * PLAN_MICRO;
    int64_t value = 0;
    int decimals = -1; /* no point seen */
    size_t digits = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (!is_digit(text[i]) || value > most || decimals == PLAN_DECIMALS_MAX)
            return -1;
        value = value * 10 + (text[i] - '0');
        digits++;
        if (decimals >= 0)
            decimals++;
    }
    if (digits == 0 || decimals == 0)
        return -1;
    decimals = decimals < 0 ? 0 : decimals;
    for (int i = decimals; i < PLAN_DECIMALS_MAX && value <= most; i++)
        value *= 10;
    if (value < 1 || value > most)
        return -1;
    *ret = (struct plan_decimal){.millionths = value, .decimals = decimals};
    return 0;
}

struct plan_rate plan_rate_of_decimal(struct plan_decimal decimal)
{
    return lowest_terms(decimal.millionths, PLAN_MICRO);
}

static int64_t servers_of_worker(int64_t slots, int64_t threads)
{
    return slots > 0 && slots < threads ? slots : threads;
}

struct plan_rate plan_rate_of_slots(int64_t slots, int64_t threads, int64_t service_time_ms)
{
    return lowest_terms(servers_of_worker(slots, threads) * 1000, service_time_ms);
}

double plan_rate_per_s(struct plan_rate rate)
{
    return (double)rate.num / (double)rate.den;
}

int64_t plan_workers(struct plan_rate rate, struct plan_rate per_worker)
{
    wide need = (wide)rate.num * per_worker.den;
    wide each = (wide)rate.den * per_worker.num;
    return (int64_t)((need + each - 1) / each);
}

int plan_compare_capacity(int64_t workers, struct plan_rate per_worker, struct plan_rate rate)
{
    wide have = (wide)workers * per_worker.num * rate.den;
    wide need = (wide)rate.num * per_worker.den;
    return have < need ? -1 : have > need;
}

enum plan_limit plan_limit_of(struct plan_decimal given, struct plan_rate limit)
{
    wide have = (wide)given.millionths * limit.den;
    wide most = (wide)limit.num * PLAN_MICRO;
    int64_t unit = PLAN_MICRO; /* of the last digit given, in millionths */
    if (have <= most)
        return have == most ? PLAN_LIMIT_EXACT : PLAN_LIMIT_BELOW;
    for (int i = 0; i < given.decimals; i++)
        unit /= 10;
    return 2 * (have - most) <= (wide)unit * limit.den ? PLAN_LIMIT_ROUNDED : PLAN_LIMIT_ABOVE;
}

static double capacity_per_s(int64_t workers, struct plan_rate per_worker)
{
    return (double)workers * (double)per_worker.num / (double)per_worker.den;
}

static struct plan_wait work_out_wait(const struct plan_input *input, int64_t workers,
                                      struct plan_rate per_worker)
{
    int64_t each = servers_of_worker(input->slots, input->threads);
    /* A worker that is slower than its slots allow takes longer for each. */
    double service_time_s = (double)each / plan_rate_per_s(per_worker);
    double rate = plan_rate_per_s(input->rate);
    struct plan_wait wait = {.workers = workers, .utilization = rate / capacity_per_s(workers, per_worker)};
    if (workers > QUEUEING_SERVERS_MAX / each)
        return wait;
    wait.known = true;
    wait.servers = workers * each;
    wait.wait_probability = queueing_erlang_c(wait.servers, rate * service_time_s);
    wait.mean_wait_s =
        queueing_mean_wait_s(wait.servers, rate, service_time_s, input->arrival_cv2, input->service_cv2);
    return wait;
}

static struct queueing_backlog work_out_sale(const struct plan_input *input, const struct plan_row *row)
{
    int64_t first = input->min_workers < row->fleet ? input->min_workers : row->fleet;
    struct queueing_burst burst = {
        .arrival_per_s = plan_rate_per_s(input->rate),
        .length_s = (double)input->sale_ms / 1000.0,
        .first_capacity_per_s = capacity_per_s(first, row->true_per_worker),
        .capacity_per_s = row->true_capacity_per_s,
        .step_at_s = (double)input->start_time_ms / 1000.0,
    };
    return queueing_drain_burst(&burst);
}

/* What a fleet within the limits really does. */
static void work_out_truth(const struct plan_input *input, struct plan_rate limit, struct plan_row *row)
{
    bool impossible = row->limit == PLAN_LIMIT_ROUNDED || row->limit == PLAN_LIMIT_ABOVE;
    row->true_per_worker = impossible ? limit : row->per_worker;
    row->fleet = row->workers > input->max_workers ? input->max_workers : row->workers;
    if (row->fleet < input->min_workers)
        row->fleet = input->min_workers;
    row->true_capacity_per_s = capacity_per_s(row->fleet, row->true_per_worker);
    row->sale = work_out_sale(input, row);
    row->stable = plan_compare_capacity(row->fleet, row->true_per_worker, input->rate) > 0;
    int64_t enough = plan_workers(input->rate, row->true_per_worker);
    if (plan_compare_capacity(enough, row->true_per_worker, input->rate) == 0)
        enough++;
    row->wait = work_out_wait(input, row->stable ? row->fleet : enough, row->true_per_worker);
}

static void work_out_row(const struct plan_input *input, struct plan_rate limit, struct plan_row *row)
{
    row->workers = plan_workers(input->rate, row->per_worker);
    row->capacity_per_s = capacity_per_s(row->workers, row->per_worker);
    row->exceeds_max = row->workers > input->max_workers;
    row->cost_usd_per_month = (double)row->workers * input->price_usd_per_worker_month;
    if (row->cost_usd_per_month > 0)
        row->return_on_cost = input->revenue_usd / row->cost_usd_per_month;
    work_out_truth(input, limit, row);
}

struct plan plan_work_out(const struct plan_input *input)
{
    struct plan plan = {
        .limit = plan_rate_of_slots(input->slots, input->threads, input->service_time_ms),
        .row_count = input->given_count,
        .orders = plan_rate_per_s(input->rate) * (double)input->sale_ms / 1000.0,
    };
    for (int i = 0; i < input->given_count; i++) {
        struct plan_row *row = &plan.rows[i];
        row->given = true;
        row->decimal = input->given[i];
        row->per_worker = plan_rate_of_decimal(input->given[i]);
        row->limit = plan_limit_of(input->given[i], plan.limit);
        work_out_row(input, plan.limit, row);
    }
    plan.derived.per_worker = plan.limit;
    plan.derived.limit = PLAN_LIMIT_EXACT;
    work_out_row(input, plan.limit, &plan.derived);
    return plan;
}
