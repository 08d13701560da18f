/* The worker's settings; see settings.h. */
#include "worker/settings.h"

#include "aws/client.h"
#include "aws/endpoint.h"
#include "base/alloc.h"
#include "base/emf_line.h"
#include "base/host_port.h"
#include "worker/sns.h"
#include "worker/uplink.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT(field) offsetof(struct settings, field)

static const char *const PROTECTION_NAMES[] = {"auto", "off", NULL};

const struct option_row SETTINGS_OPTIONS[] = {
    {"handler", OPTION_STRING, AT(handler_name), "payment", 0, 0, NULL, "NAME",
     "what is done with a message"},
    {"queue_url", OPTION_STRING, AT(queue_url), NULL, 0, 0, NULL, "URL", "queue to work on"},
    {"threads", OPTION_INT, AT(threads), "100", 1, SETTINGS_THREADS_MAX, NULL, "N", "handler threads"},
    {"sns", OPTION_ENUM, AT(sns), "auto", 0, 0, SNS_MODE_NAMES, "MODE",
     "SNS envelopes: unwrap those that are, none, or require one"},
    {"visibility_timeout", OPTION_DURATION, AT(visibility_ms), "30s", 2000, 43200000, NULL, "TIME",
     "asked for in receives and extensions, whole seconds"},
    {"wait_time", OPTION_DURATION, AT(wait_ms), "20s", 0, 20000, NULL, "TIME", "long poll, whole seconds"},
    {"stop_grace", OPTION_DURATION, AT(stop_grace_ms), "30s", 0, 43200000, NULL, "TIME",
     "what running handlers get when draining; never below 2 real seconds"},
    {"stack_size", OPTION_STRING, AT(stack_size), "256KiB", 0, 0, NULL, "SIZE",
     "stack of a handler thread, 64KiB to 64MiB"},
    {"region", OPTION_STRING, AT(region), NULL, 0, 0, NULL, "NAME",
     "AWS region, else the one in the queue's URL, else from the environment"},
    {"endpoint_url", OPTION_STRING, AT(endpoint_url), NULL, 0, 0, NULL, "URL",
     "SQS endpoint, else from the environment or the queue's URL"},
    {"concurrency", OPTION_INT, AT(concurrency), "0", 0, SETTINGS_THREADS_MAX, NULL, "N",
     "messages handled at once at most, 0 for as many as handler and threads allow"},
    {"retry_delays", OPTION_STRING, AT(retry_delays), "1s,2s,5s,10s,20s,30s", 0, 0, NULL, "LIST",
     "when a failed message is visible again, by receive count, each varied by a fifth"},
    {"dlq_url", OPTION_STRING, AT(dlq_url), NULL, 0, 0, NULL, "URL",
     "queue for what cannot be handled, sent there with reason, status and attempts"},
    {"max_receives", OPTION_INT, AT(max_receives), "0", 0, 1000, NULL, "N",
     "a message that failed so often goes to --dlq-url, 0 for never"},
    {"idempotency_window", OPTION_INT, AT(idempotency_window), "4096", 0, 1000000, NULL, "N",
     "finished messages remembered, so that one that comes again is deleted and not handled"},
    {"failure_brake", OPTION_INT, AT(failure_brake), "50", 0, 100, NULL, "PERCENT",
     "share of failures from which receiving slows down, 0 for never"},
    {"metrics_listen", OPTION_STRING, AT(metrics_listen), NULL, 0, 0, NULL, "HOST:PORT",
     "serve Prometheus text at /metrics, port 0 for any free one"},
    {"emf", OPTION_BOOL, AT(emf), "false", 0, 0, NULL, NULL,
     "write CloudWatch embedded-metric lines to standard output"},
    {"emf_namespace", OPTION_STRING, AT(emf_namespace), "Sluice/Worker", 0, 0, NULL, "NAME",
     "CloudWatch namespace of --emf"},
    {"emf_interval", OPTION_DURATION, AT(emf_interval_ms), "60s", 1000, 3600000, NULL, "TIME",
     "time between two lines of --emf"},
    {"task_protection", OPTION_ENUM, AT(task_protection), "auto", 0, 0, PROTECTION_NAMES, "MODE",
     "ECS task scale-in protection while busy: where ECS_AGENT_URI is set, or off"},
    OPTION_END,
};

