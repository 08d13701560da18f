/*
 * The controller under a policy that asks for anything at all, at any time: what must hold holds all the
 * same. The limits, cooldowns and the busy floor are checked by a model that shares no code with the
 * controller. A failure names its seed.
 */
#include "tests/unit/policies/generator.h"

#include "base/alloc.h"

#include <limits.h>

struct hostile_params {
    int64_t out_ms, in_ms;
};

struct hostile_state {
    uint64_t random;
};

static const struct option_row NO_ROWS[] = {OPTION_END};

static int hostile_check(const void *params, const struct capacity *capacity, const char *path,
                         struct err *err)
{
    (void)params;
    (void)capacity;
    (void)path;
    (void)err;
    return 0;
}

static struct policy_timing hostile_timing(const void *source)
{
    const struct hostile_params *params = source;
    return (struct policy_timing){.scale_out_cooldown_ms = params->out_ms,
                                  .scale_in_cooldown_ms = params->in_ms,
                                  .scale_in_after_ms = 1000};
}

static void hostile_init(const void *params, void *state)
{
    (void)params;
    *(struct hostile_state *)state = (struct hostile_state){.random = 1};
}

static void hostile_decide(const void *params, void *target, const struct policy_input *input,
                           struct proposal *proposal)
{
    static const int64_t ABSURD[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT32_MAX, INT64_MAX - 1, INT64_MAX};
    struct hostile_state *state = target;
    struct generator g = {.state = state->random};
    (void)params;
    proposal->desired = generator_percent(&g, 30) ? ABSURD[generator_range(&g, 0, 7)]
                                                  : input->desired + generator_range(&g, -9, 9);
    proposal->rank = generator_percent(&g, 5) ? INT_MAX : (int)generator_range(&g, 0, 3);
    proposal->leans_in = generator_percent(&g, 50);
    proposal_set_reason(proposal, "whim");
    state->random = g.state;
}

static void hostile_describe(const struct proposal *proposal, struct strbuf *out)
{
    strbuf_append_str(out, proposal->reason);
}

static const struct policy HOSTILE = {
    .name = "hostile",
    .help = "asks for anything",
    .params = NO_ROWS,
    .params_size = sizeof(struct hostile_params),
    .state = NO_ROWS,
    .state_size = sizeof(struct hostile_state),
    .check = hostile_check,
    .timing = hostile_timing,
    .init = hostile_init,
    .decide = hostile_decide,
    .describe = hostile_describe,
};

struct witness {
    uint64_t seed;
    const struct decision *d;
    int64_t lean_samples, lean_ms; /* distinct fresh samples in a row that spoke for fewer */
    int64_t out_until_ms, in_until_ms;
    int out_rank;
    bool changed;
    int64_t changed_sample_ms;
};

#define HOLDS(witness, condition)                                                                            \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            ck_abort_msg("seed %" PRIu64 ", step %" PRId64 ": from %" PRId64 " to %" PRId64 " (%s): not %s", \
                         (witness)->seed, (witness)->d->seq, (witness)->d->from, (witness)->d->to,           \
                         decision_why_name((witness)->d->why), #condition);                                  \
    } while (0)

static bool fresh_now(const struct reading *reading, int64_t now_ms, int64_t stale_after_ms)
{
    return reading->known && reading->at_ms <= now_ms && now_ms - reading->at_ms <= stale_after_ms;
}

static void witness_lean(struct witness *w, bool fresh, int64_t stale_after_ms)
{
    int64_t at_ms = w->d->obs.visible.at_ms;
    if (!fresh)
        return;
    if (!generator_told_by_sqs(&w->d->obs) ||
        (!w->d->proposal.leans_in && w->d->proposal.desired >= w->d->from))
        w->lean_samples = 0;
    else if (w->lean_samples == 0 || at_ms < w->lean_ms || at_ms - w->lean_ms > stale_after_ms)
        w->lean_samples = 1;
    else
        w->lean_samples += at_ms > w->lean_ms;
    if (w->lean_samples > 0)
        w->lean_ms = at_ms;
}

static void witness_shrink(const struct witness *w, const struct controller_config *config, bool fresh)
{
    const struct observation *obs = &w->d->obs;
    HOLDS(w, fresh);
    HOLDS(w, generator_told_by_sqs(obs));
    HOLDS(w, w->lean_samples >= 2);
    HOLDS(w, w->in_until_ms - w->d->t_ms <= FLEET_POLL_MS / 10);
    HOLDS(w, w->d->proposal.desired < w->d->from);
    if (config->scale_in_busy_share == 0)
        return;
    bool busy_known = fresh_now(&obs->busy, w->d->t_ms, config->stale_after_ms);
    bool slots_known = fresh_now(&obs->worker_capacity, w->d->t_ms, config->stale_after_ms);
    HOLDS(w, busy_known || fresh_now(&obs->in_flight, w->d->t_ms, config->stale_after_ms));
    double busy = (double)(busy_known ? obs->busy.value : obs->visible.value + obs->in_flight.value);
    double slots = slots_known && obs->worker_capacity.value > 0 ? (double)obs->worker_capacity.value : 1;
    HOLDS(w, (double)w->d->to * slots * config->scale_in_busy_share >= busy - 1e-6);
}

