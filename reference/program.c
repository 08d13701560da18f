/* Gathers the programs' tables; see program.h. */
#include "reference/program.h"

#include "localaws/options.h"
#include "supervisor/commands.h"
#include "worker/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKER_ROWS_MAX = 128, HANDLERS_MAX = 16 };

static void limit(size_t count, size_t max, const char *what)
{
    if (count < max)
        return;
    (void)fprintf(stderr, "bug: more than %zu %s\n", max, what);
    abort();
}

static void add_table(struct reference_command *command, const char *heading, const char *help,
                      const struct option_row *rows)
{
    limit(command->table_count, REFERENCE_TABLES_MAX, "tables of a command");
    command->tables[command->table_count++] = (struct reference_table){heading, help, rows};
}

static void describe_sluice(struct reference_program *program)
{
    program->name = "sluice";
    program->help = "supervisor of SQS worker fleets, and its operator's command";
    for (const struct command *each = command_all(); each->spec != NULL; each++) {
        if (each->help == NULL)
            continue;
        limit(program->command_count, REFERENCE_COMMANDS_MAX, "commands");
        struct reference_command *command = &program->commands[program->command_count++];
        command->name = each->spec->name;
        command->help = each->help;
        command->operands = each->spec->operands;
        add_table(command, NULL, NULL, each->spec->rows);
    }
}

/* The worker's rows, with the handlers' names as what --handler takes: the table itself leaves them open,
 * since the handlers are a registry of their own. */
static const struct option_row *worker_rows(void)
{
    static struct option_row rows[WORKER_ROWS_MAX];
    static const char *names[HANDLERS_MAX];
    size_t count = 0;
    for (const struct handler *const *each = handler_all(); *each != NULL; each++) {
        limit(count + 1, HANDLERS_MAX, "handlers");
        names[count++] = (*each)->name;
    }
    for (count = 0; SETTINGS_OPTIONS[count].name != NULL; count++) {
        limit(count + 1, WORKER_ROWS_MAX, "options of sluice-worker");
        rows[count] = SETTINGS_OPTIONS[count];
        if (strcmp(rows[count].name, "handler") == 0) {
            rows[count].type = OPTION_ENUM;
            rows[count].choices = names;
        }
    }
    return rows;
}

static void describe_worker(struct reference_program *program)
{
    struct reference_command *command = &program->commands[program->command_count++];
    program->name = "sluice-worker";
    program->help = "receives messages of an SQS queue, handles and deletes them";
    command->help = program->help;
    command->operands = "[-- ARGUMENT...]";
    command->has_version = true;
    add_table(command, NULL, NULL, worker_rows());
    for (const struct handler *const *each = handler_all(); *each != NULL; each++)
        add_table(command, (*each)->name, (*each)->help, (*each)->options);
}

static void describe_localaws(struct reference_program *program)
{
    struct reference_command *command = &program->commands[program->command_count++];
    program->name = "sluice-localaws";
    program->help = "SQS, ECS, CloudWatch, DynamoDB and STS on loopback, in memory";
    command->help = program->help;
    add_table(command, NULL, NULL, LOCALAWS_OPTIONS);
}

void reference_programs(struct reference_program ret[static REFERENCE_PROGRAMS])
{
    memset(ret, 0, sizeof *ret * REFERENCE_PROGRAMS);
    describe_sluice(&ret[0]);
    describe_worker(&ret[1]);
    describe_localaws(&ret[2]);
}
