/* The life of tasks and the service scheduler of ECS, with invented time and processes. */
#include "ecs_world.h"

/* ---- tasks ---- */

START_TEST(a_task_goes_through_its_states_in_the_start_latency)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world.service = ecs_service_create(world.engine, world.cluster, slice_of("orders"), world.definition, 1,
                                       world.now_ms);
    world_settle(&world);
    const struct ecs_task *task = TAILQ_FIRST(&world.service->tasks);
    ck_assert_int_eq(task->status, ECS_PROVISIONING);
    world_pass(&world, 1999);
    ck_assert_int_eq(task->status, ECS_PROVISIONING);
    world_pass(&world, 1);
    ck_assert_int_eq(task->status, ECS_PENDING);
    ck_assert_int_eq(world.starts, 0);
    world_pass(&world, 2000);
    ck_assert_int_eq(task->status, ECS_ACTIVATING);
    ck_assert_int_eq(world.starts, 1);
    ck_assert_int_eq(world_primary(&world)->running, 0);
    world_pass(&world, 1000);
    ck_assert_int_eq(task->status, ECS_RUNNING);
    ck_assert_int_eq(task->started_ms, 1000000 + WORLD_LATENCY_MS);
    ck_assert_int_eq(world_primary(&world)->running, 1);
    ck_assert_int_eq(world_said(&world, "(service orders) has started 1 tasks: (task "), 1);
    ck_assert_int_eq(world_said(&world, "(service orders) has reached a steady state."), 1);
    world_close(&world);
}
END_TEST

START_TEST(a_task_that_ignores_term_is_killed_after_its_stop_timeout)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 1);
    struct ecs_task *task = world.fakes[0].task;
    world.ignores_term = true;
    ecs_task_stop(task, "UserInitiated", "because", world.now_ms);
    world_settle(&world);
    ck_assert_int_eq(world.fakes[0].terms, 1);
    ck_assert_int_eq(task->status, ECS_STOPPING);
    ck_assert_int_eq(world_primary(&world)->running, 0); /* told to stop: it no longer counts */
    world_pass(&world, ECS_STOP_TIMEOUT_MS - 1);
    ck_assert_int_eq(world.fakes[0].kills, 0);
    world_pass(&world, 1);
    ck_assert_int_eq(world.fakes[0].kills, 1);
    ck_assert_int_eq(task->status, ECS_STOPPED);
    ck_assert_int_eq(task->exit_code, 137);
    ck_assert_str_eq(task->stop_code, "UserInitiated");
    ck_assert_str_eq(task->stop_reason, "because");
    world_close(&world);
}
END_TEST

START_TEST(a_stopped_task_is_shown_for_an_hour)
{
    static struct world world;
    char id[ECS_ID_BYTES];
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 1);
    memcpy(id, world.fakes[0].task->id, sizeof id);
    ecs_task_stop(world.fakes[0].task, "UserInitiated", "", world.now_ms);
    world_pass(&world, ECS_STOPPED_SHOWN_MS - 1);
    ck_assert_ptr_nonnull(ecs_cluster_task(world.cluster, world.engine, slice_of(id)));
    world_pass(&world, 1);
    ck_assert_ptr_null(ecs_cluster_task(world.cluster, world.engine, slice_of(id)));
    world_close(&world);
}
END_TEST

START_TEST(a_task_that_exits_is_replaced_at_once)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 2);
    world_exit(&world, 0, 3);
    ck_assert_int_eq(world_live(&world, false), 2);
    ck_assert_int_eq(world_live(&world, true), 1);
    world_pass(&world, WORLD_LATENCY_MS);
    ck_assert_int_eq(world_live(&world, true), 2);
    ck_assert_int_eq(world.starts, 3);
    /* It had been RUNNING: no failed start, however often. */
    for (int i = 1; i < 20; i++) {
        world_exit(&world, i, 1);
        world_pass(&world, WORLD_LATENCY_MS);
        ck_assert_int_eq(world_live(&world, true), 2);
    }
    ck_assert_int_eq(world_primary(&world)->failed_tasks, 0);
    ck_assert_int_eq(world_said(&world, "unable to consistently start"), 0);
    world_close(&world);
}
END_TEST

