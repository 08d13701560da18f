/*
 * Shell completions out of a program's tables: commands, options, and of values those that are known (the
 * choices of an enum, files). Each appends one whole file.
 */
#ifndef SLUICE_REFERENCE_COMPLETION_H
#define SLUICE_REFERENCE_COMPLETION_H

#include "base/strbuf.h"
#include "reference/program.h"

/* What a value is, as far as a shell can help with it. */
enum completion_value {
    COMPLETION_NONE,      /* the option takes none */
    COMPLETION_ANY,       /* a number, a duration, a URL ... */
    COMPLETION_CHOICE,    /* one of row->choices */
    COMPLETION_FILE,      /* a path */
    COMPLETION_DIRECTORY, /* a path of a directory */
};

enum completion_value completion_value_of(const struct option_row *row);

/* True when the option is set unless it is cleared: --no-NAME is then the form that does something. */
bool completion_is_cleared(const struct option_row *row);

void completion_bash(const struct reference_program *program, struct strbuf *out);
void completion_zsh(const struct reference_program *program, struct strbuf *out);
void completion_fish(const struct reference_program *program, struct strbuf *out);

#endif
