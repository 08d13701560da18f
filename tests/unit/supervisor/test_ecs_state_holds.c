/* What stops the writes to an ECS service's desired count, with invented time: services that are refused or
 * missing, tasks that do not start; and how facts are taken from a service. */
#include "aws/ecs.h"
#include "tests/unit/supervisor/ecs_state_fixture.h"

#include <stdio.h>
#include <string.h>

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

UNIT_MAIN("ecs_state_holds", a_service_that_has_no_desired_count_of_its_own_is_refused,
          application_auto_scaling_is_refused_unless_allowed,
          a_failed_check_does_not_lift_the_refusal_of_application_auto_scaling,
          nothing_is_written_before_the_check_for_auto_scaling_was_answered_or_failed_for_long,
          a_missing_service_is_trouble_only_when_it_lasts, an_answer_that_was_overtaken_changes_nothing,
          three_failed_starts_stop_further_growth_and_a_start_resumes_it,
          failures_from_before_the_shortfall_do_not_count, pending_that_stays_stops_further_growth,
          time_in_which_nobody_looked_is_not_held_against_tasks, facts_are_taken_from_a_service)
