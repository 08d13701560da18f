/*
 * Properties of threshold and controller over random fleets, each checked by a model that shares no code with
 * them. A failure names its seed: SLUICE_TEST_SEED=<seed> repeats that run first.
 */
#include "tests/unit/policies/generator.h"

#include "policies/decision_pack.h"

enum { STEPS_A_RUN = 500 };

/* Not ck_assert: that writes a mark to a file each time, and there are millions of these. */
#define HOLDS(model, condition)                                                                              \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            model_fail((model), #condition);                                                                 \
    } while (0)

/* What an observer from outside knows of one run. */
struct model {
    uint64_t seed;
    const struct controller_config *config;
    const struct threshold_params *params;
    const struct decision *d; /* the step under judgement */
    bool fresh;
    int64_t slack_ms;

    int64_t last_now_ms;
    int64_t low_samples;  /* distinct low samples in a row without a long gap */
    int64_t low_first_ms; /* the first of them */
    int64_t last_sample_ms;
    bool sampled;
    int64_t out_until_ms, in_until_ms; /* cooldowns as they must be */
    int out_rank;
    struct override_order order; /* an operator's, until order_until_ms */
    int64_t order_until_ms;
    int64_t hold_until_ms; /* no shrink of the policy's before, since an order ended */
    bool changed;          /* some sample was acted upon: */
    int64_t changed_sample_ms;
    int64_t growths, shrinks;
};

static void model_fail(const struct model *m, const char *condition)
{
    ck_abort_msg("seed %" PRIu64 ", step %" PRId64 ": from %" PRId64 " to %" PRId64 " (%s): not %s", m->seed,
                 m->d->seq, m->d->from, m->d->to, decision_why_name(m->d->why), condition);
}

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool is_fresh(const struct reading *reading, int64_t now_ms, int64_t stale_after_ms)
{
    return reading->known && now_ms >= reading->at_ms && now_ms - reading->at_ms <= stale_after_ms;
}

static void model_note_sample(struct model *m)
{
    const struct reading *visible = &m->d->obs.visible;
    if (!m->fresh)
        return;
    bool low = visible->value < m->params->scale_in_below && generator_told_by_sqs(&m->d->obs);
    int64_t gap_ms = visible->at_ms - m->last_sample_ms;
    bool unbroken = m->sampled && gap_ms >= 0 && gap_ms <= m->config->stale_after_ms && m->low_samples > 0;
    if (!low) {
        m->low_samples = 0;
    } else if (!unbroken) {
        m->low_samples = 1;
        m->low_first_ms = visible->at_ms;
    } else if (gap_ms > 0) {
        m->low_samples++;
    }
    m->sampled = true;
    m->last_sample_ms = visible->at_ms;
}

static void model_check_limits(const struct model *m)
{
    HOLDS(m, m->d->to >= m->config->capacity.min);
    HOLDS(m, m->d->to <= m->config->capacity.max);
}

static void model_check_shrink(const struct model *m, int64_t in_left_ms)
{
    const struct observation *obs = &m->d->obs;
    int64_t stale_ms = m->config->stale_after_ms;
    int64_t above_min = m->d->from - m->config->capacity.min;
    HOLDS(m, m->fresh);
    HOLDS(m, generator_told_by_sqs(obs));
    HOLDS(m, obs->visible.value < m->params->scale_in_below);
    HOLDS(m, m->low_samples >= 2);
    HOLDS(m, m->d->t_ms >= m->hold_until_ms);
    HOLDS(m, m->last_sample_ms - m->low_first_ms >= m->params->scale_in_after_ms - m->slack_ms);
    HOLDS(m, in_left_ms <= m->slack_ms);
    HOLDS(m, m->d->from - m->d->to <= (above_min / 2 > 1 ? above_min / 2 : 1));
    if (m->config->scale_in_busy_share == 0)
        return;
    bool busy_known = is_fresh(&obs->busy, m->d->t_ms, stale_ms);
    HOLDS(m, busy_known || is_fresh(&obs->in_flight, m->d->t_ms, stale_ms));
    int64_t busy = busy_known ? obs->busy.value : obs->visible.value + obs->in_flight.value;
    bool capacity_known =
        is_fresh(&obs->worker_capacity, m->d->t_ms, stale_ms) && obs->worker_capacity.value > 0;
    double room = m->config->scale_in_busy_share * (double)(capacity_known ? obs->worker_capacity.value : 1);
    HOLDS(m, (double)m->d->to * room >= (double)busy - 1e-6);
}

