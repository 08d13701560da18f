/* The last decisions in memory: runs of those alike, the oldest going first, bounded, and told as JSON. */
#include "tests/unit/unit.h"

#include "supervisor/decision_ring.h"

#include <jansson.h>
#include <stdio.h>

/* A hold for `why` at a number of workers, or a change. */
static struct decision decide(int64_t seq, int64_t from, int64_t to, enum decision_why why)
{
    struct decision decision = {
        .seq = seq, .t_ms = 1000 * seq, .policy = "threshold", .from = from, .to = to, .why = why};
    decision.busy_floor = -1;
    observation_init(&decision.obs);
    reading_set(&decision.obs.visible, 100 + seq, 1000 * seq);
    proposal_set_reason(&decision.proposal, "between");
    return decision;
}

static void add(struct decision_ring *ring, int64_t seq, int64_t from, int64_t to, enum decision_why why)
{
    struct decision decision = decide(seq, from, to, why);
    decision_ring_add(ring, &decision);
}

START_TEST(decisions_alike_are_one_run_and_the_newest_is_kept)
{
    struct decision_ring ring;
    struct decision got;
    decision_ring_init(&ring, 4);
    ck_assert_ptr_null(decision_ring_get(&ring, 0, &got));
    for (int64_t seq = 1; seq <= 300; seq++)
        add(&ring, seq, 4, 4, DECISION_WHY_SATISFIED);
    const struct decision_run *run = decision_ring_get(&ring, 0, &got);
    ck_assert_uint_eq(ring.count, 1);
    ck_assert_uint_eq(run->steps, 300);
    ck_assert_int_eq(run->since_ms, 1000);
    ck_assert_int_eq(got.seq, 300);
    ck_assert_int_eq(got.obs.visible.value, 400);
    add(&ring, 301, 4, 6, DECISION_WHY_POLICY);
    add(&ring, 302, 6, 6, DECISION_WHY_SATISFIED); /* the same why, another number */
    add(&ring, 303, 6, 6, DECISION_WHY_AT_MAX);
    ck_assert_uint_eq(ring.count, 4);
    ck_assert_int_eq(decision_ring_get(&ring, 3, &got)->since_ms, 1000);
    decision_ring_clean_up(&ring);
}
END_TEST

START_TEST(changes_never_join_and_the_oldest_goes)
{
    struct decision_ring ring;
    struct decision got;
    decision_ring_init(&ring, 3);
    for (int64_t seq = 1; seq <= 10; seq++)
        add(&ring, seq, 4, 6, DECISION_WHY_POLICY);
    ck_assert_uint_eq(ring.count, 3);
    for (size_t back = 0; back < 3; back++) {
        ck_assert_uint_eq(decision_ring_get(&ring, back, &got)->steps, 1);
        ck_assert_int_eq(got.seq, 10 - (int64_t)back);
    }
    ck_assert_ptr_null(decision_ring_get(&ring, 3, &got));
    decision_ring_clean_up(&ring);
}
END_TEST

START_TEST(an_order_begins_a_run_of_its_own)
{
    struct decision_ring ring;
    struct decision held = decide(1, 4, 4, DECISION_WHY_ROLLOUT);
    decision_ring_init(&ring, 4);
    decision_ring_add(&ring, &held);
    held.seq = 2;
    held.override = (struct decision_override){.kind = OVERRIDE_SCALE, .desired = 2, .left_ms = 60000};
    decision_ring_add(&ring, &held);
    ck_assert_uint_eq(ring.count, 2);
    decision_ring_clean_up(&ring);
}
END_TEST

START_TEST(the_newest_are_told_first_and_as_many_as_are_asked_for)
{
    struct decision_ring ring;
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    decision_ring_init(&ring, 8);
    for (int64_t seq = 1; seq <= 5; seq++)
        add(&ring, seq, 4, 4 + seq, DECISION_WHY_POLICY);
    decision_ring_write(&ring, 2, 7000, &w);
    json_t *list = json_loads(strbuf_str(&text), 0, NULL);
    ck_assert_uint_eq(json_array_size(list), 2);
    const json_t *first = json_array_get(list, 0);
    ck_assert_int_eq(json_integer_value(json_object_get(first, "age_ms")), 2000);
    ck_assert_int_eq(json_integer_value(json_object_get(first, "steps")), 1);
    struct decision read;
    struct err err = {""};
    ck_assert_int_eq(decision_parse_json(json_object_get(first, "record"), &read, &err), 0);
    ck_assert_int_eq(read.seq, 5);
    ck_assert_str_ne(json_string_value(json_object_get(first, "text")), "");
    json_decref(list);
    strbuf_clean_up(&text);
    decision_ring_clean_up(&ring);
}
END_TEST

START_TEST(a_thousand_fleets_fit)
{
    struct decision_ring ring;
    size_t bytes = 0;
    decision_ring_init(&ring, 48); /* FLEET_CONTROL_RUNS + FLEET_CONTROL_CHANGES */
    for (int64_t seq = 1; seq <= 48; seq++) {
        struct decision decision = decide(1795426800 + seq, 4, 6, DECISION_WHY_POLICY);
        for (size_t i = 0; i < OBSERVATION_TABLE_COUNT; i++) /* all of it known */
            reading_set((struct reading *)(void *)((char *)&decision.obs + OBSERVATION_TABLE[i].offset),
                        123456, decision.t_ms - 2000);
        for (int i = 0; i < 6; i++)
            proposal_add_term(&decision.proposal, "scale_in_after_ms", 300000 + i);
        decision_ring_add(&ring, &decision);
    }
    for (size_t i = 0; i < ring.count; i++)
        bytes += ring.runs[i].len + sizeof ring.runs[i];
    printf("%zu bytes a fleet\n", bytes);
    ck_assert_uint_le(bytes, 24000); /* 24 MB of the 64 that a supervisor of 1,000 fleets may have, at most */
    decision_ring_clean_up(&ring);
}
END_TEST

UNIT_MAIN("decision_ring", decisions_alike_are_one_run_and_the_newest_is_kept,
          changes_never_join_and_the_oldest_goes, an_order_begins_a_run_of_its_own,
          the_newest_are_told_first_and_as_many_as_are_asked_for, a_thousand_fleets_fit)
