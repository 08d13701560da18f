/*
 * What pages and completions are made of: the three programs, their commands and their option tables, in one
 * shape. Everything in it is the programs' own table; nothing is written a second time.
 */
#ifndef SLUICE_REFERENCE_PROGRAM_H
#define SLUICE_REFERENCE_PROGRAM_H

#include "base/options.h"

#include <stdbool.h>
#include <stddef.h>

enum { REFERENCE_TABLES_MAX = 12, REFERENCE_COMMANDS_MAX = 32, REFERENCE_PROGRAMS = 3 };

struct reference_table {
    const char *heading; /* NULL: the program's general options */
    const char *help;    /* one sentence; NULL: none */
    const struct option_row *rows;
};

struct reference_command {
    const char *name; /* NULL: the program takes no commands, this stands for all of it */
    const char *help; /* one line */
    const char *operands;
    bool has_version; /* --version, which has no row */
    struct reference_table tables[REFERENCE_TABLES_MAX];
    size_t table_count;
};

struct reference_program {
    const char *name;
    const char *help; /* one line */
    struct reference_command commands[REFERENCE_COMMANDS_MAX];
    size_t command_count;
};

/* Fills in sluice, sluice-worker, sluice-localaws. Not for two threads at a time. */
void reference_programs(struct reference_program ret[static REFERENCE_PROGRAMS]);

#endif
