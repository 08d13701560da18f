/* The controller's state as JSON: for the state file and for the record that opens a journal. Pure. */
#include "policies/controller.h"

#include "base/alloc.h"
#include "base/options_json.h"
#include "policies/controller_private.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The largest whole number that a double, and so any JSON reader, holds exactly. */
#define WHOLE_MAX 9007199254740992.0

#define TIME_ROW(field, text)                                                                                \
    {                                                                                                        \
        .name = #field, .type = OPTION_INT, .offset = offsetof(struct controller_state, field),              \
        .min = -WHOLE_MAX, .max = WHOLE_MAX, .help = (text)                                                  \
    }
#define COUNT_ROW(field, low, high, text)                                                                    \
    {                                                                                                        \
        .name = #field, .type = OPTION_INT, .offset = offsetof(struct controller_state, field),              \
        .min = (low), .max = (high), .help = (text)                                                          \
    }
#define FLAG_ROW(field, text)                                                                                \
    {                                                                                                        \
        .name = #field, .type = OPTION_BOOL, .offset = offsetof(struct controller_state, field),             \
        .help = (text)                                                                                       \
    }

static const struct option_row STATE_ROWS[] = {
    COUNT_ROW(seq, 0, WHOLE_MAX, "steps so far"),
    COUNT_ROW(desired, 1, CAPACITY_LIMIT, "workers ordered"),
    TIME_ROW(scale_out_until_ms, "end of the scale-out cooldown"),
    COUNT_ROW(scale_out_rank, -1, INT_MAX, "rank of the last growth"),
    TIME_ROW(scale_in_until_ms, "end of the scale-in cooldown"),
    TIME_ROW(hold_until_ms, "no shrink before"),
    COUNT_ROW(hold_ms, 0, WHOLE_MAX, "length of that hold"),
    COUNT_ROW(lean_count, 0, CONTROLLER_LEAN_SAMPLES, "samples in a row that leaned in"),
    TIME_ROW(lean_sample_ms, "the newest of them"),
    FLAG_ROW(acted, "desired changed on a sample"),
    TIME_ROW(acted_sample_ms, "that sample"),
    FLAG_ROW(stepped, "there was a step"),
    TIME_ROW(last_step_ms, "time of the last step"),
    TIME_ROW(quiet_since_ms, "last fresh sample, or since when one is looked for"),
    OPTION_END,
};

/* Keys of the state object that no row reads. */
static const char *const OTHER_KEYS[] = {"version", "policy", "policy_state", "override", NULL};

void controller_save(const struct controller *ctl, struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_int(w, "version", CONTROLLER_STATE_VERSION);
    jsonw_key_str(w, "policy", ctl->config.policy->name);
    options_dump(STATE_ROWS, &ctl->state, w);
    /* Only while there is one: an older sluice, which knows of none, can read all other states. */
    if (ctl->state.override.order.kind != OVERRIDE_NONE) {
        jsonw_key(w, "override");
        override_encode_json(&ctl->state.override, w);
    }
    jsonw_key(w, "policy_state");
    jsonw_object(w);
    options_dump(ctl->config.policy->state, ctl->policy_state, w);
    jsonw_end_object(w);
    jsonw_end_object(w);
}

/* Reads an object in which every row must be present: a state that lacks something is not a state to go on
 * from. */
static int parse_rows(const struct option_row *rows, const json_t *object, const char *path,
                      const char *const *also_known, void *target, struct err *err)
{
    for (const struct option_row *row = rows; row->name != NULL; row++)
        if (json_object_get(object, row->name) == NULL)
            return err_set(err, "%s.%s: missing", path, row->name);
    return options_set_json(rows, target, object, path, also_known, err);
}

static int check_version(const json_t *state, struct err *err)
{
    const json_t *version = json_object_get(state, "version");
    if (!json_is_integer(version) || json_integer_value(version) < 1)
        return err_set(err, "state.version: want a whole number of 1 or more");
    if (json_integer_value(version) > CONTROLLER_STATE_VERSION)
        return err_set(err, "state.version: %" JSON_INTEGER_FORMAT ": this program reads up to version %d",
                       json_integer_value(version), CONTROLLER_STATE_VERSION);
    return 0;
}

