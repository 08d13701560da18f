/*
 * Option tables: one row a setting. The same rows serve command lines, environment variables, JSON
 * configuration, help, dumps and the reference page, so they cannot drift apart. Pure: no I/O.
 *
 *   struct demo_options { int64_t speed; char *report; };
 *   static const struct option_row ROWS[] = {
 *       {"speed", OPTION_INT, offsetof(struct demo_options, speed), "10", 1, 20, NULL, "N", "how many times
 * as fast"}, OPTION_END};
 *
 * Field types: OPTION_INT int64_t; OPTION_DOUBLE double; OPTION_BOOL bool; OPTION_DURATION int64_t in ms;
 * OPTION_STRING char * (owned by the struct, NULL when the default is NULL); OPTION_ENUM int (index into
 * choices).
 */
#ifndef SLUICE_BASE_OPTIONS_H
#define SLUICE_BASE_OPTIONS_H

#include "base/err.h"
#include "base/jsonw.h"
#include "base/strbuf.h"

#include <stddef.h>

enum option_type {
    OPTION_END_OF_TABLE,
    OPTION_INT,
    OPTION_DOUBLE,
    OPTION_BOOL,
    OPTION_DURATION,
    OPTION_STRING,
    OPTION_ENUM,
};

struct option_row {
    const char
        *name; /* snake_case; a command line shows it as --kebab-case, an environment variable in capitals */
    enum option_type type;
    size_t offset;
    const char *fallback;       /* default as text, as a user would write it; NULL: zero / none */
    double min, max;            /* allowed range: INT, DOUBLE; DURATION in ms. max 0 and min 0: any */
    const char *const *choices; /* ENUM: NULL-terminated */
    const char *unit;           /* word for help: "N", "FILE", "SECONDS" */
    const char *help;           /* one sentence, lower case, no full stop */
};

#define OPTION_END                                                                                           \
    {                                                                                                        \
        .name = NULL, .type = OPTION_END_OF_TABLE                                                            \
    }

/* Fills a zeroed struct with the table's defaults. A default that does not parse is our bug: aborts. */
void options_set_defaults(const struct option_row *rows, void *target);

/* Sets one field from text. Returns 0, or -1 with err naming option, value and what is allowed; target
 * unchanged. */
int options_set_text(const struct option_row *row, void *target, const char *text, struct err *err);

/* The row called `name` (snake_case or kebab-case), or NULL. */
const struct option_row *options_find(const struct option_row *rows, const char *name);

/* Frees the strings of the target. */
void options_clean_up(const struct option_row *rows, void *target);

/* Deep copy between two structs of the same table (strings are duplicated; `to` must be zeroed or cleaned
 * up). */
void options_copy(const struct option_row *rows, void *to, const void *from);

enum { OPTIONS_FLAG_BYTES = 64 };

/* The row's name on a command line, without the hyphens before it: "stop-grace". */
void options_flag_name(const struct option_row *row, char out[static OPTIONS_FLAG_BYTES]);

/* The word for its value in help: "FILE", "VALUE" for want of a better one; NULL for BOOL, which needs none.
 */
const char *options_value_word(const struct option_row *row);

/* What is allowed, in words: "a whole number from 1 to 20", "a duration such as 60s, from 1s to 1h", "one of
 * a, b". */
void options_describe_range(const struct option_row *row, struct strbuf *out);

/* Help lines "  --speed N   how many times as fast (default 10; 1 to 20)". */
void options_help(const struct option_row *rows, struct strbuf *out);

/* Current values as JSON members of the object that w is in (durations as text with unit). */
void options_dump(const struct option_row *rows, const void *target, struct jsonw *w);

/* Parses argv[1..] against the rows: --name value, --name=value, --flag for BOOL (--no-flag clears). What is
 * no option is collected in order in operands (argc entries of room) and *operand_count; "--" ends options.
 * `--help` is not handled here: it comes back as err with *wants_help = 1 and return 1.
 * Returns 0; 1 for help; -1 with err. */
int options_parse_args(const struct option_row *rows, void *target, int argc, char **argv,
                       const char **operands, int *operand_count, struct err *err);

/* Reads every row whose environment variable is set (name in capitals, with the given prefix, such as
 * "SLUICE_" or
 * ""). An empty value counts as unset. Returns 0 or -1 with err naming the variable. */
int options_parse_env(const struct option_row *rows, void *target, const char *prefix, struct err *err);

#endif
