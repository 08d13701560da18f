/* sluice explain: why a fleet has the size it has, told from the decisions that a running supervisor
 * remembers. */
#include "supervisor/commands.h"

#include "base/exitcode.h"
#include "policies/explain.h"
#include "supervisor/admin_client.h"
#include "supervisor/fleet_control.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHANGES_SHOWN = 8 };

struct explain_options {
    char *config;
    char *socket;
    int64_t last;
    bool json;
};

static const struct option_row ROWS[] = {
    {"last", OPTION_INT, offsetof(struct explain_options, last), "1", 1, FLEET_CONTROL_RUNS, NULL, "N",
     "how many runs of decisions; those in a row that differ in their numbers only are one run"},
    ADMIN_SOCKET_ROWS(struct explain_options),
    {"json", OPTION_BOOL, offsetof(struct explain_options, json), "false", 0, 0, NULL, NULL,
     "print the supervisor's answer as JSON"},
    OPTION_END,
};

const struct command_spec CMD_EXPLAIN_SPEC = {
    .name = "explain",
    .operands = "FLEET",
    .summary =
        "Tells in words why a fleet has the size it has: what was known and how old it was, what the policy "
        "wanted,\nwhat was cut, what is waited for, why nothing changed; and the last changes.",
    .rows = ROWS,
    .max_operands = 1,
    .details = "Decisions are kept in memory: " /* FLEET_CONTROL_RUNS, FLEET_CONTROL_CHANGES */
               "32 runs and 16 changes a fleet, since the supervisor started. The\n"
               "journal has them all.\n\n"
               "Exit codes: 0 done; 1 no such fleet; 64 usage; 69 no supervisor answers; 78 configuration.\n",
};

static void append_span(const json_t *object, const char *key, struct strbuf *out)
{
    explain_span(admin_number(object, key), out);
}

static void append_override(const json_t *answer, struct strbuf *out)
{
    const json_t *override = json_object_get(answer, "override");
    if (!json_is_object(override))
        return;
    strbuf_append_str(out, "  order    ");
    admin_append_override(override, admin_number(answer, "override_left_ms"), out);
    strbuf_append_char(out, '\n');
}

/* One run: since when, how often, and its newest decision line by line. */
static void append_run(const json_t *run, struct strbuf *out)
{
    struct decision decision;
    struct err err = {.text = ""};
    json_int_t steps = admin_number(run, "steps");
    strbuf_append_str(out, "decision ");
    append_span(run, "age_ms", out);
    strbuf_append_str(out, " ago");
    if (steps > 1) {
        strbuf_appendf(out, ", the last of %lld alike since ", (long long)steps);
        append_span(run, "since_age_ms", out);
        strbuf_append_str(out, " ago");
    }
    strbuf_append_char(out, '\n');
    if (decision_parse_json(json_object_get(run, "record"), &decision, &err) == 0)
        decision_explain(&decision, "  ", out);
    else /* a newer supervisor's */
        strbuf_appendf(out, "  %s\n  (cannot be told in more detail: %s)\n", admin_text(run, "text"),
                       err.text);
}

static void append_changes(const json_t *changes, struct strbuf *out)
{
    size_t i = 0;
    json_t *change = NULL;
    strbuf_append_str(out, json_array_size(changes) > 0 ? "changes\n"
                                                        : "changes  none since the supervisor started\n");
    json_array_foreach(changes, i, change)
    {
        if (i == CHANGES_SHOWN)
            break;
        strbuf_append_str(out, "  ");
        append_span(change, "age_ms", out);
        strbuf_appendf(out, " ago: %s\n", admin_text(change, "text"));
    }
}

static void print_words(const json_t *answer)
{
    struct strbuf out = STRBUF_INIT;
    size_t i = 0;
    json_t *run = NULL;
    const json_t *capacity = json_object_get(answer, "capacity");
    strbuf_appendf(&out, "fleet %s (%s, %lld..%lld): %lld desired\n", admin_text(answer, "fleet"),
                   admin_text(answer, "policy"), (long long)admin_number(capacity, "min"),
                   (long long)admin_number(capacity, "max"), (long long)admin_number(answer, "desired"));
    append_override(answer, &out);
    if (json_array_size(json_object_get(answer, "last")) == 0)
        strbuf_append_str(&out, "decision none yet\n");
    json_array_foreach(json_object_get(answer, "last"), i, run)
    {
        append_run(run, &out);
    }
    append_changes(json_object_get(answer, "changes"), &out);
    (void)fputs(strbuf_str(&out), stdout);
    strbuf_clean_up(&out);
}

static int explain(const char *socket_path, const char *fleet, const struct explain_options *options)
{
    struct strbuf path = STRBUF_INIT;
    int exit_code = EXIT_CODE_OK;
    strbuf_append_str(&path, "/v1/explain?fleet=");
    admin_append_escaped(fleet, &path);
    strbuf_appendf(&path, "&last=%" PRId64, options->last);
    json_t *answer = admin_client_command("explain", socket_path, strbuf_str(&path), NULL, &exit_code);
    if (answer != NULL && options->json)
        admin_print_json(answer);
    else if (answer != NULL)
        print_words(answer);
    json_decref(answer);
    strbuf_clean_up(&path);
    return exit_code;
}

int cmd_explain(int argc, char **argv)
{
    struct explain_options options = {.config = NULL};
    const char *operands[1] = {NULL}; /* max_operands */
    int count = 0;
    char *socket_path = NULL;
    int exit_code = command_parse(&CMD_EXPLAIN_SPEC, &options, argc, argv, operands, &count);
    if (exit_code == COMMAND_GO_ON && count < 1)
        exit_code = command_fail("explain", EXIT_CODE_USAGE, "FLEET: missing (see sluice explain --help)");
    if (exit_code == COMMAND_GO_ON)
        socket_path = admin_client_find_socket("explain", options.config, options.socket, &exit_code);
    if (socket_path != NULL)
        exit_code = explain(socket_path, operands[0], &options);
    free(socket_path);
    options_clean_up(ROWS, &options);
    return exit_code;
}
