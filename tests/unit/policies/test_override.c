/* Operators' orders: what they do, when they end, what comes after, what is refused, and that they survive.
 */
#include "tests/unit/policies/fleet.h"

#include "policies/decision_pack.h"
#include "policies/explain.h"

#include <stdio.h>

enum { HOUR_MS = 3600000 };

static int give(struct fleet *fleet, enum override_kind kind, int64_t desired, int64_t for_ms,
                struct err *err)
{
    struct override_order order = {
        .kind = kind, .desired = desired, .for_ms = for_ms, .uid = 1000, .pid = 4711, .reason = "sale"};
    return controller_override(fleet->ctl, &order, fleet->now_ms, NULL, err);
}

static void order(struct fleet *fleet, enum override_kind kind, int64_t desired, int64_t for_ms)
{
    struct err err = {""};
    int rc = give(fleet, kind, desired, for_ms, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

START_TEST(scale_pins_desired_whatever_the_depth_says)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    fleet_poll(&fleet, 0);
    order(&fleet, OVERRIDE_SCALE, 12, HOUR_MS);
    ck_assert_int_eq(controller_desired(fleet.ctl), 2); /* a step makes it so */
    ck_assert_int_eq(fleet_step(&fleet), 12);           /* with the same sample */
    ck_assert_why(&fleet, DECISION_WHY_SCALED);
    ck_assert_int_eq(fleet_poll(&fleet, 5000), 12);
    ck_assert_why(&fleet, DECISION_WHY_PINNED);
    ck_assert_int_eq(fleet_poll_for(&fleet, 0, HOUR_MS / 2), 12);
    order(&fleet, OVERRIDE_SCALE, 3, HOUR_MS); /* another order takes its place */
    ck_assert_int_eq(fleet_step(&fleet), 3);
    fleet.obs.visible.known = false; /* needs no depth, either */
    order(&fleet, OVERRIDE_SCALE, 20, HOUR_MS);
    ck_assert_int_eq(fleet_step(&fleet), 20);
    fleet_close(&fleet);
}
END_TEST

START_TEST(after_an_order_the_policy_grows_at_once_and_shrinks_patiently)
{
    struct fleet fleet = fleet_open(NULL, "{\"scale_in_after\":\"5m\"}");
    order(&fleet, OVERRIDE_SCALE, 30, HOUR_MS);
    ck_assert_int_eq(fleet_see(&fleet, 0), 30);
    ck_assert_int_eq(fleet_poll_for(&fleet, 0, HOUR_MS - FLEET_POLL_MS), 30);
    ck_assert_int_eq(fleet.last.override.left_ms, FLEET_POLL_MS);
    ck_assert_int_eq(fleet_poll(&fleet, 0), 30); /* it is over: low for an hour, and yet no jump down */
    ck_assert_int_eq(fleet.last.override.kind, OVERRIDE_NONE);
    ck_assert_why(&fleet, DECISION_WHY_SHRINK_HELD);
    ck_assert_int_eq(fleet.last.timers.shrink_hold_ms, 300000);
    ck_assert_int_eq(fleet_poll_for(&fleet, 0, 300000 - FLEET_POLL_MS), 30);
    ck_assert_int_eq(fleet_poll(&fleet, 0), 16); /* and then by the policy's own steps */
    order(&fleet, OVERRIDE_SCALE, 2, HOUR_MS);
    ck_assert_int_eq(fleet_poll(&fleet, 700), 2);
    order(&fleet, OVERRIDE_NONE, 0, 0);
    ck_assert_int_eq(fleet_poll(&fleet, 700), 30);
    fleet_close(&fleet);
}
END_TEST

START_TEST(pause_changes_nothing_the_fallback_included)
{
    struct fleet fleet = fleet_open(NULL, "{\"fallback\":\"max\",\"fallback_after\":\"60s\"}");
    fleet_poll(&fleet, 100);
    ck_assert_int_eq(fleet.last.to, 4);
    order(&fleet, OVERRIDE_PAUSE, 0, HOUR_MS);
    ck_assert_int_eq(fleet_poll_for(&fleet, 5000, 600000), 4);
    ck_assert_why(&fleet, DECISION_WHY_PAUSED);
    ck_assert_int_eq(fleet.last.proposal.desired, 30); /* what the policy would do is told all the same */
    ck_assert_int_eq(fleet_poll_for(&fleet, 0, 600000), 4);
    fleet.obs.visible.known = false;
    for (int i = 0; i < 20; i++) {
        fleet.now_ms += FLEET_POLL_MS;
        ck_assert_int_eq(fleet_step(&fleet), 4);
        ck_assert_why(&fleet, DECISION_WHY_PAUSED);
    }
    order(&fleet, OVERRIDE_NONE, 0, 0);
    ck_assert_int_eq(fleet_step(&fleet), 30);
    ck_assert_why(&fleet, DECISION_WHY_FALLBACK);
    fleet_close(&fleet);
}
END_TEST

START_TEST(what_the_fleet_cannot_do_waits)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    struct strbuf text = STRBUF_INIT;
    fleet_poll(&fleet, 700);
    order(&fleet, OVERRIDE_SCALE, 5, HOUR_MS);
    reading_set(&fleet.obs.scale_in_hold, FLEET_HOLD_ROLLOUT, fleet.now_ms);
    ck_assert_int_eq(fleet_step(&fleet), 30);
    ck_assert_why(&fleet, DECISION_WHY_ROLLOUT);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(
        strbuf_str(&text),
        "hold at 30: scale to 5 by an operator, 1h to go; a rollout is in progress: nothing is taken "
        "away; the policy says: visible 700 > 20: +2 to 32");
    reading_set(&fleet.obs.scale_in_hold, FLEET_HOLD_NONE, fleet.now_ms);
    ck_assert_int_eq(fleet_step(&fleet), 5);
    order(&fleet, OVERRIDE_SCALE, 8, HOUR_MS);
    reading_set(&fleet.obs.scale_out_hold, FLEET_HOLD_TASKS_FAIL, fleet.now_ms);
    ck_assert_int_eq(fleet_step(&fleet), 5);
    ck_assert_why(&fleet, DECISION_WHY_TASKS_FAIL);
    strbuf_clean_up(&text);
    fleet_close(&fleet);
}
END_TEST

