/* Clusters, task definitions, ids and the order of what is due; see ecs_engine.h. */
#include "localaws/ecs_engine.h"

#include "base/alloc.h"
#include "base/random.h"
#include "base/strbuf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- ids ---- */

void ecs_engine_hex(struct ecs_engine *engine, char out[static ECS_ID_BYTES])
{
    uint64_t high = random_next(&engine->random);
    (void)snprintf(out, ECS_ID_BYTES, "%016" PRIx64 "%016" PRIx64, high, random_next(&engine->random));
}

void ecs_engine_uuid(struct ecs_engine *engine, char out[static ECS_UUID_BYTES])
{
    char hex[ECS_ID_BYTES];
    ecs_engine_hex(engine, hex);
    (void)snprintf(out, ECS_UUID_BYTES, "%.8s-%.4s-4%.3s-a%.3s-%.12s", hex, hex + 8, hex + 13, hex + 17,
                   hex + 20);
}

/* ---- clusters ---- */

static struct slice last_part(struct slice text)
{
    const char *slash = text.len == 0 ? NULL : memrchr(text.at, '/', text.len);
    return slash == NULL ? text : (struct slice){slash + 1, (size_t)(text.at + text.len - slash - 1)};
}

struct ecs_cluster *ecs_engine_cluster(const struct ecs_engine *engine, struct slice name)
{
    if (name.at == NULL)
        return strmap_get(&engine->clusters, slice_of("default"));
    struct ecs_cluster *cluster = strmap_get(&engine->clusters, last_part(name));
    if (cluster != NULL && memchr(name.at, '/', name.len) != NULL && !slice_is(name, cluster->arn))
        return NULL;
    return cluster;
}

struct ecs_cluster *ecs_engine_create_cluster(struct ecs_engine *engine, struct slice name, json_t *extras)
{
    struct ecs_cluster *cluster = strmap_get(&engine->clusters, name);
    if (cluster != NULL)
        return cluster;
    struct strbuf arn = STRBUF_INIT;
    cluster = xcalloc(1, sizeof *cluster);
    cluster->name = xstrndup(name.at, name.len);
    strbuf_appendf(&arn, "arn:aws:ecs:%s:%s:cluster/%s", engine->settings.region, engine->settings.account,
                   cluster->name);
    cluster->arn = strbuf_take(&arn);
    cluster->extras = json_incref(extras);
    TAILQ_INIT(&cluster->service_order);
    TAILQ_INIT(&cluster->tasks);
    TAILQ_INSERT_TAIL(&engine->cluster_order, cluster, entry);
    strmap_put(&engine->clusters, name, cluster);
    return cluster;
}

struct ecs_service *ecs_cluster_service(const struct ecs_cluster *cluster, struct slice name_or_arn)
{
    struct ecs_service *service = strmap_get(&cluster->services, last_part(name_or_arn));
    if (service != NULL && memchr(name_or_arn.at, '/', name_or_arn.len) != NULL &&
        !slice_is(name_or_arn, service->arn))
        return NULL;
    return service;
}

struct ecs_task *ecs_cluster_task(const struct ecs_cluster *cluster, const struct ecs_engine *engine,
                                  struct slice id_or_arn)
{
    struct ecs_task *task = strmap_get(&engine->tasks, last_part(id_or_arn));
    bool is_arn = id_or_arn.len > 0 && memchr(id_or_arn.at, '/', id_or_arn.len) != NULL;
    if (task == NULL || task->cluster != cluster || (is_arn && !slice_is(id_or_arn, task->arn)))
        return NULL;
    return task;
}

/* ---- task definitions ---- */

struct ecs_task_definition *ecs_engine_definition(const struct ecs_engine *engine, struct slice name)
{
    struct slice key = last_part(name);
    struct ecs_task_definition *found = strmap_get(&engine->definitions, key);
    if (found != NULL && key.len != name.len && !slice_is(name, found->arn))
        return NULL;
    if (found != NULL || key.len == 0 || memchr(key.at, ':', key.len) != NULL)
        return found;
    struct ecs_task_definition *each = NULL;
    TAILQ_FOREACH(each, &engine->definition_order, entry)
    {
        if (each->is_active && slice_is(key, each->family))
            found = each; /* revisions stand in their order: the last one counts */
    }
    return found;
}

static int latest_revision(const struct ecs_engine *engine, const char *family)
{
    const struct ecs_task_definition *each = NULL;
    int latest = 0;
    TAILQ_FOREACH(each, &engine->definition_order, entry)
    {
        if (strcmp(each->family, family) == 0)
            latest = each->revision;
    }
    return latest;
}

struct ecs_task_definition *ecs_engine_register(struct ecs_engine *engine, const char *family,
                                                json_t *document, int64_t stop_timeout_ms, int64_t now_ms)
{
    struct ecs_task_definition *definition = xcalloc(1, sizeof *definition);
    struct strbuf text = STRBUF_INIT;
    definition->family = xstrdup(family);
    definition->revision = latest_revision(engine, family) + 1;
    definition->document = json_incref(document);
    definition->is_active = true;
    definition->stop_timeout_ms = stop_timeout_ms;
    strbuf_appendf(&text, "arn:aws:ecs:%s:%s:task-definition/%s:%d", engine->settings.region,
                   engine->settings.account, family, definition->revision);
    definition->arn = strbuf_take(&text);
    json_object_set_new(document, "taskDefinitionArn", json_string(definition->arn));
    json_object_set_new(document, "revision", json_integer(definition->revision));
    json_object_set_new(document, "status", json_string("ACTIVE"));
    json_object_set_new(document, "registeredAt", json_real((double)now_ms / 1000.0));
    strmap_put(&engine->definitions, slice_of(strchr(definition->arn, '/') + 1), definition);
    TAILQ_INSERT_TAIL(&engine->definition_order, definition, entry);
    return definition;
}

