/* Services, their deployments and events; see ecs_engine.h. */
#include "base/alloc.h"
#include "base/strbuf.h"
#include "localaws/ecs_engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void ecs_service_touch(struct ecs_service *service)
{
    if (service->is_dirty)
        return;
    service->is_dirty = true;
    TAILQ_INSERT_TAIL(&service->engine->dirty, service, dirty_entry);
}

void ecs_service_say(struct ecs_service *service, int64_t now_ms, const char *fmt, ...)
{
    struct ecs_event *event = &service->events[service->event_next];
    struct strbuf text = STRBUF_INIT;
    va_list args;
    va_start(args, fmt);
    strbuf_appendf(&text, "(service %s) ", service->name);
    strbuf_vappendf(&text, fmt, args);
    va_end(args);
    free(event->message);
    event->message = strbuf_take(&text);
    event->created_ms = now_ms;
    ecs_engine_uuid(service->engine, event->id);
    service->event_next = (service->event_next + 1) % ECS_EVENTS_MAX;
    if (service->event_count < ECS_EVENTS_MAX)
        service->event_count++;
}

void ecs_service_count(struct ecs_service *service)
{
    struct ecs_deployment *deployment = NULL;
    const struct ecs_task *task = NULL;
    TAILQ_FOREACH(deployment, &service->deployments, entry)
    {
        deployment->live = deployment->running = 0;
    }
    TAILQ_FOREACH(task, &service->tasks, service_entry)
    {
        if (task->deployment == NULL)
            continue;
        task->deployment->live++;
        if (task->status == ECS_RUNNING)
            task->deployment->running++;
    }
}

void ecs_service_forget_failures(struct ecs_service *service)
{
    service->failures = 0;
    service->next_start_ms = 0;
    heap_remove(&service->engine->services_due, &service->due);
    ecs_service_touch(service);
}

void ecs_service_deploy(struct ecs_service *service, struct ecs_task_definition *definition, int64_t now_ms)
{
    struct ecs_deployment *deployment = xcalloc(1, sizeof *deployment);
    char hex[ECS_ID_BYTES];
    ecs_engine_hex(service->engine, hex);
    hex[16] = '\0';
    (void)snprintf(deployment->id, sizeof deployment->id, "ecs-svc/%019" PRIu64,
                   (uint64_t)strtoull(hex, NULL, 16) % 10000000000000000000U);
    deployment->definition = definition;
    deployment->created_ms = deployment->updated_ms = now_ms;
    TAILQ_INSERT_HEAD(&service->deployments, deployment, entry);
    ecs_service_forget_failures(service);
}

void ecs_service_set_desired(struct ecs_service *service, int desired, int64_t now_ms)
{
    service->desired = desired;
    TAILQ_FIRST(&service->deployments)->updated_ms = now_ms;
    ecs_service_touch(service);
}

void ecs_service_delete(struct ecs_service *service)
{
    service->status = ECS_SERVICE_DRAINING;
    service->desired = 0;
    ecs_service_touch(service);
}

/* An INACTIVE service of the same name begins anew: tasks that it stopped are still shown. */
static void reset(struct ecs_service *service)
{
    struct ecs_deployment *deployment = NULL;
    while ((deployment = TAILQ_FIRST(&service->deployments)) != NULL) {
        TAILQ_REMOVE(&service->deployments, deployment, entry);
        free(deployment);
    }
    for (size_t i = 0; i < ECS_EVENTS_MAX; i++) {
        free(service->events[i].message);
        service->events[i].message = NULL;
    }
    service->event_count = service->event_next = 0;
    service->last_completed = NULL;
    service->is_steady = service->is_stuck = service->breaker = service->rollback = false;
    service->blocked = 0;
    json_decref(service->extras);
    service->extras = NULL;
}

struct ecs_service *ecs_service_create(struct ecs_engine *engine, struct ecs_cluster *cluster,
                                       struct slice name, struct ecs_task_definition *definition, int desired,
                                       int64_t now_ms)
{
    struct ecs_service *service = strmap_get(&cluster->services, name);
    struct strbuf arn = STRBUF_INIT;
    if (service != NULL) {
        reset(service);
    } else {
        service = xcalloc(1, sizeof *service);
        service->engine = engine;
        service->cluster = cluster;
        service->name = xstrndup(name.at, name.len);
        strbuf_appendf(&arn, "arn:aws:ecs:%s:%s:service/%s/%s", engine->settings.region,
                       engine->settings.account, cluster->name, service->name);
        service->arn = strbuf_take(&arn);
        service->number = ++engine->numbers;
        TAILQ_INIT(&service->deployments);
        TAILQ_INIT(&service->tasks);
        TAILQ_INSERT_TAIL(&cluster->service_order, service, entry);
        strmap_put(&cluster->services, name, service);
    }
    service->status = ECS_SERVICE_ACTIVE;
    service->created_ms = now_ms;
    service->desired = desired;
    service->minimum_percent = 100;
    service->maximum_percent = 200;
    ecs_service_deploy(service, definition, now_ms);
    return service;
}