START_TEST(an_order_is_refused_whole)
{
    static const struct {
        enum override_kind kind;
        int64_t desired, for_ms;
        const char *want;
    } CASES[] = {
        {OVERRIDE_SCALE, 31, HOUR_MS,
         "desired: 31: want a whole number from 2 to 30 (capacity of the fleet)"},
        {OVERRIDE_SCALE, 1, HOUR_MS, "desired: 1: want a whole number from 2 to 30 (capacity of the fleet)"},
        {OVERRIDE_SCALE, 5, 999, "for: 999 ms: want a duration from 1s to 7d"},
        {OVERRIDE_PAUSE, 0, 604800001, "for: 604800001 ms: want a duration from 1s to 7d"},
        {OVERRIDE_SCALE, 5, 0, "for: 0 ms: want a duration from 1s to 7d"},
    };
    struct fleet fleet = fleet_open(NULL, NULL);
    order(&fleet, OVERRIDE_SCALE, 7, HOUR_MS);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct err err = {""};
        ck_assert_int_eq(give(&fleet, CASES[i].kind, CASES[i].desired, CASES[i].for_ms, &err), -1);
        ck_assert_str_eq(err.text, CASES[i].want);
    }
    ck_assert_int_eq(fleet_poll(&fleet, 0), 7); /* the one before stands */
    fleet_close(&fleet);
}
END_TEST

