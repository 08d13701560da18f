/* sluice measure-naive: the process that `sluice measure --naive` measures. Internal: in no list of commands,
 * its options may change. The consumer itself is in measure_naive.c. */
#include "supervisor/commands.h"

#include "aws/client.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/loop.h"
#include "supervisor/measure_naive.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CONNECTIONS_FOR_DELETES = 32 };

struct naive_command_options {
    char *queue_url;
    int64_t pollers;
    int64_t per_poller;
    int64_t payment_slots;
    int64_t payment_time;
    char *ledger;
};

#define AT(field) offsetof(struct naive_command_options, field)

static const struct option_row ROWS[] = {
    {"queue_url", OPTION_STRING, AT(queue_url), NULL, 0, 0, NULL, "URL", "the queue, on loopback"},
    {"pollers", OPTION_INT, AT(pollers), "100", 1, 10000, NULL, "N", "polls at once"},
    {"per_poller", OPTION_INT, AT(per_poller), "10", 1, 10, NULL, "N",
     "messages that a poller starts at once"},
    {"payment_slots", OPTION_INT, AT(payment_slots), "5", 1, 10000, NULL, "N", "payments at once"},
    {"payment_time", OPTION_DURATION, AT(payment_time), "3s", 1, 43200000, NULL, "TIME", "of one payment"},
    {"ledger", OPTION_STRING, AT(ledger), NULL, 0, 0, NULL, "FILE", "append a line for every payment made"},
    OPTION_END,
};

const struct command_spec CMD_MEASURE_NAIVE_SPEC = {
    .name = "measure-naive",
    .summary = "The consumer that sluice measure --naive measures; for its own use.",
    .rows = ROWS,
};

struct naive_command {
    struct naive_command_options options;
    struct event_base *base;
    struct aws_client *client;
    struct naive *naive;
    int ledger_fd;
    bool stopping;
};

static void on_stopped(void *arg)
{
    struct naive_command *c = arg;

    (void)event_base_loopbreak(c->base);
}

static void on_term(evutil_socket_t number, short what, void *arg)
{
    struct naive_command *c = arg;

    (void)number;
    (void)what;
    if (!c->stopping)
        naive_stop(c->naive);
    c->stopping = true;
}

static int prepare(struct naive_command *c)
{
    const struct naive_command_options *o = &c->options;
    struct err err = {.text = ""};

    if (o->queue_url == NULL || o->ledger == NULL)
        return command_fail(CMD_MEASURE_NAIVE_SPEC.name, EXIT_CODE_USAGE,
                            "--queue-url and --ledger are needed");
    if (!aws_url_is_loopback(o->queue_url))
        return command_fail(CMD_MEASURE_NAIVE_SPEC.name, EXIT_CODE_USAGE,
                            "--queue-url %s: want one on loopback", o->queue_url);
    c->ledger_fd = open(o->ledger, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (c->ledger_fd < 0)
        return command_fail(CMD_MEASURE_NAIVE_SPEC.name, EXIT_CODE_IO, "--ledger %s: %s", o->ledger,
                            strerror(errno));
    c->base = loop_base_new();
    struct aws_client_options options = {.base = c->base,
                                         .max_connections = (int)o->pollers + CONNECTIONS_FOR_DELETES};
    c->client = aws_client_new(&options, &err);
    if (c->client == NULL)
        return command_fail(CMD_MEASURE_NAIVE_SPEC.name, EXIT_CODE_CONFIG, "%s", err.text);
    return COMMAND_GO_ON;
}

static void run(struct naive_command *c)
{
    struct naive_options options = {
        .base = c->base,
        .client = c->client,
        .queue_url = c->options.queue_url,
        .pollers = (int)c->options.pollers,
        .per_poller = (int)c->options.per_poller,
        .slots = (int)c->options.payment_slots,
        .payment_ms = c->options.payment_time,
        .ledger_fd = c->ledger_fd,
        .on_stopped = on_stopped,
        .arg = c,
    };
    struct event *term = evsignal_new(c->base, SIGTERM, on_term, c);

    (void)event_add(term, NULL);
    c->naive = naive_new(&options);
    (void)event_base_dispatch(c->base);
    naive_destroy(c->naive);
    event_free(term);
}

int cmd_measure_naive(int argc, char **argv)
{
    struct naive_command c = {.ledger_fd = -1};
    int exit_code = command_parse(&CMD_MEASURE_NAIVE_SPEC, &c.options, argc, argv, NULL, NULL);

    if (exit_code == COMMAND_GO_ON)
        exit_code = prepare(&c);
    if (exit_code == COMMAND_GO_ON) {
        run(&c);
        exit_code = EXIT_CODE_OK;
    }
    aws_client_destroy(c.client);
    if (c.base != NULL)
        event_base_free(c.base);
    if (c.ledger_fd >= 0)
        (void)close(c.ledger_fd);
    options_clean_up(ROWS, &c.options);
    return exit_code;
}
