/* The rules of an ECS service's desired count, with invented time: every rule of ecs_state.h as a story. */
#include "supervisor/ecs_state.h"

#include "aws/ecs.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static struct ecs_state g_state;
static struct ecs_seen g_seen;
static struct ecs_facts g_facts;
static int64_t g_now_ms;

static const struct ecs_rules RULES = {.on_drift = ECS_ADOPT,
                                       .min = 2,
                                       .max = 30,
                                       .fresh_ms = 30000,
                                       .missing_grace_ms = 120000,
                                       .start_grace_ms = 600000,
                                       .reassert_out_ms = 60000,
                                       .reassert_in_ms = 90000};

static void look(void)
{
    ecs_state_described(&g_state, &g_facts, g_now_ms, g_now_ms, &g_seen);
}

/* The service tells these counts now. */
static void tell(int64_t desired, int64_t running)
{
    g_facts.desired = desired;
    g_facts.running = running;
    g_facts.pending = desired > running ? desired - running : 0;
    look();
}

static void later(int64_t ms)
{
    g_now_ms += ms;
}

/* A service with `desired` tasks running, known from before. */
static void begin_with(const struct ecs_rules *rules, int64_t desired)
{
    g_now_ms = INT64_C(1800000000000);
    g_facts =
        (struct ecs_facts){.failed_tasks = 0, .controller = "ECS", .status = "ACTIVE", .deployment = "d-1"};
    ecs_state_init(&g_state, rules, desired);
    (void)ecs_state_autoscaling(&g_state, ECS_AUTOSCALING_NONE, g_now_ms);
    tell(desired, desired);
    ck_assert(!g_seen.drift && !g_seen.rebase);
}

static void begin(int64_t desired)
{
    begin_with(&RULES, desired);
}

static struct ecs_action next(void)
{
    return ecs_state_next(&g_state, g_now_ms);
}

static void assert_idle(void)
{
    struct ecs_action action = next();
    ck_assert(!action.write && !action.look);
}

static void assert_looks(void)
{
    struct ecs_action action = next();
    ck_assert(action.look && !action.write);
}

static void assert_writes(int64_t desired)
{
    struct ecs_action action = next();
    ck_assert(action.write && !action.look);
    ck_assert_int_eq(action.desired, desired);
}

static void write_done(int64_t desired)
{
    assert_writes(desired);
    (void)ecs_state_write_began(&g_state, desired, g_now_ms);
    assert_idle();
    ecs_state_written(&g_state, desired, g_now_ms);
    assert_idle();
}

static enum fleet_hold in_hold(void)
{
    return ecs_state_in_hold(&g_state, g_now_ms);
}

static enum fleet_hold out_hold(void)
{
    return ecs_state_out_hold(&g_state, g_now_ms);
}

static void assert_counts(int64_t ready, int64_t starting, int64_t failing)
{
    struct ecs_counts counts;
    ck_assert(ecs_state_counts(&g_state, &counts));
    ck_assert_int_eq(counts.ready, ready);
    ck_assert_int_eq(counts.starting, starting);
    ck_assert_int_eq(counts.failing, failing);
}

/* ---- the base ---- */

START_TEST(without_a_saved_state_the_services_own_count_is_the_base)
{
    struct ecs_counts counts;
    ecs_state_init(&g_state, &RULES, -1);
    (void)ecs_state_autoscaling(&g_state, ECS_AUTOSCALING_NONE, 0);
    g_now_ms = 1000;
    ck_assert_int_eq(out_hold(), FLEET_HOLD_UNKNOWN);
    ck_assert_int_eq(in_hold(), FLEET_HOLD_UNKNOWN);
    ck_assert(!ecs_state_counts(&g_state, &counts));
    g_facts = (struct ecs_facts){.controller = "ECS", .status = "ACTIVE"};
    tell(7, 3);
    ck_assert(g_seen.first && g_seen.rebase && !g_seen.drift);
    ck_assert_int_eq(g_seen.base, 7);
    ecs_state_rebased(&g_state, 7, g_now_ms);
    assert_idle();
    ck_assert_int_eq(out_hold(), FLEET_HOLD_NONE);
    ck_assert_int_eq(in_hold(), FLEET_HOLD_NONE);
    assert_counts(3, 4, 0);
    tell(7, 5);
    ck_assert(!g_seen.first && !g_seen.rebase && !g_seen.drift);
}
END_TEST

