/*
 * The policy "threshold", the flash sale's own rule: depth > scale_out_above grows by the step table; depth <
 * scale_in_below without a break for scale_in_after shrinks; between them: hold. Cooldowns are kept by the
 * controller, which asks timing(). Depth is ApproximateNumberOfMessages ("visible"). Pure.
 */
#include "policies/threshold.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_MS = 86400000 };

#define FIELD(name) offsetof(struct threshold_params, name)

static const struct option_row PARAMS[] = {
    {.name = "scale_out_above",
     .type = OPTION_INT,
     .offset = FIELD(scale_out_above),
     .fallback = "20",
     .min = 1,
     .max = THRESHOLD_DEPTH_MAX,
     .unit = "MESSAGES",
     .help = "grow when the depth is above this"},
    {.name = "scale_in_below",
     .type = OPTION_INT,
     .offset = FIELD(scale_in_below),
     .fallback = "5",
     .min = 0,
     .max = THRESHOLD_DEPTH_MAX,
     .unit = "MESSAGES",
     .help = "shrink when the depth stays below this for scale_in_after; 0 never shrinks"},
    {.name = "scale_in_after",
     .type = OPTION_DURATION,
     .offset = FIELD(scale_in_after_ms),
     .fallback = "5m",
     .min = 0,
     .max = 7.0 * DAY_MS,
     .unit = "DURATION",
     .help = "how long the depth must be low without a break"},
    {.name = "cooldown",
     .type = OPTION_DURATION,
     .offset = FIELD(cooldown_ms),
     .fallback = "60s",
     .min = 0,
     .max = DAY_MS,
     .unit = "DURATION",
     .help = "default of scale_out_cooldown and scale_in_cooldown"},
    {.name = "scale_out_cooldown",
     .type = OPTION_DURATION,
     .offset = FIELD(scale_out_cooldown_ms),
     .min = 0,
     .max = DAY_MS,
     .unit = "DURATION",
     .help = "time after a growth in which only a higher step grows again; default: cooldown"},
    {.name = "scale_in_cooldown",
     .type = OPTION_DURATION,
     .offset = FIELD(scale_in_cooldown_ms),
     .min = 0,
     .max = DAY_MS,
     .unit = "DURATION",
     .help = "time after any change in which nothing shrinks; default: cooldown"},
    OPTION_END,
};
#undef FIELD

#define FIELD(name) offsetof(struct threshold_state, name)
/* The largest whole number that a double, and so any JSON reader, holds exactly. */
#define EPOCH_MS_MAX 9007199254740992.0

static const struct option_row STATE[] = {
    {.name = "low", .type = OPTION_BOOL, .offset = FIELD(low), .help = "the last sample was low"},
    {.name = "sampled", .type = OPTION_BOOL, .offset = FIELD(sampled), .help = "there was a sample"},
    {.name = "low_since_ms",
     .type = OPTION_INT,
     .offset = FIELD(low_since_ms),
     .min = -EPOCH_MS_MAX,
     .max = EPOCH_MS_MAX,
     .help = "first sample of the unbroken low run"},
    {.name = "last_sample_ms",
     .type = OPTION_INT,
     .offset = FIELD(last_sample_ms),
     .min = -EPOCH_MS_MAX,
     .max = EPOCH_MS_MAX,
     .help = "newest sample"},
    OPTION_END,
};
#undef FIELD

static const char *const EXTRA_PARAMS[] = {"steps", NULL};

/* ---- parameters ---- */

/* The rows of the source's fleet at 20, 200 and 600; another scale_out_above moves them in proportion. */
static void set_default_steps(struct threshold_params *params)
{
    params->steps[0] = (struct threshold_step){params->scale_out_above, THRESHOLD_STEP_ADD, 2};
    params->steps[1] = (struct threshold_step){params->scale_out_above * 10, THRESHOLD_STEP_TO_TARGET, 0};
    params->steps[2] = (struct threshold_step){params->scale_out_above * 30, THRESHOLD_STEP_TO_MAX, 0};
    params->step_count = 3;
}

static bool is_whole(const json_t *json, int64_t min, int64_t max)
{
    return json_is_integer(json) && json_integer_value(json) >= min && json_integer_value(json) <= max;
}

static int refuse(const json_t *value, const char *path, size_t row, const char *key, const char *want,
                  struct err *err)
{
    char *text = value != NULL ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    (void)err_set(err, "%s.steps[%zu]%s%s: %.80s: want %s", path, row, key[0] != '\0' ? "." : "", key,
                  text != NULL ? text : "missing", want);
    free(text);
    return -1;
}

