/* sluice plan: how many workers a rate needs, what they cost, and what a sale does to them. Options and their
 * checks; the arithmetic is in policies/plan.c and policies/prices.c, the words in plan_text.c and
 * plan_json.c. */
#include "supervisor/commands.h"

#include "base/exitcode.h"
#include "base/file.h"
#include "supervisor/plan_report.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { PRICES_FILE_MAX_BYTES = 65536 };

struct plan_options {
    char *rate;
    char *per_worker;
    int64_t slots;
    int64_t service_time;
    int64_t threads;
    int64_t min;
    int64_t max;
    int64_t sale;
    int64_t start_time;
    double arrival_cv2;
    double service_cv2;
    double price_per_worker;
    double revenue;
    char *return_workers;
    int launch;
    int64_t task_cpu;
    int64_t task_memory;
    double messages;
    double calls_per_thousand;
    double sends_per_thousand;
    int64_t wait_time;
    double idle_polls;
    int64_t poll;
    double cloudwatch_metrics;
    int64_t cloudwatch_period;
    char *prices;
    char *price;
    bool json;
};

#define AT(field) offsetof(struct plan_options, field)

static const struct option_row ROWS[] = {
    {"rate", OPTION_STRING, AT(rate), "60", 0, 0, NULL, "N",
     "orders per second, above 0, at most six digits behind the point"},
    {"per_worker", OPTION_STRING, AT(per_worker), NULL, 0, 0, NULL, "N,...",
     "orders per second that one worker is said to complete, up to 16 candidates"},
    {"slots", OPTION_INT, AT(slots), "5", 0, PLAN_COUNT_MAX, NULL, "N",
     "orders a worker may handle at once, 0 for as many as threads"},
    {"service_time", OPTION_DURATION, AT(service_time), "3s", 1, PLAN_SERVICE_MAX_MS, NULL, "TIME",
     "time a slot takes for an order"},
    {"threads", OPTION_INT, AT(threads), "100", 1, PLAN_COUNT_MAX, NULL, "N", "handler threads of a worker"},
    {"min", OPTION_INT, AT(min), "2", 0, PLAN_COUNT_MAX, NULL, "N", "fewest workers"},
    {"max", OPTION_INT, AT(max), "30", 1, PLAN_COUNT_MAX, NULL, "N", "most workers"},
    {"sale", OPTION_DURATION, AT(sale), "60s", 1, 31.0 * 86400000, NULL, "TIME", "how long the rate lasts"},
    {"start_time", OPTION_DURATION, AT(start_time), "0", 0, 86400000, NULL, "TIME",
     "from the sale's begin until the workers beyond min are ready"},
    {"arrival_cv2", OPTION_DOUBLE, AT(arrival_cv2), "1", 0, 1000, NULL, "N",
     "squared coefficient of variation of the time between orders, 1 for chance, 0 for a clock"},
    {"service_cv2", OPTION_DOUBLE, AT(service_cv2), "0", 0, 1000, NULL, "N", "the same of the service time"},
    {"price_per_worker", OPTION_DOUBLE, AT(price_per_worker), "0", 0, 1000000, NULL, "USD",
     "a worker's price for a month, 0 for that of a task by --launch"},
    {"revenue", OPTION_DOUBLE, AT(revenue), "525000", 0, 1e12, NULL, "USD",
     "revenue that the fleet protects, 0 to leave it out"},
    {"return_workers", OPTION_STRING, AT(return_workers), "24,25", 0, 0, NULL, "N,...",
     "further fleets to compute the return on cost for"},
    {"launch", OPTION_ENUM, AT(launch), "fargate_x86", 0, 0, PRICES_LAUNCH_NAMES, "TYPE",
     "where a worker runs, for its price"},
    {"task_cpu", OPTION_INT, AT(task_cpu), "256", 256, 16384, NULL, "UNITS", "CPU units of a task"},
    {"task_memory", OPTION_INT, AT(task_memory), "512", 512, 122880, NULL, "MIB", "memory of a task"},
    {"messages_per_month", OPTION_DOUBLE, AT(messages), "0", 0, 1e12, NULL, "N",
     "messages in a month, 0 for one sale"},
    {"calls_per_thousand", OPTION_DOUBLE, AT(calls_per_thousand), "200", 0, 10000, NULL, "N",
     "receive and delete requests for 1,000 messages"},
    {"sends_per_thousand", OPTION_DOUBLE, AT(sends_per_thousand), "1000", 0, 10000, NULL, "N",
     "send requests for 1,000 messages"},
    {"wait_time", OPTION_DURATION, AT(wait_time), "20s", 1000, 20000, NULL, "TIME",
     "long poll of an idle worker"},
    {"idle_polls", OPTION_DOUBLE, AT(idle_polls), "1", 0, 1000, NULL, "N",
     "long polls that an idle worker keeps open"},
    {"poll", OPTION_DURATION, AT(poll), "5s", 0, 86400000, NULL, "TIME",
     "interval of the supervisor's depth polls, 0 for none"},
    {"cloudwatch_metrics", OPTION_DOUBLE, AT(cloudwatch_metrics), "0", 0, 1e6, NULL, "N",
     "metrics asked for by GetMetricData each time"},
    {"cloudwatch_period", OPTION_DURATION, AT(cloudwatch_period), "60s", 1000, 86400000, NULL, "TIME",
     "interval of these"},
    {"prices", OPTION_STRING, AT(prices), NULL, 0, 0, NULL, "FILE",
     "prices as a JSON object, such as .prices of the --json output"},
    {"price", OPTION_STRING, AT(price), NULL, 0, 0, NULL, "NAME=USD,...",
     "single prices, over those of table or file"},
    {"json", OPTION_BOOL, AT(json), "false", 0, 0, NULL, NULL, "print the plan as JSON"},
    OPTION_END,
};

