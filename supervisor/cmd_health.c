/* sluice health: whether a supervisor is alive, or ready, for health checks of containers that have no shell.
 * Workers (--metrics-listen) and sluice-localaws answer /healthz in the same form. */
#include "supervisor/commands.h"

#include "base/exitcode.h"
#include "base/strbuf.h"
#include "supervisor/admin_client.h"
#include "supervisor/config.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct health_options {
    char *admin;
    char *config;
    bool ready;
    int64_t timeout_ms;
};

static const struct option_row ROWS[] = {
    {"admin", OPTION_STRING, offsetof(struct health_options, admin), NULL, 0, 0, NULL, "SOCKET|URL",
     "path of the admin socket, or http://HOST:PORT of admin.listen; default: " CONFIG_STATE_DIR_DEFAULT
     "/admin.sock"},
    {"config", OPTION_STRING, offsetof(struct health_options, config), NULL, 0, 0, NULL, "FILE",
     "configuration file that names the admin socket"},
    {"ready", OPTION_BOOL, offsetof(struct health_options, ready), "false", 0, 0, NULL, NULL,
     "ask whether it leads and has fresh data, not only whether it lives"},
    {"timeout", OPTION_DURATION, offsetof(struct health_options, timeout_ms), "3s", 100, 60000, NULL, NULL,
     "how long to wait for the answer, real time"},
    OPTION_END,
};

const struct command_spec CMD_HEALTH_SPEC = {
    .name = "health",
    .summary =
        "Asks a running supervisor whether it is alive (GET /healthz) or, with --ready, ready (GET "
        "/readyz),\n"
        "and says so in one line: for the health check of a container, with no shell and no other program.\n"
        "A worker with --metrics-listen, and sluice-localaws, are asked with --admin URL.",
    .rows = ROWS,
    .details = "Exit codes: 0 yes; 1 no, no answer in time, or nobody there; 64 usage; 78 configuration.\n",
};

/* Appends the line; false when it was no supervisor that answered. "ready", or "not ready: fleet orders: its
 * queue has not been read yet (and 2 more)". */
static bool tell(const struct strbuf *body, struct strbuf *line)
{
    json_error_t where;
    json_t *answer = json_loadb(strbuf_str(body), body->len, 0, &where);
    const char *status = json_string_value(json_object_get(answer, "status"));
    const json_t *reasons = json_object_get(answer, "reasons");
    size_t count = json_array_size(reasons);
    const char *first = json_string_value(json_array_get(reasons, 0));
    bool is_ours = status != NULL;
    strbuf_append_str(line, is_ours ? status : "an answer that cannot be understood");
    if (first != NULL)
        strbuf_appendf(line, ": %s", first);
    if (count > 1)
        strbuf_appendf(line, " (and %zu more)", count - 1);
    json_decref(answer);
    return is_ours;
}

static int ask(const struct health_options *options, const char *admin)
{
    struct strbuf body = STRBUF_INIT;
    struct strbuf line = STRBUF_INIT;
    struct err err = {.text = ""};
    int exit_code = EXIT_CODE_NO;
    const char *path = options->ready ? "/readyz" : "/healthz";
    long code = admin_client_probe(admin, path, (long)options->timeout_ms, &body, &err);
    if (code < 0) {
        (void)command_fail("health", exit_code, "%s", err.text);
    } else if (code != 200 && code != 503) {
        (void)command_fail("health", exit_code, "%s answers HTTP %ld to %s", admin, code, path);
    } else {
        bool is_ours = tell(&body, &line);
        (void)puts(strbuf_str(&line));
        exit_code = is_ours && code == 200 ? EXIT_CODE_OK : EXIT_CODE_NO;
    }
    strbuf_clean_up(&body);
    strbuf_clean_up(&line);
    return exit_code;
}

int cmd_health(int argc, char **argv)
{
    struct health_options options = {.admin = NULL};
    char *admin = NULL;
    int exit_code = command_parse(&CMD_HEALTH_SPEC, &options, argc, argv, NULL, NULL);
    if (exit_code == COMMAND_GO_ON) {
        admin = admin_client_find_socket("health", options.config, options.admin, &exit_code);
        if (admin != NULL)
            exit_code = ask(&options, admin);
    }
    free(admin);
    options_clean_up(ROWS, &options);
    return exit_code;
}
