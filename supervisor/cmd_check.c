/* sluice check: is the configuration valid, and do this host and the queue fit it? */
#include "supervisor/commands.h"

#include "aws/client.h"
#include "base/exitcode.h"
#include "base/jsonw.h"
#include "base/loop.h"
#include "supervisor/config.h"
#include "supervisor/endpoint_rule.h"
#include "supervisor/journal.h"
#include "supervisor/preflight.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

static const int64_t MIB = INT64_C(1024) * 1024;

struct check_options {
    char *config;
    bool offline;
    bool strict;
    bool json;
};

static const struct option_row ROWS[] = {
    {"config", OPTION_STRING, offsetof(struct check_options, config), NULL, 0, 0, NULL, "FILE",
     "the configuration file (docs/configuration.md); required"},
    {"offline", OPTION_BOOL, offsetof(struct check_options, offline), "false", 0, 0, NULL, NULL,
     "do not ask the queues"},
    {"strict", OPTION_BOOL, offsetof(struct check_options, strict), "false", 0, 0, NULL, NULL,
     "leave with 1 when there are warnings"},
    {"json", OPTION_BOOL, offsetof(struct check_options, json), "false", 0, 0, NULL, NULL, "print JSON"},
    OPTION_END,
};

static const struct command_spec SPEC = {
    .name = "check",
    .summary = "Checks a configuration file as a whole, says what was understood, and warns of what on this "
               "host or\n"
               "at the queue does not fit it: limits of processes, memory and files, the workers' command, "
               "the queue's\n"
               "redrive policy.",
    .rows = ROWS,
    .details = "Exit codes: 0 valid, also with warnings; 1 warnings and --strict; 64 usage; 78 not valid.\n",
};

static void print_warnings_json(const struct warnings *warnings, struct jsonw *w)
{
    jsonw_key(w, "warnings");
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

static void print_json(const struct config *config, const struct warnings *warnings)
{
    struct strbuf out = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&out);
    jsonw_object(&w);
    jsonw_key_bool(&w, "valid", true);
    jsonw_key_str(&w, "file", config->path);
    print_warnings_json(warnings, &w);
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

static void print_fleet(const struct config_fleet *fleet)
{
    const struct capacity *capacity = &fleet->controller.capacity;
    struct strbuf command = STRBUF_INIT;
    for (char **word = fleet->local.command; *word != NULL; word++)
        strbuf_appendf(&command, "%s%s", word == fleet->local.command ? "" : " ", *word);
    (void)printf("fleet %s\n", fleet->name);
    (void)printf("  queue    %s, read every %.1f s\n",
                 fleet->queue.url != NULL ? fleet->queue.url : fleet->queue.name,
                 (double)fleet->queue.poll_ms / 1000);
    (void)printf("  workers  %" PRId64 " to %" PRId64 " processes of this host, target %" PRId64 ": %s\n",
                 capacity->min, capacity->max, capacity->target, strbuf_str(&command));
    (void)printf("  policy   %s: %s\n", fleet->controller.policy->name, fleet->controller.policy->help);
    print_journal(fleet);
    strbuf_clean_up(&command);
}

static void print_words(const struct config *config, const struct warnings *warnings)
{
    (void)printf("%s is valid: %zu fleet%s, state in %s, admin socket %s\n", config->path,
                 config->fleet_count, config->fleet_count == 1 ? "" : "s", config->state_dir,
                 config->admin.socket);
    for (size_t i = 0; i < config->fleet_count; i++)
        print_fleet(&config->fleets[i]);
    for (size_t i = 0; i < warnings->count; i++)
        (void)printf("warning: %s%s%s\n", warnings->list[i].fleet != NULL ? warnings->list[i].fleet : "",
                     warnings->list[i].fleet != NULL ? ": " : "", warnings->list[i].text);
    if (warnings->count == 0)
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

static void find_warnings(const struct config *config, bool offline, struct warnings *warnings)
{
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
    struct warnings warnings = {.list = NULL};
    struct err err = {.text = ""};
    int exit_code = command_parse(&SPEC, &options, argc, argv, NULL, NULL);
    if (exit_code != COMMAND_GO_ON)
        goto done;
    if (options.config == NULL) {
        exit_code =
            command_fail("check", EXIT_CODE_USAGE, "--config FILE is required (see sluice check --help)");
        goto done;
    }
    if (config_load(options.config, &config, &err) != 0 || check_clients(&config, &err) != 0) {
        if (options.json)
            print_invalid_json(options.config, err.text);
        exit_code = command_fail("check", EXIT_CODE_CONFIG, "%s", err.text);
        goto done;
    }
    find_warnings(&config, options.offline, &warnings);
    if (options.json)
        print_json(&config, &warnings);
    else
        print_words(&config, &warnings);
    exit_code = options.strict && warnings.count > 0 ? EXIT_CODE_NO : EXIT_CODE_OK;
done:
    warnings_clean_up(&warnings);
    config_clean_up(&config);
    options_clean_up(ROWS, &options);
    return exit_code;
}