const struct command_spec CMD_PLAN_SPEC = {
    .name = "plan",
    .summary = "Computes workers, cost, backlog and waits for a rate of orders. What one worker completes "
               "follows from\n"
               "slots and service time; rates that were measured or claimed can be put beside it. The "
               "defaults are the\n"
               "flash sale that the project is taken from.",
    .rows = ROWS,
    .details = "Example: sluice plan --rate 60 --per-worker 1.67,1.83,2.48 --price-per-worker 5\n"
               "\n"
               "Exit codes: 0 printed, also when more workers are needed than max allows; 64 usage, 65 bad "
               "prices in\n"
               "the file, 74 the file cannot be read or the plan not be written.\n",
};

static int refuse(const char *option, const char *value, const char *want)
{
    return command_fail(CMD_PLAN_SPEC.name, EXIT_CODE_USAGE, "--%s %.100s: want %s (see sluice plan --help)",
                        option, value, want);
}

static int read_rates(const struct plan_options *o, struct plan_input *input)
{
    static const char WANT[] = "a number above 0, to 1000000, with at most 6 digits behind the point";
    struct plan_decimal rate;
    if (plan_decimal_parse(o->rate, strlen(o->rate), &rate) != 0)
        return refuse("rate", o->rate, WANT);
    input->rate = plan_rate_of_decimal(rate);
    for (const char *at = o->per_worker; at != NULL;) {
        size_t len = strcspn(at, ",");
        if (input->given_count == PLAN_ROWS_MAX)
            return refuse("per-worker", o->per_worker, "at most 16 rates");
        if (plan_decimal_parse(at, len, &input->given[input->given_count++]) != 0)
            return refuse(
                "per-worker", o->per_worker,
                "numbers with commas between, each above 0, to 1000000, with at most 6 digits behind "
                "the point");
        at = at[len] == ',' ? at + len + 1 : NULL;
    }
    return COMMAND_GO_ON;
}

static int read_return_workers(const struct plan_options *o, struct plan_report *report)
{
    for (const char *at = o->return_workers; *at != '\0';) {
        size_t len = strcspn(at, ",");
        struct plan_decimal workers;
        if (report->return_count == PLAN_ROWS_MAX || plan_decimal_parse(at, len, &workers) != 0 ||
            workers.decimals != 0 || workers.millionths > (int64_t)PLAN_COUNT_MAX * PLAN_MICRO)
            return refuse("return-workers", o->return_workers,
                          "at most 16 whole numbers from 1 to 10000 with commas between");
        report->returns[report->return_count++].workers = workers.millionths / PLAN_MICRO;
        at += len;
        if (at[0] == ',' && *++at == '\0')
            return refuse("return-workers", o->return_workers, "a number after the comma");
    }
    return COMMAND_GO_ON;
}

static int check_options(const struct plan_options *o)
{
    struct err err = {.text = ""};
    char value[32];
    char want[64];
    if (o->min > o->max) {
        (void)snprintf(value, sizeof value, "%" PRId64, o->min);
        (void)snprintf(want, sizeof want, "at most --max %" PRId64, o->max);
        return refuse("min", value, want);
    }
    if (prices_check_task_size(o->task_cpu, o->task_memory, &err) != 0)
        return command_fail(CMD_PLAN_SPEC.name, EXIT_CODE_USAGE, "%s (see sluice plan --help)", err.text);
    return COMMAND_GO_ON;
}