/* The worker contract's variables. */
const struct option_row SETTINGS_ENVIRONMENT[] = {
    {"sqs_queue_url", OPTION_STRING, AT(queue_url), NULL, 0, 0, NULL, "URL", "see --queue-url"},
    {"num_workers", OPTION_INT, AT(threads), "100", 1, SETTINGS_THREADS_MAX, NULL, "N", "see --threads"},
    {"sluice_stop_grace", OPTION_DURATION, AT(stop_grace_ms), "30s", 0, 43200000, NULL, "TIME",
     "see --stop-grace"},
    {"sluice_metrics_listen", OPTION_STRING, AT(metrics_listen), NULL, 0, 0, NULL, "HOST:PORT",
     "see --metrics-listen"},
    {"sluice_worker_name", OPTION_STRING, AT(worker_name), NULL, 0, 0, NULL, "NAME",
     "name in telemetry, logs and ledger, default host-pid"},
    {"sluice_telemetry_fd", OPTION_INT, AT(telemetry_fd), "-1", -1, 1000000, NULL, "FD",
     "stream socket to the supervisor, -1 for none"},
    {"sluice_telemetry_url", OPTION_STRING, AT(telemetry_url), NULL, 0, 0, NULL, "URL",
     "where telemetry is POSTed when there is no SLUICE_TELEMETRY_FD; http only within private networks"},
    {"sluice_telemetry_token", OPTION_STRING, AT(telemetry_token), NULL, 0, 0, NULL, "TOKEN",
     "sent with it as Authorization: Bearer; never logged"},
    {"sluice_telemetry_token_file", OPTION_STRING, AT(telemetry_token_file), NULL, 0, 0, NULL, "FILE",
     "file with that token, read again when the token is refused"},
    {"sluice_telemetry_interval", OPTION_DURATION, AT(telemetry_interval_ms), "2s", 1000, 60000, NULL, "TIME",
     "time between two POSTs"},
    {"ecs_container_metadata_uri_v4", OPTION_STRING, AT(ecs_metadata_uri), NULL, 0, 0, NULL, "URL",
     "set by ECS: tells the task's ARN, its name in POSTed telemetry"},
    {"ecs_agent_uri", OPTION_STRING, AT(ecs_agent_uri), NULL, 0, 0, NULL, "URL",
     "set by ECS: the task's agent, for task scale-in protection"},
    OPTION_END,
};

static size_t count_rows(const struct option_row *rows)
{
    size_t count = 0;
    while (rows[count].name != NULL)
        count++;
    return count;
}

/* The name after --handler, so that the handler's own options are known before the command line is parsed. */
static const char *wanted_handler(int argc, char **argv)
{
    const char *name = "payment";
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--handler=", 10) == 0)
            name = argv[i] + 10;
        else if (strcmp(argv[i], "--handler") == 0 && i + 1 < argc)
            name = argv[++i];
    }
    return name;
}

static const struct handler *choose_handler(const char *name, struct err *err)
{
    const struct handler *handler = handler_find(name);
    struct strbuf names = STRBUF_INIT;
    if (handler != NULL)
        return handler;
    for (const struct handler *const *each = handler_all(); *each != NULL; each++)
        strbuf_appendf(&names, "%s%s", names.len > 0 ? ", " : "", (*each)->name);
    (void)err_set(err, "--handler %.64s: want one of %s", name, strbuf_str(&names));
    strbuf_clean_up(&names);
    return NULL;
}

/* ---- both tables as one: the handler's options stand behind the worker's in one block ---- */

struct both {
    struct settings settings;
    max_align_t handler_options[];
};

static void append_rows(struct option_row *to, const struct option_row *rows, size_t offset)
{
    size_t count = count_rows(rows);
    for (size_t i = 0; i < count; i++) {
        to[i] = rows[i];
        to[i].offset += offset;
    }
}

static enum settings_result parse_both(struct both *both, const struct handler *handler, int argc,
                                       char **argv, struct err *err)
{
    size_t own = count_rows(SETTINGS_OPTIONS);
    struct option_row *rows = xcalloc(own + count_rows(handler->options) + 1, sizeof *rows);
    const char **operands = xcalloc((size_t)argc + 1, sizeof *operands);
    int operand_count = 0;
    char shown[100];
    int rc = -1;
    append_rows(rows, SETTINGS_OPTIONS, 0);
    append_rows(rows + own, handler->options, offsetof(struct both, handler_options));
    options_set_defaults(rows, both);
    both->settings.telemetry_fd = -1;
    both->settings.telemetry_interval_ms = SETTINGS_TELEMETRY_INTERVAL_MS;
    if (options_parse_env(SETTINGS_ENVIRONMENT, both, "", err) == 0 &&
        options_parse_env(handler->environment, both->handler_options, "", err) == 0)
        rc = options_parse_args(rows, both, argc, argv, operands, &operand_count, err);
    if (rc == 0 && (handler->flags & HANDLER_TAKES_ARGUMENTS) != 0) {
        both->settings.arguments = operands;
        both->settings.argument_count = (size_t)operand_count;
        operands = NULL;
    } else if (rc == 0 && operand_count > 0)
        rc = err_set(err, "unexpected argument \"%s\": want only options",
                     aws_url_without_userinfo(operands[0], shown, sizeof shown));
    free(operands);
    free(rows);
    return rc == 0 ? SETTINGS_OK : rc > 0 ? SETTINGS_HELP : SETTINGS_WRONG;
}

