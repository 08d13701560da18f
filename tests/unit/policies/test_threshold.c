/* The policy "threshold" behind its controller: step table, shrink ladder, cooldowns, and words. */
#include "tests/unit/policies/fleet.h"

#include "policies/threshold.h"

static int64_t first_step(int64_t from, int64_t visible, const char *policy)
{
    struct fleet fleet = fleet_open(NULL, policy);
    (void)controller_adopt(fleet.ctl, from);
    int64_t to = fleet_see(&fleet, visible);
    fleet_close(&fleet);
    return to;
}

START_TEST(default_steps_at_their_boundaries)
{
    static const struct {
        int64_t from, visible, to;
    } CASES[] = {
        /* below 5, and the dead band 5..20: nothing moves */
        {2, 0, 2},
        {10, 4, 10},
        {10, 5, 10},
        {10, 20, 10},
        /* > 20: +2 */
        {2, 21, 4},
        {10, 21, 12},
        {2, 200, 4},
        {28, 21, 30},
        {29, 21, 30},
        {30, 21, 30},
        /* > 200: to target; at or above it the row below still grows: more depth never means less */
        {2, 201, 25},
        {24, 201, 25},
        {2, 600, 25},
        {25, 201, 27},
        {27, 600, 29},
        {29, 600, 30},
        /* > 600: to max */
        {2, 601, 30},
        {25, 601, 30},
        {30, 601, 30},
        {2, 1000000000, 30},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        int64_t to = first_step(CASES[i].from, CASES[i].visible, NULL);
        ck_assert_msg(to == CASES[i].to, "from %lld at depth %lld: %lld, not %lld", (long long)CASES[i].from,
                      (long long)CASES[i].visible, (long long)to, (long long)CASES[i].to);
    }
}
END_TEST

START_TEST(the_dead_band_includes_both_lines)
{
    static const struct {
        int64_t visible;
        const char *reason;
    } CASES[] = {{4, "low"}, {5, "between"}, {20, "between"}, {21, "step"}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct fleet fleet = fleet_open(NULL, NULL);
        (void)controller_adopt(fleet.ctl, 10);
        (void)fleet_see(&fleet, CASES[i].visible);
        ck_assert_str_eq(fleet.last.proposal.reason, CASES[i].reason);
        fleet_close(&fleet);
    }
}
END_TEST

START_TEST(configured_steps_at_their_boundaries)
{
    const char *steps =
        "{\"scale_out_above\":10,\"steps\":[{\"above\":50,\"add\":1},{\"above\":100,\"to\":7},"
        "{\"above\":1000,\"to\":\"target\"},{\"above\":2000,\"to\":\"max\"}]}";
    static const struct {
        int64_t from, visible, to;
    } CASES[] = {{2, 11, 2},  {2, 50, 2},   {2, 51, 3},    {2, 100, 3},    {2, 101, 7},
                 {7, 101, 8}, {6, 1000, 7}, {2, 1001, 25}, {25, 2000, 26}, {25, 2001, 30}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        int64_t to = first_step(CASES[i].from, CASES[i].visible, steps);
        ck_assert_msg(to == CASES[i].to, "from %lld at depth %lld: %lld, not %lld", (long long)CASES[i].from,
                      (long long)CASES[i].visible, (long long)to, (long long)CASES[i].to);
    }
}
END_TEST

START_TEST(default_steps_follow_scale_out_above)
{
    ck_assert_int_eq(first_step(2, 100, "{\"scale_out_above\":100}"), 2);
    ck_assert_int_eq(first_step(2, 101, "{\"scale_out_above\":100}"), 4);
    ck_assert_int_eq(first_step(2, 1000, "{\"scale_out_above\":100}"), 4);
    ck_assert_int_eq(first_step(2, 1001, "{\"scale_out_above\":100}"), 25);
    ck_assert_int_eq(first_step(2, 3001, "{\"scale_out_above\":100}"), 30);
    ck_assert_int_eq(first_step(2, 41, "{\"steps\":[{\"above\":40,\"add\":1}]}"), 3);
    ck_assert_int_eq(first_step(2, 40, "{\"steps\":[{\"above\":40,\"add\":1}]}"), 2);
}
END_TEST

