/* Fault rules: reading, throwing dice, counting; see faults.h. */
#include "localaws/faults.h"

#include "base/alloc.h"
#include "base/random.h"

#include <jansson.h>
#include <stdlib.h>

static const char *const KIND_NAMES[] = {
    [FAULT_ERROR] = "error",
    [FAULT_THROTTLE] = "throttle",
    [FAULT_HANG] = "hang",
    [FAULT_RESET] = "reset",
    [FAULT_TRUNCATE] = "truncate",
    [FAULT_DUPLICATE] = "duplicate",
    [FAULT_ENTRY_ERROR] = "entry_error",
    [FAULT_GAP] = "gap",
    [FAULT_EXPIRED] = "expired",
    [FAULT_LATENCY] = "latency",
    [FAULT_STALE_COUNTS] = "stale_counts",
    [FAULT_NOISY_COUNTS] = "noisy_counts",
};

_Static_assert(sizeof KIND_NAMES / sizeof *KIND_NAMES == FAULT_KIND_MAX, "every kind has a name");

const char *fault_kind_name(enum fault_kind kind)
{
    return KIND_NAMES[kind];
}

void faults_clean_up(struct faults *faults)
{
    free(faults->rules);
    *faults = (struct faults){.rules = NULL};
}

/* ---- reading rules ---- */

static int read_kind(const char *text, struct fault_rule *rule, struct err *err)
{
    for (int i = 0; i < FAULT_KIND_MAX; i++) {
        if (strcmp(text, KIND_NAMES[i]) == 0) {
            rule->kind = (enum fault_kind)i;
            return 0;
        }
    }
    return err_set(
        err,
        "kind \"%s\" is none of error, throttle, hang, reset, truncate, duplicate, entry_error, gap, expired,"
        " latency, stale_counts, noisy_counts",
        text);
}

static int read_operation(const char *text, struct fault_rule *rule, struct err *err)
{
    rule->op = strcmp(text, "*") == 0 ? API_OP_MAX : api_op_find(slice_of(text));
    if (rule->op == API_OP_MAX && strcmp(text, "*") != 0)
        return err_set(err, "operation \"%s\" is neither \"*\" nor an operation that is known here", text);
    return 0;
}

static int read_text(const char *key, const json_t *value, struct fault_rule *rule, struct err *err)
{
    const struct {
        const char *key;
        char *to;
        size_t size;
    } TEXTS[] = {{"code", rule->code, sizeof rule->code},
                 {"message", rule->message, sizeof rule->message},
                 {"queue", rule->queue, sizeof rule->queue}};
    const char *text = json_string_value(value);
    if (text == NULL)
        return err_set(err, "%s must be a text", key);
    if (strcmp(key, "kind") == 0)
        return read_kind(text, rule, err);
    if (strcmp(key, "operation") == 0)
        return read_operation(text, rule, err);
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        if (strcmp(key, TEXTS[i].key) != 0)
            continue;
        if (strlen(text) >= TEXTS[i].size || strpbrk(text, "\r\n") != NULL)
            return err_set(err, "%s must be one line of at most %zu bytes", key, TEXTS[i].size - 1);
        memcpy(TEXTS[i].to, text, strlen(text) + 1);
        return 0;
    }
    return err_set(
        err,
        "key \"%s\" is none of operation, kind, queue, probability, seed, count, after, code, status,"
        " message, latency_ms, hold_ms, noise, entry_probability",
        key);
}

static int read_number(const char *key, const json_t *value, struct fault_rule *rule, bool *is_known,
                       struct err *err)
{
    int64_t status = 0;
    int64_t seed = 0;
    const struct {
        const char *key;
        double *real;
        int64_t *whole;
        double min, max;
    } NUMBERS[] = {{"probability", &rule->probability, NULL, 0, 1},
                   {"entry_probability", &rule->entry_probability, NULL, 0, 1},
                   {"noise", &rule->noise, NULL, 0, 1},
                   {"seed", NULL, &seed, 0, 9e15},
                   {"count", NULL, &rule->count, 0, 9e15},
                   {"status", NULL, &status, 400, 599},
                   {"latency_ms", NULL, &rule->latency_ms, 0, 600000},
                   {"hold_ms", NULL, &rule->hold_ms, 0, 86400000}};
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++) {
        if (strcmp(key, NUMBERS[i].key) != 0)
            continue;
        double number = json_number_value(value);
        *is_known = true;
        if (!json_is_number(value) || number < NUMBERS[i].min || number > NUMBERS[i].max ||
            (NUMBERS[i].whole != NULL && !json_is_integer(value)))
            return err_set(err, "%s must be a %s from %g to %g", key,
                           NUMBERS[i].whole != NULL ? "whole number" : "number", NUMBERS[i].min,
                           NUMBERS[i].max);
        if (NUMBERS[i].real != NULL)
            *NUMBERS[i].real = number;
        else
            *NUMBERS[i].whole = json_integer_value(value);
        rule->status = status != 0 ? (int)status : rule->status;
        rule->seed = strcmp(key, "seed") == 0 ? (uint64_t)seed : rule->seed;
        return 0;
    }
    return 0;
}

static int read_member(const char *key, const json_t *value, struct fault_rule *rule, struct err *err)
{
    bool is_known = false;
    if (strcmp(key, "count") == 0 && json_is_null(value))
        return 0;
    if (strcmp(key, "after") == 0) {
        rule->after = json_is_true(value);
        return json_is_boolean(value) ? 0 : err_set(err, "after must be true or false");
    }
    int rc = read_number(key, value, rule, &is_known, err);
    return rc != 0 || is_known ? rc : read_text(key, value, rule, err);
}