START_TEST(no_order_outlives_its_time_when_the_clock_goes_back)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    order(&fleet, OVERRIDE_SCALE, 9, 60000);
    fleet_poll(&fleet, 0);
    fleet.now_ms -= 10 * HOUR_MS;
    fleet_poll(&fleet, 0);
    ck_assert_int_eq(fleet.last.override.left_ms, 60000);
    ck_assert_int_eq(fleet_poll_for(&fleet, 0, 60000), 9);
    ck_assert_int_eq(fleet.last.override.kind, OVERRIDE_NONE);
    fleet_close(&fleet);
}
END_TEST

static struct fleet restarted(struct fleet *fleet, const char *capacity)
{
    struct fleet again = fleet_open(capacity, NULL);
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    struct err err = {""};
    controller_save(fleet->ctl, &w);
    json_t *json = fleet_json(strbuf_str(&text));
    ck_assert_msg(controller_restore(again.ctl, json, &err) == 0, "%s", err.text);
    json_decref(json);
    strbuf_clean_up(&text);
    again.now_ms = fleet->now_ms;
    again.obs = fleet->obs;
    fleet_close(fleet);
    return again;
}

START_TEST(an_order_survives_a_restart_with_its_words_and_within_the_limits_of_then)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    order(&fleet, OVERRIDE_SCALE, 12, HOUR_MS);
    fleet_poll(&fleet, 0);
    fleet = restarted(&fleet, NULL);
    ck_assert_int_eq(fleet_poll(&fleet, 700), 12);
    const struct override *found = controller_get_override(fleet.ctl, fleet.now_ms);
    ck_assert_int_eq(found->order.kind, OVERRIDE_SCALE);
    ck_assert_str_eq(found->order.reason, "sale");
    ck_assert_int_eq(found->order.uid, 1000);
    ck_assert_int_eq(found->order.pid, 4711);
    ck_assert_int_eq(found->until_ms, FLEET_START_MS + HOUR_MS);
    fleet = restarted(&fleet, "{\"min\":2,\"max\":8}");
    ck_assert_int_eq(fleet_poll(&fleet, 0), 8);
    ck_assert_int_eq(fleet.last.clamp_count, 1);
    ck_assert_int_eq(fleet.last.clamps[0].kind, DECISION_CLAMP_MAX);
    fleet.now_ms += HOUR_MS; /* it ends while nobody is there */
    fleet = restarted(&fleet, NULL);
    ck_assert_int_eq(controller_get_override(fleet.ctl, fleet.now_ms)->order.kind, OVERRIDE_NONE);
    ck_assert_int_eq(fleet_poll(&fleet, 0), 8);
    ck_assert_int_eq(fleet.last.override.kind, OVERRIDE_NONE);
    ck_assert_int_eq(fleet.last.timers.shrink_hold_ms, 300000);
    fleet_close(&fleet);
}
END_TEST

START_TEST(a_state_without_the_member_is_one_without_an_order_and_a_bad_one_is_refused)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    struct err err = {""};
    controller_save(fleet.ctl, &w);
    ck_assert_ptr_null(strstr(strbuf_str(&text), "override")); /* an older sluice can read it */
    json_t *json = fleet_json(strbuf_str(&text));
    order(&fleet, OVERRIDE_PAUSE, 0, HOUR_MS);
    ck_assert_int_eq(controller_restore(fleet.ctl, json, &err), 0);
    ck_assert_int_eq(controller_get_override(fleet.ctl, fleet.now_ms)->order.kind, OVERRIDE_NONE);
    json_object_set_new(json, "override", fleet_json("{\"action\":\"scale\",\"desired\":5}"));
    ck_assert_int_eq(controller_restore(fleet.ctl, json, &err), -1);
    ck_assert_str_eq(
        err.text,
        "state: override.for: missing: want a duration with a unit such as \"60s\" or \"5m\", from 1s to 7d");
    json_decref(json);
    strbuf_clean_up(&text);
    fleet_close(&fleet);
}
END_TEST