static int parse_step_to(const json_t *to, const char *path, size_t row, struct threshold_step *step,
                         struct err *err)
{
    const char *word = json_string_value(to);
    if (word != NULL && strcmp(word, "target") == 0) {
        step->kind = THRESHOLD_STEP_TO_TARGET;
    } else if (word != NULL && strcmp(word, "max") == 0) {
        step->kind = THRESHOLD_STEP_TO_MAX;
    } else if (is_whole(to, 1, CAPACITY_LIMIT)) {
        step->kind = THRESHOLD_STEP_TO;
        step->workers = json_integer_value(to);
    } else {
        return refuse(to, path, row, "to", "\"target\", \"max\" or a whole number from 1 to 100000", err);
    }
    return 0;
}

static int parse_step(const json_t *json, const char *path, size_t row, struct threshold_step *step,
                      struct err *err)
{
    const json_t *above = json_object_get(json, "above");
    const json_t *add = json_object_get(json, "add");
    const json_t *to = json_object_get(json, "to");
    if (!json_is_object(json) || json_object_size(json) != 2 || above == NULL ||
        (add == NULL) == (to == NULL))
        return refuse(json, path, row, "", "an object with above and either add or to", err);
    if (!is_whole(above, 0, THRESHOLD_DEPTH_MAX))
        return refuse(above, path, row, "above", "a whole number from 0 to 1000000000", err);
    *step = (struct threshold_step){.above = json_integer_value(above), .kind = THRESHOLD_STEP_ADD};
    if (to != NULL)
        return parse_step_to(to, path, row, step, err);
    if (!is_whole(add, 1, CAPACITY_LIMIT))
        return refuse(add, path, row, "add", "a whole number from 1 to 100000", err);
    step->workers = json_integer_value(add);
    return 0;
}

static int parse_steps(struct threshold_params *params, const json_t *list, const char *path, struct err *err)
{
    size_t count = json_array_size(list);
    if (count < 1 || count > THRESHOLD_STEPS_MAX)
        return err_set(
            err, "%s.steps: want a list of 1 to %d rows {\"above\":n,\"add\":n} or {\"above\":n,\"to\":..}",
            path, THRESHOLD_STEPS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct threshold_step *step = &params->steps[i];
        if (parse_step(json_array_get(list, i), path, i, step, err) != 0)
            return -1;
        if (i > 0 && step->above <= params->steps[i - 1].above)
            return err_set(err,
                           "%s.steps[%zu].above: %" PRId64 ": want more than the row before it (%" PRId64 ")",
                           path, i, step->above, params->steps[i - 1].above);
    }
    params->step_count = (int64_t)count;
    return 0;
}

static int threshold_finish_params(void *target, const json_t *object, const char *path, struct err *err)
{
    struct threshold_params *params = target;
    const json_t *steps = json_object_get(object, "steps");
    if (json_object_get(object, "scale_out_cooldown") == NULL)
        params->scale_out_cooldown_ms = params->cooldown_ms;
    if (json_object_get(object, "scale_in_cooldown") == NULL)
        params->scale_in_cooldown_ms = params->cooldown_ms;
    if (steps == NULL) {
        set_default_steps(params);
        return 0;
    }
    if (parse_steps(params, steps, path, err) != 0)
        return -1;
    if (json_object_get(object, "scale_out_above") == NULL)
        params->scale_out_above = params->steps[0].above;
    return 0;
}

static void dump_step(const struct threshold_step *step, struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_int(w, "above", step->above);
    switch (step->kind) {
    case THRESHOLD_STEP_ADD:
        jsonw_key_int(w, "add", step->workers);
        break;
    case THRESHOLD_STEP_TO:
        jsonw_key_int(w, "to", step->workers);
        break;
    case THRESHOLD_STEP_TO_TARGET:
        jsonw_key_str(w, "to", "target");
        break;
    case THRESHOLD_STEP_TO_MAX:
        jsonw_key_str(w, "to", "max");
        break;
    }
    jsonw_end_object(w);
}

static void threshold_dump_params(const void *source, struct jsonw *w)
{
    const struct threshold_params *params = source;
    jsonw_key(w, "steps");
    jsonw_array(w);
    for (int64_t i = 0; i < params->step_count; i++)
        dump_step(&params->steps[i], w);
    jsonw_end_array(w);
}

static int threshold_check(const void *source, const struct capacity *capacity, const char *path,
                           struct err *err)
{
    const struct threshold_params *params = source;
    if (params->scale_in_below > params->scale_out_above)
        return err_set(err,
                       "%s.scale_in_below: %" PRId64
                       ": want a whole number from 0 to scale_out_above (%" PRId64 ")",
                       path, params->scale_in_below, params->scale_out_above);
    if (params->steps[0].above < params->scale_out_above)
        return err_set(err, "%s.steps[0].above: %" PRId64 ": want scale_out_above (%" PRId64 ") or more",
                       path, params->steps[0].above, params->scale_out_above);
    for (int64_t i = 0; i < params->step_count; i++) {
        const struct threshold_step *step = &params->steps[i];
        if (step->kind == THRESHOLD_STEP_TO &&
            (step->workers < capacity->min || step->workers > capacity->max))
            return err_set(err,
                           "%s.steps[%" PRId64 "].to: %" PRId64 ": want a whole number from %" PRId64
                           " to %" PRId64 " (capacity)",
                           path, i, step->workers, capacity->min, capacity->max);
    }
    return 0;
}

