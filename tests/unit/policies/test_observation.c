/* Observations and decision records: freshness, JSON out and in. */
#include "tests/unit/policies/fleet.h"

static const int64_t NOW_MS = 1795426800000;

START_TEST(freshness_at_its_boundaries)
{
    struct reading reading = {.known = false};
    ck_assert(!reading_fresh(&reading, NOW_MS, INT64_MAX));
    reading_set(&reading, 0, NOW_MS);
    ck_assert(reading_fresh(&reading, NOW_MS, 0));
    ck_assert(reading_fresh(&reading, NOW_MS + 10, 10));
    ck_assert(!reading_fresh(&reading, NOW_MS + 11, 10));
    ck_assert(!reading_fresh(&reading, NOW_MS - 1, 10));
    reading_set(&reading, -1, NOW_MS);
    ck_assert(!reading_fresh(&reading, NOW_MS, 10));
}
END_TEST

START_TEST(ages_saturate)
{
    struct reading reading;
    reading_set(&reading, 1, INT64_MIN);
    ck_assert_int_eq(reading_age_ms(&reading, INT64_MAX), INT64_MAX);
    reading_set(&reading, 1, INT64_MAX);
    ck_assert_int_eq(reading_age_ms(&reading, INT64_MIN), INT64_MIN);
    ck_assert_int_eq(reading_age_ms(&reading, INT64_MAX), 0);
}
END_TEST

START_TEST(every_field_goes_out_and_comes_back)
{
    struct observation obs;
    struct observation back;
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    struct err err = {""};
    observation_init(&obs);
    for (size_t i = 0; i < OBSERVATION_TABLE_COUNT; i += 2)
        reading_set((struct reading *)(void *)((char *)&obs + OBSERVATION_TABLE[i].offset), 1000 + (int64_t)i,
                    NOW_MS - (int64_t)i * 7);
    observation_encode_json(&obs, NOW_MS, &w);
    ck_assert_ptr_nonnull(
        strstr(strbuf_str(&text), "\"visible\":{\"value\":1000,\"age_ms\":0},\"in_flight\":null"));
    json_t *json = fleet_json(strbuf_str(&text));
    ck_assert_uint_eq(json_object_size(json), OBSERVATION_TABLE_COUNT);
    ck_assert_int_eq(observation_parse_json(json, NOW_MS, &back, &err), 0);
    ck_assert_int_eq(memcmp(&obs, &back, sizeof obs), 0);
    json_decref(json);
    strbuf_clean_up(&text);
}
END_TEST

START_TEST(missing_fields_are_unknown_and_foreign_ones_ignored)
{
    struct observation obs;
    struct err err = {""};
    json_t *json = fleet_json("{\"visible\":{\"value\":3,\"age_ms\":5},\"of_the_future\":[1]}");
    ck_assert_int_eq(observation_parse_json(json, NOW_MS, &obs, &err), 0);
    ck_assert(obs.visible.known && obs.visible.value == 3 && obs.visible.at_ms == NOW_MS - 5);
    ck_assert(!obs.in_flight.known);
    json_decref(json);
}
END_TEST

START_TEST(malformed_observations_are_refused_by_name)
{
    static const struct {
        const char *json, *text;
    } CASES[] = {
        {"[]", "obs: want an object"},
        {"{\"busy\":7}", "obs.busy: want"},
        {"{\"busy\":{\"value\":7}}", "obs.busy: want"},
        {"{\"busy\":{\"value\":7.5,\"age_ms\":1}}", "obs.busy: want"},
        {"{\"busy\":{\"value\":7,\"age_ms\":\"1\"}}", "obs.busy: want"},
        {"{\"busy\":{\"value\":7,\"age_ms\":-9223372036854775807}}", "obs.busy.age_ms"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct observation obs = {.visible = {.value = 77}};
        struct err err = {""};
        json_t *json = fleet_json(CASES[i].json);
        ck_assert_int_eq(observation_parse_json(json, NOW_MS, &obs, &err), -1);
        ck_assert_msg(strncmp(err.text, CASES[i].text, strlen(CASES[i].text)) == 0, "%s", err.text);
        ck_assert_int_eq(obs.visible.value, 77);
        json_decref(json);
    }
}
END_TEST

/* The journal's shape, to the letter: other programs read it. */
START_TEST(a_decision_record_has_the_journals_shape)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    reading_set(&fleet.obs.visible, 412, fleet.now_ms - 12);
    (void)fleet_step(&fleet);
    decision_encode_json(&fleet.last, &w);
    ck_assert_str_eq(
        strbuf_str(&text),
        "{\"v\":1,\"seq\":1,\"t_ms\":1795426800000,\"policy\":\"threshold\",\"obs\":{\"visible\":{\"value\":"
        "412,\"age_ms\":12},\"in_flight\":null,\"delayed\":null,\"oldest_age_ms\":null,\"ready\":null,"
        "\"starting\":null,\"stopping\":null,\"busy\":null,\"waiting\":null,\"worker_capacity\":null,"
        "\"completed_total\":null,\"failed_total\":null,\"handle_ms_sum\":null,\"received\":null,"
        "\"receives\":null,\"receives_full\":null,\"receives_empty\":null,\"wait_ms_sum\":null,"
        "\"redelivered\":null,\"poll_interval\":null,\"api_errors\":null,\"scale_out_hold\":null,\"scale_in_"
        "hold\":null,"
        "\"depth_source\":null,\"depth_max_age_ms\":null,\"queue_hint\":null,\"sent_per_min\":null,"
        "\"deleted_per_min\":null},"
        "\"proposal\":{\"desired\":25,\"reason\":\"step\","
        "\"rank\":2,\"leans_in\":false,\"terms\":{\"visible\":412,\"row\":1,\"above\":200,\"to_target\":1}"
        ",\"timers_ms\":{}},\"clamps\":[],\"timers_ms\":{\"scale_out_cooldown\":60000,"
        "\"scale_in_cooldown\":60000,\"shrink_hold\":0,\"stale_after\":14988,\"fallback_after\":0},"
        "\"busy_floor\":null,\"from\":2,\"to\":25,\"why\":\"policy\"}");
    fleet_close(&fleet);
    strbuf_clean_up(&text);
}
END_TEST

