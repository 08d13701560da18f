/* The budget of API calls: what is spent, who gives way first, and that nobody starves; and the count of
 * calls. */
#include "tests/unit/unit.h"

#include "policies/call_meter.h"
#include "policies/poll_budget.h"

#include <math.h>
#include <stdint.h>

enum { FLEETS = 100, MINUTE_MS = 60000, START_MS = 1000000 };

struct poller {
    struct poll_share share;
    bool urgent;
    int64_t wanted_ms, next_ms, polls;
    bool waiting;
};

struct world {
    struct poll_budget budget;
    struct poller pollers[FLEETS];
    int64_t now_ms, polls;
};

static struct world world_make(double per_min, int urgent, int64_t wanted_ms)
{
    struct world world = {.now_ms = START_MS};
    poll_budget_init(&world.budget, per_min, START_MS);
    for (int i = 0; i < FLEETS; i++)
        world.pollers[i] =
            (struct poller){.urgent = i < urgent, .wanted_ms = wanted_ms, .next_ms = START_MS + i * 10};
    return world;
}

static void poll(struct world *world, struct poller *p)
{
    int64_t wait_ms = 0;
    if (p->waiting)
        poll_budget_resume(&world->budget);
    p->waiting = !poll_budget_take(&world->budget, p->urgent, false, world->now_ms, &wait_ms);
    if (p->waiting) {
        ck_assert_int_ge(wait_ms, 1);
        p->next_ms = world->now_ms + wait_ms;
        return;
    }
    p->polls++;
    world->polls++;
    poll_budget_want(&world->budget, &p->share, p->urgent, MINUTE_MS / (double)p->wanted_ms);
    double stretch = poll_budget_stretch(&world->budget, p->urgent, world->now_ms);
    ck_assert_double_ge(stretch, 1);
    p->next_ms = world->now_ms + llround((double)p->wanted_ms * stretch);
}

/* Runs for so long; counts begin anew. */
static void run(struct world *world, int64_t ms)
{
    world->polls = 0;
    for (int i = 0; i < FLEETS; i++)
        world->pollers[i].polls = 0;
    int64_t until_ms = world->now_ms + ms;
    while (world->now_ms < until_ms) {
        int64_t next_ms = until_ms;
        for (int i = 0; i < FLEETS; i++) {
            if (world->pollers[i].next_ms <= world->now_ms)
                poll(world, &world->pollers[i]);
            if (world->pollers[i].next_ms < next_ms)
                next_ms = world->pollers[i].next_ms;
        }
        ck_assert_int_gt(next_ms, world->now_ms);
        /* Looks are 10 ms apart, those that would find nothing to do left out. */
        world->now_ms += (next_ms - world->now_ms + 9) / 10 * 10;
    }
}

START_TEST(without_a_budget_everything_passes)
{
    struct world world = world_make(0, 10, 1000);
    run(&world, 10 * MINUTE_MS);
    ck_assert_int_ge(world.polls, FLEETS * 599);
    ck_assert_double_eq(poll_budget_stretch(&world.budget, false, world.now_ms), 1);
}
END_TEST

START_TEST(a_budget_that_is_large_enough_stretches_nothing)
{
    struct world world = world_make(FLEETS * 60 * 1.01, 10, 1000);
    run(&world, 20 * MINUTE_MS);
    ck_assert_int_ge(world.polls, FLEETS * 1199);
    ck_assert_uint_eq(world.budget.deferred, 0);
}
END_TEST

START_TEST(over_a_long_time_no_more_is_spent_than_the_budget)
{
    struct world world = world_make(600, 0, 1000); /* a tenth of what is wanted */
    run(&world, 60 * MINUTE_MS);
    ck_assert_int_le(world.polls, 600 * 60 + 6000); /* and what was saved up */
    run(&world, 60 * MINUTE_MS);
    ck_assert_int_le(world.polls, 600 * 60 + 300);
    ck_assert_int_ge(world.polls, 600 * 60 * 95 / 100); /* nor is it wasted */
    for (int i = 0; i < FLEETS; i++)                    /* all stretched alike */
        ck_assert_int_ge(world.pollers[i].polls, world.polls / FLEETS * 9 / 10);
    ck_assert_uint_eq(world.budget.overdrawn, 0);
}
END_TEST

START_TEST(the_urgent_ones_keep_their_interval_and_the_quiet_ones_give_way)
{
    struct world world = world_make(1200, 10, 1000); /* 600 a minute for the urgent ones */
    run(&world, 60 * MINUTE_MS);
    run(&world, 30 * MINUTE_MS);
    for (int i = 0; i < 10; i++)
        ck_assert_int_ge(world.pollers[i].polls, 30 * 60 - 30);
    for (int i = 10; i < FLEETS; i++) /* 600 a minute for 90 */
        ck_assert_int_le(world.pollers[i].polls, 30 * 8);
}
END_TEST

