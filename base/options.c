/* Option tables: defaults, text, command lines, environment, help and dumps from one set of rows. */
#include "base/options.h"

#include "base/alloc.h"
#include "base/duration.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = OPTIONS_FLAG_BYTES };

static void *field_of(const struct option_row *row, void *target)
{
    return (char *)target + row->offset;
}

static const void *const_field_of(const struct option_row *row, const void *target)
{
    return (const char *)target + row->offset;
}

static bool has_range(const struct option_row *row)
{
    return row->min != 0 || row->max != 0;
}

static bool in_range(const struct option_row *row, double value)
{
    return !has_range(row) || (value >= row->min && value <= row->max);
}

static void describe_numbers(const struct option_row *row, struct strbuf *out)
{
    if (has_range(row))
        strbuf_appendf(out, " from %.15g to %.15g", row->min, row->max);
}

static void describe_duration(const struct option_row *row, struct strbuf *out)
{
    char low[48];
    char high[48];
    strbuf_append_str(out, "a duration with a unit such as \"60s\" or \"5m\"");
    if (has_range(row))
        strbuf_appendf(out, ", from %s to %s", duration_format((int64_t)row->min, low),
                       duration_format((int64_t)row->max, high));
}

void options_describe_range(const struct option_row *row, struct strbuf *out)
{
    switch (row->type) {
    case OPTION_INT:
        strbuf_append_str(out, "a whole number");
        describe_numbers(row, out);
        break;
    case OPTION_DOUBLE:
        strbuf_append_str(out, "a number");
        describe_numbers(row, out);
        break;
    case OPTION_BOOL:
        strbuf_append_str(out, "true or false");
        break;
    case OPTION_DURATION:
        describe_duration(row, out);
        break;
    case OPTION_ENUM:
        strbuf_append_str(out, "one of ");
        for (int i = 0; row->choices[i] != NULL; i++)
            strbuf_appendf(out, "%s%s", i > 0 ? ", " : "", row->choices[i]);
        break;
    case OPTION_STRING:
    case OPTION_END_OF_TABLE:
        strbuf_append_str(out, "text");
        break;
    }
}

static int refuse(const struct option_row *row, const char *text, struct err *err)
{
    struct strbuf want = STRBUF_INIT;
    options_describe_range(row, &want);
    (void)err_set(err, "%s: \"%.100s\": want %s", row->name, text, strbuf_str(&want));
    strbuf_clean_up(&want);
    return -1;
}

static int parse_int(const char *text, int64_t *ret)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || isspace((unsigned char)text[0]))
        return -1;
    *ret = value;
    return 0;
}

static int parse_double(const char *text, double *ret)
{
    char *end = NULL;
    errno = 0;
    double value = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || !isfinite(value) || isspace((unsigned char)text[0]))
        return -1;
    *ret = value;
    return 0;
}

static int parse_bool(const char *text, bool *ret)
{
    static const char *const YES[] = {"true", "1", "yes", "on"};
    static const char *const NO[] = {"false", "0", "no", "off"};
    for (size_t i = 0; i < sizeof YES / sizeof YES[0]; i++) {
        if (strcmp(text, YES[i]) == 0 || strcmp(text, NO[i]) == 0) {
            *ret = strcmp(text, YES[i]) == 0;
            return 0;
        }
    }
    return -1;
}

static int parse_enum(const struct option_row *row, const char *text, int *ret)
{
    for (int i = 0; row->choices[i] != NULL; i++) {
        if (strcmp(row->choices[i], text) == 0) {
            *ret = i;
            return 0;
        }
    }
    return -1;
}

static int set_number(const struct option_row *row, void *field, const char *text)
{
    int64_t integer = 0;
    double real = 0;
    if (row->type == OPTION_DOUBLE) {
        if (parse_double(text, &real) != 0 || !in_range(row, real))
            return -1;
        *(double *)field = real;
        return 0;
    }
    int rc = row->type == OPTION_INT ? parse_int(text, &integer) : duration_parse(text, &integer);
    if (rc != 0 || !in_range(row, (double)integer))
        return -1;
    *(int64_t *)field = integer;
    return 0;
}

