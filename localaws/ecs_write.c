/* ECS's objects as JSON; see ecs_ops_parts.h. Member names: the ECS service model. */
#include "localaws/ecs_ops_parts.h"

#include <stdlib.h>

void ecs_write_time(struct jsonw *w, const char *key, int64_t ms)
{
    if (ms > 0)
        jsonw_key_double(w, key, (double)ms / 1000.0);
}

void ecs_write_json(struct jsonw *w, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL)
        abort();
    jsonw_raw(w, text, strlen(text));
    free(text);
}

void ecs_write_members(struct jsonw *w, const json_t *object, const char *without)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (without != NULL && strcmp(key, without) == 0)
            continue;
        jsonw_key_any(w, key);
        ecs_write_json(w, value);
    }
}

void ecs_write_missing(const struct ecs_engine *engine, struct jsonw *w, const char *kind, struct slice name)
{
    struct strbuf arn = STRBUF_INIT;
    if (!slice_starts_with(name, "arn:"))
        strbuf_appendf(&arn, "arn:aws:ecs:%s:%s:%s/", engine->settings.region, engine->settings.account,
                       kind);
    strbuf_append(&arn, name.at, name.len);
    jsonw_object(w);
    jsonw_key_str(w, "arn", strbuf_str(&arn));
    jsonw_key_str(w, "reason", "MISSING");
    jsonw_end_object(w);
    strbuf_clean_up(&arn);
}

void ecs_write_cluster(struct jsonw *w, const struct ecs_cluster *cluster)
{
    const struct ecs_task *task = NULL;
    const struct ecs_service *service = NULL;
    int64_t running = 0;
    int64_t pending = 0;
    int64_t services = 0;
    TAILQ_FOREACH(task, &cluster->tasks, entry)
    {
        running += task->status == ECS_RUNNING;
        pending += task->status < ECS_RUNNING;
    }
    TAILQ_FOREACH(service, &cluster->service_order, entry)
    {
        services += service->status == ECS_SERVICE_ACTIVE;
    }
    jsonw_object(w);
    jsonw_key_str(w, "clusterArn", cluster->arn);
    jsonw_key_str(w, "clusterName", cluster->name);
    jsonw_key_str(w, "status", "ACTIVE");
    jsonw_key_int(w, "registeredContainerInstancesCount", 0);
    jsonw_key_int(w, "runningTasksCount", running);
    jsonw_key_int(w, "pendingTasksCount", pending);
    jsonw_key_int(w, "activeServicesCount", services);
    ecs_write_members(w, cluster->extras, NULL);
    jsonw_end_object(w);
}

/* ---- services ---- */

static void write_deployment(struct jsonw *w, const struct ecs_service *service,
                             const struct ecs_deployment *deployment)
{
    static const char *const ROLLOUTS[] = {
        [ECS_IN_PROGRESS] = "IN_PROGRESS", [ECS_COMPLETED] = "COMPLETED", [ECS_FAILED] = "FAILED"};
    bool is_primary = deployment == TAILQ_FIRST(&service->deployments);
    struct strbuf reason = STRBUF_INIT;
    if (deployment->rollout == ECS_FAILED)
        strbuf_append_str(&reason, "ECS deployment circuit breaker: tasks failed to start.");
    else
        strbuf_appendf(&reason, "ECS deployment %s %s.", deployment->id,
                       deployment->rollout == ECS_COMPLETED ? "completed" : "in progress");
    jsonw_object(w);
    jsonw_key_str(w, "id", deployment->id);
    jsonw_key_str(w, "status", is_primary ? "PRIMARY" : "ACTIVE");
    jsonw_key_str(w, "taskDefinition", deployment->definition->arn);
    jsonw_key_int(w, "desiredCount", is_primary ? service->desired : deployment->live);
    jsonw_key_int(w, "pendingCount", deployment->live - deployment->running);
    jsonw_key_int(w, "runningCount", deployment->running);
    jsonw_key_int(w, "failedTasks", deployment->failed_tasks);
    ecs_write_time(w, "createdAt", deployment->created_ms);
    ecs_write_time(w, "updatedAt", deployment->updated_ms);
    jsonw_key_str(w, "rolloutState", ROLLOUTS[deployment->rollout]);
    jsonw_key_str(w, "rolloutStateReason", strbuf_str(&reason));
    jsonw_end_object(w);
    strbuf_clean_up(&reason);
}

