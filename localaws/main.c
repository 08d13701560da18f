/*
 * sluice-localaws: SQS, ECS, CloudWatch, DynamoDB and STS on loopback, in memory, for development, demo and
 * tests (docs/localaws.md). Reads options, listens, prints one line when it is ready and serves until a
 * signal ends it.
 */
#include "aws/digest.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/host_port.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/version.h"
#include "localaws/http_server.h"
#include "localaws/options.h"
#include "localaws/service.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

struct program {
    struct localaws_options options;
    struct event_base *base;
    struct service *service;
    struct http_server *server, *container_server, *instance_server;
    bool is_leaving;
};

static int print_help(void)
{
    struct strbuf text = STRBUF_INIT;
    strbuf_append_str(
        &text, "Usage: sluice-localaws [options]\n\nSQS, ECS, CloudWatch, DynamoDB and STS on loopback, in "
               "memory. Prints one line of JSON with"
               " its URL when it is ready.\n\nOptions:\n");
    options_help(LOCALAWS_OPTIONS, &text);
    strbuf_append_str(&text, "  --help                       show this text\n");
    (void)fputs(strbuf_str(&text), stdout);
    strbuf_clean_up(&text);
    return EXIT_CODE_OK;
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool only_of(const char *text, const char *allowed)
{
    return text[0] != '\0' && text[strspn(text, allowed)] == '\0';
}

/* Fills the keys from the environment where they were not given, and checks what the table cannot. */
static int check_options(struct localaws_options *o, struct err *err)
{
    if (strlen(o->account) != 12 || !only_of(o->account, "0123456789"))
        return err_set(err, "--account %s: want 12 digits", o->account);
    if (!only_of(o->region, "abcdefghijklmnopqrstuvwxyz0123456789-"))
        return err_set(err, "--region %s: want lower-case letters, digits and hyphens", o->region);
    if (!o->verify_signatures)
        return 0;
    const char *access_key = o->access_key != NULL ? o->access_key : getenv("AWS_ACCESS_KEY_ID");
    const char *secret_key = o->secret_key != NULL ? o->secret_key : getenv("AWS_SECRET_ACCESS_KEY");
    if (access_key == NULL || access_key[0] == '\0' || secret_key == NULL || secret_key[0] == '\0')
        return err_set(err,
                       "--verify-signatures needs a key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    return 0;
}

static int create_queues(struct program *program, struct err *err)
{
    char *rest = program->options.create_queue;
    for (char *name = NULL; rest != NULL && (name = strsep(&rest, ",")) != NULL;)
        if (service_create_queue(program->service, name, err) != 0)
            return -1;
    return 0;
}

static void leave(void *arg)
{
    struct program *program = arg;
    (void)event_base_loopbreak(program->base);
}

/* Tasks may want to finish what they have, with us at their service; a second signal does not wait. */
static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct program *program = arg;
    (void)number;
    (void)what;
    if (program->is_leaving || !ecs_api_stop_tasks(service_ecs(program->service), leave, program))
        leave(program);
    program->is_leaving = true;
}

/* Connections may be many: as many as the system lets us have. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* A URL of what listens at a host. */
static void write_url(const char *host, const struct http_server *server, char *url, size_t size)
{
    bool is_v6 = strchr(host, ':') != NULL;
    (void)snprintf(url, size, "http://%s%s%s:%d", is_v6 ? "[" : "", host, is_v6 ? "]" : "",
                   http_server_port(server));
}

/* Opens what hands out credentials, on loopback only, and appends its URL to the line of the start. */
static int open_metadata(struct program *program, const char *option, const char *address, const char *member,
                         const struct http_handler *handler, struct http_server **ret_server,
                         struct jsonw *line, struct err *err)
{
    struct host_port at;
    char url[320];
    if (address == NULL)
        return EXIT_CODE_OK;
    if (host_port_parse(option, address, &at, err) != 0)
        return EXIT_CODE_USAGE;
    if (!is_loopback(at.host)) {
        (void)err_set(err, "%s %s is not loopback: credentials are handed out there without a question",
                      option, address);
        return EXIT_CODE_USAGE;
    }
    *ret_server = http_server_new(program->base, at.host, at.port, handler, err);
    if (*ret_server == NULL)
        return EXIT_CODE_UNAVAILABLE;
    write_url(at.host, *ret_server, url, sizeof url);
    jsonw_key_str(line, member, url);
    return EXIT_CODE_OK;
}

/* Says where we listen, once everything does. */
static int announce(struct program *program, const char *url, struct err *err)
{
    struct localaws_options *o = &program->options;
    struct strbuf text = STRBUF_INIT;
    struct jsonw line = JSONW_INIT(&text);
    struct http_handler container = service_container_handler(program->service);
    struct http_handler instance = service_instance_handler(program->service);
    jsonw_object(&line);
    jsonw_key_str(&line, "type", "listening");
    jsonw_key_str(&line, "url", url);
    int code = open_metadata(program, "--container-credentials", o->container_credentials,
                             "container_credentials_url", &container, &program->container_server, &line, err);
    if (code == EXIT_CODE_OK)
        code = open_metadata(program, "--imds", o->imds, "imds_url", &instance, &program->instance_server,
                             &line, err);
    jsonw_end_object(&line);
    if (code == EXIT_CODE_OK && (fprintf(stdout, "%s\n", strbuf_str(&text)) < 0 || fflush(stdout) != 0)) {
        (void)err_set(err, "cannot write to stdout");
        code = EXIT_CODE_IO;
    }
    strbuf_clean_up(&text);
    return code;
}

static int start(struct program *program, struct err *err)
{
    struct localaws_options *o = &program->options;
    struct host_port at;
    if (host_port_parse("--listen", o->listen, &at, err) != 0 || check_options(o, err) != 0)
        return EXIT_CODE_USAGE;
    if (!is_loopback(at.host) && !o->allow_remote) {
        (void)err_set(err, "--listen %s is not loopback; say --allow-remote if that is wanted", o->listen);
        return EXIT_CODE_USAGE;
    }
    if (!is_loopback(at.host) && o->ecs_tasks == ECS_TASKS_RUN) {
        (void)err_set(err, "--ecs-tasks run on --listen %s: commands of callers are run on loopback only",
                      o->listen);
        return EXIT_CODE_USAGE;
    }
    struct service_options service_options = {
        .region = o->region, .account = o->account, .redelivers_first = o->redelivery == 1};
    service_options.ecs = (struct ecs_api_options){.tasks = (enum ecs_tasks)o->ecs_tasks,
                                                   .start_latency_ms = o->ecs_start_latency_ms,
                                                   .visible_after_ms = o->ecs_visible_after_ms,
                                                   .victims = (enum ecs_victims)o->ecs_scale_in,
                                                   .task_logs = o->ecs_task_logs};
    service_options.sts_life_max_ms = o->sts_life_max_ms;
    service_options.credentials_life_ms = o->credentials_life_ms;
    service_options.container_token_file = o->container_token_file;
    service_options.metrics = (struct metrics_settings){.delay_ms = o->cloudwatch_delay_ms,
                                                        .active_after_ms = o->cloudwatch_active_ms,
                                                        .gaps = o->cloudwatch_gaps};
    if (o->verify_signatures) {
        service_options.access_key = o->access_key != NULL ? o->access_key : getenv("AWS_ACCESS_KEY_ID");
        service_options.secret_key = o->secret_key != NULL ? o->secret_key : getenv("AWS_SECRET_ACCESS_KEY");
    }
    program->base = loop_base_new();
    program->service = service_new(program->base, &service_options);
    if (create_queues(program, err) != 0)
        return EXIT_CODE_USAGE;
    struct http_handler handler = service_handler(program->service);
    program->server = http_server_new(program->base, at.host, at.port, &handler, err);
    if (program->server == NULL)
        return EXIT_CODE_UNAVAILABLE;
    char url[320];
    write_url(at.host, program->server, url, sizeof url);
    service_set_server(program->service, program->server, url);
    return announce(program, url, err);
}

static void run(struct program *program)
{
    struct event *term = evsignal_new(program->base, SIGTERM, on_signal, program);
    struct event *interrupt = evsignal_new(program->base, SIGINT, on_signal, program);
    if (term == NULL || interrupt == NULL || event_add(term, NULL) != 0 || event_add(interrupt, NULL) != 0)
        abort();
    LOG(LOG_INFO, "listening", LOG_INT("port", http_server_port(program->server)),
        LOG_INT("time_scale", clock_scale()));
    (void)event_base_dispatch(program->base);
    event_free(term);
    event_free(interrupt);
}

static void clean_up(struct program *program)
{
    http_server_free(program->instance_server);
    http_server_free(program->container_server);
    http_server_free(program->server);
    service_free(program->service);
    if (program->base != NULL)
        event_base_free(program->base);
    options_clean_up(LOCALAWS_OPTIONS, &program->options);
}

int main(int argc, char **argv)
{
    struct err err = {.text = ""};
    struct program program = {.base = NULL};
    int operand_count = 0;
    uint8_t md5[AWS_DIGEST_MD5_BYTES];
    const char **operands = calloc((size_t)argc + 1, sizeof *operands);
    int code = EXIT_CODE_OK;
    process_init();
    if (operands == NULL || log_init_from_env("sluice-localaws", &err) != 0 || clock_init(&err) != 0) {
        code = EXIT_CODE_USAGE;
        goto done;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    options_set_defaults(LOCALAWS_OPTIONS, &program.options);
    int parsed =
        options_parse_args(LOCALAWS_OPTIONS, &program.options, argc, argv, operands, &operand_count, &err);
    if (parsed == 0 && operand_count > 0)
        parsed = err_set(&err, "unexpected argument %s; see --help", operands[0]);
    if (parsed == 1) {
        code = print_help();
    } else if (parsed != 0) {
        code = EXIT_CODE_USAGE;
    } else if (program.options.version) {
        (void)puts("sluice-localaws " SLUICE_VERSION);
    } else if (!aws_digest_md5("", 0, md5)) {
        (void)err_set(&err, "the crypto library refuses MD5, which SQS uses in its replies (FIPS mode?)");
        code = EXIT_CODE_SOFTWARE;
    } else {
        raise_file_limit();
        code = start(&program, &err);
        if (code == EXIT_CODE_OK)
            run(&program);
    }
done:
    if (code != EXIT_CODE_OK)
        (void)fprintf(stderr, "sluice-localaws: %s\n", err.text);
    clean_up(&program);
    free(operands);
    return code;
}