static void model_check_growth(const struct model *m, int64_t out_left_ms)
{
    if (!m->fresh) {
        HOLDS(m, m->d->why == DECISION_WHY_FALLBACK);
        HOLDS(m, m->config->fallback.kind != COUNT_HOLD && m->config->fallback_after_ms > 0);
        return;
    }
    HOLDS(m, m->d->obs.visible.value > m->params->scale_out_above);
    HOLDS(m, out_left_ms <= m->slack_ms || m->d->proposal.rank > m->out_rank);
    int64_t most = 0;
    for (int64_t i = 0; i < m->params->step_count; i++) {
        const struct threshold_step *row = &m->params->steps[i];
        if (m->d->obs.visible.value <= row->above)
            continue;
        int64_t to = row->kind == THRESHOLD_STEP_ADD         ? m->d->from + row->workers
                     : row->kind == THRESHOLD_STEP_TO_TARGET ? m->config->capacity.target
                                                             : m->config->capacity.max;
        most = to > most ? to : most;
    }
    HOLDS(m, m->d->to <= most);
}

/* What an observer knows of orders: they begin when they are given, end by their time or by a resume, and
 * then nothing shrinks for scale_in_after. A clock that goes back makes none longer. */
static void model_end_order(struct model *m, int64_t now_ms)
{
    int64_t until_ms = now_ms + m->params->scale_in_after_ms;
    m->order.kind = OVERRIDE_NONE;
    m->hold_until_ms = until_ms > m->hold_until_ms ? until_ms : m->hold_until_ms;
}

static void model_note_order(struct model *m, const struct override_order *order, int64_t now_ms)
{
    if (order->kind == OVERRIDE_NONE && m->order.kind != OVERRIDE_NONE)
        model_end_order(m, now_ms);
    m->order = *order;
    m->order_until_ms = now_ms + order->for_ms;
}

static void model_check_order(struct model *m)
{
    const struct decision *d = m->d;
    bool held = (d->obs.scale_out_hold.known && d->obs.scale_out_hold.value != 0) ||
                (d->obs.scale_in_hold.known && d->obs.scale_in_hold.value != 0);
    m->order_until_ms = lesser(m->order_until_ms, d->t_ms + m->order.for_ms);
    m->hold_until_ms = lesser(m->hold_until_ms, d->t_ms + m->params->scale_in_after_ms);
    if (m->order.kind != OVERRIDE_NONE && d->t_ms >= m->order_until_ms)
        model_end_order(m, d->t_ms);
    HOLDS(m, d->override.kind == m->order.kind);
    HOLDS(m, (d->why == DECISION_WHY_PAUSED) == (m->order.kind == OVERRIDE_PAUSE));
    if (m->order.kind == OVERRIDE_NONE) {
        HOLDS(m, d->why != DECISION_WHY_SCALED && d->why != DECISION_WHY_PINNED);
        return;
    }
    HOLDS(m, d->override.left_ms == m->order_until_ms - d->t_ms);
    HOLDS(m, m->order.kind != OVERRIDE_PAUSE || d->to == d->from);
    HOLDS(m, m->order.kind != OVERRIDE_SCALE || d->to == m->order.desired || (d->to == d->from && held));
}

/* Cooldowns are stamped by real changes, and by nothing else; a clock that goes back makes none longer. */
static void model_check_cooldowns(struct model *m)
{
    int64_t now_ms = m->d->t_ms;
    const struct threshold_params *p = m->params;
    m->out_until_ms = lesser(m->out_until_ms, now_ms + p->scale_out_cooldown_ms);
    m->in_until_ms = lesser(m->in_until_ms, now_ms + p->scale_in_cooldown_ms);
    bool ordered = m->d->why == DECISION_WHY_SCALED; /* an operator answers for it */
    if (m->d->to > m->d->from && !ordered)
        model_check_growth(m, m->out_until_ms - now_ms);
    if (m->d->to < m->d->from && !ordered)
        model_check_shrink(m, m->in_until_ms - now_ms);
    if (m->d->to > m->d->from) {
        m->out_until_ms = now_ms + p->scale_out_cooldown_ms;
        m->out_rank = m->d->why == DECISION_WHY_POLICY ? m->d->proposal.rank : -1;
        m->growths++;
    }
    if (m->d->to < m->d->from)
        m->out_rank = -1;
    if (m->d->to != m->d->from)
        m->in_until_ms = now_ms + p->scale_in_cooldown_ms;
    m->shrinks += m->d->to < m->d->from;
    HOLDS(m, m->d->timers.scale_out_cooldown_ms == (m->out_until_ms > now_ms ? m->out_until_ms - now_ms : 0));
    HOLDS(m, m->d->timers.scale_in_cooldown_ms == (m->in_until_ms > now_ms ? m->in_until_ms - now_ms : 0));
}

