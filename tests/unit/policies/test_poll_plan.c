/* When the next poll is, and that no rule suffers from slow polls. */
#include "tests/unit/policies/fleet.h"

#include "policies/poll_plan.h"

enum { QUICK_MS = 1000, SLOW_MS = 30000 };

/* A fleet whose polls come when the plan says. */
struct planned {
    struct controller *ctl;
    struct poll_plan_config config;
    struct poll_plan_state state;
    struct poll_want want;
    struct observation obs;
    struct decision last;
    int64_t now_ms, interval_ms;
    double stretch;
    struct strbuf journal;
};

static struct planned plan_open(const char *policy, int64_t poll_max_ms)
{
    struct planned p = {.now_ms = FLEET_START_MS, .interval_ms = QUICK_MS, .stretch = 1};
    struct controller_config config = {.params = NULL};
    struct err err = {""};
    json_t *capacity = fleet_json("{\"min\":2,\"target\":25,\"max\":30}");
    json_t *rule = fleet_json(policy);
    ck_assert_msg(controller_config_parse(capacity, rule, QUICK_MS, "f", &config, &err) == 0, "%s", err.text);
    json_decref(capacity);
    json_decref(rule);
    p.ctl = controller_new(&config);
    p.config = poll_plan_config_make(&config, poll_max_ms);
    controller_config_clean_up(&config);
    observation_init(&p.obs);
    struct jsonw w = JSONW_INIT(&p.journal);
    controller_encode_config_record(p.ctl, "f", p.now_ms, &w);
    strbuf_append_char(&p.journal, '\n');
    return p;
}

static void plan_close(struct planned *p)
{
    controller_destroy(p->ctl);
    strbuf_clean_up(&p->journal);
}

/* The step of a poll that was made now; a depth below 0: it failed. Returns the next interval. */
static int64_t plan_see(struct planned *p, int64_t visible)
{
    p->obs.visible.known = false;
    if (visible >= 0)
        reading_set(&p->obs.visible, visible, p->now_ms);
    reading_set(&p->obs.busy, 0, p->now_ms);
    p->obs.poll_interval.known = false;
    if (poll_plan_basis_ms(&p->state) > p->config.poll_ms)
        reading_set(&p->obs.poll_interval, poll_plan_basis_ms(&p->state), p->now_ms);
    controller_step(p->ctl, &p->obs, p->now_ms, &p->last);
    struct jsonw w = JSONW_INIT(&p->journal);
    decision_encode_json(&p->last, &w);
    strbuf_append_char(&p->journal, '\n');
    p->want = poll_plan_want(&p->config, &p->state, &p->last);
    p->interval_ms = poll_plan_settle(&p->config, &p->state, &p->want, p->stretch);
    return p->interval_ms;
}

static int64_t plan_poll(struct planned *p, int64_t visible)
{
    p->now_ms += p->interval_ms;
    return plan_see(p, visible);
}

/* Until polls are as slow as they get at this depth. */
static void plan_calm(struct planned *p, int64_t visible)
{
    for (int i = 0; i < 40; i++)
        (void)plan_poll(p, visible);
}

START_TEST(a_quiet_queue_is_read_ever_more_seldom)
{
    struct planned p = plan_open(NULL, SLOW_MS);
    int64_t want_ms = QUICK_MS;
    ck_assert_int_eq(plan_see(&p, 0), QUICK_MS);
    ck_assert_int_eq(p.want.reason, POLL_STARTED);
    for (int level = 0; level < 6; level++) {
        ck_assert_int_eq(plan_poll(&p, 0), want_ms);
        ck_assert_int_eq(plan_poll(&p, 0), want_ms);
        want_ms = want_ms * 2 < SLOW_MS ? want_ms * 2 : SLOW_MS;
        ck_assert_int_eq(plan_poll(&p, 0), want_ms);
        ck_assert_int_eq(p.want.reason, POLL_QUIET);
        ck_assert(!p.want.urgent);
    }
    ck_assert_int_eq(want_ms, SLOW_MS);
    plan_close(&p);
}
END_TEST

START_TEST(a_fixed_interval_stays)
{
    struct planned p = plan_open(NULL, QUICK_MS);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(plan_poll(&p, i % 7 * 30), QUICK_MS);
    plan_close(&p);
}
END_TEST

