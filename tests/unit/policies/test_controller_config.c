/* The fleet's "capacity" and "policy": defaults, errors that name path, value and range, and a dump that
 * reads back. */
#include "tests/unit/policies/fleet.h"

#include "policies/threshold.h"

#include <stdio.h>

static struct controller_config parse(const char *capacity, const char *policy)
{
    struct controller_config config = {.params = NULL};
    struct err err = {""};
    int rc = fleet_parse_config(capacity, policy, &config, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return config;
}

START_TEST(an_empty_configuration_is_the_documented_default)
{
    struct controller_config config = parse(NULL, NULL);
    const struct threshold_params *params = config.params;
    ck_assert_int_eq(config.capacity.min, 2);
    ck_assert_int_eq(config.capacity.target, 30);
    ck_assert_int_eq(config.capacity.max, 30);
    ck_assert_int_eq(config.stale_after_ms, 15000);
    ck_assert_int_eq(config.fallback_after_ms, 600000);
    ck_assert_int_eq(config.fallback.kind, COUNT_HOLD);
    ck_assert(config.scale_in_busy_share == 0.8);
    ck_assert_ptr_eq(config.policy, &POLICY_THRESHOLD);
    ck_assert_int_eq(params->scale_out_above, 20);
    ck_assert_int_eq(params->scale_in_below, 5);
    ck_assert_int_eq(params->scale_in_after_ms, 300000);
    ck_assert_int_eq(params->scale_out_cooldown_ms, 60000);
    ck_assert_int_eq(params->scale_in_cooldown_ms, 60000);
    ck_assert_int_eq(params->step_count, 3);
    ck_assert_int_eq(params->steps[0].above, 20);
    ck_assert_int_eq(params->steps[0].workers, 2);
    ck_assert_int_eq(params->steps[1].above, 200);
    ck_assert_int_eq(params->steps[1].kind, THRESHOLD_STEP_TO_TARGET);
    ck_assert_int_eq(params->steps[2].above, 600);
    ck_assert_int_eq(params->steps[2].kind, THRESHOLD_STEP_TO_MAX);
    controller_config_clean_up(&config);
    controller_config_clean_up(&config);
}
END_TEST

START_TEST(the_source_fleet_reads_as_designed)
{
    struct controller_config config =
        parse("{\"min\":2,\"target\":25,\"max\":30}",
              "{\"type\":\"threshold\",\"scale_out_above\":20,\"scale_in_below\":5,\"scale_in_after\":\"5m\","
              "\"cooldown\":\"60s\"}");
    ck_assert_int_eq(config.capacity.target, 25);
    controller_config_clean_up(&config);
}
END_TEST

START_TEST(bad_values_are_refused_with_path_value_and_range)
{
    static const struct {
        const char *capacity, *policy, *text;
    } CASES[] = {
        {"{\"min\":0}", NULL, "fleets[0].capacity.min: 0: want a whole number from 1 to 100000"},
        {"{\"min\":\"2\"}", NULL, "fleets[0].capacity.min: \"2\": want a whole number from 1 to 100000"},
        {"{\"min\":2.5}", NULL, "fleets[0].capacity.min: 2.5: want a whole number"},
        {"{\"max\":100001}", NULL, "fleets[0].capacity.max: 100001: want a whole number from 1 to 100000"},
        {"{\"min\":31}", NULL, "fleets[0].capacity.min: 31: want a whole number from 1 to max (30)"},
        {"{\"target\":31}", NULL,
         "fleets[0].capacity.target: 31: want a whole number from min (2) to max (30)"},
        {"{\"target\":1}", NULL,
         "fleets[0].capacity.target: 1: want a whole number from min (2) to max (30)"},
        {"{\"maximum\":3}", NULL, "fleets[0].capacity.maximum: unknown key"},
        {"[]", NULL, "fleets[0].capacity: want an object"},
        {NULL, "7", "fleets[0].policy: want an object"},
        {NULL, "{\"type\":\"magic\"}", "fleets[0].policy.type: \"magic\": want one of \"threshold\""},
        {NULL, "{\"type\":7}", "fleets[0].policy.type: 7: want one of \"threshold\""},
        {NULL, "{\"scale_out\":7}", "fleets[0].policy.scale_out: unknown key"},
        {NULL, "{\"poll_ms\":7}", "fleets[0].policy.poll_ms: unknown key"},
        {NULL, "{\"scale_out_above\":0}",
         "fleets[0].policy.scale_out_above: 0: want a whole number from 1 to 1000000000"},
        {NULL, "{\"scale_in_below\":-1}", "fleets[0].policy.scale_in_below: -1: want a whole number from 0"},
        {NULL, "{\"scale_in_below\":21}",
         "fleets[0].policy.scale_in_below: 21: want a whole number from 0 to scale_out_above (20)"},
        {NULL, "{\"scale_in_after\":300}",
         "fleets[0].policy.scale_in_after: 300: want a duration with a unit"},
        {NULL, "{\"scale_in_after\":\"8d\"}",
         "fleets[0].policy.scale_in_after: \"8d\": want a duration with a unit"},
        {NULL, "{\"cooldown\":\"-1s\"}", "fleets[0].policy.cooldown: \"-1s\": want"},
        {NULL, "{\"stale_after\":\"4999ms\"}",
         "fleets[0].policy.stale_after: 4999 ms: want one poll (5000 ms) or more"},
        {NULL, "{\"stale_after\":\"0s\"}",
         "fleets[0].policy.stale_after: \"0s\": want a duration with a unit"},
        {NULL, "{\"scale_in_busy_share\":1.1}", "fleets[0].policy.scale_in_busy_share: 1.1"},
        {NULL, "{\"scale_in_busy_share\":-0.1}", "fleets[0].policy.scale_in_busy_share: -0.1"},
        {NULL, "{\"scale_in_busy_share\":0.0004}", "fleets[0].policy.scale_in_busy_share: 0.000"},
        {NULL, "{\"fallback\":\"panic\"}",
         "fleets[0].policy.fallback: \"panic\": want \"hold\", \"min\", \"target\", \"max\" or a whole "
         "number from 2 to 30 (capacity)"},
        {NULL, "{\"fallback\":31}", "fleets[0].policy.fallback: 31: want"},
        {NULL, "{\"fallback\":1}", "fleets[0].policy.fallback: 1: want"},
        {NULL, "{\"fallback\":null}", "fleets[0].policy.fallback: null: want"},
        {NULL, "{\"steps\":[]}", "fleets[0].policy.steps: want a list of 1 to 16 rows"},
        {NULL, "{\"steps\":{}}", "fleets[0].policy.steps: want a list"},
        {NULL, "{\"steps\":[5]}",
         "fleets[0].policy.steps[0]: 5: want an object with above and either add or to"},
        {NULL, "{\"steps\":[{\"above\":20}]}", "fleets[0].policy.steps[0]: {\"above\":20}: want"},
        {NULL, "{\"steps\":[{\"above\":20,\"add\":1,\"to\":5}]}", "fleets[0].policy.steps[0]: {"},
        {NULL, "{\"steps\":[{\"above\":20,\"plus\":1}]}", "fleets[0].policy.steps[0]: {"},
        {NULL, "{\"steps\":[{\"above\":\"20\",\"add\":1}]}", "fleets[0].policy.steps[0].above: \"20\": want"},
        {NULL, "{\"steps\":[{\"above\":20,\"add\":0}]}",
         "fleets[0].policy.steps[0].add: 0: want a whole number from 1"},
        {NULL, "{\"steps\":[{\"above\":20,\"to\":\"min\"}]}",
         "fleets[0].policy.steps[0].to: \"min\": want \"target\", \"max\" or"},
        {NULL, "{\"steps\":[{\"above\":20,\"to\":31}]}",
         "fleets[0].policy.steps[0].to: 31: want a whole number from 2 to 30 (capacity)"},
        {NULL, "{\"steps\":[{\"above\":20,\"to\":1}]}",
         "fleets[0].policy.steps[0].to: 1: want a whole number from 2 to 30 (capacity)"},
        {NULL, "{\"steps\":[{\"above\":20,\"add\":1},{\"above\":20,\"add\":2}]}",
         "fleets[0].policy.steps[1].above: 20: want more than the row before it (20)"},
        {NULL, "{\"scale_out_above\":30,\"steps\":[{\"above\":20,\"add\":1}]}",
         "fleets[0].policy.steps[0].above: 20: want scale_out_above (30) or more"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct controller_config config = {.poll_ms = 77};
        struct err err = {""};
        int rc = fleet_parse_config(CASES[i].capacity, CASES[i].policy, &config, &err);
        ck_assert_msg(rc == -1 && strncmp(err.text, CASES[i].text, strlen(CASES[i].text)) == 0,
                      "case %zu: %d, \"%s\", not \"%s\"", i, rc, err.text, CASES[i].text);
        ck_assert_int_eq(config.poll_ms, 77);
        ck_assert_ptr_null(config.params);
    }
}
END_TEST

START_TEST(more_than_sixteen_steps_are_refused)
{
    struct controller_config config = {.params = NULL};
    struct err err = {""};
    json_t *policy = json_object();
    json_t *steps = json_array();
    for (int i = 0; i < 16; i++)
        (void)json_array_append_new(steps, json_pack("{s:i,s:i}", "above", 20 + i, "add", 1));
    (void)json_object_set_new(policy, "steps", steps);
    ck_assert_int_eq(controller_config_parse(NULL, policy, 5000, "", &config, &err), 0);
    controller_config_clean_up(&config);
    (void)json_array_append_new(steps, json_pack("{s:i,s:i}", "above", 99, "add", 1));
    ck_assert_int_eq(controller_config_parse(NULL, policy, 5000, "", &config, &err), -1);
    ck_assert_str_eq(err.text, "policy.steps: want a list of 1 to 16 rows {\"above\":n,\"add\":n} or "
                               "{\"above\":n,\"to\":..}");
    json_decref(policy);
}
END_TEST

START_TEST(a_poll_interval_out_of_range_is_refused)
{
    static const int64_t BAD_MS[] = {0, -1, 86400001, INT64_MAX, INT64_MIN};
    struct controller_config config = {.params = NULL};
    struct err err = {""};
    for (size_t i = 0; i < sizeof BAD_MS / sizeof BAD_MS[0]; i++) {
        ck_assert_int_eq(controller_config_parse(NULL, NULL, BAD_MS[i], "f", &config, &err), -1);
        ck_assert_int_eq(strncmp(err.text, "f.queue.poll: ", 14), 0);
    }
    ck_assert_int_eq(controller_config_parse(NULL, NULL, 1, "f", &config, &err), 0);
    ck_assert_int_eq(config.stale_after_ms, 3);
    controller_config_clean_up(&config);
}
END_TEST

START_TEST(a_dump_reads_back_to_the_same)
{
    static const struct {
        const char *capacity, *policy;
    } CASES[] = {
        {NULL, NULL},
        {"{\"min\":1,\"target\":3,\"max\":9}",
         "{\"fallback\":7,\"fallback_after\":\"0s\",\"stale_after\":\"1m\",\"scale_in_busy_share\":0.35,"
         "\"cooldown\":"
         "\"0s\",\"scale_in_cooldown\":\"90s\",\"scale_in_after\":\"0s\",\"steps\":[{\"above\":30,\"add\":4},"
         "{\"above\":50,"
         "\"to\":5},{\"above\":70,\"to\":\"target\"},{\"above\":90,\"to\":\"max\"}]}"},
        {NULL, "{\"fallback\":\"max\",\"scale_out_above\":7,\"scale_in_below\":0}"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct controller_config config = parse(CASES[i].capacity, CASES[i].policy);
        struct controller_config again = {.params = NULL};
        struct strbuf text = STRBUF_INIT;
        struct strbuf text_again = STRBUF_INIT;
        struct jsonw w = JSONW_INIT(&text);
        struct jsonw w_again = JSONW_INIT(&text_again);
        struct err err = {""};
        controller_config_dump(&config, &w);
        json_t *json = fleet_json(strbuf_str(&text));
        int rc =
            controller_config_parse(json_object_get(json, "capacity"), json_object_get(json, "policy"),
                                    json_integer_value(json_object_get(json, "poll_ms")), "", &again, &err);
        ck_assert_msg(rc == 0, "%s", err.text);
        again.stale_after_follows = json_is_true(json_object_get(json, "stale_after_follows"));
        controller_config_dump(&again, &w_again);
        ck_assert_str_eq(strbuf_str(&text), strbuf_str(&text_again));
        ck_assert_int_eq(memcmp(config.params, again.params, config.policy->params_size), 0);
        json_decref(json);
        controller_config_clean_up(&config);
        controller_config_clean_up(&again);
        strbuf_clean_up(&text);
        strbuf_clean_up(&text_again);
    }
}
END_TEST

/* ---- the page ---- */

static char *page(void)
{
    FILE *file = fopen(TEST_SOURCE_DIR "/../../../docs/policies.md", "r");
    char *text = calloc(1, 65536);
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_gt(fread(text, 1, 65535, file), 1000);
    (void)fclose(file);
    return text;
}

static void check_page_rows(const char *text, const struct option_row *rows)
{
    for (; rows->name != NULL; rows++) {
        char row[128];
        (void)snprintf(row, sizeof row, "| `%s` | %s", rows->name,
                       rows->fallback != NULL ? rows->fallback : "");
        ck_assert_msg(strstr(text, row) != NULL, "docs/policies.md has no table row \"%s\"", row);
    }
}

START_TEST(the_page_lists_every_setting_with_its_default)
{
    char *text = page();
    check_page_rows(text, CAPACITY_ROWS);
    check_page_rows(text, CONTROLLER_ROWS);
    for (const struct policy *const *policy = policy_list(); *policy != NULL; policy++) {
        check_page_rows(text, (*policy)->params);
        for (const char *const *name = (*policy)->extra_params; name != NULL && *name != NULL; name++)
            ck_assert_ptr_nonnull(strstr(text, *name));
    }
    for (int why = 0; why < DECISION_WHY_COUNT; why++)
        ck_assert_ptr_nonnull(strstr(text, decision_why_name((enum decision_why)why)));
    free(text);
}
END_TEST

/* ---- state ---- */

static json_t *saved(const struct controller *ctl)
{
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    controller_save(ctl, &w);
    json_t *json = fleet_json(strbuf_str(&text));
    strbuf_clean_up(&text);
    return json;
}

START_TEST(a_restored_controller_goes_on_with_its_waits)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    struct fleet next = fleet_open(NULL, NULL);
    struct err err = {""};
    (void)fleet_see(&fleet, 700);
    (void)fleet_poll_for(&fleet, 0, 200000);
    json_t *state = saved(fleet.ctl);
    ck_assert_int_eq(controller_restore(next.ctl, state, &err), 0);
    ck_assert_int_eq(controller_desired(next.ctl), 30);
    next.now_ms = fleet.now_ms;
    ck_assert_int_eq(fleet_poll_for(&next, 0, 100000), 30);
    ck_assert_int_eq(fleet_poll(&next, 0), 16);
    ck_assert_int_eq(next.last.seq, 1 + 40 + 20 + 1);
    json_decref(state);
    fleet_close(&fleet);
    fleet_close(&next);
}
END_TEST

START_TEST(a_restored_count_is_clamped_to_the_new_limits)
{
    static const struct {
        const char *capacity;
        int64_t desired;
    } CASES[] = {
        {"{\"min\":1,\"max\":9}", 9}, {"{\"min\":28,\"max\":40}", 30}, {"{\"min\":33,\"max\":40}", 33}};
    struct fleet fleet = fleet_open(NULL, NULL);
    (void)fleet_see(&fleet, 700);
    json_t *state = saved(fleet.ctl);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct fleet next = fleet_open(CASES[i].capacity, NULL);
        struct err err = {""};
        ck_assert_int_eq(controller_restore(next.ctl, state, &err), 0);
        ck_assert_int_eq(controller_desired(next.ctl), CASES[i].desired);
        fleet_close(&next);
    }
    json_decref(state);
    fleet_close(&fleet);
}
END_TEST

START_TEST(another_policys_state_is_dropped_and_the_rest_taken)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    struct err err = {""};
    (void)controller_adopt(fleet.ctl, 20);
    (void)fleet_see(&fleet, 0);
    (void)fleet_poll_for(&fleet, 0, 295000);
    json_t *state = saved(fleet.ctl);
    (void)json_object_set_new(state, "policy", json_string("backlog"));
    (void)json_object_set_new(state, "policy_state", fleet_json("{\"other\":1}"));
    ck_assert_int_eq(controller_restore(fleet.ctl, state, &err), 0);
    ck_assert_int_eq(controller_desired(fleet.ctl), 20);
    ck_assert_int_eq(fleet_poll(&fleet, 0), 20);
    ck_assert_int_eq(fleet_poll_for(&fleet, 0, 295000), 20);
    ck_assert_int_eq(fleet_poll(&fleet, 0), 11);
    json_decref(state);
    fleet_close(&fleet);
}
END_TEST