START_TEST(the_emptier_the_bucket_the_longer_the_intervals_the_quiet_ones_first)
{
    static const struct {
        double level;
        bool quiet, urgent;
    } CASES[] = {{1, false, false}, {0.61, false, false}, {0.5, true, false}, {0.36, true, false},
                 {0.3, true, true}, {0.1, true, true},    {0, true, true}};
    double before[2] = {1, 1};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct poll_budget budget;
        struct poll_share quiet = {.urgent = false};
        struct poll_share urgent = {.urgent = false};
        poll_budget_init(&budget, 600, START_MS);
        poll_budget_want(&budget, &quiet, false, 3000);
        poll_budget_want(&budget, &urgent, true, 1000);
        poll_budget_spend(&budget, budget.burst * (1 - CASES[i].level), START_MS);
        double now[2] = {poll_budget_stretch(&budget, false, START_MS),
                         poll_budget_stretch(&budget, true, START_MS)};
        ck_assert_int_eq(now[0] > 1, CASES[i].quiet);
        ck_assert_int_eq(now[1] > 1, CASES[i].urgent);
        ck_assert_double_ge(now[0], before[0]);
        ck_assert_double_ge(now[1], before[1]);
        before[0] = now[0];
        before[1] = now[1];
    }
    ck_assert_double_eq_tol(before[1], 1000 / 540.0, 1e-9); /* a tenth is the quiet ones' */
    ck_assert_double_eq_tol(before[0], 3000 / 60.0, 1e-9);
}
END_TEST

START_TEST(when_all_are_urgent_but_a_few_these_do_not_starve)
{
    struct world world = world_make(600, 90, 1000);
    run(&world, 60 * MINUTE_MS);
    run(&world, 30 * MINUTE_MS);
    int64_t quiet = 0;
    for (int i = 90; i < FLEETS; i++) {
        quiet += world.pollers[i].polls;
        ck_assert_int_ge(world.pollers[i].polls, 30); /* one a minute and more */
    }
    ck_assert_int_le(world.polls, 600 * 30 + 300);
    ck_assert_int_le(quiet, world.polls / 5);
}
END_TEST

START_TEST(what_was_saved_lets_a_sudden_load_be_seen_quickly)
{
    struct world world = world_make(600, 0, 30000); /* 200 a minute are used */
    run(&world, 30 * MINUTE_MS);
    for (int i = 0; i < 50; i++) {
        world.pollers[i].urgent = true;
        world.pollers[i].wanted_ms = 1000;
    }
    run(&world, MINUTE_MS + 30000);
    for (int i = 0; i < 50; i++) /* 3,000 a minute for a minute, where 600 is the budget */
        ck_assert_int_ge(world.pollers[i].polls, 58);
}
END_TEST

START_TEST(what_must_go_goes_on_credit_and_is_counted)
{
    struct poll_budget budget;
    int64_t wait_ms = 0;
    poll_budget_init(&budget, 6, START_MS);
    for (int i = 0; i < 60; i++)
        ck_assert(poll_budget_take(&budget, true, false, START_MS, &wait_ms));
    ck_assert(!poll_budget_take(&budget, true, false, START_MS, &wait_ms));
    ck_assert_int_eq(wait_ms, 10000);
    ck_assert(!poll_budget_take(&budget, true, false, START_MS, &wait_ms));
    ck_assert_int_eq(wait_ms, 20000); /* behind the first one */
    poll_budget_resume(&budget);
    poll_budget_resume(&budget);
    ck_assert(poll_budget_take(&budget, true, true, START_MS, &wait_ms));
    ck_assert_uint_eq(budget.overdrawn, 1);
    ck_assert(!poll_budget_take(&budget, true, false, START_MS + 10000, &wait_ms)); /* paid back first */
    poll_budget_resume(&budget);
    ck_assert(poll_budget_take(&budget, true, false, START_MS + 20000, &wait_ms));
    poll_budget_spend(&budget, 1e9, START_MS + 20000); /* credit has an end */
    ck_assert(poll_budget_take(&budget, true, false, START_MS + 20000 + 11 * 600000, &wait_ms));
    ck_assert_double_eq(poll_budget_level(&budget, START_MS), budget.tokens / budget.burst);
}
END_TEST

START_TEST(calls_a_minute_are_those_of_the_last_minutes)
{
    struct call_meter meter = {.since_ms = 0};
    int64_t now_ms = 1700000000000;
    ck_assert_double_eq(call_meter_per_min(&meter, now_ms), 0);
    call_meter_note(&meter, 1, now_ms);
    ck_assert_double_eq(call_meter_per_min(&meter, now_ms), 6); /* over ten seconds at the least */
    for (int i = 1; i < 600; i++)
        call_meter_note(&meter, 1, now_ms + i * 1000);
    now_ms += 600000;
    ck_assert_double_eq_tol(call_meter_per_min(&meter, now_ms), 60, 1);
    for (int i = 0; i < 60; i++)
        call_meter_note(&meter, 2, now_ms + i * 10000); /* 12 a minute for ten minutes */
    ck_assert_double_eq_tol(call_meter_per_min(&meter, now_ms + 600000), 12, 0.5);
    ck_assert_double_eq(call_meter_per_min(&meter, now_ms + 3600000), 0);
    ck_assert_double_eq(call_meter_per_min(&meter, now_ms - 3600000), 0); /* the clock went back */
    call_meter_note(&meter, 1, now_ms - 3600000);
    ck_assert_double_eq(call_meter_per_min(&meter, now_ms - 3600000), 6);
    ck_assert_uint_eq(meter.total, 721);
}
END_TEST

UNIT_MAIN("poll_budget", without_a_budget_everything_passes, a_budget_that_is_large_enough_stretches_nothing,
          over_a_long_time_no_more_is_spent_than_the_budget,
          the_urgent_ones_keep_their_interval_and_the_quiet_ones_give_way,
          the_emptier_the_bucket_the_longer_the_intervals_the_quiet_ones_first,
          when_all_are_urgent_but_a_few_these_do_not_starve,
          what_was_saved_lets_a_sudden_load_be_seen_quickly, what_must_go_goes_on_credit_and_is_counted,
          calls_a_minute_are_those_of_the_last_minutes)
