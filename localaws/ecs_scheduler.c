/*
 * The service scheduler of ECS: keeps desiredCount tasks of the PRIMARY deployment, replaces those of older
 * deployments within minimumHealthyPercent and maximumPercent, chooses which tasks to stop without knowing
 * who is busy, leaves protected ones alone, and starts ever more slowly what does not start.
 *
 * Sources: ECS developer guide (rolling update, service throttle logic, deployment circuit breaker, task
 * scale-in protection); failedTasks and rolloutState as the service model describes them.
 */
#include "base/strbuf.h"
#include "localaws/ecs_engine.h"

#include <stdio.h>
#include <stdlib.h>

/* What one step sees; on the stack. */
struct view {
    struct ecs_service *service;
    struct ecs_deployment *primary;
    int live, running;    /* of all deployments */
    int stopped, blocked; /* by this step; of those that should go, the protected ones */
    struct strbuf stopped_ids;
    int64_t now_ms;
};

static void look(struct view *view)
{
    const struct ecs_deployment *each = NULL;
    ecs_service_count(view->service);
    view->primary = TAILQ_FIRST(&view->service->deployments);
    view->live = view->running = 0;
    TAILQ_FOREACH(each, &view->service->deployments, entry)
    {
        view->live += each->live;
        view->running += each->running;
    }
}

static bool has_older(const struct view *view)
{
    return TAILQ_NEXT(view->primary, entry) != NULL;
}

/* ---- stopping ---- */

static void stop(struct view *view, struct ecs_task *task)
{
    char reason[128];
    struct ecs_deployment *deployment = task->deployment;
    bool runs = task->status == ECS_RUNNING;
    (void)snprintf(reason, sizeof reason, "Scaling activity initiated by (deployment %s)", view->primary->id);
    ecs_task_stop(task, "ServiceSchedulerInitiated", reason, view->now_ms);
    deployment->live--;
    deployment->running -= runs ? 1 : 0;
    view->live--;
    view->running -= runs ? 1 : 0;
    view->stopped++;
    strbuf_appendf(&view->stopped_ids, " (task %s)", task->id);
}

/* The next to go of a deployment: one that does not run yet, else by age; NULL when none may. */
static struct ecs_task *choose(const struct view *view, const struct ecs_deployment *deployment)
{
    bool newest = view->service->engine->settings.victims == ECS_VICTIMS_NEWEST;
    struct ecs_task *best = NULL;
    struct ecs_task *task = NULL;
    TAILQ_FOREACH(task, &view->service->tasks, service_entry) /* from the oldest on */
    {
        if (task->deployment != deployment || ecs_task_is_protected(task, view->now_ms))
            continue;
        bool waits = task->status != ECS_RUNNING;
        bool best_waits = best != NULL && best->status != ECS_RUNNING;
        if (best == NULL || (waits && !best_waits) || (waits == best_waits && newest))
            best = task;
    }
    return best;
}

static void stop_surplus(struct view *view)
{
    while (view->primary->live > view->service->desired) {
        struct ecs_task *victim = choose(view, view->primary);
        if (victim == NULL) {
            view->blocked += view->primary->live - view->service->desired;
            return;
        }
        stop(view, victim);
    }
}

static int minimum_healthy(const struct ecs_service *service)
{
    return (int)(((int64_t)service->desired * service->minimum_percent + 99) / 100);
}

/* Tasks of older deployments go as long as enough healthy ones stay. */
static void stop_older(struct view *view)
{
    struct ecs_deployment *deployment = TAILQ_NEXT(view->primary, entry);
    for (; deployment != NULL; deployment = TAILQ_NEXT(deployment, entry)) {
        struct ecs_task *victim = NULL;
        while ((victim = choose(view, deployment)) != NULL) {
            if (victim->status == ECS_RUNNING && view->running - 1 < minimum_healthy(view->service))
                return;
            stop(view, victim);
        }
        view->blocked += deployment->live;
    }
}

static void stop_all(struct view *view)
{
    struct ecs_task *task = NULL;
    struct ecs_task *next = NULL;
    for (task = TAILQ_FIRST(&view->service->tasks); task != NULL; task = next) {
        next = TAILQ_NEXT(task, service_entry);
        if (task->deployment != NULL)
            stop(view, task);
    }
}

/* ---- starting ---- */

static int wanted(const struct view *view)
{
    const struct ecs_service *service = view->service;
    int missing = service->desired - view->primary->live;
    int maximum = (int)((int64_t)service->desired * service->maximum_percent / 100);
    if (view->primary->rollout == ECS_FAILED || missing <= 0)
        return 0;
    if (has_older(view) && missing > maximum - view->live)
        missing = maximum - view->live;
    return missing > 0 ? missing : 0;
}

static void start(struct view *view)
{
    struct ecs_service *service = view->service;
    struct strbuf ids = STRBUF_INIT;
    int count = wanted(view);
    heap_remove(&service->engine->services_due, &service->due);
    if (count == 0)
        return;
    if (view->now_ms < service->next_start_ms) {
        heap_push(&service->engine->services_due, &service->due, service->next_start_ms);
        return;
    }
    for (int i = 0; i < count; i++) {
        const struct ecs_task *task = ecs_task_new(service->engine, service->cluster, service, view->primary,
                                                   view->primary->definition, view->now_ms);
        strbuf_appendf(&ids, " (task %s)", task->id);
    }
    view->primary->live += count;
    ecs_service_say(service, view->now_ms, "has started %d tasks:%s.", count, strbuf_str(&ids));
    strbuf_clean_up(&ids);
}

