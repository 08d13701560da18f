/* What an ECS service's desired count is and what is written to it, with invented time: the base, orders and
 * writes, foreign writers. What stops it is in test_ecs_state_holds.c. */
#include "tests/unit/supervisor/ecs_state_fixture.h"

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
          reassert_writes_the_order_again_once_per_cooldown, reassert_lowers_too_but_not_during_a_rollout)
