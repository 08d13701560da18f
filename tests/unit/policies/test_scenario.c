/*
 * A steady load of 40 messages/s for 4 hours on workers of 5 slots and 3 s a message, in a simulated queue.
 * The rule to the letter sees an empty queue, takes busy workers away, and orders them again minutes later,
 * all day; the busy floor does not. This is the reason for the floor, so it is counted here.
 */
#include "tests/unit/policies/fleet.h"

#include <stdio.h>

enum {
    TICK_MS = 100,
    HOURS_MS = 4 * 3600 * 1000,
    SERVICE_TICKS = 30,
    SLOTS = 5,
    PREFETCH = 10,
    START_TICKS = 1,
    WORKERS_MAX = 200,
};

enum sim_state { SIM_NONE, SIM_STARTING, SIM_READY, SIM_STOPPING };

struct sim_worker {
    enum sim_state state;
    int64_t ready_at;          /* tick */
    int64_t slot_until[SLOTS]; /* tick at which the message is done; 0: free */
    int64_t waiting;           /* received, not started */
};

struct sim {
    struct sim_worker workers[WORKERS_MAX]; /* a slot of the table is used again once its worker has gone */
    int64_t visible, arrived, completed, starts;
};

static int64_t sim_busy(const struct sim_worker *worker)
{
    int64_t busy = 0;
    for (int i = 0; i < SLOTS; i++)
        busy += worker->slot_until[i] > 0;
    return busy;
}

static int64_t sim_count(const struct sim *sim, enum sim_state state)
{
    int64_t count = 0;
    for (int i = 0; i < WORKERS_MAX; i++)
        count += sim->workers[i].state == state;
    return count;
}

static void sim_run_worker(struct sim *sim, struct sim_worker *worker, int64_t tick)
{
    if (worker->state == SIM_STARTING && tick >= worker->ready_at)
        worker->state = SIM_READY;
    for (int i = 0; i < SLOTS; i++) {
        if (worker->slot_until[i] > 0 && tick >= worker->slot_until[i]) {
            worker->slot_until[i] = 0;
            sim->completed++;
        }
        if (worker->state == SIM_READY && worker->slot_until[i] == 0 && worker->waiting > 0) {
            worker->slot_until[i] = tick + SERVICE_TICKS;
            worker->waiting--;
        }
    }
    while (worker->state == SIM_READY && sim->visible > 0 &&
           sim_busy(worker) + worker->waiting < SLOTS + PREFETCH) {
        sim->visible--;
        worker->waiting++;
    }
    if (worker->state == SIM_STOPPING && sim_busy(worker) == 0)
        worker->state = SIM_NONE;
}

static void sim_start_one(struct sim *sim, int64_t tick)
{
    for (int i = 0; i < WORKERS_MAX; i++) {
        if (sim->workers[i].state == SIM_NONE) {
            sim->workers[i] = (struct sim_worker){.state = SIM_STARTING, .ready_at = tick + START_TICKS};
            sim->starts++;
            return;
        }
    }
    ck_abort_msg("the table of workers is full");
}

static void sim_stop_least_busy(struct sim *sim)
{
    struct sim_worker *victim = NULL;
    for (int i = 0; i < WORKERS_MAX; i++) {
        struct sim_worker *worker = &sim->workers[i];
        if ((worker->state == SIM_READY || worker->state == SIM_STARTING) &&
            (victim == NULL || sim_busy(worker) < sim_busy(victim)))
            victim = worker;
    }
    ck_assert_ptr_nonnull(victim);
    victim->state = SIM_STOPPING;
    sim->visible += victim->waiting; /* handed back */
    victim->waiting = 0;
}

static void sim_observe(const struct sim *sim, struct fleet *fleet)
{
    int64_t busy = 0;
    int64_t in_flight = 0;
    for (int i = 0; i < WORKERS_MAX; i++) {
        in_flight += sim_busy(&sim->workers[i]) + sim->workers[i].waiting;
        busy += sim->workers[i].state == SIM_READY ? sim_busy(&sim->workers[i]) : 0;
    }
    reading_set(&fleet->obs.visible, sim->visible, fleet->now_ms);
    reading_set(&fleet->obs.in_flight, in_flight, fleet->now_ms);
    reading_set(&fleet->obs.busy, busy, fleet->now_ms);
    reading_set(&fleet->obs.worker_capacity, SLOTS, fleet->now_ms);
    reading_set(&fleet->obs.ready, sim_count(sim, SIM_READY), fleet->now_ms);
    reading_set(&fleet->obs.starting, sim_count(sim, SIM_STARTING), fleet->now_ms);
}