/* ---- checks ---- */

int settings_parse_size(const char *text, size_t *ret_bytes)
{
    static const struct {
        const char *unit;
        unsigned long long bytes;
    } UNITS[] = {{"", 1}, {"KiB", 1024}, {"MiB", 1048576}};
    char *end = NULL;
    if (!isdigit((unsigned char)text[0]))
        return -1;
    unsigned long long value = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++) {
        if (strcmp(end, UNITS[i].unit) != 0 || value > 64ULL * 1048576)
            continue;
        value *= UNITS[i].bytes;
        if (value < 65536 || value > 64ULL * 1048576)
            return -1;
        *ret_bytes = (size_t)value;
        return 0;
    }
    return -1;
}

static bool is_word(const char *text)
{
    for (; *text != '\0'; text++)
        if (!isgraph((unsigned char)*text))
            return false;
    return true;
}

static void default_name(char *out, size_t size)
{
    char host[40] = "";
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0' || !is_word(host))
        (void)snprintf(host, sizeof host, "worker");
    (void)snprintf(out, size, "%s-%d", host, (int)getpid());
}

static bool is_fifo(const char *name)
{
    size_t len = strlen(name);
    return len > 5 && strcmp(name + len - 5, ".fifo") == 0;
}

static int check_dlq(const struct settings *settings, const struct aws_queue_url *queue, struct err *err)
{
    struct aws_queue_url dlq;
    struct err why;
    if (settings->dlq_url == NULL && settings->max_receives > 0)
        return err_set(err, "--max-receives %lld: want --dlq-url too, the queue to send such messages to",
                       (long long)settings->max_receives);
    if (settings->dlq_url == NULL)
        return 0;
    if (aws_queue_url_parse(settings->dlq_url, &dlq, &why) != 0)
        return err_set(err, "--dlq-url: %s", why.text);
    if (strcmp(dlq.name, queue->name) == 0 && strcmp(dlq.account, queue->account) == 0 &&
        strcmp(dlq.region, queue->region) == 0)
        return err_set(err, "--dlq-url: want another queue than %s itself", queue->name);
    if (strcmp(dlq.region, queue->region) != 0)
        return err_set(err, "--dlq-url: want a queue in the region of %s, as SQS does for a redrive policy",
                       queue->name);
    if (is_fifo(dlq.name) != is_fifo(queue->name))
        return err_set(err, "--dlq-url %s: want a %s queue, as %s is one", dlq.name,
                       is_fifo(queue->name) ? "FIFO" : "standard", queue->name);
    return 0;
}

static int check(struct settings *settings, struct err *err)
{
    if (settings->queue_url == NULL)
        return err_set(err, "no queue: want SQS_QUEUE_URL or --queue-url");
    struct aws_queue_url queue;
    if (aws_queue_url_parse(settings->queue_url, &queue, err) != 0)
        return -1;
    if (settings->region == NULL && queue.region[0] != '\0')
        settings->region = xstrdup(queue.region); /* SQS takes no signature for another one */
    settings->fifo = is_fifo(queue.name);
    if (check_dlq(settings, &queue, err) != 0 ||
        retry_delays_parse(settings->retry_delays, &settings->retry, err) != 0)
        return -1;
    if (settings->visibility_ms % 1000 != 0)
        return err_set(err, "--visibility-timeout: want whole seconds, SQS knows no less");
    if (settings->wait_ms % 1000 != 0)
        return err_set(err, "--wait-time: want whole seconds, SQS knows no less");
    if (settings_parse_size(settings->stack_size, &settings->stack_bytes) != 0)
        return err_set(err, "--stack-size %.32s: want 64KiB to 64MiB, such as 256KiB", settings->stack_size);
    struct host_port listen;
    if (settings->metrics_listen != NULL &&
        host_port_parse("--metrics-listen", settings->metrics_listen, &listen, err) != 0)
        return -1;
    if (settings->telemetry_url != NULL && uplink_check_url(settings->telemetry_url, err) != 0)
        return -1;
    if (settings->telemetry_token != NULL && settings->telemetry_token_file != NULL)
        return err_set(err, "SLUICE_TELEMETRY_TOKEN and SLUICE_TELEMETRY_TOKEN_FILE: want one of them");
    if (emf_check_namespace("--emf-namespace", settings->emf_namespace, err) != 0)
        return -1;
    if (settings->worker_name == NULL)
        default_name(settings->worker, sizeof settings->worker);
    else if (strlen(settings->worker_name) < sizeof settings->worker && is_word(settings->worker_name))
        (void)snprintf(settings->worker, sizeof settings->worker, "%s", settings->worker_name);
    else
        return err_set(err, "SLUICE_WORKER_NAME: want a word of at most %zu bytes",
                       sizeof settings->worker - 1);
    return 0;
}

