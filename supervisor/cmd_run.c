/* sluice run: supervises the fleets of a configuration file. */
#include "supervisor/commands.h"

#include "base/exitcode.h"
#include "base/log.h"
#include "supervisor/config.h"
#include "supervisor/daemon.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

struct run_options {
    char *config;
};

static const struct option_row ROWS[] = {
    {"config", OPTION_STRING, offsetof(struct run_options, config), NULL, 0, 0, NULL, "FILE|env:NAME",
     "the configuration file (docs/configuration.md), or the environment variable that holds it; required"},
    OPTION_END,
};

const struct command_spec CMD_RUN_SPEC = {
    .name = "run",
    .summary = "Supervises the fleets of a configuration file: reads their queues, decides how many workers "
               "each needs,\n"
               "starts and stops them. TERM, INT or QUIT drains all workers and ends; a second INT on a "
               "terminal kills\n"
               "what still drains.",
    .rows = ROWS,
    .details = "Exit codes: 0 drained; 64 usage; 74 files or sockets; 75 another supervisor holds the state "
               "folder;\n"
               "78 configuration.\n",
};

/* Sets a variable for the moment in which the log reads it, unless the operator has set it: the environment
 * is nearer to him than the file. It does not stay, since workers would inherit it. */
static void set_log(const struct config *config)
{
    static const char *const LEVELS[] = {"debug", "info", "warning", "error"};
    struct err ignored;
    const char *level = getenv("SLUICE_LOG_LEVEL");
    const char *format = getenv("SLUICE_LOG_FORMAT");
    bool set_level = config->log.level >= 0 && (level == NULL || *level == '\0');
    bool set_format = config->log.format >= 0 && (format == NULL || *format == '\0');
    if (set_level)
        (void)setenv("SLUICE_LOG_LEVEL", LEVELS[config->log.level], 1);
    if (set_format)
        (void)setenv("SLUICE_LOG_FORMAT", config->log.format == LOG_JSON ? "json" : "plain", 1);
    (void)log_init_from_env("sluice", &ignored);
    if (set_level)
        (void)unsetenv("SLUICE_LOG_LEVEL");
    if (set_format)
        (void)unsetenv("SLUICE_LOG_FORMAT");
}

int cmd_run(int argc, char **argv)
{
    struct run_options options = {.config = NULL};
    struct config config = {.path = NULL};
    struct err err = {.text = ""};
    int exit_code = command_parse(&CMD_RUN_SPEC, &options, argc, argv, NULL, NULL);
    if (exit_code != COMMAND_GO_ON)
        goto done;
    if (options.config == NULL) {
        exit_code = command_fail("run", EXIT_CODE_USAGE, "--config FILE is required (see sluice run --help)");
        goto done;
    }
    if (config_load(options.config, &config, &err) != 0) {
        exit_code = command_fail("run", EXIT_CODE_CONFIG, "%s", err.text);
        goto done;
    }
    set_log(&config);
    /* Meant for a worker by itself: the workers of one host cannot all have the same port. A fleet's "env"
     * may set it for a fleet of one. */
    (void)unsetenv("SLUICE_METRICS_LISTEN");
    exit_code = daemon_run(&config, &err);
    if (exit_code != EXIT_CODE_OK)
        (void)command_fail("run", exit_code, "%s", err.text);
done:
    config_clean_up(&config);
    options_clean_up(ROWS, &options);
    return exit_code;
}