static void sim_obey(struct sim *sim, int64_t desired, int64_t tick)
{
    int64_t have = sim_count(sim, SIM_READY) + sim_count(sim, SIM_STARTING);
    for (; have < desired; have++)
        sim_start_one(sim, tick);
    for (; have > desired; have--)
        sim_stop_least_busy(sim);
}

/* One tick of the world; at every poll the controller looks and is obeyed. */
static void sim_tick(struct sim *sim, struct fleet *fleet, int64_t tick, int64_t arrivals)
{
    sim->visible += arrivals;
    sim->arrived += arrivals;
    for (int i = 0; i < WORKERS_MAX; i++)
        if (sim->workers[i].state != SIM_NONE)
            sim_run_worker(sim, &sim->workers[i], tick);
    if (tick % (FLEET_POLL_MS / TICK_MS) != 0)
        return;
    fleet->now_ms += FLEET_POLL_MS;
    sim_observe(sim, fleet);
    sim_obey(sim, fleet_step(fleet), tick);
}

static struct sim *sim_new(void)
{
    struct sim *sim = calloc(1, sizeof *sim);
    ck_assert_ptr_nonnull(sim);
    return sim;
}

/* Processes started in four hours, the first ones included. */
static int64_t starts_in_four_hours(const char *policy)
{
    struct sim *sim = sim_new();
    struct fleet fleet = fleet_open(NULL, policy);
    for (int64_t tick = 1; tick <= HOURS_MS / TICK_MS; tick++)
        sim_tick(sim, &fleet, tick, 4);
    int64_t starts = sim->starts;
    /* Whatever the rule, the fleet keeps up: all but what waits and runs is done. */
    ck_assert_int_gt(sim->completed, sim->arrived - 2000);
    free(sim);
    fleet_close(&fleet);
    return starts;
}

START_TEST(the_busy_floor_ends_the_churn_of_a_steady_load)
{
    int64_t literal = starts_in_four_hours("{\"scale_in_busy_share\":0}");
    int64_t with_floor = starts_in_four_hours(NULL);
    printf("steady 40/s for 4 h: %ld starts by the letter, %ld with the busy floor\n", (long)literal,
           (long)with_floor);
    ck_assert_int_ge(literal, 200);
    ck_assert_int_le(literal, 1000);
    ck_assert_int_ge(with_floor, 23);
    ck_assert_int_le(with_floor, 40);
}
END_TEST

START_TEST(a_flash_sale_reaches_max_drains_and_comes_back_to_min)
{
    enum { SALE_TICKS = 600, ORDERS = 3600, END_TICKS = 9000 };
    struct sim *sim = sim_new();
    struct fleet fleet = fleet_open(NULL, NULL);
    int64_t peak_visible = 0;
    int64_t peak_desired = 0;
    int64_t drained_tick = 0;
    int64_t scaled_in_tick = 0;
    for (int64_t tick = 1; tick <= END_TICKS; tick++) {
        sim_tick(sim, &fleet, tick, tick <= SALE_TICKS ? ORDERS / SALE_TICKS : 0);
        int64_t desired = controller_desired(fleet.ctl);
        peak_visible = sim->visible > peak_visible ? sim->visible : peak_visible;
        peak_desired = desired > peak_desired ? desired : peak_desired;
        if (drained_tick == 0 && sim->completed == ORDERS)
            drained_tick = tick;
        if (desired > 2)
            scaled_in_tick = tick;
    }
    printf("flash sale: peak visible %ld, drained after %ld s, back at min after %ld s, %ld starts\n",
           (long)peak_visible, (long)drained_tick / 10, (long)scaled_in_tick / 10, (long)sim->starts);
    ck_assert_int_eq(sim->completed, ORDERS);
    ck_assert_int_eq(peak_desired, 30);
    ck_assert_int_eq(controller_desired(fleet.ctl), 2);
    ck_assert_int_eq(sim->starts, 30);
    /* 3,600 orders at 50/s are 72 s at least; from full drain 300 s and five cooldowns, give or take polls.
     */
    ck_assert_int_ge(drained_tick, 720);
    ck_assert_int_le(drained_tick, 880);
    ck_assert_int_ge(scaled_in_tick - drained_tick, 5800);
    ck_assert_int_le(scaled_in_tick - drained_tick, 6200);
    free(sim);
    fleet_close(&fleet);
}
END_TEST

UNIT_MAIN("policies_scenario", the_busy_floor_ends_the_churn_of_a_steady_load,
          a_flash_sale_reaches_max_drains_and_comes_back_to_min)