START_TEST(a_depth_that_moves_or_is_near_a_line_is_read_quickly)
{
    static const struct {
        int64_t from, to;
        enum poll_reason reason;
    } CASES[] = {
        {0, 0, POLL_QUIET},       {0, 3, POLL_QUIET},        {0, 4, POLL_NEAR},       {0, 6, POLL_MOVING},
        {0, 7, POLL_MOVING},      {10, 14, POLL_QUIET},      {10, 15, POLL_MOVING},   {12, 16, POLL_NEAR},
        {400, 405, POLL_QUIET},   {400, 439, POLL_QUIET},    {400, 450, POLL_MOVING}, {400, 350, POLL_MOVING},
        {5000, 5400, POLL_QUIET}, {5000, 5600, POLL_MOVING},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct planned p = plan_open(NULL, SLOW_MS);
        (void)controller_adopt(p.ctl, 30); /* nothing grows */
        (void)plan_see(&p, CASES[i].from);
        (void)plan_poll(&p, CASES[i].from);
        (void)plan_poll(&p, CASES[i].to);
        ck_assert_msg(p.want.reason == CASES[i].reason, "%lld to %lld: %s", (long long)CASES[i].from,
                      (long long)CASES[i].to, poll_reason_name(p.want.reason));
        plan_close(&p);
    }
}
END_TEST

START_TEST(each_line_of_the_policy_counts)
{
    static const int64_t NEAR[] = {4, 6, 17, 24, 41, 59, 960, 1199};
    static const int64_t FAR[] = {0, 3, 10, 30, 100, 500, 2000};
    const char *policy =
        "{\"steps\":[{\"above\":20,\"add\":1},{\"above\":50,\"to\":10},{\"above\":1000,\"to\":"
        "\"max\"}]}";
    struct planned p = plan_open(policy, SLOW_MS);
    (void)controller_adopt(p.ctl, 30);
    for (size_t i = 0; i < sizeof NEAR / sizeof NEAR[0]; i++) {
        plan_calm(&p, NEAR[i]);
        ck_assert_msg(p.interval_ms == QUICK_MS && p.want.urgent, "%lld", (long long)NEAR[i]);
    }
    (void)controller_adopt(p.ctl, 2);
    for (size_t i = 0; i < sizeof FAR / sizeof FAR[0]; i++) {
        (void)controller_adopt(p.ctl, FAR[i] < 20 ? 2 : 30);
        plan_calm(&p, FAR[i]);
        ck_assert_msg(p.interval_ms == SLOW_MS, "%lld: %lld ms", (long long)FAR[i], (long long)p.interval_ms);
    }
    plan_close(&p);
}
END_TEST

START_TEST(after_a_growth_and_while_workers_start_polls_are_quick)
{
    struct planned p = plan_open(NULL, SLOW_MS);
    plan_calm(&p, 0);
    ck_assert_int_eq(plan_poll(&p, 100), QUICK_MS);
    ck_assert_int_eq(p.last.to, 4);
    ck_assert_int_eq(p.want.reason, POLL_SCALED);
    reading_set(&p.obs.starting, 2, p.now_ms);
    plan_calm(&p, 10);
    ck_assert_int_eq(p.want.reason, POLL_STARTING);
    ck_assert_int_eq(p.interval_ms, QUICK_MS);
    /* Tasks that do not start at all are no reason to hurry for ever. */
    reading_set(&p.obs.scale_out_hold, FLEET_HOLD_TASKS_FAIL, p.now_ms);
    plan_calm(&p, 10);
    ck_assert_int_eq(p.interval_ms, SLOW_MS);
    plan_close(&p);
}
END_TEST

START_TEST(the_first_failure_makes_polls_quick_and_a_long_one_slow_again)
{
    struct planned p = plan_open(NULL, SLOW_MS);
    plan_calm(&p, 0);
    ck_assert_int_eq(p.interval_ms, SLOW_MS);
    ck_assert_int_eq(plan_poll(&p, -1), QUICK_MS);
    ck_assert_int_eq(p.want.reason, POLL_FAILING);
    ck_assert(!p.want.urgent);
    plan_calm(&p, -1);
    ck_assert_int_eq(p.interval_ms, SLOW_MS);
    plan_close(&p);
}
END_TEST

/* Seconds from the first low reading until the fleet of 30 is at each size. */
static void shrink_times(struct planned *p, int64_t *times, size_t count)
{
    size_t found = 0;
    (void)controller_adopt(p->ctl, 30);
    (void)plan_see(p, 0);
    int64_t begin_ms = p->now_ms;
    while (found < count && p->now_ms - begin_ms < 3600000) {
        (void)plan_poll(p, 0);
        if (p->last.to < p->last.from)
            times[found++] = p->now_ms - begin_ms;
    }
    ck_assert_uint_eq(found, count);
}

