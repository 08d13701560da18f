/* ECS's scheduler under random updates, exits, protections, deployments and starts that fail. */
#include "ecs_world.h"

enum { RUN_STEPS = 60, DESIRED_MAX = 12 };

static uint64_t dice;

static int throw_dice(int sides)
{
    dice = dice * 6364136223846793005U + 1442695040888963407U; /* Knuth's MMIX */
    return (int)((dice >> 33) % (uint64_t)sides);
}

static struct ecs_task *any_task(const struct world *world)
{
    struct ecs_task *task = TAILQ_FIRST(&world->service->tasks);
    for (int skip = throw_dice(DESIRED_MAX); task != NULL && skip > 0; skip--)
        task = TAILQ_NEXT(task, service_entry);
    return task;
}

static void change(struct world *world)
{
    struct ecs_task *task = any_task(world);
    switch (throw_dice(8)) {
    case 0:
    case 1:
        ecs_service_set_desired(world->service, throw_dice(DESIRED_MAX + 1), world->now_ms);
        break;
    case 2:
        if (task != NULL && !task->wants_stop)
            ecs_task_protect(task, throw_dice(2) == 0 ? 0 : world->now_ms + 1 + throw_dice(120000));
        break;
    case 3:
        if (task != NULL && task->has_process) {
            struct fake *fake = task->process;
            fake->is_alive = false;
            ecs_engine_exited(task, 1, world->now_ms);
        }
        break;
    case 4:
        if (throw_dice(3) == 0)
            ecs_service_deploy(world->service, world_register(world), world->now_ms);
        break;
    case 5:
        world->start_fails = throw_dice(3) == 0;
        break;
    case 6:
        world->ignores_term = throw_dice(2) == 0;
        break;
    default:
        if (task != NULL && throw_dice(4) == 0)
            ecs_task_stop(task, "UserInitiated", "", world->now_ms);
        break;
    }
}

/* What must hold whatever has happened. */
static void check(struct world *world)
{
    const struct ecs_task *task = NULL;
    size_t alive = 0;
    int beyond = world_primary(world)->live - world->service->desired;
    for (int i = 0; i < world->starts; i++)
        alive += world->fakes[i].is_alive ? 1 : 0;
    ck_assert_uint_eq(alive, world->engine->processes);
    TAILQ_FOREACH(task, &world->service->tasks, service_entry)
    {
        ck_assert_int_ne(task->status, ECS_STOPPED);
        ck_assert_int_eq(task->wants_stop, task->deployment == NULL);
        if (task->wants_stop && task->stop_code != NULL)
            ck_assert(task->has_process); /* else it would have ended */
        if (beyond > 0 && task->deployment == world_primary(world))
            ck_assert(ecs_task_is_protected(task, world->now_ms)); /* only those may be too many */
    }
    ck_assert_uint_le(world->service->event_count, ECS_EVENTS_MAX);
    ck_assert_int_ge(ecs_engine_next_ms(world->engine), world->now_ms);
}

/* Protected tasks are stopped by users only: remembers who is protected, and looks after the step. */
static void settle_and_check(struct world *world)
{
    static struct ecs_task *kept[WORLD_TASKS_MAX];
    size_t count = 0;
    struct ecs_task *task = NULL;
    TAILQ_FOREACH(task, &world->service->tasks, service_entry)
    {
        if (!task->wants_stop && ecs_task_is_protected(task, world->now_ms))
            kept[count++] = task;
    }
    world_settle(world);
    for (size_t i = 0; i < count; i++)
        ck_assert(!kept[i]->wants_stop || strcmp(kept[i]->stop_code, "ServiceSchedulerInitiated") != 0);
    check(world);
}

/* When nothing disturbs it any more the service comes to rest as it was last wanted. */
static void check_rest(struct world *world)
{
    world->start_fails = world->ignores_term = false;
    ecs_service_forget_failures(world->service);
    world_pass(world, 600000);
    ck_assert_int_eq(world_live(world, true), world->service->desired);
    ck_assert_int_eq(world_deployments(world), 1);
    ck_assert_int_eq(world_primary(world)->rollout, ECS_COMPLETED);
    ck_assert_uint_eq(world->engine->processes, (size_t)world->service->desired);
    ck_assert(world->service->is_steady);
}

START_TEST(the_scheduler_keeps_its_rules_and_comes_to_rest)
{
    static struct world world;
    long runs = unit_steps(1000);
    for (long run = 0; run < runs; run++) {
        dice = (uint64_t)run;
        world_open(&world, run % 2 == 0 ? ECS_VICTIMS_NEWEST : ECS_VICTIMS_OLDEST);
        world_serve(&world, throw_dice(DESIRED_MAX + 1));
        world.service->minimum_percent = throw_dice(3) * 50;
        /* One task with 150 % would leave no room for its successor, in ECS too. */
        world.service->maximum_percent = world.service->minimum_percent == 0 ? 100 + 50 * throw_dice(3) : 200;
        for (int i = 0; i < RUN_STEPS; i++) {
            change(&world);
            settle_and_check(&world);
            world_pass(&world, throw_dice(2) == 0 ? 0 : throw_dice(15000));
            check(&world);
        }
        check_rest(&world);
        world_close(&world);
    }
}
END_TEST

UNIT_MAIN("ecs_properties", the_scheduler_keeps_its_rules_and_comes_to_rest)