START_TEST(what_an_operator_sends_is_read_strictly)
{
    static const struct {
        enum override_kind kind;
        const char *body;
        const char *want; /* NULL: fine */
    } CASES[] = {
        {OVERRIDE_SCALE, "{\"desired\":5,\"for\":\"2h\",\"reason\":\"a sale\"}", NULL},
        {OVERRIDE_PAUSE, "{\"reason\":\"db\"}", NULL},
        {OVERRIDE_NONE, "{}", NULL},
        {OVERRIDE_NONE, "{\"reason\":\"over\"}", NULL},
        {OVERRIDE_SCALE, "{\"desired\":5,\"reason\":\"x\"}",
         "for: missing: want a duration with a unit such as \"60s\" or \"5m\", from 1s to 7d"},
        {OVERRIDE_SCALE, "{\"for\":\"2h\",\"reason\":\"x\"}",
         "desired: missing: want a whole number from 1 to 100000"},
        {OVERRIDE_SCALE, "{\"desired\":\"5\",\"for\":\"2h\",\"reason\":\"x\"}",
         "desired: \"5\": want a whole number from 1 to 100000"},
        {OVERRIDE_SCALE, "{\"desired\":5,\"for\":\"8d\",\"reason\":\"x\"}",
         "for: \"8d\": want a duration with a unit such as \"60s\" or \"5m\", from 1s to 7d"},
        {OVERRIDE_SCALE, "{\"desired\":5,\"for\":7200,\"reason\":\"x\"}",
         "for: 7200: want a duration with a unit such as \"60s\" or \"5m\", from 1s to 7d"},
        {OVERRIDE_SCALE, "{\"desired\":5,\"for\":\"2h\"}", "reason: missing: want text"},
        {OVERRIDE_PAUSE, "{}", "reason: missing: want text"},
        {OVERRIDE_PAUSE, "{\"reason\":\"  \"}", "reason: empty: want one line of 1 to 200 bytes"},
        {OVERRIDE_PAUSE, "{\"reason\":\"a\\nb\"}",
         "reason: has control characters or is no UTF-8: want one line of 1 to 200 bytes"},
        {OVERRIDE_PAUSE, "{\"reason\":\"db\",\"desired\":3}", "desired: unknown key"},
        {OVERRIDE_NONE, "{\"for\":\"1h\"}", "for: unknown key"},
        {OVERRIDE_NONE, "[]", "top level: want an object"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct override_order read;
        struct err err = {""};
        json_t *body = fleet_json(CASES[i].body);
        int rc = override_order_parse(CASES[i].kind, body, &read, &err);
        ck_assert_str_eq(err.text, CASES[i].want != NULL ? CASES[i].want : "");
        ck_assert_int_eq(rc, CASES[i].want != NULL ? -1 : 0);
        json_decref(body);
    }
    char body[256];
    struct override_order read;
    struct err err = {""};
    (void)snprintf(body, sizeof body, "{\"reason\":\"%0201d\"}", 0);
    json_t *json = fleet_json(body);
    ck_assert_int_eq(override_order_parse(OVERRIDE_PAUSE, json, &read, &err), -1);
    ck_assert_str_eq(err.text, "reason: too long: want one line of 1 to 200 bytes");
    json_decref(json);
}
END_TEST

START_TEST(a_pause_takes_an_hour_unless_told)
{
    struct override_order read;
    struct err err = {""};
    json_t *body = fleet_json("{\"reason\":\"db\"}");
    ck_assert_int_eq(override_order_parse(OVERRIDE_PAUSE, body, &read, &err), 0);
    ck_assert_int_eq(read.for_ms, HOUR_MS);
    json_decref(body);
}
END_TEST

START_TEST(decisions_say_who_decided_and_what_the_policy_wanted)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    struct strbuf text = STRBUF_INIT;
    order(&fleet, OVERRIDE_SCALE, 12, 2 * HOUR_MS);
    fleet_see(&fleet, 0);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text), "scaled to 12 by an operator, for 2h (was 2)");
    fleet_poll(&fleet, 412);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(strbuf_str(&text),
                     "hold at 12: scale to 12 by an operator, 1h59m55s to go; the policy says: "
                     "visible 412 > 200: to target 25");
    order(&fleet, OVERRIDE_PAUSE, 0, HOUR_MS);
    fleet.now_ms += 40000;
    fleet_step(&fleet);
    fleet_text(&fleet.last, &text);
    ck_assert_str_eq(
        strbuf_str(&text),
        "hold at 12: paused by an operator, 59m20s to go; the policy says: depth stale (40 s old)");
    strbuf_clean_up(&text);
    fleet_close(&fleet);
}
END_TEST

