/* The next poll's time; see poll_plan.h. */
#include "policies/poll_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    QUIET_READINGS = 3,   /* without a reason, before the interval doubles */
    LEVEL_MAX = 12,       /* 200 ms x 2^12 is beyond any poll_max */
    MOVE_LEAST = 5,       /* messages: SQS's counts are approximate */
    MOVE_SHARE = 10,      /* of the larger of two depths: a tenth */
    NEAR_SHARE = 5,       /* of a line: a fifth */
    SAMPLES_IN_AFTER = 5, /* readings within scale_in_after, at the least */
};

static const char *const NAMES[] = {
#define X(upper, name, sentence) [POLL_##upper] = #name,
    POLL_REASONS(X)
#undef X
};

static const char *const SENTENCES[] = {
#define X(upper, name, sentence) [POLL_##upper] = (sentence),
    POLL_REASONS(X)
#undef X
};

const char *poll_reason_name(enum poll_reason reason)
{
    return (unsigned)reason < POLL_REASON_COUNT ? NAMES[reason] : "?";
}

const char *poll_reason_sentence(enum poll_reason reason)
{
    return (unsigned)reason < POLL_REASON_COUNT ? SENTENCES[reason] : "?";
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

struct poll_plan_config poll_plan_config_make(const struct controller_config *controller, int64_t poll_max_ms)
{
    const struct policy *policy = controller->policy;
    struct poll_plan_config config = {
        .poll_ms = controller->poll_ms,
        .poll_max_ms = max_of(poll_max_ms, controller->poll_ms),
        .stale_after_ms = controller->stale_after_follows ? 0 : controller->stale_after_ms,
        .scale_in_after_ms = policy->timing(controller->params).scale_in_after_ms,
        .min_workers = controller->capacity.min,
    };
    if (policy->depth_lines != NULL)
        config.line_count = policy->depth_lines(controller->params, config.lines, POLICY_LINES_MAX);
    return config;
}

/* ---- reasons ---- */

/* A change that is more than the noise of an approximate count. */
static bool is_move(int64_t from, int64_t to)
{
    int64_t change = llabs(to - from);
    return change >= MOVE_LEAST && change >= max_of(from, to) / MOVE_SHARE;
}

static bool is_near(const struct poll_plan_config *config, int64_t visible)
{
    for (int i = 0; i < config->line_count; i++) {
        int64_t margin = max_of(config->lines[i] / NEAR_SHARE, 1);
        if (config->lines[i] > 0 && llabs(visible - config->lines[i]) <= margin)
            return true;
    }
    return false;
}

/* Starting workers count unless they do not start at all: then more looks at the queue would help nobody. */
static bool is_starting(const struct observation *obs)
{
    bool fails = obs->scale_out_hold.known && obs->scale_out_hold.value == FLEET_HOLD_TASKS_FAIL;
    return obs->starting.known && obs->starting.value > 0 && !fails;
}

static bool is_pending(const struct decision *decision)
{
    return decision->why == DECISION_WHY_ONE_SAMPLE || decision->why == DECISION_WHY_SAME_SAMPLE;
}

/* What SQS said itself: that another source told something does not make the polls succeed. */
static bool is_read(const struct observation *obs)
{
    return obs->visible.known && observation_may_shrink(obs);
}

static enum poll_reason find_reason(const struct poll_plan_config *config,
                                    const struct poll_plan_state *state, const struct decision *decision)
{
    const struct reading *visible = &decision->obs.visible;
    if (decision->to != decision->from)
        return POLL_SCALED;
    if (is_starting(&decision->obs))
        return POLL_STARTING;
    if (!is_read(&decision->obs))
        return state->failed ? POLL_QUIET : POLL_FAILING; /* the first failure of a row is the news */
    if (!state->read)
        return POLL_STARTED;
    if (is_move(state->visible, visible->value))
        return POLL_MOVING;
    if (is_near(config, visible->value))
        return POLL_NEAR;
    return is_pending(decision) ? POLL_PENDING : POLL_QUIET;
}

static bool is_urgent(enum poll_reason reason)
{
    return reason != POLL_QUIET && reason != POLL_FAILING && reason != POLL_STARTED;
}

/* ---- the interval ---- */

/* ms until a wait ends that, over, lets the fleet change; 0: none does. */
static int64_t time_to_act_ms(const struct decision *decision)
{
    int64_t left_ms = 0;
    if (decision->why == DECISION_WHY_SCALE_OUT_COOLDOWN)
        left_ms = decision->timers.scale_out_cooldown_ms;
    else if (decision->why == DECISION_WHY_SCALE_IN_COOLDOWN)
        left_ms = decision->timers.scale_in_cooldown_ms;
    else if (decision->why == DECISION_WHY_SHRINK_HELD)
        left_ms = decision->timers.shrink_hold_ms;
    else
        left_ms = decision->timers.fallback_after_ms; /* of a silence, and only then */
    for (int i = 0; i < decision->proposal.timer_count; i++) {
        int64_t timer_ms = decision->proposal.timers[i].left_ms;
        if (timer_ms > 0 && (left_ms == 0 || timer_ms < left_ms))
            left_ms = timer_ms;
    }
    return left_ms;
}

/* The interval at the present level, within what the rules want when nothing is short. */
static int64_t wanted_ms(const struct poll_plan_config *config, const struct poll_plan_state *state,
                         const struct decision *decision)
{
    int64_t interval_ms = min_of(config->poll_ms << state->level, config->poll_max_ms);
    int64_t act_ms = time_to_act_ms(decision);
    if (act_ms > 0)
        interval_ms = min_of(interval_ms, act_ms);
    if (decision->to > config->min_workers)
        interval_ms = min_of(interval_ms, config->scale_in_after_ms / SAMPLES_IN_AFTER);
    interval_ms = min_of(interval_ms, poll_plan_ceiling_ms(config));
    return max_of(interval_ms, config->poll_ms);
}

struct poll_want poll_plan_want(const struct poll_plan_config *config, struct poll_plan_state *state,
                                const struct decision *decision)
{
    const struct reading *visible = &decision->obs.visible;
    bool is_told = is_read(&decision->obs);
    bool is_new = is_told && !(state->read && visible->at_ms == state->at_ms);
    enum poll_reason reason = find_reason(config, state, decision);
    if (reason != POLL_QUIET) {
        state->quiet = 0;
        state->level = 0;
    } else if ((is_new || !is_told) && ++state->quiet >= QUIET_READINGS) {
        state->quiet = 0;
        state->level += state->level < LEVEL_MAX && config->poll_ms << state->level < config->poll_max_ms;
    }
    if (is_new) {
        state->read = true;
        state->at_ms = visible->at_ms;
        state->visible = visible->value;
        state->basis_ms = 0; /* what was in force led to this reading */
    }
    state->failed = !is_told;
    return (struct poll_want){
        .interval_ms = wanted_ms(config, state, decision), .reason = reason, .urgent = is_urgent(reason)};
}

int64_t poll_plan_ceiling_ms(const struct poll_plan_config *config)
{
    if (config->stale_after_ms == 0)
        return POLL_CEILING_MS;
    return max_of(config->stale_after_ms / CONTROLLER_STALE_AFTER_POLLS, config->poll_ms);
}

int64_t poll_plan_settle(const struct poll_plan_config *config, struct poll_plan_state *state,
                         const struct poll_want *want, double stretch)
{
    double ms = (double)want->interval_ms * fmax(stretch, 1);
    int64_t ceiling_ms = max_of(poll_plan_ceiling_ms(config), want->interval_ms);
    state->interval_ms = ms < (double)ceiling_ms ? (int64_t)llround(ms) : ceiling_ms;
    state->basis_ms = max_of(state->basis_ms, state->interval_ms);
    return state->interval_ms;
}

int64_t poll_plan_basis_ms(const struct poll_plan_state *state)
{
    return state->basis_ms;
}