void ecs_scheduler_on_running(struct ecs_service *service, struct ecs_deployment *deployment)
{
    service->failures = 0;
    deployment->has_run = true;
    deployment->failed_tasks = 0;
}

static void slow_down(struct ecs_service *service, int64_t now_ms)
{
    int64_t wait_ms = ECS_THROTTLE_FIRST_MS;
    if (now_ms < service->next_start_ms)
        return; /* of the same round */
    if (++service->failures < ECS_THROTTLE_FROM)
        return;
    for (int i = ECS_THROTTLE_FROM; i < service->failures && wait_ms < ECS_THROTTLE_MAX_MS; i++)
        wait_ms *= 2;
    service->next_start_ms = now_ms + (wait_ms < ECS_THROTTLE_MAX_MS ? wait_ms : ECS_THROTTLE_MAX_MS);
    if (service->failures == ECS_THROTTLE_FROM)
        ecs_service_say(service, now_ms,
                        "is unable to consistently start tasks successfully. For more information, see the"
                        " Troubleshooting section of the Amazon ECS Developer Guide.");
}

static int breaker_threshold(const struct ecs_service *service)
{
    int half = (service->desired + 1) / 2;
    if (half < ECS_BREAKER_MIN)
        return ECS_BREAKER_MIN;
    return half > ECS_BREAKER_MAX ? ECS_BREAKER_MAX : half;
}

void ecs_scheduler_on_failure(struct ecs_service *service, struct ecs_deployment *deployment, int64_t now_ms)
{
    slow_down(service, now_ms);
    if (deployment->has_run)
        return; /* "stops being evaluated", says the model of failedTasks */
    deployment->failed_tasks++;
    deployment->updated_ms = now_ms;
    if (!service->breaker || deployment != TAILQ_FIRST(&service->deployments) ||
        deployment->rollout != ECS_IN_PROGRESS || deployment->failed_tasks < breaker_threshold(service))
        return;
    deployment->rollout = ECS_FAILED;
    ecs_service_say(service, now_ms, "(deployment %s) deployment failed: tasks failed to start.",
                    deployment->id);
    if (service->rollback && service->last_completed != NULL) {
        ecs_service_deploy(service, service->last_completed, now_ms);
        ecs_service_say(service, now_ms, "rolling back to deployment %s.",
                        TAILQ_FIRST(&service->deployments)->id);
    }
}

/* ---- the end of a step ---- */

static void drop_empty(struct view *view)
{
    struct ecs_deployment *deployment = TAILQ_NEXT(view->primary, entry);
    while (deployment != NULL) {
        struct ecs_deployment *next = TAILQ_NEXT(deployment, entry);
        if (deployment->live == 0) {
            TAILQ_REMOVE(&view->service->deployments, deployment, entry);
            free(deployment);
        }
        deployment = next;
    }
}

static void say_stops(struct view *view)
{
    struct ecs_service *service = view->service;
    if (view->stopped > 0)
        ecs_service_say(service, view->now_ms, "has stopped %d running tasks:%s.", view->stopped,
                        strbuf_str(&view->stopped_ids));
    if (view->blocked > 0 && service->blocked == 0)
        ecs_service_say(service, view->now_ms,
                        "was unable to stop %d tasks because they have task scale-in protection.",
                        view->blocked);
    service->blocked = view->blocked;
}

/* A rollout in which nothing may be started, nothing be stopped, and nothing is on its way. */
static void say_stuck(struct view *view)
{
    struct ecs_service *service = view->service;
    bool is_stuck = has_older(view) && view->primary->rollout == ECS_IN_PROGRESS && view->stopped == 0 &&
                    view->blocked == 0 && view->live == view->running &&
                    view->primary->live < service->desired && wanted(view) == 0;
    if (is_stuck && !service->is_stuck)
        ecs_service_say(
            service, view->now_ms,
            "was unable to stop or start tasks during a deployment because of the service deployment"
            " configuration. Update the minimumHealthyPercent or maximumPercent value and try again.");
    service->is_stuck = is_stuck;
}

static void judge(struct view *view)
{
    struct ecs_service *service = view->service;
    struct ecs_deployment *primary = view->primary;
    bool is_whole =
        !has_older(view) && primary->live == service->desired && primary->running == service->desired;
    if (is_whole && primary->rollout == ECS_IN_PROGRESS) {
        primary->rollout = ECS_COMPLETED;
        primary->updated_ms = view->now_ms;
        service->last_completed = primary->definition;
        ecs_service_say(service, view->now_ms, "(deployment %s) deployment completed.", primary->id);
    }
    if (is_whole && (!service->is_steady || view->stopped > 0))
        ecs_service_say(service, view->now_ms, "has reached a steady state.");
    service->is_steady = is_whole;
}

void ecs_scheduler_step(struct ecs_service *service, int64_t now_ms)
{
    struct view view = {.service = service, .now_ms = now_ms, .stopped_ids = STRBUF_INIT};
    if (service->status == ECS_SERVICE_INACTIVE || service->engine->is_closing)
        return;
    look(&view);
    if (service->status == ECS_SERVICE_DRAINING) {
        stop_all(&view);
        say_stops(&view);
        if (TAILQ_EMPTY(&service->tasks))
            service->status = ECS_SERVICE_INACTIVE;
    } else {
        stop_surplus(&view);
        if (view.primary->rollout != ECS_FAILED)
            stop_older(&view);
        drop_empty(&view);
        say_stops(&view);
        start(&view);
        say_stuck(&view);
        judge(&view);
    }
    strbuf_clean_up(&view.stopped_ids);
}
