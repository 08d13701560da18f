/* The life of a task, from PROVISIONING to STOPPED; see ecs_engine.h. */
#include "localaws/ecs_engine.h"

#include "base/alloc.h"
#include "base/strbuf.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void set_due(struct ecs_task *task, int64_t at_ms)
{
    heap_remove(&task->engine->tasks_due, &task->due);
    if (at_ms != INT64_MAX)
        heap_push(&task->engine->tasks_due, &task->due, at_ms);
}

static void set_status(struct ecs_task *task, enum ecs_status status)
{
    task->status = status;
    task->version++;
    if (task->service != NULL)
        ecs_service_touch(task->service);
}

/* How the start latency is divided: two fifths each for what stands for the network and the image, one for
 * the checks before traffic. */
static int64_t stage_ms(const struct ecs_task *task, enum ecs_status status)
{
    int64_t latency_ms = task->engine->settings.start_latency_ms;
    return status == ECS_ACTIVATING ? latency_ms - 2 * (latency_ms * 2 / 5) : latency_ms * 2 / 5;
}

struct ecs_task *ecs_task_new(struct ecs_engine *engine, struct ecs_cluster *cluster,
                              struct ecs_service *service, struct ecs_deployment *deployment,
                              struct ecs_task_definition *definition, int64_t now_ms)
{
    struct ecs_task *task = xcalloc(1, sizeof *task);
    struct strbuf text = STRBUF_INIT;
    task->engine = engine;
    task->cluster = cluster;
    task->service = service;
    task->deployment = deployment;
    task->definition = definition;
    task->number = ++engine->numbers;
    task->created_ms = now_ms;
    task->exit_code = -1;
    task->version = 1;
    ecs_engine_hex(engine, task->id);
    strbuf_appendf(&text, "arn:aws:ecs:%s:%s:task/%s/%s", engine->settings.region, engine->settings.account,
                   cluster->name, task->id);
    task->arn = strbuf_take(&text);
    if (service != NULL) {
        strbuf_appendf(&text, "service:%s", service->name);
        task->group = strbuf_take(&text);
        task->started_by = xstrdup(deployment->id);
        TAILQ_INSERT_TAIL(&service->tasks, task, service_entry);
    }
    TAILQ_INSERT_TAIL(&cluster->tasks, task, entry);
    strmap_put(&engine->tasks, slice_of(task->id), task);
    engine->stats.started++;
    set_due(task, now_ms + stage_ms(task, ECS_PROVISIONING));
    return task;
}

void ecs_task_free(struct ecs_task *task)
{
    set_due(task, INT64_MAX);
    if (task->service != NULL && task->status != ECS_STOPPED)
        TAILQ_REMOVE(&task->service->tasks, task, service_entry);
    TAILQ_REMOVE(&task->cluster->tasks, task, entry);
    (void)strmap_remove(&task->engine->tasks, slice_of(task->id));
    json_decref(task->overrides);
    free(task->arn);
    free(task->group);
    free(task->started_by);
    free(task);
}

/* The first reason stays: a task that is told to stop and then exits was stopped. */
static void set_reason(struct ecs_task *task, const char *code, const char *reason)
{
    if (task->stop_code != NULL)
        return;
    task->stop_code = code;
    (void)snprintf(task->stop_reason, sizeof task->stop_reason, "%s", reason);
}

/* It no longer counts for its service, which may want another one. */
static void leave_deployment(struct ecs_task *task, int64_t now_ms)
{
    task->wants_stop = true;
    task->protected_until_ms = 0;
    if (task->stopping_ms == 0)
        task->stopping_ms = now_ms;
    task->deployment = NULL;
}

static void end(struct ecs_task *task, int64_t now_ms)
{
    leave_deployment(task, now_ms);
    task->engine->processes -= task->has_process ? 1 : 0;
    task->has_process = false;
    task->process = NULL;
    task->stopped_ms = now_ms;
    set_status(task, ECS_STOPPED);
    if (task->service != NULL)
        TAILQ_REMOVE(&task->service->tasks, task, service_entry);
    set_due(task, now_ms + ECS_STOPPED_SHOWN_MS);
}