/* The first poll that fails may come long after the last reading, by plan. */
START_TEST(one_failed_poll_is_no_silence_however_slow_polls_are)
{
    struct planned p = plan_open("{\"fallback\":\"max\",\"fallback_after\":\"20s\"}", SLOW_MS);
    plan_calm(&p, 10);
    ck_assert_int_eq(p.interval_ms, SLOW_MS);
    int64_t read_ms = p.now_ms;
    (void)plan_poll(&p, -1);
    ck_assert_int_eq(p.last.why, DECISION_WHY_VISIBLE_UNKNOWN);
    ck_assert_int_eq(p.last.timers.fallback_after_ms, SLOW_MS);
    (void)plan_poll(&p, 10);
    ck_assert_int_eq(p.last.to, 2);
    plan_calm(&p, 10);
    read_ms = p.now_ms;
    while (p.now_ms < read_ms + 3 * SLOW_MS && p.last.why != DECISION_WHY_FALLBACK)
        (void)plan_poll(&p, -1);
    ck_assert_int_eq(p.now_ms, read_ms + 2 * SLOW_MS); /* polls are slow again by then: this one is in time */
    ck_assert_int_eq(p.last.to, 30);
    plan_close(&p);
}
END_TEST

/* Nor are they put off for ever. */
START_TEST(the_fallback_comes_when_it_is_due_though_polls_become_slow)
{
    struct planned p = plan_open("{\"fallback\":\"max\",\"fallback_after\":\"7m\"}", SLOW_MS);
    (void)plan_see(&p, 10);
    int64_t read_ms = p.now_ms;
    while (p.now_ms < read_ms + 3600000 && p.last.why != DECISION_WHY_FALLBACK)
        (void)plan_poll(&p, -1);
    ck_assert_int_le(p.now_ms, read_ms + 420000 + QUICK_MS);
    plan_close(&p);
}
END_TEST

START_TEST(slow_polls_shrink_a_fleet_as_soon_as_quick_ones_do)
{
    int64_t quick[6] = {0};
    int64_t slow[6] = {0};
    struct planned p = plan_open(NULL, QUICK_MS);
    shrink_times(&p, quick, 6);
    size_t quick_len = p.journal.len;
    plan_close(&p);
    p = plan_open(NULL, SLOW_MS);
    shrink_times(&p, slow, 6);
    for (int i = 0; i < 6; i++)
        ck_assert_msg(llabs(slow[i] - quick[i]) <= QUICK_MS, "shrink %d after %lld ms, not %lld", i,
                      (long long)slow[i], (long long)quick[i]);
    ck_assert_uint_lt(p.journal.len * 4, quick_len); /* and with far fewer polls */
    ck_assert_int_eq(controller_desired(p.ctl), 2);
    plan_calm(&p, 0);
    ck_assert_int_eq(p.interval_ms, SLOW_MS);
    plan_close(&p);
}
END_TEST

START_TEST(a_gap_beyond_three_slow_intervals_starts_the_wait_anew)
{
    static const struct {
        int64_t gap_share_percent;
        bool broken;
    } CASES[] = {{100, false}, {290, false}, {310, true}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct planned p = plan_open(NULL, SLOW_MS);
        (void)controller_adopt(p.ctl, 10);
        for (int n = 0; n < 13; n++) /* 93 s low */
            (void)plan_poll(&p, 0);
        int64_t interval_ms = p.interval_ms;
        ck_assert_int_gt(interval_ms, 3 * QUICK_MS); /* the plain 3 polls would be over */
        p.now_ms += interval_ms * CASES[i].gap_share_percent / 100;
        (void)plan_see(&p, 0);
        double low_ms = proposal_get_term(&p.last.proposal, "low_ms", -1);
        ck_assert_msg((low_ms == 0) == CASES[i].broken, "gap of %lld%%: low for %.0f ms",
                      (long long)CASES[i].gap_share_percent, low_ms);
        plan_close(&p);
    }
}
END_TEST

START_TEST(an_interval_made_short_again_does_not_make_the_last_reading_late)
{
    struct planned p = plan_open(NULL, SLOW_MS);
    (void)controller_adopt(p.ctl, 10);
    for (int n = 0; n < 13; n++)
        (void)plan_poll(&p, 0);
    double before_ms = proposal_get_term(&p.last.proposal, "low_ms", -1);
    ck_assert_int_eq(plan_poll(&p, -1), QUICK_MS); /* one poll fails: the next comes soon */
    (void)plan_poll(&p, 0);
    ck_assert_double_gt(proposal_get_term(&p.last.proposal, "low_ms", -1), before_ms);
    plan_close(&p);
}
END_TEST

START_TEST(a_fleet_that_could_shrink_is_read_five_times_in_scale_in_after)
{
    struct planned p = plan_open("{\"scale_in_after\":\"40s\"}", 600000);
    (void)controller_adopt(p.ctl, 10);
    plan_calm(&p, 10); /* between the lines */
    ck_assert_int_eq(p.interval_ms, 8000);
    (void)controller_adopt(p.ctl, 2);
    plan_calm(&p, 10);
    ck_assert_int_eq(p.interval_ms, 600000);
    plan_close(&p);
}
END_TEST

