/*
 * A controller's configuration: option tables, parsing of the fleet's "capacity" and "policy" objects, checks
 * across keys, dump. Checked whole before any of it is used. Pure.
 */
#include "policies/controller.h"

#include "base/alloc.h"
#include "base/options_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_MS = 86400000, NAMES_MAX = 64 };

const struct option_row CAPACITY_ROWS[] = {
    {.name = "min",
     .type = OPTION_INT,
     .offset = offsetof(struct capacity, min),
     .fallback = "2",
     .min = 1,
     .max = CAPACITY_LIMIT,
     .unit = "WORKERS",
     .help = "never fewer workers than this"},
    {.name = "target",
     .type = OPTION_INT,
     .offset = offsetof(struct capacity, target),
     .min = 1,
     .max = CAPACITY_LIMIT,
     .unit = "WORKERS",
     .help = "where \"to target\" steps go; default: max"},
    {.name = "max",
     .type = OPTION_INT,
     .offset = offsetof(struct capacity, max),
     .fallback = "30",
     .min = 1,
     .max = CAPACITY_LIMIT,
     .unit = "WORKERS",
     .help = "never more workers than this, draining ones not counted"},
    OPTION_END,
};

#define FIELD(name) offsetof(struct controller_config, name)
const struct option_row CONTROLLER_ROWS[] = {
    {.name = "stale_after",
     .type = OPTION_DURATION,
     .offset = FIELD(stale_after_ms),
     .min = 1,
     .max = 7.0 * DAY_MS,
     .unit = "DURATION",
     .help = "a reading older than this is not believed; default: 3 polls, as slow as they are"},
    {.name = "fallback_after",
     .type = OPTION_DURATION,
     .offset = FIELD(fallback_after_ms),
     .fallback = "10m",
     .min = 0,
     .max = 7.0 * DAY_MS,
     .unit = "DURATION",
     .help = "time without a fresh depth after which fallback applies; 0s: never"},
    {.name = "scale_in_busy_share",
     .type = OPTION_DOUBLE,
     .offset = FIELD(scale_in_busy_share),
     .fallback = "0.8",
     .min = 0,
     .max = 1,
     .unit = "SHARE",
     .help = "no shrink lets the busy share of the remaining capacity rise above this; 0: off"},
    OPTION_END,
};
#undef FIELD

/* Keys of "policy" that no option row reads. */
static const char *const WORD_KEYS[] = {"type", "fallback", NULL};

/* ---- counts as words or numbers ---- */

static const char *const COUNT_WORDS[] = {
    [COUNT_HOLD] = "hold", [COUNT_MIN] = "min", [COUNT_TARGET] = "target", [COUNT_MAX] = "max"};

static int parse_count(const json_t *json, const struct capacity *capacity, const char *path,
                       struct count_choice *ret, struct err *err)
{
    const char *word = json_string_value(json);
    for (int i = 0; word != NULL && i < COUNT_NUMBER; i++) {
        if (strcmp(COUNT_WORDS[i], word) == 0) {
            *ret = (struct count_choice){.kind = (enum count_kind)i};
            return 0;
        }
    }
    if (json_is_integer(json) && json_integer_value(json) >= capacity->min &&
        json_integer_value(json) <= capacity->max) {
        *ret = (struct count_choice){.kind = COUNT_NUMBER, .number = json_integer_value(json)};
        return 0;
    }
    char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
    (void)err_set(err,
                  "%s: %.80s: want \"hold\", \"min\", \"target\", \"max\" or a whole number from %" PRId64
                  " to %" PRId64 " (capacity)",
                  path, text != NULL ? text : "?", capacity->min, capacity->max);
    free(text);
    return -1;
}

/* ---- capacity ---- */

static int parse_capacity(const json_t *object, const char *path, struct capacity *ret, struct err *err)
{
    struct capacity capacity = {.min = 0};
    options_set_defaults(CAPACITY_ROWS, &capacity);
    if (object != NULL && options_set_json(CAPACITY_ROWS, &capacity, object, path, NULL, err) != 0)
        return -1;
    if (json_object_get(object, "target") == NULL)
        capacity.target = capacity.max;
    if (capacity.min > capacity.max)
        return err_set(err, "%s.min: %" PRId64 ": want a whole number from 1 to max (%" PRId64 ")", path,
                       capacity.min, capacity.max);
    if (capacity.target < capacity.min || capacity.target > capacity.max)
        return err_set(
            err, "%s.target: %" PRId64 ": want a whole number from min (%" PRId64 ") to max (%" PRId64 ")",
            path, capacity.target, capacity.min, capacity.max);
    *ret = capacity;
    return 0;
}

/* ---- policy ---- */

static size_t add_rows(const char **names, size_t count, const struct option_row *rows)
{
    for (; rows->name != NULL && count < NAMES_MAX - 1; rows++)
        names[count++] = rows->name;
    return count;
}

static size_t add_names(const char **names, size_t count, const char *const *more)
{
    for (; more != NULL && *more != NULL && count < NAMES_MAX - 1; more++)
        names[count++] = *more;
    return count;
}