static void model_check(struct model *m, const struct decision *d)
{
    const struct reading *visible = &d->obs.visible;
    m->d = d;
    m->fresh = is_fresh(visible, d->t_ms, generator_depth_age_ms(&d->obs, m->config->stale_after_ms));
    model_note_sample(m);
    model_check_limits(m);
    model_check_order(m);
    model_check_cooldowns(m);
    /* What the fleet has against a change stands above all. */
    HOLDS(m, d->to <= d->from || !d->obs.scale_out_hold.known || d->obs.scale_out_hold.value == 0);
    HOLDS(m, d->to >= d->from || !d->obs.scale_in_hold.known || d->obs.scale_in_hold.value == 0);
    HOLDS(m, (d->to == d->from) == (d->why != DECISION_WHY_POLICY && d->why != DECISION_WHY_FALLBACK &&
                                    d->why != DECISION_WHY_SCALED));
    if (m->order.kind == OVERRIDE_NONE && m->fresh && visible->value >= m->params->scale_in_below &&
        visible->value <= m->params->scale_out_above)
        HOLDS(m, d->to == d->from);
    if (d->to != d->from && d->why == DECISION_WHY_POLICY) {
        HOLDS(m, !m->changed || m->changed_sample_ms != visible->at_ms);
        m->changed = true;
        m->changed_sample_ms = visible->at_ms;
    }
}

/* What the workers of the order are up to (starting, ready, stopping, their counters) never orders a worker
 * more. */
static void forget_progress(struct observation *obs, struct generator *g, int64_t now_ms)
{
    generator_reading(g, &obs->ready, 40, now_ms);
    generator_reading(g, &obs->starting, 40, now_ms);
    generator_reading(g, &obs->stopping, 40, now_ms);
    generator_reading(g, &obs->completed_total, 1000000, now_ms);
}

/* Gives an order to both controllers, or sees it refused by both. */
static void give_order(struct model *m, struct generator *g, struct controller *ctl, struct controller *twin,
                       int64_t now_ms)
{
    const struct capacity *capacity = &m->config->capacity;
    struct override_order order;
    struct err err = {""};
    if (!generator_order(g, capacity, &order))
        return;
    bool fits =
        order.kind != OVERRIDE_SCALE || (order.desired >= capacity->min && order.desired <= capacity->max);
    int64_t before = controller_desired(ctl);
    ck_assert_int_eq(controller_override(ctl, &order, now_ms, NULL, &err), fits ? 0 : -1);
    ck_assert_int_eq(controller_override(twin, &order, now_ms, NULL, &err), fits ? 0 : -1);
    ck_assert_int_eq(controller_desired(ctl), before);
    if (fits)
        model_note_order(m, &order, now_ms);
}

static void run_one(uint64_t seed, struct model *ret, long *whys)
{
    struct generator g = generator_new(seed);
    struct controller_config config = generator_config(&g);
    struct controller *ctl = controller_new(&config);
    struct controller *twin = controller_new(&config);
    struct observation obs;
    struct decision decision;
    struct decision twin_decision;
    struct model m = {
        .seed = seed, .config = &config, .params = config.params, .slack_ms = FLEET_POLL_MS / 10};
    int64_t now_ms = FLEET_START_MS;
    m.out_rank = -1;
    observation_init(&obs);
    for (int i = 0; i < STEPS_A_RUN; i++) {
        now_ms = generator_advance(&g, now_ms);
        generator_observe(&g, &obs, now_ms);
        give_order(&m, &g, ctl, twin, now_ms);
        int64_t before = controller_desired(ctl);
        controller_step(ctl, &obs, now_ms, &decision);
        model_check(&m, &decision);
        HOLDS(&m, decision.from == before);
        HOLDS(&m, decision.to == controller_desired(ctl));
        struct observation other = obs;
        forget_progress(&other, &g, now_ms);
        controller_step(twin, &other, now_ms, &twin_decision);
        HOLDS(&m, twin_decision.to == decision.to && twin_decision.why == decision.why);
        whys[decision.why]++;
    }
    m.config = NULL;
    m.params = NULL;
    m.d = NULL;
    *ret = m;
    controller_destroy(ctl);
    controller_destroy(twin);
    controller_config_clean_up(&config);
}

