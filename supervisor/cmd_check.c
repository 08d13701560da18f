/* sluice check: is the configuration valid, and do this host and the queue fit it? */
#include "supervisor/commands.h"

#include "aws/client.h"
#include "base/alloc.h"
#include "base/exitcode.h"
#include "base/jsonw.h"
#include "base/loop.h"
#include "supervisor/config.h"
#include "supervisor/cw_check.h"
#include "supervisor/ecs_check.h"
#include "supervisor/endpoint_rule.h"
#include "supervisor/journal.h"
#include "supervisor/preflight.h"
#include "supervisor/telemetry_server.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t MIB = INT64_C(1024) * 1024;

struct check_options {
    char *config;
    bool offline;
    bool strict;
    bool json;
};

static const struct option_row ROWS[] = {
    {"config", OPTION_STRING, offsetof(struct check_options, config), NULL, 0, 0, NULL, "FILE|env:NAME",
     "the configuration file (docs/configuration.md), or the environment variable that holds it; required"},
    {"offline", OPTION_BOOL, offsetof(struct check_options, offline), "false", 0, 0, NULL, NULL,
     "do not ask the queues"},
    {"strict", OPTION_BOOL, offsetof(struct check_options, strict), "false", 0, 0, NULL, NULL,
     "leave with 1 when there are warnings"},
    {"json", OPTION_BOOL, offsetof(struct check_options, json), "false", 0, 0, NULL, NULL, "print JSON"},
    OPTION_END,
};

const struct command_spec CMD_CHECK_SPEC = {
    .name = "check",
    .summary = "Checks a configuration file as a whole, says what was understood, and warns of what on this "
               "host or\n"
               "at the queue does not fit it: limits of processes, memory and files, the workers' command, "
               "the queue's\n"
               "redrive policy. Describes the services of ECS fleets, and says which of them cannot be "
               "scaled. Asks\n"
               "CloudWatch for one metric of each queue whose \"cloudwatch\" is not off.",
    .rows = ROWS,
    .details =
        "Exit codes: 0 valid, also with warnings; 1 warnings and --strict; 64 usage; 78 not valid, or a "
        "fleet\n"
        "that cannot be scaled.\n",
};

/* What was found: warnings, what "sluice run" would refuse to scale, and the services of ECS fleets (one
 * entry a fleet). */
struct findings {
    struct warnings warnings, refusals;
    struct ecs_check *services; /* owned */
};

static void print_warnings_json(const struct warnings *warnings, const char *key, struct jsonw *w)
{
    jsonw_key(w, key);
    jsonw_array(w);
    for (size_t i = 0; i < warnings->count; i++) {
        jsonw_object(w);
        jsonw_key_str(w, "code", warnings->list[i].code);
        jsonw_key_str(w, "fleet", warnings->list[i].fleet);
        jsonw_key_str(w, "text", warnings->list[i].text);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void print_service_json(const struct ecs_check *check, struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_str(w, "status", check->facts.status);
    jsonw_key_int(w, "desired_count", check->facts.desired);
    jsonw_key_int(w, "running_count", check->facts.running);
    jsonw_key_int(w, "pending_count", check->facts.pending);
    jsonw_key_bool(w, "rollout_in_progress", check->facts.rollout);
    jsonw_key_bool(w, "scalable_target", check->has_target);
    jsonw_end_object(w);
}

static void print_json(const struct config *config, const struct findings *findings)
{
    struct strbuf out = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&out);
    jsonw_object(&w);
    jsonw_key_bool(&w, "valid", findings->refusals.count == 0);
    jsonw_key_str(&w, "file", config->path);
    print_warnings_json(&findings->warnings, "warnings", &w);
    print_warnings_json(&findings->refusals, "refusals", &w);
    jsonw_key(&w, "ecs_services");
    jsonw_object(&w);
    for (size_t i = 0; i < config->fleet_count; i++) {
        if (!findings->services[i].described)
            continue;
        jsonw_key(&w, config->fleets[i].name);
        print_service_json(&findings->services[i], &w);
    }
    jsonw_end_object(&w);
    jsonw_key(&w, "journal_bytes_a_day");
    jsonw_object(&w);
    for (size_t i = 0; i < config->fleet_count; i++)
        jsonw_key_int(&w, config->fleets[i].name, preflight_journal_bytes_a_day(&config->fleets[i]));
    jsonw_end_object(&w);
    jsonw_key(&w, "config");
    config_dump(config, &w);
    jsonw_end_object(&w);
    (void)printf("%s\n", strbuf_str(&out));
    strbuf_clean_up(&out);
}

static void print_invalid_json(const char *path, const char *error)
{
    struct strbuf out = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&out);
    jsonw_object(&w);
    jsonw_key_bool(&w, "valid", false);
    jsonw_key_str(&w, "file", path);
    jsonw_key_str(&w, "error", error);
    jsonw_end_object(&w);
    (void)printf("%s\n", strbuf_str(&out));
    strbuf_clean_up(&out);
}

