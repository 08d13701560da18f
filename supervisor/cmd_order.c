/*
 * sluice scale, pause and resume: an operator's order to a fleet of a running supervisor, over the admin
 * socket. docs/overrides.md tells what the orders do.
 */
#include "supervisor/commands.h"

#include "base/duration.h"
#include "base/exitcode.h"
#include "base/jsonw.h"
#include "policies/override.h"
#include "supervisor/admin_client.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct order_options {
    char *config;
    char *socket;
    int64_t for_ms;
    char *reason;
    bool json;
};

#define FOR_ROW(fallback)                                                                                    \
    {                                                                                                        \
        "for", OPTION_DURATION, offsetof(struct order_options, for_ms), fallback, OVERRIDE_FOR_MIN_MS,       \
            OVERRIDE_FOR_MAX_MS, NULL, "TIME", "how long the order holds"                                    \
    }
#define REASON_ROW(help)                                                                                     \
    {                                                                                                        \
        "reason", OPTION_STRING, offsetof(struct order_options, reason), NULL, 0, 0, NULL, "TEXT", help      \
    }
#define COMMON_ROWS                                                                                          \
    ADMIN_SOCKET_ROWS(struct order_options),                                                                 \
    {                                                                                                        \
        "json", OPTION_BOOL, offsetof(struct order_options, json), "false", 0, 0, NULL, NULL,                \
            "print the supervisor's answer as JSON"                                                          \
    }

#define EXIT_CODES                                                                                           \
    "Exit codes: 0 done; 1 the supervisor refuses, and says why; 64 usage; 69 no supervisor answers;\n"      \
    "78 configuration.\n"

static const struct option_row SCALE_ROWS[] = {
    FOR_ROW(NULL),
    REASON_ROW("why; required, one line that status, log and journal repeat"),
    COMMON_ROWS,
    OPTION_END,
};
static const struct option_row PAUSE_ROWS[] = {
    FOR_ROW("1h"),
    REASON_ROW("why; required, one line that status, log and journal repeat"),
    COMMON_ROWS,
    OPTION_END,
};
static const struct option_row RESUME_ROWS[] = {
    REASON_ROW("why, one line for log and journal"),
    COMMON_ROWS,
    OPTION_END,
};

const struct command_spec CMD_SCALE_SPEC = {
    .name = "scale",
    .operands = "FLEET N",
    .summary =
        "Pins a fleet at N workers for a time, whatever its policy says. N must lie within the fleet's "
        "min and max.\n--for and --reason are required: no order is for ever, and none is anonymous.",
    .rows = SCALE_ROWS,
    .max_operands = 2,
    .details =
        "When the time is over, or after sluice resume, the policy goes on from N: it grows at once when it\n"
        "needs to, and shrinks as patiently as ever. The order survives a restart of the "
        "supervisor.\n\n" EXIT_CODES,
};
const struct command_spec CMD_PAUSE_SPEC = {
    .name = "pause",
    .operands = "FLEET",
    .summary =
        "Lets the policy of a fleet change nothing for a time: it neither grows nor shrinks. Workers that "
        "end are\nstill replaced. --reason is required.",
    .rows = PAUSE_ROWS,
    .max_operands = 1,
    .details = EXIT_CODES,
};
const struct command_spec CMD_RESUME_SPEC = {
    .name = "resume",
    .operands = "FLEET",
    .summary = "Ends what sluice scale or sluice pause ordered; the policy decides again.",
    .rows = RESUME_ROWS,
    .max_operands = 1,
    .details = "Without an order in force nothing happens, and that is no error.\n\n" EXIT_CODES,
};

/* ---- what is asked ---- */

static int parse_workers(const char *text, int64_t *ret)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 1 || value > CAPACITY_LIMIT)
        return command_fail("scale", EXIT_CODE_USAGE, "N: \"%s\": want a whole number from 1 to %d", text,
                            CAPACITY_LIMIT);
    *ret = value;
    return COMMAND_GO_ON;
}

/* The body of the request. */
static void write_body(const struct override_order *order, struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);
    char length[48];
    jsonw_object(&w);
    if (order->kind == OVERRIDE_SCALE)
        jsonw_key_int(&w, "desired", order->desired);
    if (order->kind != OVERRIDE_NONE)
        jsonw_key_str(&w, "for", duration_format(order->for_ms, length));
    if (order->reason[0] != '\0')
        jsonw_key_str(&w, "reason", order->reason);
    jsonw_end_object(&w);
}

