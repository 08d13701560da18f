/* Alive, ready, and the supervisor's metrics. */
#include "supervisor/health.h"

#include "../unit.h"

#include "aws/operation_stats.h"
#include "supervisor/supervisor_metrics.h"

static struct fleet_facts fleet(const char *name, int64_t age_ms)
{
    return (struct fleet_facts){.name = name, .data_age_ms = age_ms, .stale_after_ms = 15000};
}

static int ready(struct fleet_facts *fleets, size_t count, double share, enum supervisor_role role,
                 bool draining, struct strbuf *out)
{
    struct supervisor_facts facts = {
        .role = role, .draining = draining, .fleets = fleets, .fleet_count = count};
    strbuf_clear(out);
    return health_write_ready(&facts, share, out);
}

START_TEST(data_is_fresh_as_long_as_it_may_be_old)
{
    static const struct {
        int64_t age_ms;
        bool fresh;
    } CASES[] = {{0, true}, {15000, true}, {15001, false}, {FACT_UNKNOWN, false}, {-1, false}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct fleet_facts one = fleet("orders", CASES[i].age_ms);
        ck_assert_msg(health_fleet_is_fresh(&one) == CASES[i].fresh, "%lld", (long long)CASES[i].age_ms);
    }
}
END_TEST

START_TEST(ready_is_a_leader_with_fresh_data_of_all)
{
    struct strbuf out = STRBUF_INIT;
    struct fleet_facts two[] = {fleet("a", 10), fleet("b", 15000)};
    ck_assert_int_eq(ready(two, 2, 1, SUPERVISOR_LEADER, false, &out), 200);
    ck_assert_str_eq(out.data,
                     "{\"status\":\"ready\",\"role\":\"leader\",\"fleets\":2,\"fleets_fresh\":2}\n");
    two[1].data_age_ms = 40000;
    ck_assert_int_eq(ready(two, 2, 1, SUPERVISOR_LEADER, false, &out), 503);
    ck_assert_str_eq(out.data,
                     "{\"status\":\"not ready\",\"role\":\"leader\",\"fleets\":2,\"fleets_fresh\":1,"
                     "\"reasons\":[\"fleet b: its queue was read 40.0 s ago, 15.0 s are allowed\"]}\n");
    two[1].data_age_ms = FACT_UNKNOWN;
    ck_assert_int_eq(ready(two, 2, 1, SUPERVISOR_LEADER, false, &out), 503);
    ck_assert_ptr_nonnull(strstr(out.data, "fleet b: its queue has not been read yet"));
    strbuf_clean_up(&out);
}
END_TEST

START_TEST(a_follower_and_one_that_leaves_are_not_ready_whatever_their_data)
{
    struct strbuf out = STRBUF_INIT;
    struct fleet_facts one[] = {fleet("a", 10)};
    ck_assert_int_eq(ready(one, 1, 1, SUPERVISOR_FOLLOWER, false, &out), 503);
    ck_assert_ptr_nonnull(strstr(out.data, "\"role\":\"follower\""));
    ck_assert_ptr_nonnull(strstr(out.data, "\"reasons\":[\"another supervisor leads\"]"));
    ck_assert_int_eq(ready(one, 1, 1, SUPERVISOR_LEADER, true, &out), 503);
    ck_assert_ptr_nonnull(strstr(out.data, "\"reasons\":[\"it drains its workers and leaves\"]"));
    strbuf_clean_up(&out);
}
END_TEST

START_TEST(the_share_of_fresh_fleets_is_rounded_up)
{
    static const struct {
        size_t fresh;
        double share;
        int code;
    } CASES[] = {{7, 0.7, 200},  {6, 0.7, 503}, {7, 0.71, 503}, {8, 0.71, 200}, {0, 0, 200},
                 {0, 0.01, 503}, {1, 0.1, 200}, {3, 0.3, 200},  {9, 1, 503},    {10, 1, 200}};
    struct strbuf out = STRBUF_INIT;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct fleet_facts ten[10];
        for (size_t f = 0; f < 10; f++)
            ten[f] = fleet("f", f < CASES[i].fresh ? 0 : FACT_UNKNOWN);
        ck_assert_msg(ready(ten, 10, CASES[i].share, SUPERVISOR_LEADER, false, &out) == CASES[i].code,
                      "%zu fresh, share %g: %s", CASES[i].fresh, CASES[i].share, out.data);
    }
    strbuf_clean_up(&out);
}
END_TEST