START_TEST(what_changed_while_we_were_away_is_drift)
{
    ecs_state_init(&g_state, &RULES, 10);
    (void)ecs_state_autoscaling(&g_state, ECS_AUTOSCALING_NONE, 0);
    g_facts = (struct ecs_facts){.controller = "ECS", .status = "ACTIVE"};
    tell(4, 4);
    ck_assert(g_seen.drift && g_seen.rebase);
    ck_assert_int_eq(g_seen.from, 10);
    ck_assert_int_eq(g_seen.to, 4);
}
END_TEST

START_TEST(ordered_and_pending_capacity_counts_as_starting)
{
    begin(2);
    ecs_state_order(&g_state, 25, g_now_ms);
    assert_counts(2, 0, 0); /* not written yet */
    later(100);
    look();
    (void)ecs_state_write_began(&g_state, 25, g_now_ms);
    assert_counts(2, 23, 0); /* on the wire: it may be in force */
    ecs_state_written(&g_state, 25, g_now_ms);
    assert_counts(2, 23, 0);
    later(20000);
    tell(25, 10);
    assert_counts(10, 15, 0);
    tell(25, 28); /* a rollout may have more running than desired */
    assert_counts(28, 0, 0);
}
END_TEST

/* ---- writing ---- */

START_TEST(a_raise_is_written_after_one_look)
{
    begin(2);
    later(5000);
    ecs_state_order(&g_state, 25, g_now_ms);
    assert_looks();
    later(50);
    look();
    write_done(25);
    later(10000);
    tell(25, 2);
    ck_assert(!g_seen.drift);
    assert_idle();
}
END_TEST

START_TEST(a_raise_does_not_wait_for_a_service_that_cannot_be_described)
{
    begin(2);
    later(5000);
    ecs_state_order(&g_state, 4, g_now_ms);
    assert_looks();
    ecs_state_look_failed(&g_state, "DescribeServices: throttled");
    write_done(4);
    /* Throttled already: the next raise does not even try. */
    later(60000);
    ecs_state_look_failed(&g_state, "DescribeServices: throttled");
    ck_assert_int_eq(in_hold(), FLEET_HOLD_UNKNOWN);
    ck_assert_int_eq(out_hold(), FLEET_HOLD_NONE);
    ecs_state_order(&g_state, 25, g_now_ms);
    write_done(25);
}
END_TEST

START_TEST(a_lower_value_is_never_written_without_fresh_facts)
{
    begin(10);
    later(5000);
    ecs_state_order(&g_state, 6, g_now_ms);
    assert_looks();
    for (int i = 0; i < 10; i++) {
        later(10000);
        ecs_state_look_failed(&g_state, "DescribeServices: throttled");
        assert_idle(); /* no hammering, either: the next look comes in its turn */
    }
    /* An answer to a call that went out before the order does not do, either. */
    ecs_state_described(&g_state, &g_facts, g_now_ms - 105000, g_now_ms, &g_seen);
    assert_looks();
    look();
    write_done(6);
}
END_TEST

START_TEST(facts_that_age_while_a_shrink_waits_are_asked_for_again)
{
    begin(10);
    later(1000);
    ecs_state_order(&g_state, 6, g_now_ms);
    look();
    g_state.retry_ms = g_now_ms + 40000;
    later(40000);
    assert_looks();
    look();
    assert_writes(6);
}
END_TEST

START_TEST(a_rollout_freezes_a_shrink_and_not_growth)
{
    begin(10);
    g_facts.rollout = true;
    later(10000);
    look();
    ck_assert_int_eq(in_hold(), FLEET_HOLD_ROLLOUT);
    ck_assert_int_eq(out_hold(), FLEET_HOLD_NONE);
    /* An order from just before it was seen waits for its end. */
    ecs_state_order(&g_state, 6, g_now_ms);
    look();
    for (int i = 0; i < 20; i++) {
        assert_idle();
        later(10000);
        look();
    }
    g_facts.rollout = false;
    later(10000);
    look();
    ck_assert_int_eq(in_hold(), FLEET_HOLD_NONE);
    write_done(6);
    g_facts.rollout = true;
    later(20000);
    tell(6, 6);
    ecs_state_order(&g_state, 12, g_now_ms);
    look();
    write_done(12);
}
END_TEST