/* ---- starts that fail ---- */

START_TEST(failing_starts_come_ever_more_slowly_up_to_27_minutes)
{
    static struct world world;
    int64_t last_ms = 0;
    int64_t wait_ms = 0;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world.start_fails = true;
    world.service = ecs_service_create(world.engine, world.cluster, slice_of("orders"), world.definition, 1,
                                       world.now_ms);
    for (int tries = 1; tries <= 14; tries++) {
        while (world.tries < tries)
            world_pass(&world, 1000);
        int64_t waited_ms = world.now_ms - last_ms - 4000; /* PROVISIONING and PENDING */
        if (tries > 1 && tries <= 3)
            ck_assert_int_eq(waited_ms, 0);
        if (tries > 3) {
            wait_ms = wait_ms == 0 ? ECS_THROTTLE_FIRST_MS : 2 * wait_ms;
            if (wait_ms > ECS_THROTTLE_MAX_MS)
                wait_ms = ECS_THROTTLE_MAX_MS;
            ck_assert_int_eq(waited_ms, wait_ms);
        }
        last_ms = world.now_ms;
    }
    ck_assert_int_eq(wait_ms, ECS_THROTTLE_MAX_MS);
    ck_assert_int_eq(world_said(&world, "is unable to consistently start tasks successfully"), 1);
    ck_assert_int_eq(world_primary(&world)->failed_tasks, 14);
    ck_assert_int_eq(world_primary(&world)->rollout, ECS_IN_PROGRESS);
    world_close(&world);
}
END_TEST

START_TEST(many_failures_of_one_round_count_once)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world.start_fails = true;
    world.service = ecs_service_create(world.engine, world.cluster, slice_of("orders"), world.definition, 50,
                                       world.now_ms);
    world_pass(&world, 4000);
    ck_assert_int_eq(world.tries, 50);
    ck_assert_int_eq(world.service->next_start_ms, world.now_ms + ECS_THROTTLE_FIRST_MS);
    world_close(&world);
}
END_TEST

START_TEST(an_update_ends_the_waiting)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world.start_fails = true;
    world.service = ecs_service_create(world.engine, world.cluster, slice_of("orders"), world.definition, 1,
                                       world.now_ms);
    while (world.tries < 9)
        world_pass(&world, 1000);
    world.start_fails = false;
    world_pass(&world, 60000);
    ck_assert_int_eq(world.tries, 9);
    ecs_service_forget_failures(world.service);
    world_pass(&world, WORLD_LATENCY_MS);
    ck_assert_int_eq(world_live(&world, true), 1);
    ck_assert_int_eq(world_primary(&world)->failed_tasks, 0); /* one has run */
    world_close(&world);
}
END_TEST

START_TEST(a_process_that_ends_before_running_is_a_failed_start)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world.service = ecs_service_create(world.engine, world.cluster, slice_of("orders"), world.definition, 1,
                                       world.now_ms);
    world_pass(&world, 4500);
    ck_assert_int_eq(world.starts, 1);
    const struct ecs_task *task = world.fakes[0].task;
    world_exit(&world, 0, 78);
    ck_assert_int_eq(world_primary(&world)->failed_tasks, 1);
    ck_assert_str_eq(task->stop_code, "EssentialContainerExited");
    ck_assert_int_eq(task->exit_code, 78);
    world_close(&world);
}
END_TEST

/* ---- circuit breaker ---- */