static int read_prices_file(const char *path, struct prices *prices)
{
    struct err err = {.text = ""};
    struct strbuf text = STRBUF_INIT;
    json_error_t json_err;
    int exit_code = COMMAND_GO_ON;
    if (file_read(path, PRICES_FILE_MAX_BYTES, &text, &err) != 0) {
        strbuf_clean_up(&text);
        return command_fail(CMD_PLAN_SPEC.name, EXIT_CODE_IO, "--prices %s", err.text);
    }
    json_t *object = json_loadb(strbuf_str(&text), text.len, JSON_REJECT_DUPLICATES, &json_err);
    if (object == NULL)
        exit_code = command_fail(CMD_PLAN_SPEC.name, EXIT_CODE_DATA, "--prices %s: line %d: %s", path,
                                 json_err.line, json_err.text);
    else if (prices_set_json(prices, object, &err) != 0)
        exit_code = command_fail(CMD_PLAN_SPEC.name, EXIT_CODE_DATA, "--prices %s: %s", path, err.text);
    json_decref(object);
    strbuf_clean_up(&text);
    return exit_code;
}

static int read_prices(const struct plan_options *o, struct prices *prices)
{
    struct err err = {.text = ""};
    int exit_code = COMMAND_GO_ON;
    options_set_defaults(PRICES_ROWS, prices);
    if (o->prices != NULL)
        exit_code = read_prices_file(o->prices, prices);
    if (exit_code == COMMAND_GO_ON && o->price != NULL && prices_set_list(prices, o->price, &err) != 0)
        exit_code = command_fail(CMD_PLAN_SPEC.name, EXIT_CODE_USAGE, "--price %s", err.text);
    return exit_code;
}

static void fill(const struct plan_options *o, const struct prices *prices, struct plan_report *report)
{
    struct plan_input *input = &report->input;
    input->slots = o->slots;
    input->threads = o->threads;
    input->service_time_ms = o->service_time;
    input->min_workers = o->min;
    input->max_workers = o->max;
    input->sale_ms = o->sale;
    input->start_time_ms = o->start_time;
    input->arrival_cv2 = o->arrival_cv2;
    input->service_cv2 = o->service_cv2;
    input->price_usd_per_worker_month = o->price_per_worker;
    input->revenue_usd = o->revenue;
    report->price_given = o->price_per_worker > 0;
    report->launch = (enum prices_launch)o->launch;
    report->task_cpu_units = o->task_cpu;
    report->task_memory_mib = o->task_memory;
    report->prices = prices;
    report->prices_file = o->prices;
    report->overridden = o->price;
    report->traffic = (struct prices_traffic){
        .messages_per_month = o->messages,
        .calls_per_thousand = o->calls_per_thousand,
        .sends_per_thousand = o->sends_per_thousand,
        .idle_polls = o->idle_polls,
        .wait_time_s = (double)o->wait_time / 1000.0,
        .depth_poll_s = (double)o->poll / 1000.0,
    };
    report->cloudwatch_metrics = o->cloudwatch_metrics;
    report->cloudwatch_period_s = (double)o->cloudwatch_period / 1000.0;
    plan_report_fill(report);
}

static int print(const struct plan_report *report, bool json)
{
    struct strbuf text = STRBUF_INIT;
    if (json)
        plan_report_write_json(report, &text);
    else
        plan_report_write_text(report, &text);
    int rc = fputs(strbuf_str(&text), stdout) < 0 || fflush(stdout) != 0;
    strbuf_clean_up(&text);
    return rc != 0 ? command_fail(CMD_PLAN_SPEC.name, EXIT_CODE_IO, "standard output cannot be written")
                   : EXIT_CODE_OK;
}

int cmd_plan(int argc, char **argv)
{
    struct plan_options options = {0};
    struct prices prices = {0};
    struct plan_report report = {0};
    int exit_code = command_parse(&CMD_PLAN_SPEC, &options, argc, argv, NULL, NULL);
    if (exit_code == COMMAND_GO_ON)
        exit_code = check_options(&options);
    if (exit_code == COMMAND_GO_ON)
        exit_code = read_rates(&options, &report.input);
    if (exit_code == COMMAND_GO_ON)
        exit_code = read_return_workers(&options, &report);
    if (exit_code == COMMAND_GO_ON)
        exit_code = read_prices(&options, &prices);
    if (exit_code == COMMAND_GO_ON) {
        fill(&options, &prices, &report);
        exit_code = print(&report, options.json);
    }
    options_clean_up(PRICES_ROWS, &prices);
    options_clean_up(ROWS, &options);
    return exit_code;
}