static struct policy_timing threshold_timing(const void *source)
{
    const struct threshold_params *params = source;
    return (struct policy_timing){.scale_out_cooldown_ms = params->scale_out_cooldown_ms,
                                  .scale_in_cooldown_ms = params->scale_in_cooldown_ms,
                                  .scale_in_after_ms = params->scale_in_after_ms};
}

static int threshold_depth_lines(const void *source, int64_t *ret_lines, int room)
{
    const struct threshold_params *params = source;
    int count = 0;
    if (room < THRESHOLD_STEPS_MAX + 2)
        return 0;
    ret_lines[count++] = params->scale_in_below;
    ret_lines[count++] = params->scale_out_above;
    for (int64_t i = 0; i < params->step_count; i++)
        ret_lines[count++] = params->steps[i].above;
    return count;
}

/* ---- decision ---- */

static void threshold_init(const void *params, void *state)
{
    (void)params;
    *(struct threshold_state *)state = (struct threshold_state){.low = false};
}

/* Follows the run of low samples. A run breaks at a sample that is not low, at a gap longer than stale_after,
 * and when the clock went back. */
static void note_sample(struct threshold_state *state, int64_t at_ms, bool low, int64_t stale_after_ms)
{
    int64_t gap_ms = 0;
    bool unbroken = state->sampled && !__builtin_sub_overflow(at_ms, state->last_sample_ms, &gap_ms) &&
                    gap_ms >= 0 && gap_ms <= stale_after_ms;
    if (low && !(state->low && unbroken))
        state->low_since_ms = at_ms;
    state->low = low;
    state->sampled = true;
    state->last_sample_ms = at_ms;
}

static int64_t step_result(const struct threshold_step *step, const struct policy_input *input)
{
    switch (step->kind) {
    case THRESHOLD_STEP_ADD:
        return input->desired + step->workers;
    case THRESHOLD_STEP_TO:
        return step->workers;
    case THRESHOLD_STEP_TO_TARGET:
        return input->capacity.target;
    case THRESHOLD_STEP_TO_MAX:
        break;
    }
    return input->capacity.max;
}

/* The highest row that the depth exceeds and that grows the fleet. A row that is already satisfied ("to
 * target" at target) gives way to the one below it: more depth must never mean fewer workers. */
static void propose_growth(const struct threshold_params *params, const struct policy_input *input,
                           struct proposal *proposal)
{
    int64_t visible = input->obs->visible.value;
    for (int64_t i = params->step_count - 1; i >= 0; i--) {
        const struct threshold_step *step = &params->steps[i];
        int64_t result = step_result(step, input);
        if (visible <= step->above || result <= input->desired)
            continue;
        proposal_set_reason(proposal, "step");
        proposal->desired = result;
        proposal->rank = (int)i + 1;
        proposal_add_term(proposal, "row", (double)i);
        proposal_add_term(proposal, "above", (double)step->above);
        if (step->kind == THRESHOLD_STEP_ADD)
            proposal_add_term(proposal, "add", (double)step->workers);
        if (step->kind == THRESHOLD_STEP_TO_TARGET)
            proposal_add_term(proposal, "to_target", 1);
        if (step->kind == THRESHOLD_STEP_TO_MAX)
            proposal_add_term(proposal, "to_max", 1);
        return;
    }
    proposal_set_reason(proposal, "no_step");
    proposal_add_term(proposal, "above", (double)params->scale_out_above);
}

/* Halves the distance to min: 30, 16, 9, 6, 4, 3, 2. */
static void propose_shrink(const struct threshold_params *params, const struct threshold_state *state,
                           const struct policy_input *input, struct proposal *proposal)
{
    int64_t low_ms = state->last_sample_ms - state->low_since_ms;
    int64_t above_min = input->desired - input->capacity.min;
    proposal->leans_in = true;
    proposal_add_term(proposal, "below", (double)params->scale_in_below);
    proposal_add_term(proposal, "low_ms", (double)low_ms);
    proposal_add_term(proposal, "scale_in_after_ms", (double)params->scale_in_after_ms);
    if (above_min <= 0) {
        proposal_set_reason(proposal, "low_at_min");
    } else if (low_ms + input->slack_ms < params->scale_in_after_ms) {
        proposal_set_reason(proposal, "low");
        proposal_add_timer(proposal, "scale_in_after", params->scale_in_after_ms - low_ms);
    } else {
        int64_t step = above_min / 2 > 1 ? above_min / 2 : 1;
        proposal_set_reason(proposal, "low_depth");
        proposal->desired = input->desired - step;
        proposal_add_term(proposal, "step", (double)step);
    }
}

