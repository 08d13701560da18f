/* The controller's step: what must hold whatever the policy says. State changes here and nowhere else. Pure.
 */
#include "policies/controller.h"

#include "base/alloc.h"
#include "policies/controller_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLACK_DIVISOR = 10, DAY_MS = 86400000 };

static int64_t add_saturating(int64_t a, int64_t b)
{
    int64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? (b > 0 ? INT64_MAX : INT64_MIN) : sum;
}

static int64_t sub_saturating(int64_t a, int64_t b)
{
    int64_t difference = 0;
    return __builtin_sub_overflow(a, b, &difference) ? (b < 0 ? INT64_MAX : INT64_MIN) : difference;
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ms left until a deadline, 0 when it is over. */
static int64_t left_until(int64_t until_ms, int64_t now_ms)
{
    return until_ms > now_ms ? sub_saturating(until_ms, now_ms) : 0;
}

int64_t controller_clamp_to_limits(const struct controller *ctl, int64_t desired)
{
    const struct capacity *capacity = &ctl->config.capacity;
    return desired < capacity->min ? capacity->min : min_of(desired, capacity->max);
}

struct controller *controller_new(const struct controller_config *config)
{
    struct controller *ctl = xcalloc(1, sizeof *ctl);
    controller_config_copy(&ctl->config, config);
    ctl->policy_state = xcalloc(1, config->policy->state_size);
    config->policy->init(ctl->config.params, ctl->policy_state);
    ctl->state.desired = config->capacity.min;
    ctl->state.scale_out_rank = -1;
    return ctl;
}

void controller_destroy(struct controller *ctl)
{
    if (ctl == NULL)
        return;
    controller_config_clean_up(&ctl->config);
    free(ctl->policy_state);
    free(ctl);
}

int64_t controller_desired(const struct controller *ctl)
{
    return ctl->state.desired;
}

const struct controller_config *controller_config(const struct controller *ctl)
{
    return &ctl->config;
}

struct policy_timing controller_timing(const struct controller *ctl)
{
    return ctl->config.policy->timing(ctl->config.params);
}

int64_t controller_adopt(struct controller *ctl, int64_t desired)
{
    int64_t clamped = controller_clamp_to_limits(ctl, desired);
    if (clamped != ctl->state.desired) {
        ctl->state.desired = clamped;
        ctl->state.lean_count = 0;
        ctl->config.policy->init(ctl->config.params, ctl->policy_state);
    }
    return clamped;
}

void controller_hold_shrink(struct controller *ctl, int64_t now_ms, int64_t hold_ms)
{
    int64_t until_ms = add_saturating(now_ms, hold_ms);
    if (until_ms <= ctl->state.hold_until_ms)
        return;
    ctl->state.hold_until_ms = until_ms;
    ctl->state.hold_ms = hold_ms;
}

/* ---- operators' orders ---- */

/* The policy goes on from here, and patiently: what it saw meanwhile was not of its own making. */
static void end_override(struct controller *ctl, int64_t now_ms)
{
    ctl->state.override = (struct override){.order = {.kind = OVERRIDE_NONE}};
    ctl->state.lean_count = 0;
    controller_hold_shrink(ctl, now_ms, controller_timing(ctl).scale_in_after_ms);
}

int controller_override(struct controller *ctl, const struct override_order *order, int64_t now_ms,
                        struct override *ret_override, struct err *err)
{
    struct override made = {.order = *order, .since_ms = now_ms, .until_ms = now_ms};
    if (override_order_check(order, &ctl->config.capacity, err) != 0)
        return -1;
    if (order->kind != OVERRIDE_NONE) {
        made.until_ms = add_saturating(now_ms, order->for_ms);
        ctl->state.override = made;
    } else if (ctl->state.override.order.kind != OVERRIDE_NONE) {
        end_override(ctl, now_ms);
    }
    if (ret_override != NULL)
        *ret_override = made;
    return 0;
}

const struct override *controller_get_override(const struct controller *ctl, int64_t now_ms)
{
    static const struct override NONE = {.order = {.kind = OVERRIDE_NONE}};
    return override_in_force(&ctl->state.override, now_ms) ? &ctl->state.override : &NONE;
}

/* ---- one step ---- */

/* What a step works with. */
struct step {
    struct controller *ctl;
    const struct observation *obs;
    int64_t now_ms;
    int64_t slack_ms;
    int64_t stale_after_ms; /* in force */
    bool fresh;             /* visible */
    bool may_shrink;        /* on such a depth */
    struct policy_timing timing;
    struct decision *out;
};

/* After the clock went back no wait may be longer than it was configured, and no order than it was asked for;
 * after a long absence of ours, or when the clock went back, silence counts from now. */
static void settle_clock(const struct step *step)
{
    struct controller_state *state = &step->ctl->state;
    int64_t now_ms = step->now_ms;
    int64_t out_latest_ms = add_saturating(now_ms, step->timing.scale_out_cooldown_ms);
    int64_t in_latest_ms = add_saturating(now_ms, step->timing.scale_in_cooldown_ms);
    int64_t absent_ms = sub_saturating(now_ms, state->last_step_ms);
    int64_t longest_ms = step->ctl->config.fallback_after_ms + step->stale_after_ms;
    state->scale_out_until_ms = min_of(state->scale_out_until_ms, out_latest_ms);
    state->scale_in_until_ms = min_of(state->scale_in_until_ms, in_latest_ms);
    state->hold_until_ms = min_of(state->hold_until_ms, add_saturating(now_ms, state->hold_ms));
    state->override.until_ms =
        min_of(state->override.until_ms, add_saturating(now_ms, state->override.order.for_ms));
    if (state->override.order.kind != OVERRIDE_NONE && !override_in_force(&state->override, now_ms))
        end_override(step->ctl, now_ms);
    if (!state->stepped || absent_ms < 0 || absent_ms > longest_ms)
        state->quiet_since_ms = now_ms;
    if (step->fresh)
        state->quiet_since_ms = step->obs->visible.at_ms;
    state->stepped = true;
    state->last_step_ms = now_ms;
}

static void ask_policy(const struct step *step)
{
    const struct controller_config *config = &step->ctl->config;
    struct policy_input input = {
        .obs = step->obs,
        .capacity = config->capacity,
        .desired = step->ctl->state.desired,
        .now_ms = step->now_ms,
        .stale_after_ms = step->stale_after_ms,
        .visible_fresh = step->fresh,
        .may_shrink = step->may_shrink,
        .slack_ms = step->slack_ms,
    };
    config->policy->decide(config->params, step->ctl->policy_state, &input, &step->out->proposal);
}

/* Counts fresh samples in a row that lean in; a gap or a step back in time starts anew. */
static void count_lean(const struct step *step)
{
    struct controller_state *state = &step->ctl->state;
    const struct proposal *proposal = &step->out->proposal;
    int64_t at_ms = step->obs->visible.at_ms;
    if (!step->fresh)
        return;
    if (!step->may_shrink || (!proposal->leans_in && proposal->desired >= state->desired)) {
        state->lean_count = 0;
        return;
    }
    int64_t gap_ms = sub_saturating(at_ms, state->lean_sample_ms);
    if (state->lean_count > 0 && gap_ms == 0)
        return;
    bool unbroken = state->lean_count > 0 && gap_ms > 0 && gap_ms <= step->stale_after_ms;
    state->lean_count = unbroken ? CONTROLLER_LEAN_SAMPLES : 1;
    state->lean_sample_ms = at_ms;
}

/* Workers needed so that what is busy fills at most scale_in_busy_share of them, or -1 when that is off or
 * unknown. Whole numbers throughout (the share in thousandths), so that no rounding of 0.8 x 5 adds a worker.
 */
static int64_t busy_floor(const struct step *step)
{
    const struct controller_config *config = &step->ctl->config;
    const struct observation *obs = step->obs;
    const int64_t largest = INT64_MAX / 4000;
    int64_t share_milli = llround(config->scale_in_busy_share * 1000);
    int64_t busy = 0;
    if (share_milli == 0)
        return -1;
    if (reading_fresh(&obs->busy, step->now_ms, step->stale_after_ms))
        busy = min_of(obs->busy.value, largest);
    else if (step->fresh && reading_fresh(&obs->in_flight, step->now_ms, step->stale_after_ms))
        busy = min_of(obs->visible.value, largest) + min_of(obs->in_flight.value, largest);
    else
        return -1;
    /* A worker that does not say how much it can do is taken to do one thing at a time: too high a floor
     * loses nothing. */
    bool known = reading_fresh(&obs->worker_capacity, step->now_ms, step->stale_after_ms);
    int64_t capacity =
        known && obs->worker_capacity.value > 0 ? min_of(obs->worker_capacity.value, 1000000) : 1;
    int64_t per_worker_milli = share_milli * capacity;
    return (busy * 1000 + per_worker_milli - 1) / per_worker_milli;
}

static void note_clamp(struct decision *out, enum decision_clamp_kind kind, int64_t from, int64_t to)
{
    out->clamps[out->clamp_count++] = (struct decision_clamp){.kind = kind, .from = from, .to = to};
}

static bool is_acted_upon(const struct step *step)
{
    const struct controller_state *state = &step->ctl->state;
    return state->acted && state->acted_sample_ms == step->obs->visible.at_ms;
}

static bool is_waiting(const struct step *step, int64_t until_ms)
{
    return left_until(until_ms, step->now_ms) > step->slack_ms;
}

/* What the fleet itself has against a change; false when nothing. */
static bool is_held_by_fleet(const struct reading *hold, enum decision_why *ret_why)
{
    if (!hold->known || hold->value == FLEET_HOLD_NONE)
        return false;
    *ret_why = hold->value == FLEET_HOLD_ROLLOUT      ? DECISION_WHY_ROLLOUT
               : hold->value == FLEET_HOLD_TASKS_FAIL ? DECISION_WHY_TASKS_FAIL
               : hold->value == FLEET_HOLD_REFUSED    ? DECISION_WHY_FLEET_REFUSED
                                                      : DECISION_WHY_FLEET_UNKNOWN;
    return true;
}

/* Growth is eager: a higher rank than that of the last growth passes the cooldown. */
static enum decision_why judge_growth(const struct step *step, int64_t want, int64_t *to)
{
    const struct controller_state *state = &step->ctl->state;
    enum decision_why why = DECISION_WHY_POLICY;
    if (is_held_by_fleet(&step->obs->scale_out_hold, &why))
        return why;
    if (is_acted_upon(step))
        return DECISION_WHY_SAME_SAMPLE;
    if (is_waiting(step, state->scale_out_until_ms) && step->out->proposal.rank <= state->scale_out_rank)
        return DECISION_WHY_SCALE_OUT_COOLDOWN;
    *to = want;
    return DECISION_WHY_POLICY;
}

/* A shrink is patient: every one of these must let it pass. */
static enum decision_why judge_shrink(const struct step *step, int64_t want, int64_t *to)
{
    const struct controller_state *state = &step->ctl->state;
    struct decision *out = step->out;
    enum decision_why why = DECISION_WHY_POLICY;
    if (!step->may_shrink)
        return DECISION_WHY_DEPTH_COARSE;
    if (is_held_by_fleet(&step->obs->scale_in_hold, &why))
        return why;
    if (left_until(state->hold_until_ms, step->now_ms) > 0)
        return DECISION_WHY_SHRINK_HELD;
    if (state->lean_count < CONTROLLER_LEAN_SAMPLES)
        return DECISION_WHY_ONE_SAMPLE;
    if (is_waiting(step, state->scale_in_until_ms))
        return DECISION_WHY_SCALE_IN_COOLDOWN;
    if (is_acted_upon(step))
        return DECISION_WHY_SAME_SAMPLE;
    if (step->ctl->config.scale_in_busy_share > 0) {
        if (out->busy_floor < 0)
            return DECISION_WHY_BUSY_UNKNOWN;
        if (out->busy_floor > want) {
            int64_t kept = min_of(out->busy_floor, state->desired);
            note_clamp(out, DECISION_CLAMP_BUSY_FLOOR, want, kept);
            want = kept;
        }
        if (want == state->desired)
            return DECISION_WHY_BUSY;
    }
    *to = want;
    return DECISION_WHY_POLICY;
}

static enum decision_why judge(const struct step *step, int64_t *to)
{
    int64_t desired = step->ctl->state.desired;
    int64_t proposed = step->out->proposal.desired;
    int64_t want = controller_clamp_to_limits(step->ctl, proposed);
    if (want != proposed)
        note_clamp(step->out, want < proposed ? DECISION_CLAMP_MAX : DECISION_CLAMP_MIN, proposed, want);
    if (want > desired)
        return judge_growth(step, want, to);
    if (want < desired)
        return judge_shrink(step, want, to);
    if (!step->may_shrink && step->out->proposal.leans_in)
        return DECISION_WHY_DEPTH_COARSE;
    return proposed > want   ? DECISION_WHY_AT_MAX
           : proposed < want ? DECISION_WHY_AT_MIN
                             : DECISION_WHY_SATISFIED;
}

/* An operator's order needs no depth, no evidence and no cooldown; a person answers for it. What the fleet
 * itself cannot do now waits until it can. */
static enum decision_why judge_override(const struct step *step, int64_t *to)
{
    const struct override_order *order = &step->ctl->state.override.order;
    int64_t desired = step->ctl->state.desired;
    int64_t want = controller_clamp_to_limits(step->ctl, order->desired);
    enum decision_why why = DECISION_WHY_SCALED;
    if (order->kind == OVERRIDE_PAUSE)
        return DECISION_WHY_PAUSED;
    if (want != order->desired) /* the limits are others since the order */
        note_clamp(step->out, want < order->desired ? DECISION_CLAMP_MAX : DECISION_CLAMP_MIN, order->desired,
                   want);
    if (want == desired)
        return DECISION_WHY_PINNED;
    if (is_held_by_fleet(want > desired ? &step->obs->scale_out_hold : &step->obs->scale_in_hold, &why))
        return why;
    *to = want;
    return DECISION_WHY_SCALED;
}

static int64_t fallback_count(const struct controller_config *config)
{
    switch (config->fallback.kind) {
    case COUNT_HOLD:
        break;
    case COUNT_MIN:
        return config->capacity.min;
    case COUNT_TARGET:
        return config->capacity.target;
    case COUNT_MAX:
        return config->capacity.max;
    case COUNT_NUMBER:
        return config->fallback.number;
    }
    return 0;
}

static bool has_fallback(const struct controller_config *config)
{
    return config->fallback_after_ms > 0 && config->fallback.kind != COUNT_HOLD;
}

/* Whether the workers find nothing to do: then nobody needs the fallback. */
static bool is_empty_by_hint(const struct step *step)
{
    const struct reading *hint = &step->obs->queue_hint;
    int64_t max_age_ms = observation_depth_max_age_ms(step->obs, step->stale_after_ms);
    return reading_fresh(hint, step->now_ms, max_age_ms) && hint->value == QUEUE_HINT_EMPTY;
}

/* When silence has lasted long enough. One reading that failed is none: by plan it may come long after the
 * one before it, so that it takes two intervals at the least. */
static int64_t fallback_at_ms(const struct step *step)
{
    const struct controller_config *config = &step->ctl->config;
    const struct reading *interval = &step->obs->poll_interval;
    int64_t wait_ms = config->fallback_after_ms;
    if (interval->known && interval->value > config->poll_ms && 2 * min_of(interval->value, DAY_MS) > wait_ms)
        wait_ms = 2 * min_of(interval->value, DAY_MS);
    return add_saturating(step->ctl->state.quiet_since_ms, wait_ms);
}

/* Without a fresh depth: hold, and after fallback_after grow to the fallback. Never a shrink. */
static enum decision_why judge_blind(const struct step *step, int64_t *to)
{
    const struct controller_config *config = &step->ctl->config;
    int64_t until_ms = fallback_at_ms(step);
    int64_t count = fallback_count(config);
    step->out->timers.fallback_after_ms = has_fallback(config) ? left_until(until_ms, step->now_ms) : 0;
    enum decision_why why = DECISION_WHY_FALLBACK;
    if (has_fallback(config) && until_ms <= step->now_ms && count > *to) {
        if (is_held_by_fleet(&step->obs->scale_out_hold, &why))
            return why;
        if (is_empty_by_hint(step))
            return DECISION_WHY_QUEUE_EMPTY;
        *to = count;
        return DECISION_WHY_FALLBACK;
    }
    return step->obs->visible.known ? DECISION_WHY_VISIBLE_STALE : DECISION_WHY_VISIBLE_UNKNOWN;
}

/* The only place where desired changes by a decision; only a real change stamps a cooldown. */
static void apply(const struct step *step, int64_t to, enum decision_why why)
{
    struct controller_state *state = &step->ctl->state;
    if (to == state->desired)
        return;
    if (to > state->desired) {
        state->scale_out_until_ms = add_saturating(step->now_ms, step->timing.scale_out_cooldown_ms);
        state->scale_out_rank = why == DECISION_WHY_POLICY ? step->out->proposal.rank : -1;
    } else {
        state->scale_out_rank = -1; /* that growth is history: the next one starts from the lowest step */
    }
    /* A fresh order deserves a chance before any of it is taken back, so growth delays a shrink, too. */
    state->scale_in_until_ms = add_saturating(step->now_ms, step->timing.scale_in_cooldown_ms);
    if (why == DECISION_WHY_POLICY) {
        state->acted = true;
        state->acted_sample_ms = step->obs->visible.at_ms;
    }
    state->desired = to;
}

static void note_timers(const struct step *step)
{
    const struct controller_state *state = &step->ctl->state;
    struct decision_timers *timers = &step->out->timers;
    timers->scale_out_cooldown_ms = left_until(state->scale_out_until_ms, step->now_ms);
    timers->scale_in_cooldown_ms = left_until(state->scale_in_until_ms, step->now_ms);
    timers->shrink_hold_ms = left_until(state->hold_until_ms, step->now_ms);
    const struct override *override = &state->override;
    if (override->order.kind != OVERRIDE_NONE)
        step->out->override =
            (struct decision_override){.kind = override->order.kind,
                                       .desired = override->order.desired,
                                       .left_ms = left_until(override->until_ms, step->now_ms)};
    if (step->fresh)
        timers->stale_after_ms = observation_depth_max_age_ms(step->obs, step->stale_after_ms) -
                                 reading_age_ms(&step->obs->visible, step->now_ms);
}

int64_t controller_stale_after_ms(const struct controller_config *config, const struct observation *obs)
{
    const struct reading *interval = &obs->poll_interval;
    if (!config->stale_after_follows || !interval->known || interval->value <= config->poll_ms)
        return config->stale_after_ms;
    return CONTROLLER_STALE_AFTER_POLLS * min_of(interval->value, DAY_MS);
}

void controller_step(struct controller *ctl, const struct observation *obs, int64_t now_ms,
                     struct decision *out)
{
    int64_t stale_after_ms = controller_stale_after_ms(&ctl->config, obs);
    struct step step = {
        .ctl = ctl,
        .obs = obs,
        .now_ms = now_ms,
        .slack_ms = ctl->config.poll_ms / SLACK_DIVISOR,
        .stale_after_ms = stale_after_ms,
        .fresh = reading_fresh(&obs->visible, now_ms, observation_depth_max_age_ms(obs, stale_after_ms)),
        .may_shrink = observation_may_shrink(obs),
        .timing = controller_timing(ctl),
        .out = out,
    };
    int64_t to = ctl->state.desired;
    memset(out, 0, sizeof *out);
    out->seq = ++ctl->state.seq;
    out->t_ms = now_ms;
    out->obs = *obs;
    out->from = ctl->state.desired;
    (void)snprintf(out->policy, sizeof out->policy, "%s", ctl->config.policy->name);
    settle_clock(&step);
    ask_policy(&step);
    count_lean(&step);
    out->busy_floor = busy_floor(&step);
    if (ctl->state.override.order.kind != OVERRIDE_NONE)
        out->why = judge_override(&step, &to);
    else
        out->why = step.fresh ? judge(&step, &to) : judge_blind(&step, &to);
    apply(&step, to, out->why);
    out->to = to;
    note_timers(&step);
}
