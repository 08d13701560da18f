/* The price table and the arithmetic on it; see prices.h. */
#include "policies/prices.h"

#include "base/alloc.h"
#include "base/options_json.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct prices, field)
/* A price above these is a typing error. */
#define PRICE(name, usd, help)                                                                               \
    {                                                                                                        \
#name, OPTION_DOUBLE, AT(name), usd, 0, 100, NULL, "USD", help                                       \
    }

const struct option_row PRICES_ROWS[] = {
    {"as_of", OPTION_STRING, AT(as_of), "2026-06-13", 0, 0, NULL, "DATE", "date of the prices, YYYY-MM-DD"},
    {"region", OPTION_STRING, AT(region), "us-east-1 and us-west-2", 0, 0, NULL, "NAME",
     "region or regions the prices are for"},
    {"hours_per_month", OPTION_DOUBLE, AT(hours_per_month), "730", 1, 744, NULL, "N", "hours of a month"},
    PRICE(fargate_x86_vcpu_hour_usd, "0.04048", "a vCPU for an hour, Linux on x86"),
    PRICE(fargate_x86_gb_hour_usd, "0.004445", "a GB of memory for an hour, Linux on x86"),
    PRICE(fargate_arm_vcpu_hour_usd, "0.03238", "a vCPU for an hour, Linux on ARM"),
    PRICE(fargate_arm_gb_hour_usd, "0.00356", "a GB of memory for an hour, Linux on ARM"),
    PRICE(fargate_x86_spot_vcpu_hour_usd, "0.01334053", "a vCPU for an hour, Spot on x86"),
    PRICE(fargate_x86_spot_gb_hour_usd, "0.00146489", "a GB of memory for an hour, Spot on x86"),
    PRICE(fargate_arm_spot_vcpu_hour_usd, "0.01067", "a vCPU for an hour, Spot on ARM"),
    PRICE(fargate_arm_spot_gb_hour_usd, "0.00117", "a GB of memory for an hour, Spot on ARM"),
    PRICE(sqs_standard_million_usd, "0.40", "a million requests to a standard queue"),
    PRICE(sqs_fifo_million_usd, "0.50", "a million requests to a FIFO queue"),
    {"sqs_free_requests_per_month", OPTION_DOUBLE, AT(sqs_free_requests_per_month), "1000000", 0, 1e12, NULL,
     "N", "requests of an account that cost nothing each month"},
    PRICE(cloudwatch_thousand_metrics_usd, "0.01", "a thousand metrics asked for by GetMetricData"),
    OPTION_END,
};

const struct price_source PRICE_SOURCES[] = {
    {"fargate_x86_*, fargate_arm_* (on demand)", "2026-06",
     "aws.amazon.com/fargate/pricing as repeated by fortem.dev/fargate-spot and "
     "vantage.sh/blog/fargate-pricing",
     true},
    {"fargate_x86_spot_*", "2019-12",
     "one observation, tomgregory.com (67% off). AWS moves Spot prices; 50% to 70% off is usual", false},
    {"fargate_arm_spot_*", "2026-06", "estimate: the ARM price less the 67% of x86 Spot", false},
    {"sqs_*", "2026-06-13",
     "aws.amazon.com/sqs/pricing as repeated by factualminds.com and cloudburn.io (first 100 thousand "
     "million "
     "requests)",
     true},
    {"cloudwatch_thousand_metrics_usd", "2026-06",
     "aws.amazon.com/cloudwatch/pricing as repeated by support.site24x7.com, undated", false},
    {NULL, NULL, NULL, false},
};

const char *const PRICES_LAUNCH_NAMES[] = {"fargate_x86", "fargate_arm", "fargate_x86_spot",
                                           "fargate_arm_spot", NULL};

static bool all_digits(const char *text, size_t len)
{
    return strspn(text, "0123456789") >= len;
}