enum settings_result settings_load(struct settings *settings, int argc, char **argv, struct err *err)
{
    const struct handler *handler = choose_handler(wanted_handler(argc, argv), err);
    if (handler == NULL)
        return SETTINGS_WRONG;
    struct both *both = xcalloc(1, sizeof *both + handler->options_size + 1);
    enum settings_result result = parse_both(both, handler, argc, argv, err);
    *settings = both->settings; /* the strings move with it */
    settings->handler = handler;
    settings->handler_options = xcalloc(1, handler->options_size + 1);
    memcpy(settings->handler_options, both->handler_options, handler->options_size);
    free(both);
    if (result == SETTINGS_OK && check(settings, err) != 0)
        result = SETTINGS_WRONG;
    if (result == SETTINGS_OK && handler->check != NULL &&
        handler->check(settings->handler_options, settings->arguments, settings->argument_count, err) != 0)
        result = SETTINGS_WRONG;
    return result;
}

void settings_clean_up(struct settings *settings)
{
    options_clean_up(SETTINGS_OPTIONS, settings);
    free(settings->worker_name);
    free(settings->ecs_agent_uri);
    free(settings->ecs_metadata_uri);
    free(settings->telemetry_url);
    if (settings->telemetry_token != NULL)
        explicit_bzero(settings->telemetry_token, strlen(settings->telemetry_token));
    free(settings->telemetry_token);
    free(settings->telemetry_token_file);
    free(settings->arguments);
    if (settings->handler != NULL && settings->handler_options != NULL)
        options_clean_up(settings->handler->options, settings->handler_options);
    free(settings->handler_options);
    *settings = (struct settings){.telemetry_fd = -1};
}

/* ---- help ---- */

static void help_environment(const struct option_row *rows, struct strbuf *out)
{
    for (const struct option_row *row = rows; row->name != NULL; row++) {
        char name[64];
        size_t len = strnlen(row->name, sizeof name - 1);
        for (size_t i = 0; i < len; i++)
            name[i] = (char)toupper((unsigned char)row->name[i]);
        name[len] = '\0';
        strbuf_appendf(out, "  %-28s %s\n", name, row->help);
    }
}

void settings_help(struct strbuf *out)
{
    strbuf_append_str(
        out, "usage: sluice-worker [OPTION]...\n"
             "Receives messages from an SQS queue, handles them in many threads and deletes them.\n\n");
    options_help(SETTINGS_OPTIONS, out);
    strbuf_append_str(out, "  --help                       this text\n"
                           "  --version                    version\n");
    for (const struct handler *const *each = handler_all(); *each != NULL; each++) {
        strbuf_appendf(out, "\nHandler %s: %s\n", (*each)->name, (*each)->help);
        options_help((*each)->options, out);
    }
    strbuf_append_str(out, "\nEnvironment (the command line wins):\n");
    help_environment(SETTINGS_ENVIRONMENT, out);
    for (const struct handler *const *each = handler_all(); *each != NULL; each++)
        help_environment((*each)->environment, out);
    strbuf_append_str(
        out,
        "  AWS_*                        credentials, region and endpoint, as AWS's own tools read them\n"
        "  SLUICE_LOG_LEVEL, SLUICE_LOG_FORMAT, SLUICE_TIME_SCALE\n"
        "\nSignals: TERM, INT, QUIT and HUP drain; a second INT on a terminal leaves at once.\n"
        "Exit: 0 drained; 64 usage; 69 no such queue; 70 our bug; 74 ledger or telemetry; 77 credentials\n"
        "or permission; 78 configuration.\n");
}
