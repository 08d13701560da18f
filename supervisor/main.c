/*
 * sluice: the operator's command. Finds the command that was asked for in the table below and calls it.
 */
#include "supervisor/commands.h"

#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "base/process.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    const char *help; /* one line; NULL: not listed */
    int (*fn)(int argc, char **argv);
};

static const struct command COMMANDS[] = {
    {"run", "supervise the fleets of a configuration file until told to stop", cmd_run},
    {"check", "check a configuration file, and whether this host and the queue fit it", cmd_check},
    {"doctor", "say which credentials, endpoints and permissions there are, and what is missing", cmd_doctor},
    {"status", "show what a running supervisor sees and does", cmd_status},
    {"health", "tell whether a running supervisor is alive, or ready", cmd_health},
    {"explain", "tell why a fleet has the size it has, and its last changes", cmd_explain},
    {"scale", "pin a fleet at a number of workers for a time", cmd_scale},
    {"pause", "let a fleet's policy change nothing for a time", cmd_pause},
    {"resume", "end what scale or pause ordered", cmd_resume},
    {"load", "send orders to a queue at a steady rate", cmd_load},
    {"demo", "run the flash sale on a local endpoint and account for every order", cmd_demo},
    {"plan", "compute workers, cost and backlog for a rate", cmd_plan},
    {"measure", "measure one worker draining a backlog, beside what its slots allow", cmd_measure},
    {"measure-naive", NULL, cmd_measure_naive}, /* a part of measure, not a command for people */
    {"version", "show the version", cmd_version},
};

enum { COMMAND_COUNT = (int)(sizeof COMMANDS / sizeof COMMANDS[0]) };

static void print_usage(FILE *out)
{
    (void)fprintf(out, "Usage: sluice COMMAND [OPTION...]\n\n"
                       "Keeps a fleet of SQS workers at the right size.\n\nCommands:\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (COMMANDS[i].help != NULL)
            (void)fprintf(out, "  %-8s  %s\n", COMMANDS[i].name, COMMANDS[i].help);
    (void)fprintf(
        out,
        "\n\"sluice COMMAND --help\" tells more of each. Exit codes: 0 done, 1 the answer is no, 64 usage,\n"
        "65 bad data, 69 unreachable, 70 a bug of ours, 74 input/output, 75 busy, 77 permission,\n"
        "78 configuration.\n");
}

static const struct command *find_command(const char *name)
{
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(COMMANDS[i].name, name) == 0)
            return &COMMANDS[i];
    return NULL;
}

int main(int argc, char **argv)
{
    struct err err = {.text = ""};
    process_init();
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_CODE_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage(stdout);
        return EXIT_CODE_OK;
    }
    const struct command *command = find_command(strcmp(name, "--version") == 0 ? "version" : name);
    if (command == NULL) {
        (void)fprintf(stderr, "sluice: unknown command %s (sluice --help lists them)\n", name);
        return EXIT_CODE_USAGE;
    }
    if (clock_init(&err) != 0 || log_init_from_env("sluice", &err) != 0)
        return command_fail(command->name, EXIT_CODE_CONFIG, "%s", err.text);
    (void)signal(SIGPIPE, SIG_IGN);
    return command->fn(argc - 1, argv + 1);
}