/* Checks what the table cannot. */
static int make_order(enum override_kind kind, const struct order_options *options,
                      const char *const *operands, int count, struct override_order *ret)
{
    const char *name = override_action(kind);
    int wanted = kind == OVERRIDE_SCALE ? 2 : 1;
    *ret = (struct override_order){.kind = kind, .for_ms = options->for_ms, .uid = -1, .pid = -1};
    if (count < wanted)
        return command_fail(name, EXIT_CODE_USAGE, "%s: missing (see sluice %s --help)",
                            count == 0 ? "FLEET" : "N", name);
    if (kind == OVERRIDE_SCALE && options->for_ms == 0)
        return command_fail(name, EXIT_CODE_USAGE, "--for: missing: want a duration from 1s to 7d");
    if (kind != OVERRIDE_NONE && options->reason == NULL)
        return command_fail(name, EXIT_CODE_USAGE, "--reason: missing: want one line of 1 to %d bytes",
                            OVERRIDE_REASON_MAX);
    if (options->reason != NULL && strlen(options->reason) > OVERRIDE_REASON_MAX)
        return command_fail(name, EXIT_CODE_USAGE, "--reason: too long: want one line of at most %d bytes",
                            OVERRIDE_REASON_MAX);
    (void)snprintf(ret->reason, sizeof ret->reason, "%s", options->reason != NULL ? options->reason : "");
    return kind == OVERRIDE_SCALE ? parse_workers(operands[1], &ret->desired) : COMMAND_GO_ON;
}

/* ---- what is answered ---- */

static void print_words(const json_t *answer)
{
    const json_t *replaced = json_object_get(answer, "replaced");
    const char *fleet = admin_text(answer, "fleet");
    if (json_is_object(replaced)) {
        struct strbuf by = STRBUF_INIT;
        admin_append_user(admin_number(replaced, "uid"), &by);
        (void)printf("%s: ended: %s by %s: %s\n", fleet, admin_text(replaced, "action"), strbuf_str(&by),
                     admin_text(replaced, "reason"));
        strbuf_clean_up(&by);
    } else if (strcmp(admin_text(answer, "action"), override_action(OVERRIDE_NONE)) == 0) {
        (void)printf("%s: nothing to resume: no order was in force\n", fleet);
    }
    (void)printf("%s: %s\n", fleet, admin_text(answer, "text"));
    if (json_is_string(json_object_get(answer, "save_error")))
        (void)fprintf(stderr, "sluice: warning: a restart of the supervisor will forget this order: %s\n",
                      admin_text(answer, "save_error"));
}

static int send_order(const char *socket_path, const char *fleet, const struct override_order *order,
                      bool as_json)
{
    struct strbuf path = STRBUF_INIT;
    struct strbuf body = STRBUF_INIT;
    int exit_code = EXIT_CODE_OK;
    strbuf_append_str(&path, "/v1/fleets/");
    admin_append_escaped(fleet, &path);
    strbuf_appendf(&path, "/%s", override_action(order->kind));
    write_body(order, &body);
    json_t *answer = admin_client_command(override_action(order->kind), socket_path, strbuf_str(&path),
                                          strbuf_str(&body), &exit_code);
    if (answer != NULL && as_json)
        admin_print_json(answer);
    else if (answer != NULL)
        print_words(answer);
    json_decref(answer);
    strbuf_clean_up(&path);
    strbuf_clean_up(&body);
    return exit_code;
}

static int give_order(enum override_kind kind, const struct command_spec *spec, int argc, char **argv)
{
    struct order_options options = {.config = NULL};
    struct override_order order;
    const char *operands[2] = {NULL}; /* max_operands */
    int count = 0;
    char *socket_path = NULL;
    int exit_code = command_parse(spec, &options, argc, argv, operands, &count);
    if (exit_code == COMMAND_GO_ON)
        exit_code = make_order(kind, &options, operands, count, &order);
    if (exit_code == COMMAND_GO_ON)
        socket_path = admin_client_find_socket(spec->name, options.config, options.socket, &exit_code);
    if (socket_path != NULL)
        exit_code = send_order(socket_path, operands[0], &order, options.json);
    free(socket_path);
    options_clean_up(spec->rows, &options);
    return exit_code;
}

int cmd_scale(int argc, char **argv)
{
    return give_order(OVERRIDE_SCALE, &CMD_SCALE_SPEC, argc, argv);
}

int cmd_pause(int argc, char **argv)
{
    return give_order(OVERRIDE_PAUSE, &CMD_PAUSE_SPEC, argc, argv);
}

int cmd_resume(int argc, char **argv)
{
    return give_order(OVERRIDE_NONE, &CMD_RESUME_SPEC, argc, argv);
}