/* It ended by itself: whether it ever ran decides how the scheduler takes it. */
static void fail(struct ecs_task *task, const char *code, const char *reason, int64_t now_ms)
{
    struct ecs_deployment *deployment = task->deployment;
    set_reason(task, code, reason);
    if (!task->has_run && !task->wants_stop) {
        task->engine->stats.failed_to_start++;
        if (deployment != NULL)
            ecs_scheduler_on_failure(task->service, deployment, now_ms);
    }
    end(task, now_ms);
}

static void start_process(struct ecs_task *task, int64_t now_ms)
{
    const struct ecs_processes *processes = &task->engine->settings.processes;
    char reason[200] = "";
    if (processes->start(processes->arg, task, reason, sizeof reason) != 0) {
        (void)snprintf(task->container_reason, sizeof task->container_reason, "CannotStartContainerError: %s",
                       reason);
        fail(task, "TaskFailedToStart", task->container_reason, now_ms);
        return;
    }
    task->has_process = true;
    task->engine->processes++;
    set_status(task, ECS_ACTIVATING);
    set_due(task, now_ms + stage_ms(task, ECS_ACTIVATING));
}

static void reach_running(struct ecs_task *task, int64_t now_ms)
{
    task->has_run = true;
    task->started_ms = now_ms;
    task->engine->stats.ran++;
    if (task->deployment != NULL)
        ecs_scheduler_on_running(task->service, task->deployment);
    set_status(task, ECS_RUNNING);
    if (task->protected_until_ms != 0) /* its program was quick to ask */
        set_due(task, task->protected_until_ms);
}

void ecs_task_step(struct ecs_task *task, int64_t now_ms)
{
    const struct ecs_processes *processes = &task->engine->settings.processes;
    switch (task->status) {
    case ECS_PROVISIONING:
        set_status(task, ECS_PENDING);
        set_due(task, now_ms + stage_ms(task, ECS_PENDING));
        break;
    case ECS_PENDING:
        start_process(task, now_ms);
        break;
    case ECS_ACTIVATING:
        reach_running(task, now_ms);
        break;
    case ECS_RUNNING: /* its protection is over */
        ecs_task_protect(task, 0);
        break;
    case ECS_STOPPING: /* its stopTimeout is over */
        task->engine->stats.killed++;
        processes->signal(processes->arg, task, SIGKILL);
        break;
    case ECS_STOPPED:
        ecs_task_free(task);
        break;
    }
}

void ecs_task_stop(struct ecs_task *task, const char *code, const char *reason, int64_t now_ms)
{
    const struct ecs_settings *settings = &task->engine->settings;
    int64_t grace_ms = task->definition->stop_timeout_ms;
    if (task->wants_stop)
        return;
    set_reason(task, code, reason);
    leave_deployment(task, now_ms);
    if (!task->has_process) {
        end(task, now_ms);
        return;
    }
    set_status(task, ECS_STOPPING);
    set_due(task, now_ms + (grace_ms > settings->stop_floor_ms ? grace_ms : settings->stop_floor_ms));
    settings->processes.signal(settings->processes.arg, task, SIGTERM);
}

void ecs_engine_exited(struct ecs_task *task, int exit_code, int64_t now_ms)
{
    task->exit_code = exit_code;
    task->engine->stats.exited++;
    fail(task, "EssentialContainerExited", "Essential container in task exited", now_ms);
}

void ecs_task_protect(struct ecs_task *task, int64_t until_ms)
{
    task->protected_until_ms = until_ms;
    if (task->status == ECS_RUNNING)
        set_due(task, until_ms == 0 ? INT64_MAX : until_ms);
    if (task->service != NULL)
        ecs_service_touch(task->service);
}

bool ecs_task_is_protected(const struct ecs_task *task, int64_t now_ms)
{
    return task->protected_until_ms > now_ms;
}