/* A state that lacks anything, or says anything impossible, changes nothing at all. */
START_TEST(a_damaged_state_is_refused_whole)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    struct err err = {""};
    (void)fleet_see(&fleet, 300);
    json_t *good = saved(fleet.ctl);
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(good, key, value)
    {
        json_t *bad = json_deep_copy(good);
        (void)json_object_del(bad, key);
        ck_assert_msg(controller_restore(fleet.ctl, bad, &err) == -1, "without %s", key);
        (void)json_object_set_new(bad, key, json_array());
        ck_assert_msg(controller_restore(fleet.ctl, bad, &err) == -1, "with bad %s", key);
        json_decref(bad);
    }
    json_object_foreach(json_object_get(good, "policy_state"), key, value)
    {
        json_t *bad = json_deep_copy(good);
        (void)json_object_del(json_object_get(bad, "policy_state"), key);
        ck_assert_msg(controller_restore(fleet.ctl, bad, &err) == -1, "without policy_state.%s", key);
        json_decref(bad);
    }
    ck_assert_int_eq(controller_restore(fleet.ctl, NULL, &err), -1);
    (void)json_object_set_new(good, "unknown", json_true());
    ck_assert_int_eq(controller_restore(fleet.ctl, good, &err), -1);
    (void)json_object_del(good, "unknown");
    (void)json_object_set_new(good, "desired", json_integer(0));
    ck_assert_int_eq(controller_restore(fleet.ctl, good, &err), -1);
    json_decref(good);
    json_t *after = saved(fleet.ctl);
    ck_assert_int_eq(json_integer_value(json_object_get(after, "desired")), 25);
    ck_assert_int_eq(json_integer_value(json_object_get(after, "seq")), 1);
    json_decref(after);
    fleet_close(&fleet);
}
END_TEST

