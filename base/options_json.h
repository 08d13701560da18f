/* Option tables from JSON objects, whole or not at all; see base/options.h. */
#ifndef SLUICE_BASE_OPTIONS_JSON_H
#define SLUICE_BASE_OPTIONS_JSON_H

#include "base/err.h"
#include "base/options.h"

#include <jansson.h>

/* Sets fields of target from the members of `object`. Unknown members are errors unless listed in
 * `also_known` (NULL-terminated, may be NULL), which the caller reads itself. `path` stands before each key
 * in errors
 * ("fleets[0].policy"). Durations are JSON strings with units; a bare number is an error that says so.
 * Returns 0, or -1 with err "path.key: value ...: want ..."; target may be half set then: parse into a fresh
 * struct. */
int options_set_json(const struct option_row *rows, void *target, const json_t *object, const char *path,
                     const char *const *also_known, struct err *err);

#endif