START_TEST(the_rules_hold_for_random_fleets)
{
    long runs = unit_steps(400000) / STEPS_A_RUN;
    long whys[DECISION_WHY_COUNT] = {0};
    int64_t growths = 0;
    int64_t shrinks = 0;
    for (long i = 0; i < runs; i++) {
        struct model m;
        run_one(generator_first_seed() + (uint64_t)i, &m, whys);
        growths += m.growths;
        shrinks += m.shrinks;
    }
    printf("%ld steps of random fleets: %" PRId64 " growths, %" PRId64 " shrinks\n", runs * STEPS_A_RUN,
           growths, shrinks);
    /* A generator that never leads to a change or a hold of some kind would prove nothing about it. */
    ck_assert_int_gt(growths, runs);
    ck_assert_int_gt(shrinks, runs);
    for (int why = 0; why < DECISION_WHY_COUNT; why++)
        if (why != DECISION_WHY_AT_MIN)
            ck_assert_msg(whys[why] > 0, "no step ended with %s", decision_why_name((enum decision_why)why));
}
END_TEST

/* ---- restore equals continue, replay equals ---- */

static struct controller *cloned(const struct controller *ctl, uint64_t seed)
{
    struct controller *clone = controller_new(controller_config(ctl));
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    struct err err = {""};
    controller_save(ctl, &w);
    json_t *json = fleet_json(strbuf_str(&text));
    int rc = controller_restore(clone, json, &err);
    ck_assert_msg(rc == 0, "seed %" PRIu64 ": %s", seed, err.text);
    json_decref(json);
    strbuf_clean_up(&text);
    return clone;
}

static void encode(const struct decision *decision, struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);
    strbuf_clear(out);
    decision_encode_json(decision, &w);
}

static void add_line(struct strbuf *lines, const struct strbuf *line)
{
    strbuf_append(lines, line->data, line->len);
    strbuf_append_char(lines, '\n');
}

/* An order to both; returns whether there was one, with its journal record in `line`. */
static bool order_both(struct generator *g, struct controller *ctl, struct controller *restored,
                       int64_t now_ms, struct strbuf *line)
{
    struct override_order order;
    struct override made;
    struct err err = {""};
    if (!generator_order(g, &controller_config(ctl)->capacity, &order) ||
        controller_override(ctl, &order, now_ms, &made, &err) != 0)
        return false;
    ck_assert_int_eq(controller_override(restored, &order, now_ms, NULL, &err), 0);
    strbuf_clear(line);
    struct jsonw w = JSONW_INIT(line);
    controller_encode_override_record(&made, "orders", now_ms, &w);
    return true;
}

/* Runs one fleet, writes its journal, and replaces the controller by a restored one now and then: it must go
 * on as the one that was never interrupted. */
static void write_journal(uint64_t seed, long steps, struct strbuf *config_record, struct strbuf *lines)
{
    struct generator g = generator_new(seed);
    struct controller_config config = generator_config(&g);
    struct controller *ctl = controller_new(&config);
    struct controller *restored = controller_new(&config);
    struct strbuf line = STRBUF_INIT;
    struct strbuf other = STRBUF_INIT;
    struct observation obs;
    int64_t now_ms = FLEET_START_MS;
    long opens_at = generator_range(&g, 0, 50);
    observation_init(&obs);
    for (long i = 0; i < steps; i++) {
        struct decision decision;
        if (i == opens_at) {
            struct jsonw w = JSONW_INIT(config_record);
            controller_hold_shrink(ctl, now_ms, 30000);
            controller_hold_shrink(restored, now_ms, 30000);
            controller_encode_config_record(ctl, "orders", now_ms, &w);
        }
        now_ms = generator_advance(&g, now_ms);
        generator_observe(&g, &obs, now_ms);
        if (order_both(&g, ctl, restored, now_ms, &line) && i >= opens_at)
            add_line(lines, &line);
        controller_step(ctl, &obs, now_ms, &decision);
        encode(&decision, &line);
        controller_step(restored, &obs, now_ms, &decision);
        encode(&decision, &other);
        ck_assert_msg(strcmp(strbuf_str(&line), strbuf_str(&other)) == 0,
                      "seed %" PRIu64 ", step %ld: %s\n%s", seed, i, strbuf_str(&line), strbuf_str(&other));
        if (generator_percent(&g, 20)) {
            struct controller *clone = cloned(restored, seed);
            controller_destroy(restored);
            restored = clone;
        }
        if (i >= opens_at)
            add_line(lines, &line);
    }
    controller_destroy(ctl);
    controller_destroy(restored);
    controller_config_clean_up(&config);
    strbuf_clean_up(&line);
    strbuf_clean_up(&other);
}