static void breaker_opens_at(int desired, int failures)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world.start_fails = true;
    world.service = ecs_service_create(world.engine, world.cluster, slice_of("orders"), world.definition,
                                       desired, world.now_ms);
    world.service->breaker = true;
    while (world_primary(&world)->rollout != ECS_FAILED)
        world_pass(&world, 1000);
    ck_assert_int_ge(world.tries, failures);
    ck_assert_int_ge(world_primary(&world)->failed_tasks, failures);
    ck_assert_int_lt(world.tries - desired, failures); /* not a whole round later */
    world_pass(&world, WORLD_LATENCY_MS);              /* those on their way fail too */
    int tries = world.tries;
    world_pass(&world, 7200000);
    ck_assert_int_eq(world.tries, tries); /* given up */
    ck_assert_int_eq(world_said(&world, "deployment failed: tasks failed to start."), 1);
    world_close(&world);
}

START_TEST(the_circuit_breaker_opens_at_half_of_desired_within_3_and_200)
{
    breaker_opens_at(1, 3);
    breaker_opens_at(6, 3);
    breaker_opens_at(20, 10);
    breaker_opens_at(600, 200);
}
END_TEST

START_TEST(the_circuit_breaker_rolls_back_to_what_was_completed)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 4);
    world.service->breaker = world.service->rollback = true;
    struct ecs_task_definition *bad = world_register(&world);
    world.start_fails = true;
    ecs_service_deploy(world.service, bad, world.now_ms);
    world_pass(&world, 4000);
    ck_assert_ptr_eq(world_primary(&world)->definition, world.definition);
    ck_assert_int_eq(world_live(&world, true), 4); /* the old ones stood by */
    world.start_fails = false;
    world_pass(&world, 60000);
    ck_assert_int_eq(world_deployments(&world), 1);
    ck_assert_int_eq(world_primary(&world)->rollout, ECS_COMPLETED);
    ck_assert_int_eq(world_live(&world, true), 4);
    world_close(&world);
}
END_TEST

/* ---- scaling in ---- */

START_TEST(scale_in_takes_the_newest_or_the_oldest)
{
    static struct world world;
    for (int oldest = 0; oldest < 2; oldest++) {
        world_open(&world, oldest ? ECS_VICTIMS_OLDEST : ECS_VICTIMS_NEWEST);
        world_serve(&world, 5);
        ecs_service_set_desired(world.service, 2, world.now_ms);
        world_settle(&world);
        for (int i = 0; i < 5; i++)
            ck_assert_int_eq(world.fakes[i].terms, oldest ? i < 3 : i >= 2);
        ck_assert_int_eq(world_said(&world, "has stopped 3 running tasks:"), 1);
        ck_assert_int_eq(world_said(&world, "has reached a steady state"), 2);
        ck_assert_int_eq(world_deployments(&world), 1);
        ck_assert_int_eq(world_primary(&world)->rollout, ECS_COMPLETED);
        ck_assert_str_eq(world.fakes[oldest ? 0 : 4].task->stop_code, "ServiceSchedulerInitiated");
        world_close(&world);
    }
}
END_TEST

START_TEST(tasks_that_do_not_run_yet_go_first)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_OLDEST);
    world_serve(&world, 2);
    ecs_service_set_desired(world.service, 4, world.now_ms);
    world_pass(&world, 4500); /* two have a process and are ACTIVATING */
    ck_assert_int_eq(world.starts, 4);
    ecs_service_set_desired(world.service, 2, world.now_ms);
    world_settle(&world);
    ck_assert_int_eq(world.fakes[0].terms + world.fakes[1].terms, 0);
    ck_assert_int_eq(world.fakes[2].terms + world.fakes[3].terms, 2);
    ck_assert_int_eq(world_primary(&world)->failed_tasks, 0); /* told to stop is not failed */
    world_close(&world);
}
END_TEST