/* 30 -> 16 -> 9 -> 6 -> 4 -> 3 -> 2: the first after 300 s, the others one cooldown apart. */
START_TEST(shrink_ladder_takes_300_s_and_then_one_cooldown_each)
{
    static const int64_t LADDER[] = {16, 9, 6, 4, 3, 2};
    struct fleet fleet = fleet_open(NULL, NULL);
    (void)controller_adopt(fleet.ctl, 30);
    (void)fleet_see(&fleet, 0);
    int64_t start_ms = fleet.now_ms;
    int64_t expected_ms = 300000;
    for (size_t i = 0; i < sizeof LADDER / sizeof LADDER[0]; i++, expected_ms += 60000) {
        int64_t before = controller_desired(fleet.ctl);
        while (fleet_poll(&fleet, 4) == before)
            ck_assert_int_lt(fleet.now_ms - start_ms, expected_ms);
        ck_assert_int_eq(fleet.now_ms - start_ms, expected_ms);
        ck_assert_int_eq(fleet.last.to, LADDER[i]);
        ck_assert_why(&fleet, DECISION_WHY_POLICY);
        ck_assert_str_eq(fleet.last.proposal.reason, "low_depth");
    }
    ck_assert_int_eq(fleet_poll_for(&fleet, 0, 3600000), 2);
    fleet_close(&fleet);
}
END_TEST

START_TEST(one_sample_at_scale_in_below_starts_the_five_minutes_anew)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    (void)controller_adopt(fleet.ctl, 10);
    ck_assert_int_eq(fleet_poll_for(&fleet, 4, 295000), 10);
    ck_assert_int_eq(fleet_poll(&fleet, 5), 10);
    ck_assert_int_eq(fleet_poll_for(&fleet, 4, 300000), 10);
    ck_assert_int_eq(fleet_poll(&fleet, 4), 6);
    fleet_close(&fleet);
}
END_TEST

/* Unknown samples break nothing while the gap is short, and everything when it is longer than stale_after. */
START_TEST(a_gap_longer_than_stale_after_starts_the_five_minutes_anew)
{
    static const struct {
        int64_t gap_ms;
        int64_t to;
    } CASES[] = {{10000, 6}, {15000, 6}, {15001, 10}, {20000, 10}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct fleet fleet = fleet_open(NULL, NULL);
        (void)controller_adopt(fleet.ctl, 10);
        (void)fleet_poll_for(&fleet, 0, 200000);
        fleet.now_ms += CASES[i].gap_ms;
        ck_assert_int_eq(fleet_see(&fleet, 0), 10);
        int64_t to = fleet_poll_for(&fleet, 0, 105000 - CASES[i].gap_ms);
        ck_assert_msg(to == CASES[i].to, "gap %lld: %lld", (long long)CASES[i].gap_ms, (long long)to);
        fleet_close(&fleet);
    }
}
END_TEST

/* From 2, a first growth at t = 0, then a second sample: which of them acts inside and after the cooldown of
 * 60 s? */