START_TEST(one_write_at_a_time_and_the_last_order_wins)
{
    begin(2);
    ecs_state_order(&g_state, 10, g_now_ms);
    look();
    (void)ecs_state_write_began(&g_state, 10, g_now_ms);
    later(10);
    ecs_state_order(&g_state, 25, g_now_ms);
    look();
    assert_idle();
    ecs_state_written(&g_state, 10, g_now_ms);
    write_done(25);
}
END_TEST

START_TEST(a_failed_write_is_tried_again_with_growing_waits)
{
    int64_t last_ms = 0;
    begin(2);
    ecs_state_order(&g_state, 10, g_now_ms);
    look();
    for (int i = 0; i < 8; i++) {
        assert_writes(10);
        (void)ecs_state_write_began(&g_state, 10, g_now_ms);
        ecs_state_write_failed(&g_state, AWS_KIND_THROTTLED, "UpdateService: throttled", 1.0, g_now_ms);
        int64_t wait_ms = next().wake_ms;
        ck_assert_int_eq(wait_ms, i < 6 ? (int64_t)ECS_RETRY_MIN_MS << i : ECS_RETRY_MAX_MS);
        ck_assert_int_ge(wait_ms, last_ms);
        last_ms = wait_ms;
        later(wait_ms - 1);
        assert_idle();
        later(1);
        assert_looks();
        look();
        ck_assert(!g_seen.drift);
    }
    ck_assert_uint_eq(g_state.write_failures, 8);
    write_done(10);
    ck_assert_uint_eq(g_state.writes_failed_in_a_row, 0);
    /* What cannot pass by itself waits the longest at once. */
    later(20000);
    tell(10, 10);
    ecs_state_order(&g_state, 12, g_now_ms);
    look();
    (void)ecs_state_write_began(&g_state, 12, g_now_ms);
    ecs_state_write_failed(&g_state, AWS_KIND_DENIED, "UpdateService: denied", 0.0, g_now_ms);
    ck_assert_int_eq(next().wake_ms, ECS_RETRY_MAX_MS / 2);
}
END_TEST

START_TEST(a_write_that_only_seemed_to_fail_is_no_drift)
{
    begin(2);
    ecs_state_order(&g_state, 10, g_now_ms);
    look();
    (void)ecs_state_write_began(&g_state, 10, g_now_ms);
    ecs_state_write_failed(&g_state, AWS_KIND_TRANSIENT, "UpdateService: no answer", 1.0, g_now_ms);
    later(60000);
    tell(10, 4);
    ck_assert(!g_seen.drift);
    assert_idle();
    ck_assert_int_eq(g_state.desired, 10);
}
END_TEST

/* A write of `desired` whose answer was lost; a new order follows at once. */
static void lose_answer_then_order(int64_t desired, int64_t order)
{
    ecs_state_order(&g_state, desired, g_now_ms);
    look();
    assert_writes(desired);
    (void)ecs_state_write_began(&g_state, desired, g_now_ms);
    later(5);
    ecs_state_write_failed(&g_state, AWS_KIND_TRANSIENT, "UpdateService: no answer", 1.0, g_now_ms);
    later(1);
    ecs_state_order(&g_state, order, g_now_ms);
    later(ECS_RETRY_MIN_MS);
}

START_TEST(an_order_after_a_write_that_only_seemed_to_fail_is_not_lost)
{
    begin(10);
    lose_answer_then_order(20, 10);
    assert_looks();
    tell(20, 10);
    ck_assert(!g_seen.drift);
    ck_assert_int_eq(g_state.desired, 20);
    later(1);
    tell(10, 10); /* an old answer of ECS */
    ck_assert(!g_seen.drift);
    write_done(10);
    later(ECS_SETTLE_MS);
    tell(10, 10);
    ck_assert(!g_seen.drift);
    assert_idle();
}
END_TEST

START_TEST(an_order_back_to_the_old_value_waits_until_the_lost_write_is_told_or_was_not_done)
{
    begin(10);
    lose_answer_then_order(20, 10);
    tell(10, 10); /* not done, or not seen yet */
    assert_idle();
    tell(20, 10);
    ck_assert(!g_seen.drift);
    write_done(10);
    begin(10);
    lose_answer_then_order(20, 10);
    later(ECS_SETTLE_MS);
    tell(10, 10);
    assert_idle();
    tell(20, 10); /* by now that is somebody else's */
    ck_assert(g_seen.drift);
}
END_TEST

