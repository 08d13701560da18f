/* Operations on tasks, and their protection; see ecs_ops.h. */
#include "base/alloc.h"
#include "localaws/ecs_ops_parts.h"

enum { RUN_MAX = 10, PROTECT_MAX = 10, MINUTE_MS = 60 * 1000 };

/* ---- listing ---- */

struct task_filter {
    const struct ecs_service *service; /* NULL: any */
    struct slice family, started_by;
    bool stopped;
};

static bool passes(const struct task_filter *filter, const struct ecs_task *task)
{
    return task->wants_stop == filter->stopped &&
           (filter->service == NULL || task->service == filter->service) &&
           (filter->family.at == NULL || slice_is(filter->family, task->definition->family)) &&
           (filter->started_by.at == NULL ||
            (task->started_by != NULL && slice_is(filter->started_by, task->started_by)));
}

static void read_filter(const struct ecs_call *call, const struct ecs_cluster *cluster,
                        struct task_filter *filter)
{
    struct slice service = ecs_in_text(call, "serviceName");
    struct slice status = ecs_in_text(call, "desiredStatus");
    *filter = (struct task_filter){.family = ecs_in_text(call, "family"),
                                   .started_by = ecs_in_text(call, "startedBy"),
                                   .stopped = slice_is(status, "STOPPED")};
    if (service.at != NULL) {
        filter->service = ecs_cluster_service(cluster, service);
        if (filter->service == NULL && ecs_ok(call))
            (void)ecs_fail(call->failure, ECS_SERVICE_NOT_FOUND, "Service not found.");
    }
    if (status.at != NULL && !filter->stopped && !slice_is(status, "RUNNING") &&
        !slice_is(status, "PENDING") && ecs_ok(call))
        (void)ecs_fail(call->failure, ECS_INVALID_PARAMETER,
                       "desiredStatus must be RUNNING, PENDING or STOPPED.");
}

void ecs_op_list_tasks(struct ecs_call *call)
{
    struct task_filter filter;
    const struct ecs_task *task = NULL;
    const struct ecs_cluster *cluster = ecs_in_cluster(call);
    if (cluster == NULL)
        return;
    struct ecs_page page = ecs_page_start(call, 100);
    read_filter(call, cluster, &filter);
    /* ECS never sets the desired status PENDING: the filter finds nothing. */
    bool is_empty = slice_is(ecs_in_text(call, "desiredStatus"), "PENDING");
    jsonw_key(&call->w, "taskArns");
    jsonw_array(&call->w);
    TAILQ_FOREACH(task, &cluster->tasks, entry)
    {
        if (!is_empty && passes(&filter, task) && ecs_page_takes(&page, task->number))
            jsonw_str(&call->w, task->arn);
    }
    jsonw_end_array(&call->w);
    ecs_page_end(&page, &call->w);
}

static void write_missing_tasks(struct ecs_call *call, const struct ecs_cluster *cluster, const json_t *ids)
{
    for (size_t i = 0; i < json_array_size(ids); i++) {
        struct slice id = slice_of(json_string_value(json_array_get(ids, i)));
        if (ecs_cluster_task(cluster, call->engine, id) == NULL)
            ecs_write_missing(call->engine, &call->w, "task", id);
    }
}

void ecs_op_describe_tasks(struct ecs_call *call)
{
    const json_t *ids = ecs_in_texts(call, "tasks", 100);
    const struct ecs_cluster *cluster = ecs_in_cluster(call);
    if (cluster == NULL)
        return;
    if (json_array_size(ids) == 0) {
        (void)ecs_fail(call->failure, ECS_INVALID_PARAMETER, "Tasks cannot be empty.");
        return;
    }
    jsonw_key(&call->w, "tasks");
    jsonw_array(&call->w);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const struct ecs_task *task =
            ecs_cluster_task(cluster, call->engine, slice_of(json_string_value(json_array_get(ids, i))));
        if (task != NULL)
            ecs_write_task(&call->w, task);
    }
    jsonw_end_array(&call->w);
    jsonw_key(&call->w, "failures");
    jsonw_array(&call->w);
    write_missing_tasks(call, cluster, ids);
    jsonw_end_array(&call->w);
}

/* ---- starting and stopping ---- */