static void print_journal(const struct config_fleet *fleet)
{
    double a_day = (double)preflight_journal_bytes_a_day(fleet) / (double)MIB;
    int64_t kept = JOURNAL_MAX_BYTES * JOURNAL_FILES / MIB;
    if (fleet->journal == JOURNAL_ALL)
        (void)printf("  journal  every decision, about %.1f MiB a day, at most %" PRId64 " MiB are kept\n",
                     a_day, kept);
    else if (fleet->journal == JOURNAL_CHANGES)
        (void)printf("  journal  changes only (all: about %.1f MiB a day), at most %" PRId64
                     " MiB are kept\n",
                     a_day, kept);
    else
        (void)printf("  journal  off\n");
}

static void print_local(const struct config_fleet *fleet)
{
    const struct capacity *capacity = &fleet->controller.capacity;
    struct strbuf command = STRBUF_INIT;
    for (char **word = fleet->local.command; *word != NULL; word++)
        strbuf_appendf(&command, "%s%s", word == fleet->local.command ? "" : " ", *word);
    (void)printf("  workers  %" PRId64 " to %" PRId64 " processes of this host, target %" PRId64 ": %s\n",
                 capacity->min, capacity->max, capacity->target, strbuf_str(&command));
    strbuf_clean_up(&command);
}

static void print_service(const struct config_fleet *fleet, const struct ecs_check *check)
{
    const struct capacity *capacity = &fleet->controller.capacity;
    (void)printf("  workers  %" PRId64 " to %" PRId64
                 " tasks of ECS service %s in cluster %s, target %" PRId64 "\n",
                 capacity->min, capacity->max, fleet->ecs.service, fleet->ecs.cluster, capacity->target);
    if (check->described)
        (void)printf("  service  %s, desired count %" PRId64 ": %" PRId64 " running, %" PRId64 " pending%s\n",
                     check->facts.status, check->facts.desired, check->facts.running, check->facts.pending,
                     check->facts.rollout ? ", a rollout is in progress" : "");
    (void)printf("  drift    %s\n",
                 fleet->ecs.on_drift == ECS_ADOPT
                     ? "a desired count that others set is adopted as the new base"
                     : "a desired count that others set is written over, once per cooldown");
}

static void print_cloudwatch(const struct config_cloudwatch *cloudwatch)
{
    struct strbuf text = STRBUF_INIT;
    if (cloudwatch->mode == CLOUDWATCH_OFF)
        return;
    cw_check_describe(cloudwatch, &text);
    (void)printf("  metrics  %s\n", strbuf_str(&text));
    strbuf_clean_up(&text);
}

static void print_fleet(const struct config_fleet *fleet, const struct ecs_check *check)
{
    (void)printf("fleet %s\n", fleet->name);
    (void)printf("  queue    %s, read every %.1f s",
                 fleet->queue.url != NULL ? fleet->queue.url : fleet->queue.name,
                 (double)fleet->queue.poll_ms / 1000);
    if (fleet->queue.poll_max_ms > fleet->queue.poll_ms)
        (void)printf(" to %.1f s", (double)fleet->queue.poll_max_ms / 1000);
    (void)printf("\n");
    print_cloudwatch(&fleet->queue.cloudwatch);
    if (fleet->type == FLEET_ECS)
        print_service(fleet, check);
    else
        print_local(fleet);
    (void)printf("  policy   %s: %s\n", fleet->controller.policy->name, fleet->controller.policy->help);
    print_journal(fleet);
}

static void print_publishing(const struct config *config)
{
    for (int i = 0; i < METRICS_WAYS; i++)
        if (config->metrics[i].enabled)
            (void)printf(
                "metrics are published by %s in namespace %s every %.0f s%s\n", CONFIG_METRICS_WAY_NAMES[i],
                config->metrics[i].name_space, (double)config->metrics[i].every_ms / 1000,
                i == METRICS_CLOUDWATCH ? "; it takes cloudwatch:PutMetricData, which is not tried" : "");
}