START_TEST(an_order_below_a_write_in_doubt_is_no_raise)
{
    begin(10);
    lose_answer_then_order(20, 15);
    ecs_state_look_failed(&g_state, "DescribeServices: throttled");
    assert_idle(); /* a raise would not wait */
    g_facts.rollout = true;
    tell(10, 10);
    assert_idle();
    tell(20, 10);
    assert_idle();
    g_facts.rollout = false;
    tell(20, 20);
    write_done(15);
    /* One that is above both is a raise, */
    begin(10);
    lose_answer_then_order(20, 25);
    ecs_state_look_failed(&g_state, "DescribeServices: throttled");
    write_done(25);
    /* and so is the way back up from a shrink that may have been done. */
    begin(20);
    lose_answer_then_order(10, 20);
    g_facts.rollout = true;
    tell(20, 20);
    write_done(20);
}
END_TEST

/* ---- foreign writers ---- */

START_TEST(a_foreign_value_within_the_limits_is_the_new_base)
{
    begin(25);
    later(10000);
    tell(10, 25);
    ck_assert(g_seen.drift && g_seen.rebase && !g_seen.reasserts);
    ck_assert_int_eq(g_seen.from, 25);
    ck_assert_int_eq(g_seen.base, 10);
    ecs_state_rebased(&g_state, 10, g_now_ms);
    assert_idle();
    later(10000);
    tell(10, 10);
    ck_assert(!g_seen.drift);
    ck_assert_uint_eq(g_state.drifts, 1);
}
END_TEST

START_TEST(a_foreign_value_below_min_is_raised_at_once)
{
    begin(10);
    later(10000);
    tell(0, 10);
    ecs_state_rebased(&g_state, 2, g_now_ms);
    write_done(2);
}
END_TEST

START_TEST(a_foreign_value_above_max_is_reported_and_left_until_the_policy_shrinks)
{
    begin(25);
    later(10000);
    tell(40, 25);
    ck_assert(g_seen.rebase);
    ecs_state_rebased(&g_state, 30, g_now_ms); /* what the controller made of 40 */
    ck_assert(ecs_state_is_over_max(&g_state));
    assert_counts(25, 15, 0);
    for (int i = 0; i < 100; i++) {
        assert_idle();
        later(10000);
        tell(40, 40);
        ck_assert(!g_seen.drift);
    }
    ck_assert_uint_eq(g_state.drifts, 1);
    /* Not on stale data, either. */
    later(40000);
    ecs_state_order(&g_state, 23, g_now_ms);
    assert_looks();
    later(10);
    look();
    write_done(23);
    ck_assert(!ecs_state_is_over_max(&g_state));
}
END_TEST

START_TEST(a_shrink_that_meets_a_foreign_value_gives_way_to_it)
{
    begin(10);
    ecs_state_order(&g_state, 6, g_now_ms);
    later(10);
    tell(20, 10); /* the look before the write finds it */
    ck_assert(g_seen.drift && g_seen.rebase);
    ecs_state_rebased(&g_state, 20, g_now_ms);
    assert_idle();
}
END_TEST

START_TEST(the_value_from_before_a_write_is_no_foreign_one_for_a_while)
{
    begin(2);
    ecs_state_order(&g_state, 10, g_now_ms);
    look();
    write_done(10);
    later(ECS_SETTLE_MS - 1);
    tell(2, 2);
    ck_assert(!g_seen.drift);
    later(1);
    tell(2, 2);
    ck_assert(g_seen.drift);
    /* It does not fulfil an order back to it either. */
    begin(2);
    ecs_state_order(&g_state, 10, g_now_ms);
    look();
    write_done(10);
    later(1);
    ecs_state_order(&g_state, 2, g_now_ms);
    tell(2, 2);
    write_done(2);
    /* A third value is foreign at any time, */
    begin(2);
    ecs_state_order(&g_state, 10, g_now_ms);
    look();
    write_done(10);
    later(1);
    tell(7, 2);
    ck_assert(g_seen.drift);
    /* unless it was asked for before the write ended. */
    begin(2);
    ecs_state_order(&g_state, 10, g_now_ms);
    look();
    later(5);
    write_done(10);
    g_facts.desired = 7;
    ecs_state_described(&g_state, &g_facts, g_now_ms - 1, g_now_ms + 20, &g_seen);
    ck_assert(!g_seen.drift);
}
END_TEST