START_TEST(protected_tasks_stay_until_their_protection_ends)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 4);
    for (int i = 1; i < 4; i++)
        ecs_task_protect(world.fakes[i].task, world.now_ms + INT64_C(60000) * i);
    ecs_service_set_desired(world.service, 1, world.now_ms);
    world_settle(&world);
    ck_assert_int_eq(world.fakes[0].terms, 1); /* the only one that may go */
    ck_assert_int_eq(world_live(&world, true), 3);
    ck_assert_int_eq(world_said(&world, "was unable to stop 2 tasks because"), 1);
    world_pass(&world, 59999);
    ck_assert_int_eq(world_live(&world, true), 3);
    world_pass(&world, 1);
    ck_assert_int_eq(world.fakes[1].terms, 1);
    ecs_task_protect(world.fakes[2].task, 0); /* given back */
    world_settle(&world);
    ck_assert_int_eq(world.fakes[2].terms, 1);
    ck_assert_int_eq(world_live(&world, true), 1);
    ck_assert_int_eq(world.fakes[3].terms, 0);
    world_close(&world);
}
END_TEST

START_TEST(protection_asked_for_before_running_ends_too)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world.service = ecs_service_create(world.engine, world.cluster, slice_of("orders"), world.definition, 1,
                                       world.now_ms);
    world_pass(&world, 4500);
    ecs_task_protect(world.fakes[0].task, world.now_ms + 60000);
    world_pass(&world, 60001);
    ck_assert_int_eq(world.fakes[0].task->protected_until_ms, 0);
    world_close(&world);
}
END_TEST

/* ---- rolling updates ---- */

/* A rollout of 4 tasks within these percents: how few run and how many live at any time. */
static void roll(int minimum_percent, int maximum_percent, int least_running, int most_live)
{
    static struct world world;
    int least = 1000;
    int most = 0;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 4);
    world.service->minimum_percent = minimum_percent;
    world.service->maximum_percent = maximum_percent;
    struct ecs_task_definition *next = world_register(&world);
    ecs_service_deploy(world.service, next, world.now_ms);
    world_settle(&world);
    ck_assert_int_eq(world_primary(&world)->rollout, ECS_IN_PROGRESS);
    for (int i = 0; i < 600 && world_primary(&world)->rollout == ECS_IN_PROGRESS; i++) {
        least = world_live(&world, true) < least ? world_live(&world, true) : least;
        most = world_live(&world, false) > most ? world_live(&world, false) : most;
        world_pass(&world, 100);
    }
    ck_assert_int_eq(world_primary(&world)->rollout, ECS_COMPLETED);
    ck_assert_int_eq(world_deployments(&world), 1);
    ck_assert_int_eq(world_primary(&world)->running, 4);
    ck_assert_ptr_eq(world_primary(&world)->definition, next);
    ck_assert_int_eq(least, least_running);
    ck_assert_int_eq(most, most_live);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(world.fakes[i].terms, 1);
    world_close(&world);
}

START_TEST(a_rollout_keeps_within_its_percents)
{
    roll(100, 200, 4, 8);
    roll(100, 150, 4, 6);
    roll(50, 100, 2, 4);
    roll(50, 200, 2, 6); /* two of the old ones may go at once */
    roll(0, 100, 0, 4);
}
END_TEST

START_TEST(a_rollout_without_room_says_so_once)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 1);
    world.service->maximum_percent = 150;
    ecs_service_deploy(world.service, world_register(&world), world.now_ms);
    world_pass(&world, 600000);
    ck_assert_int_eq(world_deployments(&world), 2);
    ck_assert_int_eq(world.fakes[0].terms, 0);
    ck_assert_int_eq(world_said(&world, "was unable to stop or start tasks during a deployment"), 1);
    world.service->maximum_percent = 200;
    ecs_service_forget_failures(world.service);
    world_pass(&world, WORLD_LATENCY_MS);
    ck_assert_int_eq(world_primary(&world)->rollout, ECS_COMPLETED);
    world_close(&world);
}
END_TEST