bool prices_is_date(const char *text)
{
    static const int DAYS[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (strlen(text) != 10 || text[4] != '-' || text[7] != '-' || !all_digits(text, 4) ||
        !all_digits(text + 5, 2) || !all_digits(text + 8, 2))
        return false;
    long year = strtol(text, NULL, 10);
    long month = strtol(text + 5, NULL, 10);
    long day = strtol(text + 8, NULL, 10);
    if (month < 1 || month > 12 || day < 1 || day > DAYS[month - 1])
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month != 2 || day < 29 || leap;
}

static int check_date(const struct prices *prices, struct err *err)
{
    if (prices_is_date(prices->as_of))
        return 0;
    return err_set(err, "as_of: \"%.40s\": want a date as YYYY-MM-DD", prices->as_of);
}

int prices_set_json(struct prices *prices, const json_t *object, struct err *err)
{
    if (options_set_json(PRICES_ROWS, prices, object, "", NULL, err) != 0)
        return -1;
    if (json_object_get(object, "as_of") == NULL)
        return err_set(err, "as_of: missing: want the date of the prices as YYYY-MM-DD");
    return check_date(prices, err);
}

static int set_pair(struct prices *prices, const char *pair, struct err *err)
{
    const char *equals = strchr(pair, '=');
    if (equals == NULL)
        return err_set(err, "\"%.80s\": want NAME=VALUE", pair);
    char *name = xstrndup(pair, (size_t)(equals - pair));
    const struct option_row *row = options_find(PRICES_ROWS, name);
    int rc = row != NULL ? options_set_text(row, prices, equals + 1, err)
                         : err_set(err, "\"%.80s\": no such price; sluice plan --json lists them", name);
    free(name);
    return rc != 0 ? rc : check_date(prices, err);
}

int prices_set_list(struct prices *prices, const char *list, struct err *err)
{
    for (;;) {
        size_t len = strcspn(list, ",");
        char *pair = xstrndup(list, len);
        int rc = set_pair(prices, pair, err);
        free(pair);
        if (rc != 0 || list[len] == '\0')
            return rc;
        list += len + 1;
    }
}

double prices_task_month_usd(const struct prices *prices, enum prices_launch launch, int64_t cpu_units,
                             int64_t memory_mib)
{
    const struct {
        double vcpu, gb;
    } HOUR[PRICES_LAUNCH_COUNT] = {
        [PRICES_FARGATE_X86] = {prices->fargate_x86_vcpu_hour_usd, prices->fargate_x86_gb_hour_usd},
        [PRICES_FARGATE_ARM] = {prices->fargate_arm_vcpu_hour_usd, prices->fargate_arm_gb_hour_usd},
        [PRICES_FARGATE_X86_SPOT] = {prices->fargate_x86_spot_vcpu_hour_usd,
                                     prices->fargate_x86_spot_gb_hour_usd},
        [PRICES_FARGATE_ARM_SPOT] = {prices->fargate_arm_spot_vcpu_hour_usd,
                                     prices->fargate_arm_spot_gb_hour_usd},
    };
    return prices->hours_per_month *
           ((double)cpu_units / 1024.0 * HOUR[launch].vcpu + (double)memory_mib / 1024.0 * HOUR[launch].gb);
}

int prices_check_task_size(int64_t cpu_units, int64_t memory_mib, struct err *err)
{
    static const struct {
        int64_t cpu, low, high, step; /* memory in MiB */
    } SIZES[] = {{256, 512, 2048, 0},         {512, 1024, 4096, 1024},   {1024, 2048, 8192, 1024},
                 {2048, 4096, 16384, 1024},   {4096, 8192, 30720, 1024}, {8192, 16384, 61440, 4096},
                 {16384, 32768, 122880, 8192}};
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        if (SIZES[i].cpu != cpu_units)
            continue;
        if (SIZES[i].step == 0)
            return memory_mib == 512 || memory_mib == 1024 || memory_mib == 2048
                       ? 0
                       : err_set(err,
                                 "--task-memory %" PRId64 ": want 512, 1024 or 2048 MiB for --task-cpu 256",
                                 memory_mib);
        if (memory_mib >= SIZES[i].low && memory_mib <= SIZES[i].high && memory_mib % SIZES[i].step == 0)
            return 0;
        return err_set(err,
                       "--task-memory %" PRId64 ": want %" PRId64 " to %" PRId64 " MiB in steps of %" PRId64
                       " for --task-cpu %" PRId64,
                       memory_mib, SIZES[i].low, SIZES[i].high, SIZES[i].step, cpu_units);
    }
    return err_set(err, "--task-cpu %" PRId64 ": want 256, 512, 1024, 2048, 4096, 8192 or 16384 CPU units",
                   cpu_units);
}

struct prices_requests prices_requests_per_month(const struct prices *prices,
                                                 const struct prices_traffic *traffic)
{
    double month_s = prices->hours_per_month * 3600.0;
    struct prices_requests r = {
        .messages_calls = traffic->messages_per_month * traffic->calls_per_thousand / 1000.0,
        .sends = traffic->messages_per_month * traffic->sends_per_thousand / 1000.0,
        .idle_receives = traffic->idle_workers * traffic->idle_polls * month_s / traffic->wait_time_s,
        .depth_polls = traffic->depth_poll_s > 0 ? month_s / traffic->depth_poll_s : 0,
    };
    r.total = r.messages_calls + r.sends + r.idle_receives + r.depth_polls;
    return r;
}

double prices_sqs_month_usd(const struct prices *prices, bool fifo, double requests)
{
    double paid = requests - prices->sqs_free_requests_per_month;
    double million = fifo ? prices->sqs_fifo_million_usd : prices->sqs_standard_million_usd;
    return paid > 0 ? paid / 1e6 * million : 0;
}

static double minute_month_usd(const struct prices *prices, bool fifo)
{
    double million = fifo ? prices->sqs_fifo_million_usd : prices->sqs_standard_million_usd;
    return prices->hours_per_month * 60 * million / 1e6;
}

double prices_sqs_rate_month_usd(const struct prices *prices, bool fifo, double calls_per_min)
{
    return calls_per_min * minute_month_usd(prices, fifo);
}

double prices_sqs_month_rate(const struct prices *prices, bool fifo, double usd_per_month)
{
    return usd_per_month / minute_month_usd(prices, fifo);
}

double prices_cloudwatch_month_usd(const struct prices *prices, double metrics, double period_s)
{
    return metrics * prices->hours_per_month * 3600.0 / period_s / 1000.0 *
           prices->cloudwatch_thousand_metrics_usd;
}