void ecs_op_stop_task(struct ecs_call *call)
{
    struct slice id = ecs_in_text(call, "task");
    struct slice reason = ecs_in_text(call, "reason");
    const struct ecs_cluster *cluster = ecs_in_cluster(call);
    if (cluster == NULL)
        return;
    struct ecs_task *task = id.at == NULL ? NULL : ecs_cluster_task(cluster, call->engine, id);
    if (task == NULL) {
        (void)ecs_fail(call->failure, ECS_INVALID_PARAMETER, "The referenced task was not found.");
        return;
    }
    ecs_task_stop(task, "UserInitiated", reason.at != NULL ? reason.at : "Task stopped by user",
                  call->now_ms);
    jsonw_key(&call->w, "task");
    ecs_write_task(&call->w, task);
}

/* overrides.containerOverrides: of the one container, command and environment. */
static void check_overrides(const struct ecs_call *call)
{
    const json_t *list = json_object_get(json_object_get(call->in, "overrides"), "containerOverrides");
    const json_t *first = json_array_get(list, 0);
    struct ecs_call inner = *call;
    if (json_array_size(list) > 1 && ecs_ok(call))
        (void)ecs_fail(call->failure, ECS_UNSUPPORTED_FEATURE,
                       "sluice-localaws runs one container of a task: containerOverrides has %zu.",
                       json_array_size(list));
    inner.in = first;
    if (first != NULL)
        (void)ecs_in_texts(&inner, "command", 1000);
    const json_t *environment = json_object_get(first, "environment");
    for (size_t i = 0; i < json_array_size(environment); i++) {
        inner.in = json_array_get(environment, i);
        if ((ecs_in_text(&inner, "name").len == 0 || ecs_in_text(&inner, "value").at == NULL) && ecs_ok(call))
            (void)ecs_fail(call->failure, ECS_INVALID_PARAMETER,
                           "environment of an override must hold name and value.");
    }
}

static char *text_or_null(struct slice text)
{
    return text.at == NULL ? NULL : xstrndup(text.at, text.len);
}

void ecs_op_run_task(struct ecs_call *call)
{
    int64_t count = ecs_in_int(call, "count", 1, RUN_MAX, 1);
    struct slice started_by = ecs_in_text(call, "startedBy");
    struct slice group = ecs_in_text(call, "group");
    struct ecs_cluster *cluster = ecs_in_cluster(call);
    struct ecs_task_definition *definition = cluster == NULL ? NULL : ecs_in_definition(call);
    check_overrides(call);
    if (ecs_ok(call) && !call->engine->settings.has_tasks)
        (void)ecs_fail(call->failure, ECS_UNSUPPORTED_FEATURE,
                       "This sluice-localaws runs no tasks: start it with --ecs-tasks run or pretend.");
    if (!ecs_ok(call) || definition == NULL)
        return;
    jsonw_key(&call->w, "tasks");
    jsonw_array(&call->w);
    for (int64_t i = 0; i < count; i++) {
        struct ecs_task *task = ecs_task_new(call->engine, cluster, NULL, NULL, definition, call->now_ms);
        task->started_by = text_or_null(started_by);
        task->group = text_or_null(group);
        if (ecs_in_has(call, "overrides"))
            task->overrides = json_deep_copy(json_object_get(call->in, "overrides"));
        ecs_write_task(&call->w, task);
    }
    jsonw_end_array(&call->w);
    jsonw_key(&call->w, "failures");
    jsonw_array(&call->w);
    jsonw_end_array(&call->w);
}

/* ---- protection ---- */

/* Other tasks of its service that are protected now. */
static int others_protected(const struct ecs_task *task, int64_t now_ms)
{
    const struct ecs_task *each = NULL;
    int count = 0;
    TAILQ_FOREACH(each, &task->service->tasks, service_entry)
    {
        if (each != task && each->deployment != NULL && ecs_task_is_protected(each, now_ms))
            count++;
    }
    return count;
}

const char *ecs_protect(struct ecs_task *task, bool enabled, int64_t minutes, int64_t now_ms,
                        const char **ret_detail)
{
    if (task->service == NULL) {
        *ret_detail = "The task is not part of a service.";
        return "TASK_NOT_VALID";
    }
    if (task->wants_stop) {
        *ret_detail = "The task is stopping or stopped.";
        return "TASK_NOT_VALID";
    }
    /* Who is protected may stay so: what ECS does with a renewal then is not documented. */
    if (enabled && !ecs_task_is_protected(task, now_ms) &&
        others_protected(task, now_ms) >= task->service->desired) {
        *ret_detail =
            "The number of protected tasks has reached or exceeded the desired count of the service:"
            " unprotect tasks or raise the desired count.";
        return "DEPLOYMENT_BLOCKED";
    }
    ecs_task_protect(task, enabled ? now_ms + minutes * MINUTE_MS : 0);
    return NULL;
}

