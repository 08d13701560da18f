/* sluice load: sends orders at a rate for a duration to any queue. Options and order of steps; the sending is
 * in load_sender.c. */
#include "supervisor/commands.h"

#include "aws/client.h"
#include "aws/endpoint.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/loop.h"
#include "supervisor/load_log.h"
#include "supervisor/load_report.h"
#include "supervisor/load_sender.h"
#include "supervisor/orders.h"

#include <errno.h>
#include <event2/event.h>
#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GROUPS_OF_FIFO = 100 };

struct load_options {
    char *queue_url;
    double rate;
    int64_t duration;
    int64_t count;
    double sns;
    double malformed;
    int64_t seed;
    int64_t max_attempts;
    int64_t groups;
    char *log;
    bool json;
    char *endpoint_url;
    char *region;
};

#define AT(field) offsetof(struct load_options, field)

static const struct option_row ROWS[] = {
    {"queue_url", OPTION_STRING, AT(queue_url), NULL, 0, 0, NULL, "URL",
     "the queue (default: SQS_QUEUE_URL)"},
    {"rate", OPTION_DOUBLE, AT(rate), "60", 0.001, 100000, NULL, "N", "orders per second"},
    {"duration", OPTION_DURATION, AT(duration), "60s", 1, 86400000, NULL, "TIME", "how long to send"},
    {"count", OPTION_INT, AT(count), "0", 0, ORDERS_COUNT_MAX, NULL, "N",
     "how many orders to send, instead of a duration (0: rate x duration)"},
    {"sns", OPTION_DOUBLE, AT(sns), "0", 0, 1, NULL, "SHARE", "share of orders wrapped as SNS notifications"},
    {"malformed", OPTION_DOUBLE, AT(malformed), "0", 0, 1, NULL, "SHARE", "share of malformed orders"},
    {"seed", OPTION_INT, AT(seed), "0", 0, 9e15, NULL, "N",
     "makes orders and their ids repeatable (0: random)"},
    {"max_attempts", OPTION_INT, AT(max_attempts), "8", 1, 100, NULL, "N", "attempts for each order"},
    {"groups", OPTION_INT, AT(groups), "0", 0, 1000000, NULL, "N",
     "message groups, in turns (0: 100 on a FIFO queue, none on another)"},
    {"log", OPTION_STRING, AT(log), NULL, 0, 0, NULL, "FILE",
     "append a JSON line for each acknowledged message"},
    {"json", OPTION_BOOL, AT(json), "false", 0, 0, NULL, NULL, "print the report as JSON"},
    {"endpoint_url", OPTION_STRING, AT(endpoint_url), NULL, 0, 0, NULL, "URL",
     "SQS endpoint (default: AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL, or that of the queue)"},
    {"region", OPTION_STRING, AT(region), NULL, 0, 0, NULL, "NAME",
     "AWS region, else the one in the queue's URL, else from the environment"},
    OPTION_END,
};

const struct command_spec CMD_LOAD_SPEC = {
    .name = "load",
    .summary = "Sends orders to a queue at a steady rate, AWS included. The schedule does not wait for "
               "answers; what\n"
               "SQS did not take is sent again. TERM and INT stop it cleanly, with a report.",
    .rows = ROWS,
    .details =
        "Each message carries its order's id in the attribute order_id. An order whose first sending has an\n"
        "unknown end is sent again and may be in the queue twice; the report counts these as resent. A\n"
        "FIFO queue takes it once: the order's id is the deduplication id. Batches are under way side by\n"
        "side, so neighbours in a group may change places before the queue has them.\n"
        "\n"
        "Exit codes: 0 all orders acknowledged, 1 some failed, 64 usage, 69 endpoint or queue not found,\n"
        "74 the log cannot be written, 77 credentials or permission, 78 configuration.\n",
};

struct load_command {
    struct load_options options;
    struct orders orders;
    struct event_base *base;
    struct aws_client *client;
    struct load_sender *sender;
    struct event *term_event, *int_event;
    int log_fd;
    int signals;
    bool is_fifo;
};

static void on_done(void *arg)
{
    struct load_command *c = arg;

    (void)event_base_loopbreak(c->base);
}

/* The first signal ends the schedule, the second gives up what is under way. */
static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct load_command *c = arg;

    (void)number;
    (void)what;
    if (c->signals++ == 0)
        load_sender_stop(c->sender);
    else
        load_sender_abort(c->sender);
}