START_TEST(scale_out_cooldown_lets_only_higher_rows_pass)
{
    static const struct {
        int64_t first, second, after_ms, to;
        enum decision_why why;
    } CASES[] = {
        {21, 21, 5000, 4, DECISION_WHY_SCALE_OUT_COOLDOWN},
        {21, 200, 55000, 4, DECISION_WHY_SCALE_OUT_COOLDOWN},
        {21, 21, 59000, 4, DECISION_WHY_SCALE_OUT_COOLDOWN},
        {21, 21, 60000, 6, DECISION_WHY_POLICY},
        {21, 201, 5000, 25, DECISION_WHY_POLICY},
        {21, 601, 5000, 30, DECISION_WHY_POLICY},
        {201, 600, 5000, 25, DECISION_WHY_SCALE_OUT_COOLDOWN},
        {201, 21, 5000, 25, DECISION_WHY_SCALE_OUT_COOLDOWN},
        {201, 601, 5000, 30, DECISION_WHY_POLICY},
        {201, 21, 60000, 27, DECISION_WHY_POLICY},
        {601, 601, 5000, 30, DECISION_WHY_AT_MAX},
        {601, 20, 5000, 30, DECISION_WHY_SATISFIED},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct fleet fleet = fleet_open(NULL, NULL);
        (void)fleet_see(&fleet, CASES[i].first);
        fleet.now_ms += CASES[i].after_ms;
        int64_t to = fleet_see(&fleet, CASES[i].second);
        ck_assert_msg(to == CASES[i].to && fleet.last.why == CASES[i].why, "case %zu: to %lld, %s", i,
                      (long long)to, decision_why_name(fleet.last.why));
        fleet_close(&fleet);
    }
}
END_TEST

START_TEST(cooldowns_may_be_set_apart)
{
    struct fleet fleet = fleet_open(NULL, "{\"cooldown\":\"60s\",\"scale_out_cooldown\":\"10s\"}");
    struct policy_timing timing = controller_timing(fleet.ctl);
    ck_assert_int_eq(timing.scale_out_cooldown_ms, 10000);
    ck_assert_int_eq(timing.scale_in_cooldown_ms, 60000);
    ck_assert_int_eq(timing.scale_in_after_ms, 300000);
    ck_assert_int_eq(fleet_see(&fleet, 21), 4);
    ck_assert_int_eq(fleet_poll(&fleet, 21), 4);
    ck_assert_int_eq(fleet_poll(&fleet, 21), 6);
    fleet_close(&fleet);

    fleet = fleet_open(NULL, "{\"scale_in_cooldown\":\"0s\",\"cooldown\":\"2m\"}");
    timing = controller_timing(fleet.ctl);
    ck_assert_int_eq(timing.scale_out_cooldown_ms, 120000);
    ck_assert_int_eq(timing.scale_in_cooldown_ms, 0);
    (void)controller_adopt(fleet.ctl, 30);
    (void)fleet_see(&fleet, 0);
    ck_assert_int_eq(fleet_poll_for(&fleet, 0, 300000), 16);
    ck_assert_int_eq(fleet_poll(&fleet, 0), 9);
    ck_assert_int_eq(fleet_poll(&fleet, 0), 6);
    fleet_close(&fleet);
}
END_TEST

/* A shrink that changes nothing (at min) must not delay the growth of the next minute, nor a growth at max.
 */
START_TEST(only_real_changes_stamp_a_cooldown)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    (void)fleet_poll_for(&fleet, 0, 900000);
    ck_assert_int_eq(fleet.last.timers.scale_out_cooldown_ms, 0);
    ck_assert_int_eq(fleet.last.timers.scale_in_cooldown_ms, 0);
    ck_assert_int_eq(fleet_poll(&fleet, 21), 4);
    ck_assert_int_eq(fleet.last.timers.scale_out_cooldown_ms, 60000);
    ck_assert_int_eq(fleet.last.timers.scale_in_cooldown_ms, 60000);
    fleet_close(&fleet);

    fleet = fleet_open(NULL, NULL);
    ck_assert_int_eq(fleet_see(&fleet, 700), 30);
    (void)fleet_poll_for(&fleet, 700, 120000);
    ck_assert_why(&fleet, DECISION_WHY_AT_MAX);
    ck_assert_int_eq(fleet.last.timers.scale_out_cooldown_ms, 0);
    fleet_close(&fleet);
}
END_TEST

/* Polls jitter: a wait with at most a tenth of a poll left is over, so that it does not cost a whole poll
 * more. */