static int read_rule(json_t *object, struct fault_rule *rule, struct err *err)
{
    const char *key = NULL;
    json_t *value = NULL;
    *rule = (struct fault_rule){.kind = FAULT_KIND_MAX,
                                .op = API_OP_MAX,
                                .probability = 1,
                                .seed = 1,
                                .count = -1,
                                .hold_ms = 60000,
                                .noise = 0.5,
                                .entry_probability = 0.5};
    if (!json_is_object(object))
        return err_set(err, "a rule must be an object");
    json_object_foreach(object, key, value)
    {
        if (read_member(key, value, rule, err) != 0)
            return -1;
    }
    if (json_object_get(object, "operation") == NULL || rule->kind == FAULT_KIND_MAX)
        return err_set(err, "operation and kind must be given");
    if (rule->kind == FAULT_LATENCY && rule->latency_ms == 0)
        return err_set(err, "latency_ms must be given for kind latency");
    if (rule->kind == FAULT_TRUNCATE && json_is_false(json_object_get(object, "after")))
        return err_set(err, "truncate always happens after the operation: after cannot be false");
    rule->random = rule->seed;
    return 0;
}

int faults_add(struct faults *faults, const char *json, size_t len, struct err *err)
{
    json_error_t error;
    json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL)
        return err_set(err, "not JSON: %s (line %d)", error.text, error.line);
    size_t added = json_is_array(root) ? json_array_size(root) : 1;
    struct fault_rule *rules = xcalloc(faults->count + added + 1, sizeof *rules);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < added; i++) {
        json_t *object = json_is_array(root) ? json_array_get(root, i) : root;
        rc = read_rule(object, &rules[faults->count + i], err);
        if (rc != 0)
            (void)err_prefix(err, "rule %zu: ", i + 1);
    }
    json_decref(root);
    if (rc != 0) {
        free(rules);
        return -1;
    }
    if (faults->count > 0)
        memcpy(rules, faults->rules, faults->count * sizeof *rules);
    free(faults->rules);
    faults->rules = rules;
    faults->count += added;
    return 0;
}

/* ---- dice ---- */

bool faults_throw(struct fault_rule *rule, double p)
{
    return random_unit(&rule->random) < p;
}

static bool concerns(const struct fault_rule *rule, int op, struct slice queue)
{
    return rule->count != 0 && (rule->op == API_OP_MAX || rule->op == op) &&
           (rule->queue[0] == '\0' || slice_is(queue, rule->queue));
}

static void note(struct fault_plan *plan, const struct fault_rule *rule)
{
    plan->is_needed = true;
    switch (rule->kind) {
    case FAULT_LATENCY:
        if (rule->after)
            plan->latency_after_ms += rule->latency_ms;
        else
            plan->latency_before_ms += rule->latency_ms;
        break;
    case FAULT_STALE_COUNTS:
        plan->has_stale = true;
        plan->stale = *rule;
        break;
    case FAULT_NOISY_COUNTS:
        plan->has_noisy = true;
        plan->noisy = *rule;
        break;
    default:
        plan->has_main = true;
        plan->main = *rule;
        break;
    }
}

void faults_plan(struct faults *faults, int op, struct slice queue, struct fault_plan *plan)
{
    plan->is_needed = plan->has_main = plan->has_stale = plan->has_noisy = false;
    plan->latency_before_ms = plan->latency_after_ms = 0;
    for (size_t i = 0; i < faults->count; i++) {
        struct fault_rule *rule = &faults->rules[i];
        if (!concerns(rule, op, queue) || (plan->has_main && rule->kind < FAULT_LATENCY))
            continue; /* of the kinds that exclude each other the first that fires counts */
        if (!faults_throw(rule, rule->probability))
            continue;
        rule->fired[op]++;
        rule->fired_total++;
        if (rule->count > 0)
            rule->count--;
        note(plan, rule);
        if (rule->kind == FAULT_ENTRY_ERROR)
            rule->random ^= rule->fired_total << 32; /* the entries of the next batch get other dice */
    }
}

/* ---- showing ---- */

static void write_rule(const struct fault_rule *rule, struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_str(w, "kind", KIND_NAMES[rule->kind]);
    jsonw_key_str(w, "operation", rule->op == API_OP_MAX ? "*" : api_op_name(rule->op));
    if (rule->queue[0] != '\0')
        jsonw_key_str(w, "queue", rule->queue);
    jsonw_key_double(w, "probability", rule->probability);
    jsonw_key_int(w, "seed", (int64_t)rule->seed);
    jsonw_key(w, "count");
    if (rule->count < 0)
        jsonw_null(w);
    else
        jsonw_int(w, rule->count);
    jsonw_key_bool(w, "after", rule->after);
    jsonw_key_int(w, "fired_total", (int64_t)rule->fired_total);
    jsonw_key(w, "fired");
    jsonw_object(w);
    for (int op = 0; op < API_OP_MAX; op++)
        if (rule->fired[op] > 0)
            jsonw_key_int(w, api_op_name(op), (int64_t)rule->fired[op]);
    jsonw_end_object(w);
    jsonw_end_object(w);
}

void faults_write(const struct faults *faults, struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key(w, "rules");
    jsonw_array(w);
    for (size_t i = 0; i < faults->count; i++)
        write_rule(&faults->rules[i], w);
    jsonw_end_array(w);
    jsonw_end_object(w);
}