START_TEST(a_configured_stale_after_bounds_the_interval)
{
    struct planned p = plan_open("{\"stale_after\":\"30s\"}", SLOW_MS);
    plan_calm(&p, 0);
    ck_assert_int_eq(p.interval_ms, 10000);
    p.stretch = 50;
    plan_calm(&p, 0);
    ck_assert_int_eq(p.interval_ms, 10000);
    p.now_ms += 30001; /* and it does not follow */
    p.obs.visible.at_ms = p.now_ms - 30001;
    reading_set(&p.obs.poll_interval, 60000, p.now_ms);
    controller_step(p.ctl, &p.obs, p.now_ms, &p.last);
    ck_assert_int_eq(p.last.why, DECISION_WHY_VISIBLE_STALE);
    plan_close(&p);
    p = plan_open(NULL, SLOW_MS);
    p.stretch = 50;
    plan_calm(&p, 0);
    ck_assert_int_eq(p.interval_ms, POLL_CEILING_MS);
    plan_close(&p);
}
END_TEST

START_TEST(a_journal_of_slow_polls_replays)
{
    struct planned p = plan_open(NULL, SLOW_MS);
    int64_t times[6];
    shrink_times(&p, times, 6);
    struct controller *replay = NULL;
    struct err err = {""};
    int steps = 0;
    int slow = 0;
    for (char *line = strtok(p.journal.data, "\n"); line != NULL; line = strtok(NULL, "\n"), steps++) {
        json_t *record = fleet_json(line);
        struct decision told;
        struct decision made;
        if (replay == NULL) {
            replay = controller_new_from_record(record, &err);
            ck_assert_msg(replay != NULL, "%s", err.text);
            (void)controller_adopt(replay, 30);
        } else {
            ck_assert_msg(decision_parse_json(record, &told, &err) == 0, "%s", err.text);
            controller_step(replay, &told.obs, told.t_ms, &made);
            ck_assert_int_eq(made.to, told.to);
            ck_assert_int_eq(made.why, told.why);
            ck_assert_int_eq(made.timers.stale_after_ms, told.timers.stale_after_ms);
            slow += told.timers.stale_after_ms > 3 * QUICK_MS;
        }
        json_decref(record);
    }
    ck_assert_int_gt(steps, 30);
    ck_assert_int_gt(slow, 10);
    controller_destroy(replay);
    plan_close(&p);
}
END_TEST

START_TEST(what_another_source_tells_does_not_make_polls_succeed)
{
    struct planned p = plan_open(NULL, SLOW_MS);
    plan_calm(&p, 0);
    reading_set(&p.obs.depth_source, DEPTH_SOURCE_CLOUDWATCH, p.now_ms);
    reading_set(&p.obs.depth_max_age_ms, 600000, p.now_ms);
    ck_assert_int_eq(plan_poll(&p, 0), QUICK_MS);
    ck_assert_int_eq(p.want.reason, POLL_FAILING);
    plan_close(&p);
}
END_TEST

START_TEST(reasons_have_words)
{
    ck_assert_str_eq(poll_reason_name(POLL_MOVING), "moving");
    ck_assert_str_eq(poll_reason_sentence(POLL_QUIET), "nothing happens");
    ck_assert_str_eq(poll_reason_name(POLL_REASON_COUNT), "?");
    ck_assert_str_eq(poll_reason_sentence(POLL_REASON_COUNT), "?");
}
END_TEST

UNIT_MAIN("poll_plan", one_failed_poll_is_no_silence_however_slow_polls_are,
          the_fallback_comes_when_it_is_due_though_polls_become_slow, a_quiet_queue_is_read_ever_more_seldom,
          a_fixed_interval_stays, a_depth_that_moves_or_is_near_a_line_is_read_quickly,
          each_line_of_the_policy_counts, after_a_growth_and_while_workers_start_polls_are_quick,
          the_first_failure_makes_polls_quick_and_a_long_one_slow_again,
          slow_polls_shrink_a_fleet_as_soon_as_quick_ones_do,
          a_gap_beyond_three_slow_intervals_starts_the_wait_anew,
          an_interval_made_short_again_does_not_make_the_last_reading_late,
          a_fleet_that_could_shrink_is_read_five_times_in_scale_in_after,
          a_configured_stale_after_bounds_the_interval, a_journal_of_slow_polls_replays,
          what_another_source_tells_does_not_make_polls_succeed, reasons_have_words)