static int parse_override(const json_t *state, struct override *ret, struct err *err)
{
    const json_t *override = json_object_get(state, "override");
    if (override == NULL)
        return 0;
    return override_parse_json(override, ret, err) == 0 ? 0 : err_prefix(err, "state");
}

int controller_restore(struct controller *ctl, const json_t *state, struct err *err)
{
    const struct policy *policy = ctl->config.policy;
    struct controller_state restored = {.seq = 0};
    void *policy_state = xcalloc(1, policy->state_size);
    int rc = -1;
    policy->init(ctl->config.params, policy_state);
    if (check_version(state, err) != 0 ||
        parse_rows(STATE_ROWS, state, "state", OTHER_KEYS, &restored, err) != 0 ||
        parse_override(state, &restored.override, err) != 0)
        goto done;
    const char *name = json_string_value(json_object_get(state, "policy"));
    if (name == NULL) {
        (void)err_set(err, "state.policy: want the name of a policy");
        goto done;
    }
    if (strcmp(name, policy->name) == 0 && parse_rows(policy->state, json_object_get(state, "policy_state"),
                                                      "state.policy_state", NULL, policy_state, err) != 0)
        goto done;
    restored.desired = controller_clamp_to_limits(ctl, restored.desired);
    ctl->state = restored;
    void *old = ctl->policy_state;
    ctl->policy_state = policy_state;
    policy_state = old;
    rc = 0;
done:
    free(policy_state);
    return rc;
}

static int check_journal_version(const json_t *version, struct err *err)
{
    if (json_integer_value(version) <= DECISION_VERSION)
        return 0;
    return err_set(err, "v: %" JSON_INTEGER_FORMAT ": this program reads journals up to version %d",
                   json_integer_value(version), DECISION_VERSION);
}

void controller_encode_config_record(const struct controller *ctl, const char *fleet, int64_t now_ms,
                                     struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_int(w, "v", DECISION_VERSION);
    jsonw_key_int(w, "t_ms", now_ms);
    jsonw_key_str(w, "fleet", fleet);
    jsonw_key(w, "config");
    controller_config_dump(&ctl->config, w);
    jsonw_key(w, "state");
    controller_save(ctl, w);
    jsonw_end_object(w);
}

void controller_encode_override_record(const struct override *override, const char *fleet, int64_t now_ms,
                                       struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_int(w, "v", DECISION_VERSION);
    jsonw_key_int(w, "t_ms", now_ms);
    jsonw_key_str(w, "fleet", fleet);
    jsonw_key(w, "override");
    override_encode_json(override, w);
    jsonw_end_object(w);
}

int controller_replay_override(struct controller *ctl, const json_t *record, struct err *err)
{
    struct override override;
    const json_t *version = json_object_get(record, "v");
    const json_t *time = json_object_get(record, "t_ms");
    if (!json_is_integer(version) || !json_is_integer(time))
        return err_set(err, "not an override record");
    if (check_journal_version(version, err) != 0 ||
        override_parse_json(json_object_get(record, "override"), &override, err) != 0)
        return -1;
    return controller_override(ctl, &override.order, json_integer_value(time), NULL, err);
}

struct controller *controller_new_from_record(const json_t *record, struct err *err)
{
    struct controller_config parsed = {.params = NULL};
    struct controller *ctl = NULL;
    const json_t *version = json_object_get(record, "v");
    const json_t *config = json_object_get(record, "config");
    if (!json_is_integer(version) || !json_is_object(config)) {
        (void)err_set(err, "not a config record");
        return NULL;
    }
    if (check_journal_version(version, err) != 0 ||
        controller_config_parse(json_object_get(config, "capacity"), json_object_get(config, "policy"),
                                json_integer_value(json_object_get(config, "poll_ms")), "config", &parsed,
                                err) != 0)
        return NULL;
    parsed.stale_after_follows = json_is_true(json_object_get(config, "stale_after_follows"));
    ctl = controller_new(&parsed);
    if (controller_restore(ctl, json_object_get(record, "state"), err) != 0) {
        controller_destroy(ctl);
        ctl = NULL;
    }
    controller_config_clean_up(&parsed);
    return ctl;
}