/* ---- what is due ---- */

/* A step may make something due at once; more turns than this at one instant would be a loop of ours. */
enum { TURNS_MAX = 1000000 };

void ecs_engine_settle(struct ecs_engine *engine, int64_t now_ms)
{
    for (int turns = 0; turns < TURNS_MAX; turns++) {
        struct ecs_service *service = TAILQ_FIRST(&engine->dirty);
        if (service != NULL) {
            TAILQ_REMOVE(&engine->dirty, service, dirty_entry);
            service->is_dirty = false;
            ecs_scheduler_step(service, now_ms);
        } else if (heap_top_key(&engine->tasks_due) <= now_ms) {
            struct heap_node *node = heap_top(&engine->tasks_due);
            heap_remove(&engine->tasks_due, node);
            ecs_task_step(HEAP_OWNER(node, struct ecs_task, due), now_ms);
        } else if (heap_top_key(&engine->services_due) <= now_ms) {
            struct heap_node *node = heap_top(&engine->services_due);
            heap_remove(&engine->services_due, node);
            ecs_service_touch(HEAP_OWNER(node, struct ecs_service, due));
        } else {
            return;
        }
    }
    abort();
}

int64_t ecs_engine_next_ms(const struct ecs_engine *engine)
{
    int64_t tasks_ms = heap_top_key(&engine->tasks_due);
    int64_t services_ms = heap_top_key(&engine->services_due);
    if (!TAILQ_EMPTY(&engine->dirty))
        return 0;
    return tasks_ms < services_ms ? tasks_ms : services_ms;
}

void ecs_engine_close(struct ecs_engine *engine, int64_t now_ms)
{
    struct ecs_cluster *cluster = NULL;
    struct ecs_task *task = NULL;
    engine->is_closing = true;
    TAILQ_FOREACH(cluster, &engine->cluster_order, entry)
    {
        TAILQ_FOREACH(task, &cluster->tasks, entry)
        {
            if (task->status != ECS_STOPPED)
                ecs_task_stop(task, "UserInitiated", "sluice-localaws ends", now_ms);
        }
    }
}

/* ---- life ---- */

struct ecs_engine *ecs_engine_new(const struct ecs_settings *settings)
{
    struct ecs_engine *engine = xcalloc(1, sizeof *engine);
    engine->settings = *settings;
    engine->random = settings->seed;
    TAILQ_INIT(&engine->cluster_order);
    TAILQ_INIT(&engine->definition_order);
    TAILQ_INIT(&engine->dirty);
    engine->scaling = json_object();
    (void)ecs_engine_create_cluster(engine, slice_of("default"), NULL);
    return engine;
}

static void free_service(struct ecs_service *service)
{
    struct ecs_deployment *deployment = NULL;
    while ((deployment = TAILQ_FIRST(&service->deployments)) != NULL) {
        TAILQ_REMOVE(&service->deployments, deployment, entry);
        free(deployment);
    }
    for (size_t i = 0; i < ECS_EVENTS_MAX; i++)
        free(service->events[i].message);
    json_decref(service->extras);
    free(service->name);
    free(service->arn);
    free(service);
}

static void free_cluster(struct ecs_cluster *cluster)
{
    struct ecs_task *task = NULL;
    struct ecs_service *service = NULL;
    while ((task = TAILQ_FIRST(&cluster->tasks)) != NULL)
        ecs_task_free(task);
    while ((service = TAILQ_FIRST(&cluster->service_order)) != NULL) {
        TAILQ_REMOVE(&cluster->service_order, service, entry);
        free_service(service);
    }
    strmap_clean_up(&cluster->services);
    json_decref(cluster->extras);
    free(cluster->name);
    free(cluster->arn);
    free(cluster);
}

void ecs_engine_free(struct ecs_engine *engine)
{
    struct ecs_cluster *cluster = NULL;
    struct ecs_task_definition *definition = NULL;
    if (engine == NULL)
        return;
    while ((cluster = TAILQ_FIRST(&engine->cluster_order)) != NULL) {
        TAILQ_REMOVE(&engine->cluster_order, cluster, entry);
        free_cluster(cluster);
    }
    while ((definition = TAILQ_FIRST(&engine->definition_order)) != NULL) {
        TAILQ_REMOVE(&engine->definition_order, definition, entry);
        json_decref(definition->document);
        free(definition->family);
        free(definition->arn);
        free(definition);
    }
    json_decref(engine->scaling);
    strmap_clean_up(&engine->clusters);
    strmap_clean_up(&engine->definitions);
    strmap_clean_up(&engine->tasks);
    heap_clean_up(&engine->tasks_due);
    heap_clean_up(&engine->services_due);
    free(engine);
}