static json_t *some_record(void)
{
    struct fleet fleet = fleet_open(NULL, NULL);
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    (void)controller_adopt(fleet.ctl, 29);
    (void)fleet_see(&fleet, 21);
    decision_encode_json(&fleet.last, &w);
    json_t *json = fleet_json(strbuf_str(&text));
    fleet_close(&fleet);
    strbuf_clean_up(&text);
    return json;
}

START_TEST(a_record_without_any_of_its_keys_is_refused)
{
    static const char *const KEYS[] = {"v",      "seq",       "t_ms", "policy", "obs", "proposal",
                                       "clamps", "timers_ms", "from", "to",     "why"};
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++) {
        struct decision decision = {.seq = 77};
        struct err err = {""};
        json_t *json = some_record();
        ck_assert_int_eq(decision_parse_json(json, &decision, &err), 0);
        decision.seq = 77;
        ck_assert_int_eq(json_object_del(json, KEYS[i]), 0);
        ck_assert_msg(decision_parse_json(json, &decision, &err) == -1, "%s", KEYS[i]);
        ck_assert_str_ne(err.text, "");
        ck_assert_int_eq(decision.seq, 77);
        json_decref(json);
    }
}
END_TEST

START_TEST(a_record_of_a_newer_version_is_refused)
{
    struct decision decision;
    struct err err = {""};
    json_t *json = some_record();
    (void)json_object_set_new(json, "v", json_integer(DECISION_VERSION + 1));
    ck_assert_int_eq(decision_parse_json(json, &decision, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "version"));
    json_decref(json);
}
END_TEST

START_TEST(foreign_words_in_a_record_are_refused_by_name)
{
    static const struct {
        const char *key, *json, *text;
    } CASES[] = {
        {"why", "\"because\"", "because"},
        {"clamps", "[{\"kind\":\"gravity\",\"from\":1,\"to\":2}]", "gravity"},
        {"clamps", "[1]", "clamps"},
        {"clamps", "[{},{},{},{}]", "clamps"},
        {"policy", "\"a name that is far too long to be the name of a policy\"", "policy"},
        {"proposal", "{\"desired\":1,\"rank\":0,\"reason\":\"x\",\"terms\":{\"a\":\"b\"},\"timers_ms\":{}}",
         "terms.a"},
        {"proposal", "{\"desired\":1,\"rank\":0,\"reason\":\"x\",\"terms\":{},\"timers_ms\":{\"a\":1.5}}",
         "timers_ms.a"},
        {"timers_ms", "{}", "timers_ms"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct decision decision;
        struct err err = {""};
        json_t *json = some_record();
        (void)json_object_set_new(json, CASES[i].key, fleet_json(CASES[i].json));
        ck_assert_int_eq(decision_parse_json(json, &decision, &err), -1);
        ck_assert_msg(strstr(err.text, CASES[i].text) != NULL, "%s", err.text);
        json_decref(json);
    }
}
END_TEST

START_TEST(every_reason_has_a_name_and_a_sentence)
{
    for (int i = 0; i < DECISION_WHY_COUNT; i++) {
        ck_assert_uint_gt(strlen(decision_why_name((enum decision_why)i)), 2);
        ck_assert_uint_gt(strlen(decision_why_sentence((enum decision_why)i)), 10);
    }
}
END_TEST

/* What a newer program wrote still reads: the reason code stands in for a policy that we do not know. */
START_TEST(a_decision_of_an_unknown_policy_is_told_by_its_codes)
{
    struct strbuf text = STRBUF_INIT;
    struct decision decision = {.policy = "oracle", .from = 3, .to = 5, .why = DECISION_WHY_POLICY};
    proposal_set_reason(&decision.proposal, "vision");
    decision_text(&decision, &text);
    ck_assert_str_eq(strbuf_str(&text), "vision (was 3)");
    strbuf_clean_up(&text);
}
END_TEST

START_TEST(a_full_proposal_takes_no_more)
{
    struct proposal proposal = {.desired = 1};
    for (int i = 0; i < 100; i++) {
        proposal_add_term(&proposal, "term", i);
        proposal_add_timer(&proposal, "timer", i);
    }
    ck_assert_int_eq(proposal.term_count, POLICY_TERMS_MAX);
    ck_assert_int_eq(proposal.timer_count, POLICY_TIMERS_MAX);
    ck_assert(proposal_get_term(&proposal, "none", -5) == -5);
    ck_assert(proposal_get_term(&proposal, "term", -5) == 0);
}
END_TEST

UNIT_MAIN("policies_observation", freshness_at_its_boundaries, ages_saturate,
          every_field_goes_out_and_comes_back, missing_fields_are_unknown_and_foreign_ones_ignored,
          malformed_observations_are_refused_by_name, a_decision_record_has_the_journals_shape,
          a_record_without_any_of_its_keys_is_refused, a_record_of_a_newer_version_is_refused,
          foreign_words_in_a_record_are_refused_by_name, every_reason_has_a_name_and_a_sentence,
          a_decision_of_an_unknown_policy_is_told_by_its_codes, a_full_proposal_takes_no_more)
