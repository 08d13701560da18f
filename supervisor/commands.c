/* What all commands share: reading a command line by its option table, help texts, errors. See commands.h. */
#include "supervisor/commands.h"

#include "base/exitcode.h"
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void print_help(const struct command_spec *spec)
{
    struct strbuf text = STRBUF_INIT;
    strbuf_appendf(&text, "Usage: sluice %s [OPTION...]%s%s\n\n%s\n\nOptions:\n", spec->name,
                   spec->operands != NULL ? " " : "", spec->operands != NULL ? spec->operands : "",
                   spec->summary);
    options_help(spec->rows, &text);
    strbuf_append_str(&text, "  --help                       show this text\n");
    if (spec->details != NULL)
        strbuf_appendf(&text, "\n%s", spec->details);
    (void)fputs(strbuf_str(&text), stdout);
    strbuf_clean_up(&text);
}

int command_parse(const struct command_spec *spec, void *target, int argc, char **argv, const char **operands,
                  int *ret_operand_count)
{
    struct err err = {.text = ""};
    const char **found = calloc((size_t)argc + 1, sizeof *found);
    int count = 0;
    if (found == NULL)
        return command_fail(spec->name, EXIT_CODE_SOFTWARE, "out of memory");
    options_set_defaults(spec->rows, target);
    int rc = options_parse_args(spec->rows, target, argc, argv, found, &count, &err);
    int exit_code = COMMAND_GO_ON;
    if (rc > 0) {
        print_help(spec);
        exit_code = EXIT_CODE_OK;
    } else if (rc < 0) {
        exit_code =
            command_fail(spec->name, EXIT_CODE_USAGE, "%s (see sluice %s --help)", err.text, spec->name);
    } else if (count > spec->max_operands) {
        exit_code = command_fail(spec->name, EXIT_CODE_USAGE, "%s: too many operands (see sluice %s --help)",
                                 found[spec->max_operands], spec->name);
    } else if (operands != NULL) {
        for (int i = 0; i < count; i++)
            operands[i] = found[i];
        *ret_operand_count = count;
    }
    free(found);
    return exit_code;
}

int command_fail(const char *command, int exit_code, const char *fmt, ...)
{
    struct strbuf text = STRBUF_INIT;
    va_list args;
    va_start(args, fmt);
    strbuf_vappendf(&text, fmt, args);
    va_end(args);
    (void)fprintf(stderr, "sluice %s: %s\n", command, strbuf_str(&text));
    strbuf_clean_up(&text);
    return exit_code;
}