static int find_policy(const json_t *object, const char *path, const struct policy **ret, struct err *err)
{
    const json_t *type = json_object_get(object, "type");
    struct strbuf want = STRBUF_INIT;
    *ret = type == NULL ? policy_list()[0] : NULL;
    if (json_is_string(type))
        *ret = policy_find(json_string_value(type));
    if (*ret != NULL)
        return 0;
    for (const struct policy *const *policy = policy_list(); *policy != NULL; policy++)
        strbuf_appendf(&want, "%s\"%s\"", want.len > 0 ? ", " : "", (*policy)->name);
    char *text = json_dumps(type, JSON_ENCODE_ANY | JSON_COMPACT);
    (void)err_set(err, "%s.type: %.80s: want one of %s", path, text != NULL ? text : "?", strbuf_str(&want));
    free(text);
    strbuf_clean_up(&want);
    return -1;
}

/* The rows of "policy" that every policy has. */
static int parse_common(const json_t *object, const char *path, struct controller_config *config,
                        struct err *err)
{
    const char *known[NAMES_MAX] = {NULL};
    char key_path[256];
    size_t count = add_names(known, 0, WORD_KEYS);
    count = add_rows(known, count, config->policy->params);
    (void)add_names(known, count, config->policy->extra_params);
    options_set_defaults(CONTROLLER_ROWS, config);
    config->stale_after_ms = CONTROLLER_STALE_AFTER_POLLS * config->poll_ms;
    config->stale_after_follows = json_object_get(object, "stale_after") == NULL;
    config->fallback = (struct count_choice){.kind = COUNT_HOLD};
    if (object == NULL)
        return 0;
    if (options_set_json(CONTROLLER_ROWS, config, object, path, known, err) != 0)
        return -1;
    if (config->stale_after_ms < config->poll_ms)
        return err_set(err, "%s.stale_after: %" PRId64 " ms: want one poll (%" PRId64 " ms) or more", path,
                       config->stale_after_ms, config->poll_ms);
    if (config->scale_in_busy_share > 0 && config->scale_in_busy_share < 0.001)
        return err_set(err, "%s.scale_in_busy_share: %.17g: want 0 (off) or a number from 0.001 to 1", path,
                       config->scale_in_busy_share);
    const json_t *fallback = json_object_get(object, "fallback");
    (void)snprintf(key_path, sizeof key_path, "%s.fallback", path);
    return fallback == NULL ? 0 : parse_count(fallback, &config->capacity, key_path, &config->fallback, err);
}

/* The rows and lists of the policy itself. */
static int parse_params(const json_t *object, const char *path, struct controller_config *config,
                        struct err *err)
{
    const struct policy *policy = config->policy;
    const char *known[NAMES_MAX] = {NULL};
    size_t count = add_names(known, 0, WORD_KEYS);
    count = add_rows(known, count, CONTROLLER_ROWS);
    (void)add_names(known, count, policy->extra_params);
    config->params = xcalloc(1, policy->params_size);
    options_set_defaults(policy->params, config->params);
    if (object != NULL && options_set_json(policy->params, config->params, object, path, known, err) != 0)
        return -1;
    if (policy->finish_params != NULL && policy->finish_params(config->params, object, path, err) != 0)
        return -1;
    return policy->check(config->params, &config->capacity, path, err);
}

int controller_config_parse(const json_t *capacity, const json_t *policy, int64_t poll_ms, const char *path,
                            struct controller_config *ret_config, struct err *err)
{
    struct controller_config config = {.poll_ms = poll_ms};
    char key_path[200];
    int rc = -1;
    const char *dot = path[0] != '\0' ? "." : "";
    if (poll_ms < 1 || poll_ms > DAY_MS)
        return err_set(err, "%s%squeue.poll: %" PRId64 " ms: want a duration from 1ms to 1d", path, dot,
                       poll_ms);
    (void)snprintf(key_path, sizeof key_path, "%s%scapacity", path, dot);
    if (parse_capacity(capacity, key_path, &config.capacity, err) != 0)
        return -1;
    (void)snprintf(key_path, sizeof key_path, "%s%spolicy", path, dot);
    if (policy != NULL && !json_is_object(policy))
        return err_set(err, "%s: want an object", key_path);
    if (find_policy(policy, key_path, &config.policy, err) != 0 ||
        parse_common(policy, key_path, &config, err) != 0 ||
        parse_params(policy, key_path, &config, err) != 0)
        goto done;
    *ret_config = config;
    config.params = NULL;
    rc = 0;
done:
    controller_config_clean_up(&config);
    return rc;
}

void controller_config_copy(struct controller_config *to, const struct controller_config *from)
{
    *to = *from;
    to->params = xmalloc(from->policy->params_size);
    memcpy(to->params, from->params, from->policy->params_size);
}

void controller_config_clean_up(struct controller_config *config)
{
    free(config->params);
    config->params = NULL;
}

void controller_config_dump(const struct controller_config *config, struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_int(w, "poll_ms", config->poll_ms);
    jsonw_key_bool(w, "stale_after_follows", config->stale_after_follows);
    jsonw_key(w, "capacity");
    jsonw_object(w);
    options_dump(CAPACITY_ROWS, &config->capacity, w);
    jsonw_end_object(w);
    jsonw_key(w, "policy");
    jsonw_object(w);
    jsonw_key_str(w, "type", config->policy->name);
    options_dump(CONTROLLER_ROWS, config, w);
    jsonw_key(w, "fallback");
    if (config->fallback.kind == COUNT_NUMBER)
        jsonw_int(w, config->fallback.number);
    else
        jsonw_str(w, COUNT_WORDS[config->fallback.kind]);
    options_dump(config->policy->params, config->params, w);
    if (config->policy->dump_params != NULL)
        config->policy->dump_params(config->params, w);
    jsonw_end_object(w);
    jsonw_end_object(w);
}