START_TEST(protected_old_tasks_keep_a_rollout_in_progress)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 2);
    ecs_task_protect(world.fakes[0].task, world.now_ms + 600000);
    ecs_service_deploy(world.service, world_register(&world), world.now_ms);
    world_pass(&world, 599999);
    ck_assert_int_eq(world.fakes[0].terms, 0);
    ck_assert_int_eq(world.fakes[1].terms, 1);
    ck_assert_int_eq(world_deployments(&world), 2);
    ck_assert_int_eq(world_primary(&world)->rollout, ECS_IN_PROGRESS);
    ck_assert_int_eq(world_primary(&world)->running, 2);
    ck_assert_int_eq(world_said(&world, "was unable to stop 1 tasks because"), 1);
    world_pass(&world, 1);
    ck_assert_int_eq(world_primary(&world)->rollout, ECS_COMPLETED);
    ck_assert_int_eq(world.fakes[0].terms, 1);
    world_close(&world);
}
END_TEST

START_TEST(desired_alone_starts_no_deployment)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 2);
    const struct ecs_deployment *before = world_primary(&world);
    ecs_service_set_desired(world.service, 5, world.now_ms);
    world_pass(&world, WORLD_LATENCY_MS);
    ck_assert_ptr_eq(world_primary(&world), before);
    ck_assert_int_eq(before->rollout, ECS_COMPLETED);
    ck_assert_int_eq(before->running, 5);
    ck_assert_int_eq(world_said(&world, "deployment completed"), 1);
    ck_assert_int_eq(world_said(&world, "has reached a steady state"), 2);
    world_close(&world);
}
END_TEST

/* ---- the end ---- */

START_TEST(a_deleted_service_drains_then_is_inactive_and_may_be_created_anew)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 3);
    ecs_task_protect(world.fakes[0].task, world.now_ms + 600000);
    world.ignores_term = true;
    ecs_service_delete(world.service);
    world_settle(&world);
    ck_assert_int_eq(world.service->status, ECS_SERVICE_DRAINING);
    world_pass(&world, ECS_STOP_TIMEOUT_MS);
    ck_assert_int_eq(world.service->status, ECS_SERVICE_INACTIVE);
    ck_assert_uint_eq(world.engine->processes, 0);
    world_serve(&world, 1);
    ck_assert_int_eq(world.service->status, ECS_SERVICE_ACTIVE);
    ck_assert_int_eq(world_live(&world, true), 1);
    world_close(&world);
}
END_TEST

START_TEST(a_closed_engine_stops_all_and_starts_nothing)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 3);
    ck_assert_uint_eq(world.engine->processes, 3);
    ecs_engine_close(world.engine, world.now_ms);
    world_pass(&world, 600000);
    ck_assert_uint_eq(world.engine->processes, 0);
    ck_assert_int_eq(world.starts, 3);
    world_close(&world);
}
END_TEST

UNIT_MAIN("ecs_engine", a_task_goes_through_its_states_in_the_start_latency,
          a_task_that_ignores_term_is_killed_after_its_stop_timeout, a_stopped_task_is_shown_for_an_hour,
          a_task_that_exits_is_replaced_at_once, failing_starts_come_ever_more_slowly_up_to_27_minutes,
          many_failures_of_one_round_count_once, an_update_ends_the_waiting,
          a_process_that_ends_before_running_is_a_failed_start,
          the_circuit_breaker_opens_at_half_of_desired_within_3_and_200,
          the_circuit_breaker_rolls_back_to_what_was_completed, scale_in_takes_the_newest_or_the_oldest,
          tasks_that_do_not_run_yet_go_first, protected_tasks_stay_until_their_protection_ends,
          protection_asked_for_before_running_ends_too, a_rollout_keeps_within_its_percents,
          a_rollout_without_room_says_so_once, protected_old_tasks_keep_a_rollout_in_progress,
          desired_alone_starts_no_deployment,
          a_deleted_service_drains_then_is_inactive_and_may_be_created_anew,
          a_closed_engine_stops_all_and_starts_nothing)
