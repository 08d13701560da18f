/* Option tables from JSON objects. */
#include "base/options_json.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_listed(const char *const *names, const char *name)
{
    for (; names != NULL && *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static int refuse(const struct option_row *row, const char *path, const json_t *value, struct err *err)
{
    struct strbuf want = STRBUF_INIT;
    options_describe_range(row, &want);
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    (void)err_set(err, "%s%s%s: %.80s: want %s", path, path[0] != '\0' ? "." : "", row->name,
                  text != NULL ? text : "?", strbuf_str(&want));
    free(text);
    strbuf_clean_up(&want);
    return -1;
}

/* The value as the text that options_set_text() takes; false when its JSON type is not the row's. */
static bool value_text(const struct option_row *row, const json_t *value, char *buffer, size_t size,
                       const char **ret_text)
{
    *ret_text = buffer;
    switch (row->type) {
    case OPTION_INT:
        (void)snprintf(buffer, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return json_is_integer(value);
    case OPTION_DOUBLE:
        (void)snprintf(buffer, size, "%.17g", json_number_value(value));
        return json_is_number(value);
    case OPTION_BOOL:
        *ret_text = json_is_true(value) ? "true" : "false";
        return json_is_boolean(value);
    case OPTION_DURATION:
    case OPTION_STRING:
    case OPTION_ENUM:
    case OPTION_END_OF_TABLE:
        *ret_text = json_string_value(value);
        return json_is_string(value);
    }
    return false;
}

/* A bare 0 is no duration in configuration files: every duration says its unit there. */
static bool lacks_unit(const struct option_row *row, const char *text)
{
    return row->type == OPTION_DURATION && strcmp(text, "0") == 0;
}

int options_set_json(const struct option_row *rows, void *target, const json_t *object, const char *path,
                     const char *const *also_known, struct err *err)
{
    if (!json_is_object(object))
        return err_set(err, "%s: want an object", path[0] != '\0' ? path : "top level");
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        char buffer[64];
        const char *text = NULL;
        struct err ignored;
        if (is_listed(also_known, key))
            continue;
        const struct option_row *row = options_find(rows, key);
        if (row == NULL || strcmp(row->name, key) != 0)
            return err_set(err, "%s%s%s: unknown key", path, path[0] != '\0' ? "." : "", key);
        if (!value_text(row, value, buffer, sizeof buffer, &text) || lacks_unit(row, text) ||
            options_set_text(row, target, text, &ignored) != 0)
            return refuse(row, path, value, err);
    }
    return 0;
}
