/* The pages of the programs and their commands; see manual.h. */
#include "reference/manual.h"

#include "reference/roff.h"
#include "worker/settings.h"

#include <string.h>

static const char ENVIRONMENT_OF_ALL[] =
    "AWS_* is read as AWS's own tools read it: credentials, profile, region, endpoints.";

static void common_environment(struct strbuf *out)
{
    roff_entry("SLUICE_LOG_LEVEL", NULL, "debug, info, warning or error", out);
    roff_entry("SLUICE_LOG_FORMAT", NULL, "plain or json; by default plain on a terminal and json elsewhere",
               out);
}

static void see_also(const char *const *pages, struct strbuf *out)
{
    roff_section("SEE ALSO", out);
    for (; pages[0] != NULL; pages += 2)
        strbuf_appendf(out, ".BR %s (%s)%s\n", pages[0], pages[1], pages[2] != NULL ? "," : "");
}

static void synopsis(const char *program, const char *command, const char *operands, struct strbuf *out)
{
    roff_section("SYNOPSIS", out);
    strbuf_appendf(out, ".B %s%s%s\n", program, command != NULL ? " " : "", command != NULL ? command : "");
    strbuf_append_str(out, "[\\fIOPTION\\fR...]\n");
    if (operands != NULL)
        roff_text(operands, out);
}

static void options(const struct reference_table *table, struct strbuf *out)
{
    for (const struct option_row *row = table->rows; row->name != NULL; row++)
        roff_option(row, out);
}

void manual_sluice(const struct reference_program *program, const char *date, struct strbuf *out)
{
    static const char *const PAGES[] = {
        "sluice-run", "1", "sluice-worker", "1", "sluice-localaws", "1", "sluice.json", "5", NULL};
    roff_begin("sluice", "1", date, program->help, out);
    roff_section("SYNOPSIS", out);
    strbuf_append_str(out, ".B sluice\n\\fICOMMAND\\fR [\\fIOPTION\\fR...]\n");
    roff_section("DESCRIPTION", out);
    roff_text(
        "Keeps a fleet of SQS workers at the right size: watches the depth of its queue, and starts and "
        "stops "
        "workers, processes of this host or tasks of an ECS service, between a minimum and a maximum.\n",
        out);
    roff_section("COMMANDS", out);
    roff_text("Each has a page of its own, such as sluice-run(1).\n", out);
    for (size_t i = 0; i < program->command_count; i++)
        roff_entry(program->commands[i].name, NULL, program->commands[i].help, out);
    roff_section("OPTIONS", out);
    roff_entry("--help", NULL, "list the commands", out);
    roff_entry("--version", NULL, "as sluice version", out);
    roff_section("EXIT STATUS", out);
    roff_text("0 done, 1 the answer is no, 64 usage, 65 bad data, 69 unreachable, 70 a bug of ours, 74 "
              "input/output, 75 busy, 77 permission, 78 configuration.\n",
              out);
    roff_section("ENVIRONMENT", out);
    roff_text(ENVIRONMENT_OF_ALL, out);
    common_environment(out);
    see_also(PAGES, out);
}

/* A command's further paragraphs; exit codes, the last of them, are a section of their own. */
static void details(const char *text, struct strbuf *out)
{
    static const char MARK[] = "Exit codes: ";
    const char *codes = strstr(text, MARK);
    struct strbuf before = STRBUF_INIT;
    strbuf_append(&before, text, codes != NULL ? (size_t)(codes - text) : strlen(text));
    if (before.len > 0) {
        roff_section("NOTES", out);
        roff_text(strbuf_str(&before), out);
    }
    if (codes != NULL) {
        roff_section("EXIT STATUS", out);
        roff_text(codes + sizeof MARK - 1, out);
    }
    strbuf_clean_up(&before);
}

void manual_command(const struct command *command, const char *date, struct strbuf *out)
{
    static const char *const PAGES[] = {"sluice", "1", "sluice.json", "5", NULL};
    const struct command_spec *spec = command->spec;
    const struct reference_table table = {.rows = spec->rows};
    char name[OPTIONS_FLAG_BYTES] = "sluice-";
    strncat(name, spec->name, sizeof name - sizeof "sluice-");
    roff_begin(name, "1", date, command->help, out);
    synopsis("sluice", spec->name, spec->operands, out);
    roff_section("DESCRIPTION", out);
    roff_text(spec->summary, out);
    roff_section("OPTIONS", out);
    options(&table, out);
    roff_entry("--help", NULL, "show a summary", out);
    if (spec->details != NULL)
        details(spec->details, out);
    see_also(PAGES, out);
}

void manual_worker(const struct reference_program *program, const char *date, struct strbuf *out)
{
    static const char *const PAGES[] = {"sluice", "1", "sluice.json", "5", NULL};
    const struct reference_command *command = &program->commands[0];
    roff_begin(program->name, "1", date, program->help, out);
    synopsis(program->name, NULL, command->operands, out);
    roff_section("DESCRIPTION", out);
    roff_text(
        "Receives messages from an SQS queue, handles them in many threads and deletes them. What a message "
        "means is the affair of a handler; receiving, extending, retries, dead letters, the order of FIFO "
        "queues and draining are the worker's.\n\n"
        "TERM, INT, QUIT and HUP drain; a second INT on a terminal leaves at once.\n",
        out);
    for (size_t i = 0; i < command->table_count; i++) {
        const struct reference_table *table = &command->tables[i];
        struct strbuf heading = STRBUF_INIT;
        if (table->heading == NULL) {
            roff_section("OPTIONS", out);
        } else {
            strbuf_appendf(&heading, "Handler %s", table->heading);
            roff_part(strbuf_str(&heading), out);
            roff_text(table->help, out);
        }
        options(table, out);
        if (table->heading == NULL) {
            roff_entry("--help", NULL, "show a summary", out);
            roff_entry("--version", NULL, "print the version", out);
        }
        strbuf_clean_up(&heading);
    }
    roff_section("ENVIRONMENT", out);
    roff_text("The command line wins over it.", out);
    for (const struct option_row *row = SETTINGS_ENVIRONMENT; row->name != NULL; row++)
        roff_variable(row, out);
    for (const struct handler *const *each = handler_all(); *each != NULL; each++)
        for (const struct option_row *row = (*each)->environment; row->name != NULL; row++)
            roff_variable(row, out);
    common_environment(out);
    strbuf_append_str(out, ".PP\n");
    roff_text(ENVIRONMENT_OF_ALL, out);
    roff_section("EXIT STATUS", out);
    roff_text("0 drained; 64 usage; 69 no such queue; 70 our bug; 74 ledger or telemetry; 77 credentials or "
              "permission; 78 configuration.\n",
              out);
    see_also(PAGES, out);
}

void manual_localaws(const struct reference_program *program, const char *date, struct strbuf *out)
{
    static const char *const PAGES[] = {"sluice", "1", "sluice-worker", "1", NULL};
    const struct reference_command *command = &program->commands[0];
    roff_begin(program->name, "1", date, program->help, out);
    synopsis(program->name, NULL, NULL, out);
    roff_section("DESCRIPTION", out);
    roff_text("For development, demonstrations and tests. Prints one line of JSON with its URL when it is "
              "ready, and "
              "serves until TERM or INT. Nothing is kept when it ends.\n",
              out);
    roff_section("OPTIONS", out);
    options(&command->tables[0], out);
    roff_entry("--help", NULL, "show a summary", out);
    roff_section("ENVIRONMENT", out);
    roff_text("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are the key that signatures are verified against.",
              out);
    common_environment(out);
    see_also(PAGES, out);
}
