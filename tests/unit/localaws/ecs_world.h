/* ECS with invented time and invented processes, for tests. */
#ifndef SLUICE_TESTS_UNIT_LOCALAWS_ECS_WORLD_H
#define SLUICE_TESTS_UNIT_LOCALAWS_ECS_WORLD_H

#include "localaws/ecs_ops.h"

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>

enum { WORLD_LATENCY_MS = 5000, WORLD_TASKS_MAX = 4000 };

/* What a task's process was told, by the number of its start. */
struct fake {
    struct ecs_task *task;
    bool is_alive;
    int terms, kills;
};

struct world {
    struct ecs_engine *engine;
    struct ecs_cluster *cluster;
    struct ecs_task_definition *definition;
    struct ecs_service *service;
    int64_t now_ms;
    struct fake fakes[WORLD_TASKS_MAX];
    int starts; /* processes that were started */
    int tries;  /* and those that failed too */
    bool start_fails;
    bool ignores_term;
};

static int world_start(void *arg, struct ecs_task *task, char *reason, size_t reason_size)
{
    struct world *world = arg;
    world->tries++;
    if (world->start_fails) {
        (void)snprintf(reason, reason_size, "no such program");
        return -1;
    }
    ck_assert_int_lt(world->starts, WORLD_TASKS_MAX);
    world->fakes[world->starts] = (struct fake){.task = task, .is_alive = true};
    task->process = &world->fakes[world->starts++];
    return 0;
}

static void world_signal(void *arg, struct ecs_task *task, int number)
{
    struct fake *fake = task->process;
    (void)arg;
    ck_assert(fake->is_alive);
    if (number == SIGTERM)
        fake->terms++;
    else
        fake->kills++;
}

/* Lets processes end that were told to, and what follows from that. */
static inline void world_settle(struct world *world)
{
    ecs_engine_settle(world->engine, world->now_ms);
    for (int i = 0; i < world->starts; i++) {
        struct fake *fake = &world->fakes[i];
        if (!fake->is_alive || (fake->kills == 0 && (fake->terms == 0 || world->ignores_term)))
            continue;
        fake->is_alive = false;
        ecs_engine_exited(fake->task, fake->kills > 0 ? 137 : 143, world->now_ms);
    }
    ecs_engine_settle(world->engine, world->now_ms);
}

/* Time passes, and everything happens when it is due. */
static inline void world_pass(struct world *world, int64_t span_ms)
{
    int64_t end_ms = world->now_ms + span_ms;
    world_settle(world);
    while (ecs_engine_next_ms(world->engine) <= end_ms) {
        if (ecs_engine_next_ms(world->engine) > world->now_ms)
            world->now_ms = ecs_engine_next_ms(world->engine);
        world_settle(world);
    }
    world->now_ms = end_ms;
}

/* The process that was started as number `i` ends by itself. */
static inline void world_exit(struct world *world, int i, int code)
{
    ck_assert(world->fakes[i].is_alive);
    world->fakes[i].is_alive = false;
    ecs_engine_exited(world->fakes[i].task, code, world->now_ms);
    world_settle(world);
}

static inline struct ecs_task_definition *world_register(struct world *world)
{
    json_t *document =
        json_pack("{s:[{s:s, s:[s]}]}", "containerDefinitions", "name", "main", "command", "work");
    struct ecs_task_definition *definition =
        ecs_engine_register(world->engine, "worker", document, ECS_STOP_TIMEOUT_MS, world->now_ms);
    json_decref(document);
    return definition;
}

static inline void world_open(struct world *world, enum ecs_victims victims)
{
    *world = (struct world){.now_ms = 1000000};
    struct ecs_settings settings = {.region = "us-east-1",
                                    .account = "123456789012",
                                    .has_tasks = true,
                                    .processes = {.start = world_start, .signal = world_signal, .arg = world},
                                    .start_latency_ms = WORLD_LATENCY_MS,
                                    .victims = victims,
                                    .seed = 7};
    world->engine = ecs_engine_new(&settings);
    world->cluster = ecs_engine_cluster(world->engine, slice_of("default"));
    world->definition = world_register(world);
}

/* A service "orders" with so many tasks, all RUNNING. */
static inline void world_serve(struct world *world, int desired)
{
    world->service = ecs_service_create(world->engine, world->cluster, slice_of("orders"), world->definition,
                                        desired, world->now_ms);
    world_pass(world, WORLD_LATENCY_MS);
}

static inline void world_close(struct world *world)
{
    ecs_engine_free(world->engine);
}

static inline struct ecs_deployment *world_primary(struct world *world)
{
    ecs_service_count(world->service);
    return TAILQ_FIRST(&world->service->deployments);
}

static inline int world_deployments(const struct world *world)
{
    const struct ecs_deployment *deployment = NULL;
    int count = 0;
    TAILQ_FOREACH(deployment, &world->service->deployments, entry)
    {
        count++;
    }
    return count;
}

/* Tasks of the service that count, of all deployments. */
static inline int world_live(const struct world *world, bool running_only)
{
    const struct ecs_task *task = NULL;
    int count = 0;
    TAILQ_FOREACH(task, &world->service->tasks, service_entry)
    {
        if (!task->wants_stop && (!running_only || task->status == ECS_RUNNING))
            count++;
    }
    return count;
}

/* How often an event that holds this text was said. */
static inline int world_said(const struct world *world, const char *text)
{
    int count = 0;
    for (size_t i = 0; i < world->service->event_count; i++)
        count += strstr(world->service->events[i].message, text) != NULL;
    return count;
}

/* Runs an operation; returns its reply, or NULL with the failure. */
static inline json_t *world_call(struct world *world, const char *name, const char *body,
                                 struct ecs_failure *failure)
{
    struct strbuf out = STRBUF_INIT;
    json_t *reply = NULL;
    enum ecs_op op = ecs_op_find(slice_of(name));
    ck_assert_int_ne(op, ECS_OP_MAX);
    world_settle(world);
    if (ecs_ops_run(world->engine, op, body, strlen(body), world->now_ms, &out, failure) == ECS_OK) {
        reply = json_loads(strbuf_str(&out), 0, NULL);
        ck_assert_msg(reply != NULL, "not JSON: %s", strbuf_str(&out));
    }
    strbuf_clean_up(&out);
    world_settle(world);
    return reply;
}

#endif