START_TEST(the_values_from_before_several_quick_writes_are_no_foreign_ones)
{
    begin(2);
    for (int64_t desired = 5; desired <= 14; desired += 3) {
        ecs_state_order(&g_state, desired, g_now_ms);
        look();
        write_done(desired);
        later(1000);
        g_facts.desired = desired;
    }
    tell(2, 2);
    ck_assert(!g_seen.drift);
    tell(8, 2);
    ck_assert(!g_seen.drift);
    ck_assert_int_eq(g_state.desired, 14);
    later(ECS_SETTLE_MS - 4000);
    tell(2, 2); /* that one was replaced the settling time ago */
    ck_assert(g_seen.drift);
}
END_TEST

START_TEST(reassert_writes_the_order_again_once_per_cooldown)
{
    struct ecs_rules rules = RULES;
    rules.on_drift = ECS_REASSERT;
    begin_with(&rules, 25);
    later(10000);
    tell(2, 25);
    ck_assert(g_seen.drift && g_seen.reasserts && !g_seen.rebase);
    assert_writes(25);
    ck_assert(ecs_state_write_began(&g_state, 25, g_now_ms));
    ecs_state_written(&g_state, 25, g_now_ms);
    int64_t written_ms = g_now_ms;
    later(20000);
    tell(3, 25);
    ck_assert(g_seen.reasserts);
    assert_idle();
    ck_assert_int_eq(next().wake_ms, 40000);
    later(20000);
    tell(3, 20);
    ck_assert_uint_eq(g_state.drifts, 2);
    later(written_ms + 60000 - g_now_ms);
    look();
    assert_writes(25);
    (void)ecs_state_write_began(&g_state, 25, g_now_ms);
    ecs_state_written(&g_state, 25, g_now_ms);
    ck_assert_uint_eq(g_state.reassertions, 2);
    /* A decision of the policy waits for no such cooldown. */
    later(1000);
    ecs_state_order(&g_state, 30, g_now_ms);
    look();
    assert_writes(30);
    ck_assert(!ecs_state_write_began(&g_state, 30, g_now_ms));
}
END_TEST

START_TEST(reassert_lowers_too_but_not_during_a_rollout)
{
    struct ecs_rules rules = RULES;
    rules.on_drift = ECS_REASSERT;
    begin_with(&rules, 10);
    later(10000);
    g_facts.rollout = true;
    tell(40, 10);
    assert_idle();
    g_facts.rollout = false;
    later(10000);
    tell(40, 40);
    write_done(10);
    ck_assert_int_eq(g_state.reassert_ms, g_now_ms + rules.reassert_in_ms);
}
END_TEST

/* ---- refusals ---- */

START_TEST(a_service_that_has_no_desired_count_of_its_own_is_refused)
{
    static const struct {
        bool daemon;
        const char *controller, *status, *words;
    } CASES[] = {{true, "ECS", "ACTIVE", "DAEMON"},
                 {false, "CODE_DEPLOY", "ACTIVE", "CODE_DEPLOY"},
                 {false, "EXTERNAL", "ACTIVE", "EXTERNAL"},
                 {false, "ECS", "DRAINING", "DRAINING"},
                 {false, "ECS", "INACTIVE", "INACTIVE"}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        begin(10);
        g_facts.is_daemon = CASES[i].daemon;
        (void)snprintf(g_facts.controller, sizeof g_facts.controller, "%s", CASES[i].controller);
        (void)snprintf(g_facts.status, sizeof g_facts.status, "%s", CASES[i].status);
        later(10000);
        tell(3, 3);
        ck_assert(g_seen.refused && !g_seen.drift && !g_seen.rebase);
        ck_assert_ptr_nonnull(strstr(g_state.refusal, CASES[i].words));
        ck_assert_int_eq(out_hold(), FLEET_HOLD_REFUSED);
        ck_assert_int_eq(in_hold(), FLEET_HOLD_REFUSED);
        ecs_state_order(&g_state, 20, g_now_ms);
        later(10);
        look();
        ck_assert(!g_seen.refused);
        assert_idle();
    }
}
END_TEST