static void threshold_decide(const void *source, void *target, const struct policy_input *input,
                             struct proposal *proposal)
{
    const struct threshold_params *params = source;
    struct threshold_state *state = target;
    proposal->desired = input->desired;
    if (!input->visible_fresh) {
        proposal_set_reason(proposal, "blind");
        return;
    }
    int64_t visible = input->obs->visible.value;
    bool low = visible < params->scale_in_below;
    note_sample(state, input->obs->visible.at_ms, low && input->may_shrink, input->stale_after_ms);
    proposal_add_term(proposal, "visible", (double)visible);
    if (visible > params->scale_out_above) {
        propose_growth(params, input, proposal);
    } else if (low && input->may_shrink) {
        propose_shrink(params, state, input, proposal);
    } else if (low) {
        proposal->leans_in = true;
        proposal_set_reason(proposal, "grow_only");
        proposal_add_term(proposal, "below", (double)params->scale_in_below);
    } else {
        proposal_set_reason(proposal, "between");
        proposal_add_term(proposal, "below", (double)params->scale_in_below);
        proposal_add_term(proposal, "above", (double)params->scale_out_above);
    }
}

/* ---- words ---- */

static void describe_step(const struct proposal *proposal, struct strbuf *out)
{
    double add = proposal_get_term(proposal, "add", 0);
    strbuf_appendf(out, "visible %.0f > %.0f: ", proposal_get_term(proposal, "visible", 0),
                   proposal_get_term(proposal, "above", 0));
    if (add > 0)
        strbuf_appendf(out, "+%.0f to %" PRId64, add, proposal->desired);
    else
        strbuf_appendf(out, "to %s%" PRId64,
                       proposal_get_term(proposal, "to_target", 0) > 0 ? "target "
                       : proposal_get_term(proposal, "to_max", 0) > 0  ? "max "
                                                                       : "",
                       proposal->desired);
}

static void describe_low(const struct proposal *proposal, struct strbuf *out)
{
    double visible = proposal_get_term(proposal, "visible", 0);
    double below = proposal_get_term(proposal, "below", 0);
    double low_s = floor(proposal_get_term(proposal, "low_ms", 0) / 1000);
    double after_s = proposal_get_term(proposal, "scale_in_after_ms", 0) / 1000;
    strbuf_appendf(out, "visible %.0f < %.0f", visible, below);
    if (strcmp(proposal->reason, "low_at_min") == 0)
        strbuf_append_str(out, ", at min");
    else if (strcmp(proposal->reason, "low") == 0)
        strbuf_appendf(out, ", %.0f of %.15g s low, %.15g s to go", low_s, after_s, after_s - low_s);
    else
        strbuf_appendf(out, " for %.0f s: down %.0f to %" PRId64, low_s,
                       proposal_get_term(proposal, "step", 0), proposal->desired);
}

static void threshold_describe(const struct proposal *proposal, struct strbuf *out)
{
    double visible = proposal_get_term(proposal, "visible", 0);
    if (strcmp(proposal->reason, "step") == 0)
        describe_step(proposal, out);
    else if (strncmp(proposal->reason, "low", 3) == 0)
        describe_low(proposal, out);
    else if (strcmp(proposal->reason, "between") == 0)
        strbuf_appendf(out, "visible %.0f is between %.0f and %.0f", visible,
                       proposal_get_term(proposal, "below", 0), proposal_get_term(proposal, "above", 0));
    else if (strcmp(proposal->reason, "grow_only") == 0)
        strbuf_appendf(out, "visible %.0f < %.0f", visible, proposal_get_term(proposal, "below", 0));
    else if (strcmp(proposal->reason, "no_step") == 0)
        strbuf_appendf(out, "visible %.0f > %.0f, but no step grows further", visible,
                       proposal_get_term(proposal, "above", 0));
}

const struct policy POLICY_THRESHOLD = {
    .name = "threshold",
    .help = "depth above a line grows by a step table, depth below another for long enough shrinks",
    .params = PARAMS,
    .params_size = sizeof(struct threshold_params),
    .state = STATE,
    .state_size = sizeof(struct threshold_state),
    .extra_params = EXTRA_PARAMS,
    .finish_params = threshold_finish_params,
    .dump_params = threshold_dump_params,
    .check = threshold_check,
    .timing = threshold_timing,
    .depth_lines = threshold_depth_lines,
    .init = threshold_init,
    .decide = threshold_decide,
    .describe = threshold_describe,
};