int options_set_text(const struct option_row *row, void *target, const char *text, struct err *err)
{
    void *field = field_of(row, target);
    int rc = -1;
    switch (row->type) {
    case OPTION_INT:
    case OPTION_DOUBLE:
    case OPTION_DURATION:
        rc = set_number(row, field, text);
        break;
    case OPTION_BOOL:
        rc = parse_bool(text, field);
        break;
    case OPTION_ENUM:
        rc = parse_enum(row, text, field);
        break;
    case OPTION_STRING:
        free(*(char **)field);
        *(char **)field = xstrdup(text);
        rc = 0;
        break;
    case OPTION_END_OF_TABLE:
        break;
    }
    return rc == 0 ? 0 : refuse(row, text, err);
}

void options_set_defaults(const struct option_row *rows, void *target)
{
    struct err err;
    for (const struct option_row *row = rows; row->name != NULL; row++) {
        if (row->fallback != NULL && options_set_text(row, target, row->fallback, &err) != 0) {
            (void)fprintf(stderr, "bug: default of %s\n", err.text);
            abort();
        }
    }
}

static bool names_equal(const char *row_name, const char *given)
{
    for (; *row_name != '\0' && *given != '\0'; row_name++, given++)
        if (*row_name != *given && !(*row_name == '_' && *given == '-'))
            return false;
    return *row_name == *given;
}

const struct option_row *options_find(const struct option_row *rows, const char *name)
{
    for (const struct option_row *row = rows; row->name != NULL; row++)
        if (names_equal(row->name, name))
            return row;
    return NULL;
}

void options_clean_up(const struct option_row *rows, void *target)
{
    for (const struct option_row *row = rows; row->name != NULL; row++) {
        if (row->type == OPTION_STRING) {
            char **field = field_of(row, target);
            free(*field);
            *field = NULL;
        }
    }
}

static size_t field_size(enum option_type type)
{
    switch (type) {
    case OPTION_BOOL:
        return sizeof(bool);
    case OPTION_ENUM:
        return sizeof(int);
    case OPTION_DOUBLE:
        return sizeof(double);
    case OPTION_INT:
    case OPTION_DURATION:
        return sizeof(int64_t);
    case OPTION_STRING:
    case OPTION_END_OF_TABLE:
        break;
    }
    return 0;
}

void options_copy(const struct option_row *rows, void *to, const void *from)
{
    for (const struct option_row *row = rows; row->name != NULL; row++) {
        if (row->type == OPTION_STRING) {
            const char *text = *(char *const *)const_field_of(row, from);
            *(char **)field_of(row, to) = text != NULL ? xstrdup(text) : NULL;
        } else {
            memcpy(field_of(row, to), const_field_of(row, from), field_size(row->type));
        }
    }
}

void options_flag_name(const struct option_row *row, char out[static OPTIONS_FLAG_BYTES])
{
    size_t i = 0;
    for (; i < NAME_MAX_BYTES - 1 && row->name[i] != '\0'; i++)
        out[i] = row->name[i] == '_' ? '-' : row->name[i];
    out[i] = '\0';
}

const char *options_value_word(const struct option_row *row)
{
    if (row->type == OPTION_BOOL)
        return NULL;
    return row->unit != NULL ? row->unit : "VALUE";
}

void options_help(const struct option_row *rows, struct strbuf *out)
{
    for (const struct option_row *row = rows; row->name != NULL; row++) {
        char name[NAME_MAX_BYTES];
        char left[NAME_MAX_BYTES * 2];
        const char *word = options_value_word(row);
        options_flag_name(row, name);
        (void)snprintf(left, sizeof left, "--%s%s%s", name, word != NULL ? " " : "",
                       word != NULL ? word : "");
        strbuf_appendf(out, "  %-28s %s", left, row->help);
        if (row->type == OPTION_BOOL) {
            strbuf_append_char(out, '\n');
            continue;
        }
        strbuf_append_str(out, " (");
        options_describe_range(row, out);
        if (row->fallback != NULL && row->fallback[0] != '\0')
            strbuf_appendf(out, "; default %s", row->fallback);
        strbuf_append_str(out, ")\n");
    }
}