START_TEST(application_auto_scaling_is_refused_unless_allowed)
{
    struct ecs_rules rules = RULES;
    begin(10);
    ck_assert(ecs_state_autoscaling(&g_state, ECS_AUTOSCALING_ACTS, g_now_ms));
    ck_assert_ptr_nonnull(strstr(g_state.refusal, "allow_autoscaling"));
    ck_assert_int_eq(out_hold(), FLEET_HOLD_REFUSED);
    look();
    ck_assert_ptr_nonnull(strstr(g_state.refusal, "allow_autoscaling"));
    ck_assert(!ecs_state_autoscaling(&g_state, ECS_AUTOSCALING_SUSPENDED, g_now_ms));
    ck_assert_int_eq(out_hold(), FLEET_HOLD_NONE);
    rules.allow_autoscaling = true;
    begin_with(&rules, 10);
    ck_assert(!ecs_state_autoscaling(&g_state, ECS_AUTOSCALING_ACTS, g_now_ms));
    ck_assert_int_eq(out_hold(), FLEET_HOLD_NONE);
}
END_TEST

START_TEST(a_failed_check_does_not_lift_the_refusal_of_application_auto_scaling)
{
    static const enum ecs_autoscaling FAILED[] = {ECS_AUTOSCALING_UNKNOWN, ECS_AUTOSCALING_UNCHECKED};
    begin(10);
    (void)ecs_state_autoscaling(&g_state, ECS_AUTOSCALING_ACTS, g_now_ms);
    for (size_t i = 0; i < sizeof FAILED / sizeof FAILED[0]; i++) {
        later(300000); /* asked again: throttled, denied by now ... */
        look();
        ck_assert(!ecs_state_autoscaling(&g_state, FAILED[i], g_now_ms));
        ck_assert_int_eq(g_state.autoscaling, ECS_AUTOSCALING_ACTS);
        ck_assert_int_eq(out_hold(), FLEET_HOLD_REFUSED);
    }
    (void)ecs_state_autoscaling(&g_state, ECS_AUTOSCALING_NONE, g_now_ms);
    ck_assert_int_eq(out_hold(), FLEET_HOLD_NONE);
}
END_TEST

START_TEST(nothing_is_written_before_the_check_for_auto_scaling_was_answered_or_failed_for_long)
{
    ecs_state_init(&g_state, &RULES, 10);
    g_facts = (struct ecs_facts){.controller = "ECS", .status = "ACTIVE"};
    tell(10, 10);
    ecs_state_order(&g_state, 20, g_now_ms);
    look();
    assert_idle();
    ck_assert_int_eq(out_hold(), FLEET_HOLD_UNKNOWN);
    ck_assert_int_eq(in_hold(), FLEET_HOLD_UNKNOWN);
    ck_assert(!ecs_state_autoscaling(&g_state, ECS_AUTOSCALING_UNKNOWN, g_now_ms));
    later(ECS_AUTOSCALING_MS - 1);
    (void)ecs_state_autoscaling(&g_state, ECS_AUTOSCALING_UNKNOWN, g_now_ms);
    assert_idle();
    later(1);
    (void)ecs_state_autoscaling(&g_state, ECS_AUTOSCALING_UNKNOWN, g_now_ms);
    ck_assert_int_eq(g_state.autoscaling, ECS_AUTOSCALING_UNCHECKED);
    look();
    write_done(20);
}
END_TEST

START_TEST(a_missing_service_is_trouble_only_when_it_lasts)
{
    ecs_state_init(&g_state, &RULES, -1);
    (void)ecs_state_autoscaling(&g_state, ECS_AUTOSCALING_NONE, 0);
    g_now_ms = 1000;
    ecs_state_missing(&g_state, g_now_ms, &g_seen);
    ck_assert(!g_seen.missing);
    later(RULES.missing_grace_ms - 1);
    ecs_state_missing(&g_state, g_now_ms, &g_seen);
    ck_assert(!g_seen.missing);
    later(1);
    ecs_state_missing(&g_state, g_now_ms, &g_seen);
    ck_assert(g_seen.missing);
    later(10000);
    ecs_state_missing(&g_state, g_now_ms, &g_seen);
    ck_assert(!g_seen.missing); /* said once */
    g_facts = (struct ecs_facts){.controller = "ECS", .status = "ACTIVE"};
    tell(3, 0);
    ck_assert(g_seen.first && g_seen.rebase);
    ck_assert_int_eq(out_hold(), FLEET_HOLD_NONE);
    /* A known one that vanishes holds still: first by the age of its facts, then altogether. */
    later(31000);
    ecs_state_missing(&g_state, g_now_ms, &g_seen);
    ck_assert_int_eq(in_hold(), FLEET_HOLD_UNKNOWN);
    ck_assert_int_eq(out_hold(), FLEET_HOLD_NONE);
    later(RULES.missing_grace_ms);
    ecs_state_missing(&g_state, g_now_ms, &g_seen);
    ck_assert(g_seen.missing);
    ck_assert_int_eq(out_hold(), FLEET_HOLD_UNKNOWN);
}
END_TEST