START_TEST(a_wait_that_ends_within_a_tenth_of_a_poll_is_over)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    (void)fleet_see(&fleet, 21);
    fleet.now_ms += 60000 - 501;
    ck_assert_int_eq(fleet_see(&fleet, 21), 4);
    fleet.now_ms += 1;
    ck_assert_int_eq(fleet_see(&fleet, 21), 6);
    fleet_close(&fleet);
}
END_TEST

START_TEST(the_depth_is_visible_and_nothing_else)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    fleet_sample(&fleet, 10);
    reading_set(&fleet.obs.in_flight, 5000, fleet.now_ms);
    reading_set(&fleet.obs.delayed, 5000, fleet.now_ms);
    ck_assert_int_eq(fleet_step(&fleet), 2);
    fleet_close(&fleet);
}
END_TEST

START_TEST(a_scale_in_below_of_zero_never_shrinks)
{
    struct fleet fleet = fleet_open(NULL, "{\"scale_in_below\":0}");
    (void)controller_adopt(fleet.ctl, 30);
    ck_assert_int_eq(fleet_poll_for(&fleet, 0, 3600000), 30);
    fleet_close(&fleet);
}
END_TEST

START_TEST(decisions_read_as_plain_words)
{
    struct strbuf text = STRBUF_INIT;
    struct fleet fleet = fleet_open(NULL, NULL);
    (void)fleet_see(&fleet, 412);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text), "visible 412 > 200: to target 25 (was 2)");
    (void)fleet_poll(&fleet, 300);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text),
                     "hold at 25: visible 300 > 20: +2 to 27; scale-out cooldown, 55 s to go");
    (void)fleet_poll(&fleet, 700);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text), "visible 700 > 600: to max 30 (was 25)");
    (void)fleet_poll(&fleet, 601);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text), "hold at 30: visible 601 > 20: +2 to 32, limited to max 30");
    (void)fleet_poll(&fleet, 12);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text), "hold at 30: visible 12 is between 5 and 20");
    (void)fleet_poll(&fleet, 0);
    fleet.now_ms += 3000;
    (void)fleet_see(&fleet, 2);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text), "hold at 30: visible 2 < 5, 3 of 300 s low, 297 s to go");
    (void)fleet_poll_for(&fleet, 1, 297000);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text), "visible 1 < 5 for 303 s: down 14 to 16 (was 30)");
    (void)fleet_poll_for(&fleet, 1, 600000);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text), "hold at 2: visible 1 < 5, at min");
    fleet_close(&fleet);
    strbuf_clean_up(&text);
}
END_TEST

START_TEST(the_registry_lists_threshold_first)
{
    ck_assert_ptr_eq(policy_list()[0], &POLICY_THRESHOLD);
    ck_assert_ptr_eq(policy_find("threshold"), &POLICY_THRESHOLD);
    ck_assert_ptr_null(policy_find("thresholds"));
    for (const struct policy *const *policy = policy_list(); *policy != NULL; policy++) {
        ck_assert_ptr_eq(policy_find((*policy)->name), *policy);
        ck_assert_uint_lt(strlen((*policy)->name), POLICY_NAME_MAX);
    }
}
END_TEST

UNIT_MAIN("policies_threshold", default_steps_at_their_boundaries, the_dead_band_includes_both_lines,
          configured_steps_at_their_boundaries, default_steps_follow_scale_out_above,
          shrink_ladder_takes_300_s_and_then_one_cooldown_each,
          one_sample_at_scale_in_below_starts_the_five_minutes_anew,
          a_gap_longer_than_stale_after_starts_the_five_minutes_anew,
          scale_out_cooldown_lets_only_higher_rows_pass, cooldowns_may_be_set_apart,
          only_real_changes_stamp_a_cooldown, a_wait_that_ends_within_a_tenth_of_a_poll_is_over,
          the_depth_is_visible_and_nothing_else, a_scale_in_below_of_zero_never_shrinks,
          decisions_read_as_plain_words, the_registry_lists_threshold_first)