static void write_events(struct jsonw *w, const struct ecs_service *service)
{
    jsonw_key(w, "events");
    jsonw_array(w);
    for (size_t i = 1; i <= service->event_count; i++) {
        const struct ecs_event *event =
            &service->events[(service->event_next + ECS_EVENTS_MAX - i) % ECS_EVENTS_MAX];
        jsonw_object(w);
        jsonw_key_str(w, "id", event->id);
        ecs_write_time(w, "createdAt", event->created_ms);
        jsonw_key_str(w, "message", event->message);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void write_configuration(struct jsonw *w, const struct ecs_service *service)
{
    jsonw_key(w, "deploymentConfiguration");
    jsonw_object(w);
    jsonw_key(w, "deploymentCircuitBreaker");
    jsonw_object(w);
    jsonw_key_bool(w, "enable", service->breaker);
    jsonw_key_bool(w, "rollback", service->rollback);
    jsonw_end_object(w);
    jsonw_key_int(w, "maximumPercent", service->maximum_percent);
    jsonw_key_int(w, "minimumHealthyPercent", service->minimum_percent);
    jsonw_end_object(w);
}

void ecs_write_service(struct jsonw *w, struct ecs_service *service, bool with_tags)
{
    static const char *const STATUSES[] = {[ECS_SERVICE_ACTIVE] = "ACTIVE",
                                           [ECS_SERVICE_DRAINING] = "DRAINING",
                                           [ECS_SERVICE_INACTIVE] = "INACTIVE"};
    const struct ecs_deployment *deployment = NULL;
    int running = 0;
    int live = 0;
    ecs_service_count(service);
    TAILQ_FOREACH(deployment, &service->deployments, entry)
    {
        running += deployment->running;
        live += deployment->live;
    }
    jsonw_object(w);
    jsonw_key_str(w, "serviceArn", service->arn);
    jsonw_key_str(w, "serviceName", service->name);
    jsonw_key_str(w, "clusterArn", service->cluster->arn);
    jsonw_key_str(w, "status", STATUSES[service->status]);
    jsonw_key_int(w, "desiredCount", service->desired);
    jsonw_key_int(w, "runningCount", running);
    jsonw_key_int(w, "pendingCount", live - running);
    jsonw_key_str(w, "taskDefinition", TAILQ_FIRST(&service->deployments)->definition->arn);
    ecs_write_time(w, "createdAt", service->created_ms);
    write_configuration(w, service);
    jsonw_key(w, "deployments");
    jsonw_array(w);
    TAILQ_FOREACH(deployment, &service->deployments, entry)
    {
        if (service->status != ECS_SERVICE_INACTIVE)
            write_deployment(w, service, deployment);
    }
    jsonw_end_array(w);
    write_events(w, service);
    ecs_write_members(w, service->extras, with_tags ? NULL : "tags");
    jsonw_end_object(w);
}

/* ---- tasks ---- */

const char *ecs_status_name(enum ecs_status status)
{
    static const char *const NAMES[] = {
        [ECS_PROVISIONING] = "PROVISIONING", [ECS_PENDING] = "PENDING",   [ECS_ACTIVATING] = "ACTIVATING",
        [ECS_RUNNING] = "RUNNING",           [ECS_STOPPING] = "STOPPING", [ECS_STOPPED] = "STOPPED"};
    return NAMES[status];
}

static void write_container(struct jsonw *w, const struct ecs_task *task)
{
    const json_t *container =
        json_array_get(json_object_get(task->definition->document, "containerDefinitions"), 0);
    const char *status = task->status == ECS_STOPPED    ? "STOPPED"
                         : task->status == ECS_STOPPING ? "RUNNING"
                         : task->has_process            ? "RUNNING"
                                                        : "PENDING";
    jsonw_object(w);
    jsonw_key(w, "containerArn");
    struct strbuf arn = STRBUF_INIT;
    strbuf_appendf(&arn, "arn:aws:ecs:%s:%s:container/%s/%s/main", task->engine->settings.region,
                   task->engine->settings.account, task->cluster->name, task->id);
    jsonw_str(w, strbuf_str(&arn));
    strbuf_clean_up(&arn);
    jsonw_key_str(w, "taskArn", task->arn);
    jsonw_key_str(w, "name", json_string_value(json_object_get(container, "name")));
    if (json_is_string(json_object_get(container, "image")))
        jsonw_key_str(w, "image", json_string_value(json_object_get(container, "image")));
    jsonw_key_str(w, "lastStatus", status);
    if (task->exit_code >= 0)
        jsonw_key_int(w, "exitCode", task->exit_code);
    if (task->container_reason[0] != '\0')
        jsonw_key_str(w, "reason", task->container_reason);
    jsonw_key_str(w, "healthStatus", "UNKNOWN");
    jsonw_end_object(w);
}

void ecs_write_task(struct jsonw *w, const struct ecs_task *task)
{
    jsonw_object(w);
    jsonw_key_str(w, "taskArn", task->arn);
    jsonw_key_str(w, "clusterArn", task->cluster->arn);
    jsonw_key_str(w, "taskDefinitionArn", task->definition->arn);
    jsonw_key_str(w, "lastStatus", ecs_status_name(task->status));
    jsonw_key_str(w, "desiredStatus", task->wants_stop ? "STOPPED" : "RUNNING");
    if (task->group != NULL)
        jsonw_key_str(w, "group", task->group);
    if (task->started_by != NULL)
        jsonw_key_str(w, "startedBy", task->started_by);
    jsonw_key_int(w, "version", task->version);
    jsonw_key_str(w, "connectivity", "CONNECTED");
    jsonw_key_str(w, "healthStatus", "UNKNOWN");
    ecs_write_time(w, "createdAt", task->created_ms);
    ecs_write_time(w, "startedAt", task->started_ms);
    ecs_write_time(w, "stoppingAt", task->stopping_ms);
    ecs_write_time(w, "stoppedAt", task->stopped_ms);
    if (task->stop_code != NULL) {
        jsonw_key_str(w, "stopCode", task->stop_code);
        jsonw_key_str(w, "stoppedReason", task->stop_reason);
    }
    jsonw_key(w, "containers");
    jsonw_array(w);
    write_container(w, task);
    jsonw_end_array(w);
    if (task->overrides != NULL) {
        jsonw_key(w, "overrides");
        ecs_write_json(w, task->overrides);
    }
    jsonw_end_object(w);
}
