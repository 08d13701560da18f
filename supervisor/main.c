/*
 * sluice: the operator's command. Finds the command that was asked for in the table (command_table.c) and
 * calls it.
 */
#include "supervisor/commands.h"

#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "base/process.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static void print_usage(FILE *out)
{
    (void)fprintf(out, "Usage: sluice COMMAND [OPTION...]\n\n"
                       "Keeps a fleet of SQS workers at the right size.\n\nCommands:\n");
    for (const struct command *each = command_all(); each->spec != NULL; each++)
        if (each->help != NULL)
            (void)fprintf(out, "  %-8s  %s\n", each->spec->name, each->help);
    (void)fprintf(
        out,
        "\n\"sluice COMMAND --help\" tells more of each. Exit codes: 0 done, 1 the answer is no, 64 usage,\n"
        "65 bad data, 69 unreachable, 70 a bug of ours, 74 input/output, 75 busy, 77 permission,\n"
        "78 configuration.\n");
}

static const struct command *find_command(const char *name)
{
    for (const struct command *each = command_all(); each->spec != NULL; each++)
        if (strcmp(each->spec->name, name) == 0)
            return each;
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
        return command_fail(command->spec->name, EXIT_CODE_CONFIG, "%s", err.text);
    (void)signal(SIGPIPE, SIG_IGN);
    return command->fn(argc - 1, argv + 1);
}