START_TEST(an_answer_that_was_overtaken_changes_nothing)
{
    begin(10);
    later(10000);
    look();
    g_facts.desired = 3;
    ecs_state_described(&g_state, &g_facts, g_now_ms - 5000, g_now_ms, &g_seen);
    ck_assert(!g_seen.drift);
    ck_assert_int_eq(g_state.facts.desired, 10);
}
END_TEST

/* ---- tasks that do not start ---- */

START_TEST(three_failed_starts_stop_further_growth_and_a_start_resumes_it)
{
    begin(2);
    ecs_state_order(&g_state, 10, g_now_ms);
    look();
    write_done(10);
    g_facts.failed_tasks = 0;
    for (int i = 0; i < ECS_FAILED_TASKS - 1; i++) {
        later(10000);
        g_facts.failed_tasks++;
        tell(10, 2);
        ck_assert_int_eq(out_hold(), FLEET_HOLD_NONE);
    }
    later(10000);
    g_facts.failed_tasks++;
    (void)snprintf(g_facts.event, sizeof g_facts.event, "(service w) was unable to place a task");
    tell(10, 2);
    ck_assert(g_seen.failing);
    ck_assert_int_eq(g_state.failing, ECS_TASKS_FAIL);
    ck_assert_int_eq(out_hold(), FLEET_HOLD_TASKS_FAIL);
    ck_assert_int_eq(in_hold(), FLEET_HOLD_NONE);
    assert_counts(2, 0, 8);
    /* An order from before is not written, either. */
    ecs_state_order(&g_state, 20, g_now_ms);
    look();
    assert_idle();
    ck_assert(!g_seen.failing);
    later(10000);
    tell(10, 3);
    ck_assert(g_seen.recovered);
    ck_assert_int_eq(out_hold(), FLEET_HOLD_NONE);
    write_done(20);
}
END_TEST

START_TEST(failures_from_before_the_shortfall_do_not_count)
{
    begin(2);
    g_facts.failed_tasks = 50;
    later(10000);
    tell(2, 2);
    later(10000);
    tell(5, 2);
    ck_assert_int_eq(g_state.failing, ECS_STARTS_WELL);
    g_facts.failed_tasks = 0; /* ECS counts anew */
    later(10000);
    tell(5, 2);
    g_facts.failed_tasks = 3;
    later(10000);
    tell(5, 2);
    ck_assert_int_eq(g_state.failing, ECS_TASKS_FAIL);
    /* A new deployment is a new chance. */
    (void)snprintf(g_facts.deployment, sizeof g_facts.deployment, "d-2");
    later(10000);
    tell(5, 2);
    ck_assert_int_eq(g_state.failing, ECS_STARTS_WELL);
}
END_TEST

START_TEST(pending_that_stays_stops_further_growth)
{
    begin(2);
    ecs_state_rebased(&g_state, 2, g_now_ms);
    tell(6, 2);
    for (int64_t waited_ms = 0; waited_ms < RULES.start_grace_ms - 10000; waited_ms += 10000) {
        later(10000);
        tell(6, waited_ms / 10000 % 2 == 0 ? 2 : 1); /* one flaps; none is gained */
        ck_assert_int_eq(g_state.failing, ECS_STARTS_WELL);
    }
    later(10000);
    tell(6, 2);
    ck_assert(g_seen.failing);
    ck_assert_int_eq(g_state.failing, ECS_PENDING_STAYS);
    ck_assert_int_eq(out_hold(), FLEET_HOLD_TASKS_FAIL);
    later(10000);
    tell(2, 2); /* the policy, or somebody, has given them up */
    ck_assert_int_eq(g_state.failing, ECS_STARTS_WELL);
}
END_TEST

START_TEST(time_in_which_nobody_looked_is_not_held_against_tasks)
{
    begin(2);
    tell(6, 2);
    later(RULES.start_grace_ms * 2);
    tell(6, 2);
    ck_assert_int_eq(g_state.failing, ECS_STARTS_WELL);
}
END_TEST