START_TEST(an_explanation_tells_inputs_terms_waits_and_why_not)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    struct strbuf text = STRBUF_INIT;
    fleet_poll(&fleet, 300);
    fleet.now_ms += FLEET_POLL_MS;
    fleet_sample(&fleet, 300);
    reading_set(&fleet.obs.ready, 2, fleet.now_ms);
    fleet.now_ms += 12;
    fleet_step(&fleet);
    decision_explain(&fleet.last, "  ", &text);
    const char *want = "  result   hold at 25: visible 300 > 20: +2 to 27; scale-out cooldown, 55 s to go\n"
                       "  why not  growth waits for the scale-out cooldown\n"
                       "  queue    visible 300 (12 ms old), in flight 0 (12 ms old)\n"
                       "  workers  ready 2 (12 ms old), busy 0 (12 ms old), worker capacity 5 (12 ms old)\n";
    ck_assert_msg(strncmp(strbuf_str(&text), want, strlen(want)) == 0, "%s", strbuf_str(&text));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&text), "  unknown  delayed, oldest age ms, starting, stopping"));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&text),
                                 "  policy   threshold wants 27 (step): visible 300 > 20: +2 to 27\n"
                                 "  terms    visible 300, row 0, above 20, add 2\n"));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&text), "  waits    scale out cooldown 55.0 s left"));
    strbuf_clean_up(&text);
    fleet_close(&fleet);
}
END_TEST

START_TEST(bytes_that_are_no_packed_decision_are_refused)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    struct strbuf bytes = STRBUF_INIT;
    struct decision read;
    int refused = 0;
    fleet_poll(&fleet, 300);
    decision_pack(&fleet.last, &bytes);
    ck_assert_int_eq(decision_unpack(bytes.data, bytes.len, &read), 0);
    for (size_t len = 0; len < bytes.len; len++)
        ck_assert_int_eq(decision_unpack(bytes.data, len, &read), -1);
    for (size_t i = 0; i < bytes.len; i++) /* whatever stands there, nothing is written beyond the struct */
        for (int value = 0; value < 256; value++) {
            char was = bytes.data[i];
            bytes.data[i] = (char)value;
            refused += decision_unpack(bytes.data, bytes.len, &read) != 0;
            bytes.data[i] = was;
        }
    ck_assert_int_gt(refused, 0);
    strbuf_clean_up(&bytes);
    fleet_close(&fleet);
}
END_TEST

UNIT_MAIN("policies_override", scale_pins_desired_whatever_the_depth_says,
          after_an_order_the_policy_grows_at_once_and_shrinks_patiently,
          pause_changes_nothing_the_fallback_included, what_the_fleet_cannot_do_waits,
          an_order_is_refused_whole, no_order_outlives_its_time_when_the_clock_goes_back,
          an_order_survives_a_restart_with_its_words_and_within_the_limits_of_then,
          a_state_without_the_member_is_one_without_an_order_and_a_bad_one_is_refused,
          what_an_operator_sends_is_read_strictly, a_pause_takes_an_hour_unless_told,
          decisions_say_who_decided_and_what_the_policy_wanted,
          an_explanation_tells_inputs_terms_waits_and_why_not, bytes_that_are_no_packed_decision_are_refused)