START_TEST(of_very_many_reasons_the_first_are_told)
{
    enum { MANY = 1000 };
    static struct fleet_facts many[MANY];
    struct strbuf out = STRBUF_INIT;
    size_t told = 0;
    for (size_t i = 0; i < MANY; i++)
        many[i] = fleet("f", FACT_UNKNOWN);
    ck_assert_int_eq(ready(many, MANY, 1, SUPERVISOR_LEADER, false, &out), 503);
    for (const char *at = out.data; (at = strstr(at, "fleet f:")) != NULL; at++)
        told++;
    ck_assert_uint_eq(told, 100);
    strbuf_clean_up(&out);
}
END_TEST

START_TEST(a_loop_that_stands_is_not_alive)
{
    struct strbuf out = STRBUF_INIT;
    struct supervisor_facts facts = {.heartbeat_age_ms = HEALTH_HEARTBEAT_MAX_MS};
    ck_assert_int_eq(health_write_alive(&facts, &out), 200);
    ck_assert_str_eq(out.data, "{\"status\":\"ok\",\"heartbeat_age_ms\":10000}\n");
    strbuf_clear(&out);
    facts.heartbeat_age_ms++;
    ck_assert_int_eq(health_write_alive(&facts, &out), 503);
    ck_assert_ptr_nonnull(strstr(out.data, "\"status\":\"stuck\""));
    ck_assert_ptr_nonnull(strstr(out.data, "has not turned for 10.0 s, 10 s are allowed"));
    strbuf_clean_up(&out);
}
END_TEST

START_TEST(what_nobody_knows_is_left_out_of_the_metrics)
{
    struct strbuf out = STRBUF_INIT;
    struct aws_operation_stats *operations = NULL;
    struct fleet_facts two[] = {fleet("a", 1500), fleet("b\"", FACT_UNKNOWN)};
    struct supervisor_facts facts = {.fleets = two, .fleet_count = 2};
    two[0].visible = 0;
    two[1].visible = FACT_UNKNOWN;
    two[0].whys[DECISION_WHY_SATISFIED] = 3;
    aws_operation_stats_record(aws_operation_stats_get(&operations, "sqs", "AmazonSQS.GetQueueUrl", NULL),
                               AWS_OUTCOME_throttled, 20);
    facts.operations = operations;
    supervisor_metrics_render(&facts, &out);
    ck_assert_ptr_nonnull(strstr(out.data, "\nsluice_fleet_visible{fleet=\"a\"} 0\n# HELP"));
    ck_assert_ptr_nonnull(strstr(out.data, "\nsluice_fleet_sensor_age_seconds{fleet=\"a\"} 1.500\n# HELP"));
    ck_assert_ptr_nonnull(strstr(out.data, "\nsluice_fleet_desired{fleet=\"b\\\"\"} 0\n"));
    ck_assert_ptr_nonnull(
        strstr(out.data, "\nsluice_fleet_decisions_total{fleet=\"a\",reason=\"policy\"} 0\n"
                         "sluice_fleet_decisions_total{fleet=\"a\",reason=\"satisfied\"} 3\n"
                         "sluice_fleet_decisions_total{fleet=\"b\\\"\",reason=\"policy\"} 0\n# HELP"));
    ck_assert_ptr_nonnull(strstr(out.data,
                                 "\nsluice_aws_requests_total{service=\"sqs\",operation=\"GetQueueUrl\","
                                 "outcome=\"throttled\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "\nsluice_leader 1\n"));
    aws_operation_stats_free(operations);
    strbuf_clean_up(&out);
}
END_TEST

UNIT_MAIN("health", data_is_fresh_as_long_as_it_may_be_old, ready_is_a_leader_with_fresh_data_of_all,
          a_follower_and_one_that_leaves_are_not_ready_whatever_their_data,
          the_share_of_fresh_fleets_is_rounded_up, of_very_many_reasons_the_first_are_told,
          a_loop_that_stands_is_not_alive, what_nobody_knows_is_left_out_of_the_metrics)