void options_dump(const struct option_row *rows, const void *target, struct jsonw *w)
{
    for (const struct option_row *row = rows; row->name != NULL; row++) {
        const void *field = const_field_of(row, target);
        char text[48];
        jsonw_key(w, row->name);
        switch (row->type) {
        case OPTION_INT:
            jsonw_int(w, *(const int64_t *)field);
            break;
        case OPTION_DOUBLE:
            jsonw_double(w, *(const double *)field);
            break;
        case OPTION_BOOL:
            jsonw_bool(w, *(const bool *)field);
            break;
        case OPTION_DURATION:
            /* "0" has no unit, and options_set_json() wants one. */
            jsonw_str(w,
                      *(const int64_t *)field == 0 ? "0s" : duration_format(*(const int64_t *)field, text));
            break;
        case OPTION_ENUM:
            jsonw_str(w, row->choices[*(const int *)field]);
            break;
        case OPTION_STRING:
        case OPTION_END_OF_TABLE:
            jsonw_str(w, *(char *const *)field);
            break;
        }
    }
}

/* Splits "--name=value"; *ret_value is NULL when there is no '='. Returns the row or NULL. */
static const struct option_row *find_argument(const struct option_row *rows, const char *argument,
                                              const char **ret_value, bool *ret_negated)
{
    char name[NAME_MAX_BYTES];
    const char *equals = strchr(argument, '=');
    size_t len = equals != NULL ? (size_t)(equals - argument) : strlen(argument);
    *ret_value = equals != NULL ? equals + 1 : NULL;
    *ret_negated = false;
    if (len >= sizeof name)
        return NULL;
    memcpy(name, argument, len);
    name[len] = '\0';
    const struct option_row *row = options_find(rows, name);
    if (row == NULL && strncmp(name, "no-", 3) == 0) {
        row = options_find(rows, name + 3);
        *ret_negated = true;
        if (row != NULL && row->type != OPTION_BOOL)
            return NULL;
    }
    return row;
}

/* Handles argv[*index] that starts with "--"; moves *index past a value it took. */
static int parse_one(const struct option_row *rows, void *target, int argc, char **argv, int *index,
                     struct err *err)
{
    const char *value = NULL;
    bool negated = false;
    const char *argument = argv[*index];
    const struct option_row *row = find_argument(rows, argument + 2, &value, &negated);
    if (row == NULL)
        return err_set(err, "unknown option %.100s", argument);
    if (row->type == OPTION_BOOL && value == NULL)
        return options_set_text(row, target, negated ? "false" : "true", err);
    if (negated)
        return err_set(err, "%.100s takes no value", argument);
    if (value == NULL) {
        if (*index + 1 >= argc)
            return err_set(err, "%.100s wants a value", argument);
        value = argv[++*index];
    }
    if (options_set_text(row, target, value, err) != 0) {
        (void)err_prefix(err, "%s", "command line");
        return -1;
    }
    return 0;
}

int options_parse_args(const struct option_row *rows, void *target, int argc, char **argv,
                       const char **operands, int *operand_count, struct err *err)
{
    bool only_operands = false;
    *operand_count = 0;
    for (int i = 1; i < argc; i++) {
        if (!only_operands && strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (!only_operands && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            return 1;
        } else if (!only_operands && strncmp(argv[i], "--", 2) == 0) {
            if (parse_one(rows, target, argc, argv, &i, err) != 0)
                return -1;
        } else if (!only_operands && argv[i][0] == '-' && argv[i][1] != '\0') {
            return err_set(err, "unknown option %.100s", argv[i]);
        } else {
            operands[(*operand_count)++] = argv[i];
        }
    }
    return 0;
}

int options_parse_env(const struct option_row *rows, void *target, const char *prefix, struct err *err)
{
    for (const struct option_row *row = rows; row->name != NULL; row++) {
        char name[NAME_MAX_BYTES * 2];
        int len = snprintf(name, sizeof name, "%s%s", prefix, row->name);
        for (int i = 0; i < len; i++)
            name[i] = (char)toupper((unsigned char)name[i]);
        const char *value = getenv(name);
        if (value == NULL || value[0] == '\0')
            continue;
        if (options_set_text(row, target, value, err) != 0)
            return err_prefix(err, "environment variable %s", name);
    }
    return 0;
}
