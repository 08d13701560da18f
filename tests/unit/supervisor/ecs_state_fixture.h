/*
 * One ECS service, its facts and the time, all invented, and the words in which test_ecs_state*.c tell their
 * stories of it. Static: every unit test is one source file and uses what it needs.
 */
#ifndef SLUICE_TESTS_UNIT_SUPERVISOR_ECS_STATE_FIXTURE_H
#define SLUICE_TESTS_UNIT_SUPERVISOR_ECS_STATE_FIXTURE_H

#include "supervisor/ecs_state.h"
#include "tests/unit/unit.h"

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

static inline void look(void)
{
    ecs_state_described(&g_state, &g_facts, g_now_ms, g_now_ms, &g_seen);
}

/* The service tells these counts now. */
static inline void tell(int64_t desired, int64_t running)
{
    g_facts.desired = desired;
    g_facts.running = running;
    g_facts.pending = desired > running ? desired - running : 0;
    look();
}

static inline void later(int64_t ms)
{
    g_now_ms += ms;
}

/* A service with `desired` tasks running, known from before. */
static inline void begin_with(const struct ecs_rules *rules, int64_t desired)
{
    g_now_ms = INT64_C(1800000000000);
    g_facts =
        (struct ecs_facts){.failed_tasks = 0, .controller = "ECS", .status = "ACTIVE", .deployment = "d-1"};
    ecs_state_init(&g_state, rules, desired);
    (void)ecs_state_autoscaling(&g_state, ECS_AUTOSCALING_NONE, g_now_ms);
    tell(desired, desired);
    ck_assert(!g_seen.drift && !g_seen.rebase);
}

static inline void begin(int64_t desired)
{
    begin_with(&RULES, desired);
}

static inline struct ecs_action next(void)
{
    return ecs_state_next(&g_state, g_now_ms);
}

static inline void assert_idle(void)
{
    struct ecs_action action = next();
    ck_assert(!action.write && !action.look);
}

static inline void assert_looks(void)
{
    struct ecs_action action = next();
    ck_assert(action.look && !action.write);
}

static inline void assert_writes(int64_t desired)
{
    struct ecs_action action = next();
    ck_assert(action.write && !action.look);
    ck_assert_int_eq(action.desired, desired);
}

static inline void write_done(int64_t desired)
{
    assert_writes(desired);
    (void)ecs_state_write_began(&g_state, desired, g_now_ms);
    assert_idle();
    ecs_state_written(&g_state, desired, g_now_ms);
    assert_idle();
}

static inline enum fleet_hold in_hold(void)
{
    return ecs_state_in_hold(&g_state, g_now_ms);
}

static inline enum fleet_hold out_hold(void)
{
    return ecs_state_out_hold(&g_state, g_now_ms);
}

static inline void assert_counts(int64_t ready, int64_t starting, int64_t failing)
{
    struct ecs_counts counts;
    ck_assert(ecs_state_counts(&g_state, &counts));
    ck_assert_int_eq(counts.ready, ready);
    ck_assert_int_eq(counts.starting, starting);
    ck_assert_int_eq(counts.failing, failing);
}

#endif