static int prepare_orders(struct load_command *c)
{
    struct load_options *o = &c->options;
    struct aws_queue_url queue;
    struct err err = {.text = ""};
    double count = o->count > 0 ? (double)o->count : round(o->rate * (double)o->duration / 1000.0);

    const char *from_environment = getenv("SQS_QUEUE_URL");
    if (o->queue_url == NULL && from_environment != NULL && *from_environment != '\0')
        o->queue_url = xstrdup(from_environment);
    if (o->queue_url == NULL)
        return command_fail(CMD_LOAD_SPEC.name, EXIT_CODE_USAGE,
                            "no queue: give --queue-url or set SQS_QUEUE_URL");
    if (aws_queue_url_parse(o->queue_url, &queue, &err) != 0)
        return command_fail(CMD_LOAD_SPEC.name, EXIT_CODE_USAGE, "--queue-url: %s", err.text);
    if (o->region == NULL && queue.region[0] != '\0')
        o->region = xstrdup(queue.region); /* SQS takes no signature for another one */
    if (count < 1 || count > ORDERS_COUNT_MAX)
        return command_fail(CMD_LOAD_SPEC.name, EXIT_CODE_USAGE,
                            "--rate %g for --duration %g s makes %.0f orders: want 1 to %d", o->rate,
                            (double)o->duration / 1000.0, count, ORDERS_COUNT_MAX);
    size_t name_len = strlen(queue.name);
    c->is_fifo = name_len > 5 && strcmp(queue.name + name_len - 5, ".fifo") == 0;
    if (c->is_fifo && o->groups == 0)
        o->groups = GROUPS_OF_FIFO;
    if (o->seed == 0)
        o->seed = orders_random_seed();
    if (orders_init(&c->orders, (uint64_t)o->seed, (int64_t)count, o->sns, o->malformed, &err) != 0)
        return command_fail(CMD_LOAD_SPEC.name, EXIT_CODE_USAGE, "%s", err.text);
    return COMMAND_GO_ON;
}

static int prepare_client(struct load_command *c)
{
    struct aws_client_options options = {
        .base = c->base,
        .region = c->options.region,
        .endpoint_url = c->options.endpoint_url,
        .max_attempts = 1, /* see load_sender.h */
        .max_connections = LOAD_BATCHES_MAX,
    };
    struct err err = {.text = ""};
    struct strbuf endpoint = STRBUF_INIT;
    int exit_code = COMMAND_GO_ON;

    c->client = aws_client_new(&options, &err);
    if (c->client == NULL ||
        aws_client_endpoint(c->client, "sqs", c->options.queue_url, &endpoint, &err) != 0)
        exit_code = command_fail(CMD_LOAD_SPEC.name, EXIT_CODE_CONFIG, "%s", err.text);
    else if (clock_scale() > 1 && !aws_url_is_loopback(strbuf_str(&endpoint)))
        exit_code = command_fail(
            CMD_LOAD_SPEC.name, EXIT_CODE_CONFIG,
            "SLUICE_TIME_SCALE is %d, but the endpoint %s is not loopback: time can only be scaled"
            " against a local endpoint",
            clock_scale(), strbuf_str(&endpoint));
    strbuf_clean_up(&endpoint);
    return exit_code;
}

static int open_log(struct load_command *c)
{
    struct err err = {.text = ""};

    if (c->options.log == NULL)
        return COMMAND_GO_ON;
    c->log_fd = load_log_open(c->options.log, &err);
    return c->log_fd >= 0 ? COMMAND_GO_ON
                          : command_fail(CMD_LOAD_SPEC.name, EXIT_CODE_IO, "--log %s", err.text);
}

static void start_sending(struct load_command *c)
{
    struct load_sender_options options = {
        .base = c->base,
        .client = c->client,
        .queue_url = c->options.queue_url,
        .orders = &c->orders,
        .rate = c->options.rate,
        .max_attempts = (int)c->options.max_attempts,
        .groups = c->options.groups,
        .fifo = c->is_fifo,
        .log_fd = c->log_fd,
        .seed = (uint64_t)orders_random_seed(),
        .done = on_done,
        .arg = c,
    };

    c->sender = load_sender_new(&options);
    c->term_event = evsignal_new(c->base, SIGTERM, on_signal, c);
    c->int_event = evsignal_new(c->base, SIGINT, on_signal, c);
    (void)event_add(c->term_event, NULL);
    (void)event_add(c->int_event, NULL);
}

static int report(const struct load_command *c)
{
    struct load_report report = {
        .queue_url = c->options.queue_url, .orders = &c->orders, .rate_wanted = c->options.rate};
    struct strbuf text = STRBUF_INIT;

    load_sender_get_totals(c->sender, &report.totals);
    if (c->options.json)
        load_report_write_json(&report, &text);
    else
        load_report_write_text(&report, &text);
    int rc = fputs(strbuf_str(&text), stdout) < 0 || fflush(stdout) != 0;
    strbuf_clean_up(&text);
    return rc != 0 ? EXIT_CODE_IO : load_report_exit_code(&report);
}

static void command_clean_up(struct load_command *c)
{
    load_sender_destroy(c->sender);
    if (c->term_event != NULL)
        event_free(c->term_event);
    if (c->int_event != NULL)
        event_free(c->int_event);
    aws_client_destroy(c->client);
    if (c->base != NULL)
        event_base_free(c->base);
    if (c->log_fd >= 0)
        (void)close(c->log_fd);
    options_clean_up(ROWS, &c->options);
}

int cmd_load(int argc, char **argv)
{
    struct load_command c = {.log_fd = -1};
    int exit_code = command_parse(&CMD_LOAD_SPEC, &c.options, argc, argv, NULL, NULL);

    if (exit_code == COMMAND_GO_ON)
        exit_code = prepare_orders(&c);
    if (exit_code != COMMAND_GO_ON)
        goto done;
    c.base = loop_base_new();
    exit_code = prepare_client(&c);
    if (exit_code == COMMAND_GO_ON)
        exit_code = open_log(&c);
    if (exit_code != COMMAND_GO_ON)
        goto done;
    start_sending(&c);
    (void)event_base_dispatch(c.base);
    exit_code = report(&c);
done:
    command_clean_up(&c);
    return exit_code;
}