/* A failure to be written behind the list of successes. */
struct protect_failure {
    struct slice id;
    const char *reason, *detail;
};

static void write_protected(struct jsonw *w, const struct ecs_task *task, int64_t now_ms)
{
    bool is_protected = ecs_task_is_protected(task, now_ms);
    jsonw_object(w);
    jsonw_key_str(w, "taskArn", task->arn);
    jsonw_key_bool(w, "protectionEnabled", is_protected);
    if (is_protected)
        ecs_write_time(w, "expirationDate", task->protected_until_ms);
    jsonw_end_object(w);
}

static void write_failures(struct ecs_call *call, const struct protect_failure *failures, size_t count)
{
    jsonw_key(&call->w, "failures");
    jsonw_array(&call->w);
    for (size_t i = 0; i < count; i++) {
        if (failures[i].detail == NULL) {
            ecs_write_missing(call->engine, &call->w, "task", failures[i].id);
            continue;
        }
        jsonw_object(&call->w);
        jsonw_key_str(&call->w, "arn", failures[i].id.at);
        jsonw_key_str(&call->w, "reason", failures[i].reason);
        jsonw_key_str(&call->w, "detail", failures[i].detail);
        jsonw_end_object(&call->w);
    }
    jsonw_end_array(&call->w);
}

void ecs_op_update_task_protection(struct ecs_call *call)
{
    struct protect_failure failures[PROTECT_MAX];
    size_t failed = 0;
    const json_t *ids = ecs_in_texts(call, "tasks", PROTECT_MAX);
    bool enabled = ecs_in_bool(call, "protectionEnabled", false);
    int64_t minutes =
        ecs_in_int(call, "expiresInMinutes", 1, ECS_PROTECTION_MAX_MIN, ECS_PROTECTION_DEFAULT_MIN);
    const struct ecs_cluster *cluster = ecs_in_cluster(call);
    if (cluster != NULL && ecs_ok(call) &&
        (!ecs_in_has(call, "protectionEnabled") || json_array_size(ids) == 0))
        (void)ecs_fail(call->failure, ECS_INVALID_PARAMETER, "tasks and protectionEnabled must be given.");
    if (cluster == NULL || !ecs_ok(call))
        return;
    jsonw_key(&call->w, "protectedTasks");
    jsonw_array(&call->w);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        struct protect_failure failure = {.id = slice_of(json_string_value(json_array_get(ids, i)))};
        struct ecs_task *task = ecs_cluster_task(cluster, call->engine, failure.id);
        if (task != NULL)
            failure.reason = ecs_protect(task, enabled, minutes, call->now_ms, &failure.detail);
        if (task == NULL || failure.reason != NULL)
            failures[failed++] = failure;
        else
            write_protected(&call->w, task, call->now_ms);
    }
    jsonw_end_array(&call->w);
    write_failures(call, failures, failed);
}

void ecs_op_get_task_protection(struct ecs_call *call)
{
    const json_t *ids = ecs_in_texts(call, "tasks", PROTECT_MAX);
    const struct ecs_cluster *cluster = ecs_in_cluster(call);
    const struct ecs_task *each = NULL;
    if (cluster == NULL)
        return;
    jsonw_key(&call->w, "protectedTasks");
    jsonw_array(&call->w);
    if (json_array_size(ids) == 0) {
        TAILQ_FOREACH(each, &cluster->tasks, entry)
        {
            if (each->service != NULL && !each->wants_stop)
                write_protected(&call->w, each, call->now_ms);
        }
    }
    for (size_t i = 0; i < json_array_size(ids); i++) {
        each = ecs_cluster_task(cluster, call->engine, slice_of(json_string_value(json_array_get(ids, i))));
        if (each != NULL)
            write_protected(&call->w, each, call->now_ms);
    }
    jsonw_end_array(&call->w);
    jsonw_key(&call->w, "failures");
    jsonw_array(&call->w);
    write_missing_tasks(call, cluster, ids);
    jsonw_end_array(&call->w);
}