static void witness_step(struct witness *w, const struct controller_config *config, const struct decision *d)
{
    const struct hostile_params *params = config->params;
    bool fresh = fresh_now(&d->obs.visible, d->t_ms, generator_depth_age_ms(&d->obs, config->stale_after_ms));
    w->d = d;
    witness_lean(w, fresh, config->stale_after_ms);
    w->out_until_ms = w->out_until_ms > d->t_ms + params->out_ms ? d->t_ms + params->out_ms : w->out_until_ms;
    w->in_until_ms = w->in_until_ms > d->t_ms + params->in_ms ? d->t_ms + params->in_ms : w->in_until_ms;
    HOLDS(w, d->to >= config->capacity.min && d->to <= config->capacity.max);
    HOLDS(w, fresh || d->to == d->from || d->why == DECISION_WHY_FALLBACK || d->why == DECISION_WHY_SCALED);
    HOLDS(w, d->to == d->from || d->override.kind == OVERRIDE_NONE || d->to == d->override.desired);
    /* What the fleet has against a change stands above all. */
    HOLDS(w, d->to <= d->from || !d->obs.scale_out_hold.known || d->obs.scale_out_hold.value == 0);
    HOLDS(w, d->to >= d->from || !d->obs.scale_in_hold.known || d->obs.scale_in_hold.value == 0);
    if (d->to < d->from && d->why != DECISION_WHY_SCALED)
        witness_shrink(w, config, fresh);
    if (d->to > d->from && d->why == DECISION_WHY_POLICY)
        HOLDS(w, w->out_until_ms - d->t_ms <= FLEET_POLL_MS / 10 || d->proposal.rank > w->out_rank);
    if (d->to == d->from)
        return;
    if (d->why == DECISION_WHY_POLICY) {
        HOLDS(w, !w->changed || w->changed_sample_ms != d->obs.visible.at_ms);
        w->changed = true;
        w->changed_sample_ms = d->obs.visible.at_ms;
    }
    w->in_until_ms = d->t_ms + params->in_ms;
    if (d->to > d->from) {
        w->out_until_ms = d->t_ms + params->out_ms;
        w->out_rank = d->why == DECISION_WHY_POLICY ? d->proposal.rank : -1;
    } else {
        w->out_rank = -1;
    }
}

static void give_order(struct generator *g, struct controller *ctl, int64_t now_ms)
{
    struct override_order order;
    struct err err = {""};
    if (generator_order(g, &controller_config(ctl)->capacity, &order) &&
        controller_override(ctl, &order, now_ms, NULL, &err) != 0)
        ck_assert_ptr_nonnull(strstr(err.text, "capacity of the fleet"));
}

static void run_one(uint64_t seed, long steps, long *whys)
{
    struct generator g = generator_new(seed);
    struct controller_config config = generator_config(&g);
    struct witness w = {.seed = seed, .out_rank = -1};
    struct strbuf text = STRBUF_INIT;
    struct observation obs;
    int64_t now_ms = FLEET_START_MS;
    controller_config_clean_up(&config);
    config.policy = &HOSTILE;
    struct hostile_params *params = xcalloc(1, sizeof *params);
    params->out_ms = generator_range(&g, 0, 90000);
    params->in_ms = generator_range(&g, 0, 90000);
    config.params = params;
    struct controller *ctl = controller_new(&config);
    observation_init(&obs);
    for (long i = 0; i < steps; i++) {
        struct decision decision;
        now_ms = generator_advance(&g, now_ms);
        generator_observe(&g, &obs, now_ms);
        give_order(&g, ctl, now_ms);
        controller_step(ctl, &obs, now_ms, &decision);
        witness_step(&w, &config, &decision);
        fleet_text(&decision, &text);
        HOLDS(&w, text.len > 0);
        whys[decision.why]++;
    }
    controller_destroy(ctl);
    controller_config_clean_up(&config);
    strbuf_clean_up(&text);
}

START_TEST(the_rules_hold_whatever_a_policy_asks_for)
{
    enum { STEPS_A_RUN = 500 };
    long runs = unit_steps(200000) / STEPS_A_RUN;
    long whys[DECISION_WHY_COUNT] = {0};
    for (long i = 0; i < runs; i++)
        run_one(generator_first_seed() + (uint64_t)i, STEPS_A_RUN, whys);
    for (int why = 0; why < DECISION_WHY_COUNT; why++)
        ck_assert_msg(whys[why] > 0, "no step ended with %s", decision_why_name((enum decision_why)why));
}
END_TEST

/* ---- state with the largest numbers that a policy may leave behind ---- */

START_TEST(the_state_after_absurd_proposals_reads_back)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    struct controller_config config = *controller_config(fleet.ctl);
    struct hostile_params params = {.out_ms = 0, .in_ms = 0};
    struct strbuf text = STRBUF_INIT;
    struct err err = {""};
    config.policy = &HOSTILE;
    config.params = &params;
    struct controller *ctl = controller_new(&config);
    struct controller *next = controller_new(&config);
    for (int i = 0; i < 2000; i++) {
        struct jsonw w = JSONW_INIT(&text);
        fleet.now_ms += FLEET_POLL_MS;
        fleet_sample(&fleet, 100);
        controller_step(ctl, &fleet.obs, fleet.now_ms, &fleet.last);
        strbuf_clear(&text);
        controller_save(ctl, &w);
        json_t *state = fleet_json(strbuf_str(&text));
        ck_assert_msg(controller_restore(next, state, &err) == 0, "%s: %s", err.text, strbuf_str(&text));
        json_decref(state);
    }
    controller_destroy(ctl);
    controller_destroy(next);
    fleet_close(&fleet);
    strbuf_clean_up(&text);
}
END_TEST

UNIT_MAIN("policies_hostile", the_rules_hold_whatever_a_policy_asks_for,
          the_state_after_absurd_proposals_reads_back)