START_TEST(facts_are_taken_from_a_service)
{
    struct ecs_facts facts;
    struct ecs_service service = {
        .name = "w",
        .status = "ACTIVE",
        .desired = 5,
        .running = 4,
        .pending = -1,
        .scheduling_strategy = "REPLICA",
        .deployment_controller = "",
        .deployments = {{.id = "d-1", .status = "PRIMARY", .failed_tasks = 2, .rollout_state = "COMPLETED"}},
        .deployment_count = 1,
        .events = {{1, "(service w) has started 2 tasks"},
                   {2, "(service w) was unable to place a task because no container instance met all of its "
                       "requirements."},
                   {3, "(service w) failed earlier"}},
        .event_count = 3};
    ck_assert(ecs_facts_of(&service, &facts));
    ck_assert_str_eq(facts.controller, "ECS");
    ck_assert_int_eq(facts.desired, 5);
    ck_assert_int_eq(facts.running, 4);
    ck_assert_int_eq(facts.pending, 0);
    ck_assert_int_eq(facts.failed_tasks, 2);
    ck_assert(!facts.rollout && !facts.is_daemon);
    ck_assert_ptr_nonnull(strstr(facts.event, "unable to place"));
    service.deployments[0].rollout_state = "IN_PROGRESS";
    service.deployments[0].rollout_reason = "ECS deployment d-1 in progress.";
    ck_assert(ecs_facts_of(&service, &facts));
    ck_assert(facts.rollout);
    ck_assert_str_eq(facts.rollout_text, "ECS deployment d-1 in progress.");
    /* Two deployments are a rollout, also where none tells its state; a finished one does not count. */
    service.deployments[0].rollout_state = "";
    service.deployments[1] = (struct ecs_deployment){.id = "d-0", .status = "ACTIVE", .rollout_state = ""};
    service.deployment_count = 2;
    ck_assert(ecs_facts_of(&service, &facts));
    ck_assert(facts.rollout);
    service.deployments[1].status = "INACTIVE";
    ck_assert(ecs_facts_of(&service, &facts));
    ck_assert(!facts.rollout);
    service.running = -1;
    ck_assert(!ecs_facts_of(&service, &facts));
}
END_TEST

UNIT_MAIN("ecs_state", without_a_saved_state_the_services_own_count_is_the_base,
          what_changed_while_we_were_away_is_drift, ordered_and_pending_capacity_counts_as_starting,
          a_raise_is_written_after_one_look, a_raise_does_not_wait_for_a_service_that_cannot_be_described,
          a_lower_value_is_never_written_without_fresh_facts,
          facts_that_age_while_a_shrink_waits_are_asked_for_again, a_rollout_freezes_a_shrink_and_not_growth,
          one_write_at_a_time_and_the_last_order_wins, a_failed_write_is_tried_again_with_growing_waits,
          a_write_that_only_seemed_to_fail_is_no_drift,
          an_order_after_a_write_that_only_seemed_to_fail_is_not_lost,
          an_order_back_to_the_old_value_waits_until_the_lost_write_is_told_or_was_not_done,
          an_order_below_a_write_in_doubt_is_no_raise, a_foreign_value_within_the_limits_is_the_new_base,
          a_foreign_value_below_min_is_raised_at_once,
          a_foreign_value_above_max_is_reported_and_left_until_the_policy_shrinks,
          a_shrink_that_meets_a_foreign_value_gives_way_to_it,
          the_value_from_before_a_write_is_no_foreign_one_for_a_while,
          the_values_from_before_several_quick_writes_are_no_foreign_ones,
          reassert_writes_the_order_again_once_per_cooldown, reassert_lowers_too_but_not_during_a_rollout,
          a_service_that_has_no_desired_count_of_its_own_is_refused,
          application_auto_scaling_is_refused_unless_allowed,
          a_failed_check_does_not_lift_the_refusal_of_application_auto_scaling,
          nothing_is_written_before_the_check_for_auto_scaling_was_answered_or_failed_for_long,
          a_missing_service_is_trouble_only_when_it_lasts, an_answer_that_was_overtaken_changes_nothing,
          three_failed_starts_stop_further_growth_and_a_start_resumes_it,
          failures_from_before_the_shortfall_do_not_count, pending_that_stays_stops_further_growth,
          time_in_which_nobody_looked_is_not_held_against_tasks, facts_are_taken_from_a_service)