static void print_lines(const char *label, const struct warnings *warnings)
{
    for (size_t i = 0; i < warnings->count; i++)
        (void)printf("%s: %s%s%s\n", label, warnings->list[i].fleet != NULL ? warnings->list[i].fleet : "",
                     warnings->list[i].fleet != NULL ? ": " : "", warnings->list[i].text);
}

static void print_words(const struct config *config, const struct findings *findings)
{
    (void)printf("%s is valid: %zu fleet%s, state in %s, admin socket %s\n", config->path,
                 config->fleet_count, config->fleet_count == 1 ? "" : "s", config->state_dir,
                 config->admin.socket);
    for (size_t i = 0; i < config->fleet_count; i++)
        print_fleet(&config->fleets[i], &findings->services[i]);
    print_publishing(config);
    print_lines("warning", &findings->warnings);
    print_lines("refused", &findings->refusals);
    if (findings->warnings.count == 0 && findings->refusals.count == 0)
        (void)printf("no warnings\n");
}

/* What "sluice run" would refuse beyond the file itself: no region, a bad endpoint, a scaled clock on a real
 * one. */
static int check_clients(const struct config *config, struct err *err)
{
    int rc = 0;
    struct event_base *base = loop_base_new();
    for (size_t i = 0; i < config->fleet_count && rc == 0; i++) {
        const struct config_fleet *fleet = &config->fleets[i];
        struct aws_client_options options = {.base = base,
                                             .region = config_fleet_region(config, fleet),
                                             .endpoint_url = config_fleet_endpoint(config, fleet)};
        struct aws_client *client = aws_client_new(&options, err);
        if (client == NULL)
            rc = err_prefix(err, "%s: fleet %s", config->path, fleet->name);
        else
            rc = endpoint_rule_check(client, fleet, err);
        aws_client_destroy(client);
    }
    event_base_free(base);
    return rc;
}

static void find_all(const struct config *config, bool offline, struct findings *findings)
{
    struct warnings *warnings = &findings->warnings;
    struct host_facts host;
    host_facts_read(&host);
    preflight_host(config, &host, warnings);
    preflight_shared_queues(config, warnings);
    for (size_t i = 0; i < config->fleet_count; i++) {
        const struct config_fleet *fleet = &config->fleets[i];
        struct queue_facts queue;
        struct err err = {.text = ""};
        preflight_command(fleet, warnings);
        if (offline)
            continue;
        if (fleet->type == FLEET_ECS)
            ecs_check_service(config, fleet, &findings->services[i], warnings, &findings->refusals);
        cw_check_queue(config, fleet, warnings);
        if (queue_facts_read(config, fleet, &queue, &err) == 0)
            preflight_queue(fleet, &queue, warnings);
        else
            warnings_add(warnings, "queue", fleet->name, "the queue cannot be asked: %s", err.text);
    }
}

int cmd_check(int argc, char **argv)
{
    struct check_options options = {.config = NULL};
    struct config config = {.path = NULL};
    struct findings findings = {.services = NULL};
    struct err err = {.text = ""};
    int exit_code = command_parse(&CMD_CHECK_SPEC, &options, argc, argv, NULL, NULL);
    if (exit_code != COMMAND_GO_ON)
        goto done;
    if (options.config == NULL) {
        exit_code =
            command_fail("check", EXIT_CODE_USAGE, "--config FILE is required (see sluice check --help)");
        goto done;
    }
    if (config_load(options.config, &config, &err) != 0 || check_clients(&config, &err) != 0 ||
        telemetry_server_check(&config, &err) != 0) {
        if (options.json)
            print_invalid_json(options.config, err.text);
        exit_code = command_fail("check", EXIT_CODE_CONFIG, "%s", err.text);
        goto done;
    }
    findings.services = xcalloc(config.fleet_count, sizeof *findings.services);
    find_all(&config, options.offline, &findings);
    if (options.json)
        print_json(&config, &findings);
    else
        print_words(&config, &findings);
    exit_code = findings.refusals.count > 0                     ? EXIT_CODE_CONFIG
                : options.strict && findings.warnings.count > 0 ? EXIT_CODE_NO
                                                                : EXIT_CODE_OK;
done:
    warnings_clean_up(&findings.warnings);
    warnings_clean_up(&findings.refusals);
    free(findings.services);
    config_clean_up(&config);
    options_clean_up(ROWS, &options);
    return exit_code;
}