/* What is kept in memory is the same decision, and small. */
static void pack_and_unpack(struct decision *decision, uint64_t seed)
{
    struct strbuf bytes = STRBUF_INIT;
    struct decision same;
    decision_pack(decision, &bytes);
    ck_assert_uint_le(bytes.len, 400);
    ck_assert_msg(decision_unpack(bytes.data, bytes.len, &same) == 0, "seed %" PRIu64, seed);
    ck_assert_int_eq(decision_unpack(bytes.data, bytes.len - 1, decision), -1);
    *decision = same;
    strbuf_clean_up(&bytes);
}

/* Feeds a journal's observations and orders to a controller made of its config record: every decision must
 * come out again. */
static long replay_journal(uint64_t seed, const struct strbuf *config_record, char *lines)
{
    struct err err = {""};
    struct strbuf line = STRBUF_INIT;
    json_t *record = fleet_json(strbuf_str(config_record));
    struct controller *ctl = controller_new_from_record(record, &err);
    long count = 0;
    char *rest = NULL;
    ck_assert_msg(ctl != NULL, "seed %" PRIu64 ": %s", seed, err.text);
    for (char *text = strtok_r(lines, "\n", &rest); text != NULL;
         text = strtok_r(NULL, "\n", &rest), count++) {
        struct decision read;
        struct decision decided;
        json_t *json = fleet_json(text);
        if (json_object_get(json, "obs") == NULL) {
            ck_assert_msg(controller_replay_override(ctl, json, &err) == 0, "seed %" PRIu64 ": %s", seed,
                          err.text);
            json_decref(json);
            count--;
            continue;
        }
        ck_assert_msg(decision_parse_json(json, &read, &err) == 0, "seed %" PRIu64 ": %s", seed, err.text);
        encode(&read, &line);
        ck_assert_msg(strcmp(text, strbuf_str(&line)) == 0, "seed %" PRIu64 ": read %s\n%s", seed, text,
                      strbuf_str(&line));
        controller_step(ctl, &read.obs, read.t_ms, &decided);
        pack_and_unpack(&decided, seed);
        encode(&decided, &line);
        ck_assert_msg(strcmp(text, strbuf_str(&line)) == 0, "seed %" PRIu64 ": replayed %s\n%s", seed, text,
                      strbuf_str(&line));
        json_decref(json);
    }
    controller_destroy(ctl);
    json_decref(record);
    strbuf_clean_up(&line);
    return count;
}

START_TEST(a_restored_controller_continues_and_a_journal_replays_bit_for_bit)
{
    long runs = unit_steps(120000) / STEPS_A_RUN;
    long replayed = 0;
    for (long i = 0; i < runs; i++) {
        uint64_t seed = generator_first_seed() + (uint64_t)i;
        struct strbuf record = STRBUF_INIT;
        struct strbuf lines = STRBUF_INIT;
        write_journal(seed, STEPS_A_RUN, &record, &lines);
        replayed += replay_journal(seed, &record, lines.data);
        strbuf_clean_up(&record);
        strbuf_clean_up(&lines);
    }
    printf("%ld decisions replayed\n", replayed);
    ck_assert_int_ge(replayed, runs * (STEPS_A_RUN - 51));
}
END_TEST

UNIT_MAIN("policies_properties", the_rules_hold_for_random_fleets,
          a_restored_controller_continues_and_a_journal_replays_bit_for_bit)