START_TEST(a_state_of_a_newer_version_is_refused)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    struct err err = {""};
    json_t *state = saved(fleet.ctl);
    (void)json_object_set_new(state, "version", json_integer(CONTROLLER_STATE_VERSION + 1));
    ck_assert_int_eq(controller_restore(fleet.ctl, state, &err), -1);
    ck_assert_str_eq(err.text, "state.version: 2: this program reads up to version 1");
    json_decref(state);
    fleet_close(&fleet);
}
END_TEST

START_TEST(config_records_that_are_none_are_refused)
{
    static const char *const BAD[] = {"[]",
                                      "{}",
                                      "{\"v\":1}",
                                      "{\"v\":1,\"config\":{\"poll_ms\":5000}}",
                                      "{\"v\":2,\"config\":{\"poll_ms\":5000},\"state\":{}}",
                                      "{\"v\":1,\"config\":{\"poll_ms\":5000},\"state\":{}}",
                                      "{\"v\":1,\"config\":{},\"state\":{}}"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct err err = {""};
        json_t *json = fleet_json(BAD[i]);
        ck_assert_ptr_null(controller_new_from_record(json, &err));
        ck_assert_str_ne(err.text, "");
        json_decref(json);
    }
}
END_TEST

START_TEST(destroying_nothing_is_fine)
{
    controller_destroy(NULL);
}
END_TEST

UNIT_MAIN("policies_controller_config", an_empty_configuration_is_the_documented_default,
          the_source_fleet_reads_as_designed, bad_values_are_refused_with_path_value_and_range,
          more_than_sixteen_steps_are_refused, a_poll_interval_out_of_range_is_refused,
          a_dump_reads_back_to_the_same, the_page_lists_every_setting_with_its_default,
          a_restored_controller_goes_on_with_its_waits, a_restored_count_is_clamped_to_the_new_limits,
          another_policys_state_is_dropped_and_the_rest_taken, a_damaged_state_is_refused_whole,
          a_state_of_a_newer_version_is_refused, config_records_that_are_none_are_refused,
          destroying_nothing_is_fine)
