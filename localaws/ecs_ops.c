/* Dispatch of ECS operations, reading of their members, and clusters; see ecs_ops.h. */
#include "localaws/ecs_ops_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- reading members ---- */

static const json_t *member(const struct ecs_call *call, const char *key)
{
    const json_t *value = json_object_get(call->in, key);
    return json_is_null(value) ? NULL : value;
}

bool ecs_in_has(const struct ecs_call *call, const char *key)
{
    return member(call, key) != NULL;
}

static void refuse_type(const struct ecs_call *call, const char *key, const char *wanted)
{
    if (ecs_ok(call))
        (void)ecs_fail(call->failure, ECS_SERIALIZATION, "%s must be %s", key, wanted);
}

struct slice ecs_in_text(const struct ecs_call *call, const char *key)
{
    const json_t *value = member(call, key);
    if (value != NULL && !json_is_string(value))
        refuse_type(call, key, "a string");
    return (struct slice){json_string_value(value), json_string_length(value)};
}

int64_t ecs_in_int(const struct ecs_call *call, const char *key, int64_t min, int64_t max, int64_t fallback)
{
    const json_t *value = member(call, key);
    if (value == NULL)
        return fallback;
    if (!json_is_integer(value)) {
        refuse_type(call, key, "a whole number");
        return fallback;
    }
    int64_t number = json_integer_value(value);
    if (number >= min && number <= max)
        return number;
    if (ecs_ok(call))
        (void)ecs_fail(call->failure, ECS_INVALID_PARAMETER,
                       "%s is %" PRId64 ": want %" PRId64 " to %" PRId64 ".", key, number, min, max);
    return fallback;
}

bool ecs_in_bool(const struct ecs_call *call, const char *key, bool fallback)
{
    const json_t *value = member(call, key);
    if (value != NULL && !json_is_boolean(value))
        refuse_type(call, key, "true or false");
    return value == NULL ? fallback : json_is_true(value);
}

const json_t *ecs_in_texts(const struct ecs_call *call, const char *key, size_t max)
{
    const json_t *list = member(call, key);
    if (list == NULL)
        return NULL;
    bool good = json_is_array(list);
    for (size_t i = 0; good && i < json_array_size(list); i++)
        good = json_is_string(json_array_get(list, i));
    if (!good)
        refuse_type(call, key, "an array of strings");
    else if (json_array_size(list) > max && ecs_ok(call))
        (void)ecs_fail(call->failure, ECS_INVALID_PARAMETER, "%s cannot have more than %zu elements.", key,
                       max);
    return list;
}

bool ecs_in_name(const struct ecs_call *call, const char *what, struct slice name)
{
    size_t i = 0;
    while (i < name.len &&
           ((name.at[i] >= 'a' && name.at[i] <= 'z') || (name.at[i] >= 'A' && name.at[i] <= 'Z') ||
            (name.at[i] >= '0' && name.at[i] <= '9') || name.at[i] == '-' || name.at[i] == '_'))
        i++;
    if (i == name.len && i > 0 && i <= 255)
        return true;
    if (ecs_ok(call))
        (void)ecs_fail(call->failure, ECS_INVALID_PARAMETER,
                       "%s must be 1 to 255 letters, digits, hyphens and underscores.", what);
    return false;
}

struct ecs_cluster *ecs_in_cluster(const struct ecs_call *call)
{
    struct ecs_cluster *cluster = ecs_engine_cluster(call->engine, ecs_in_text(call, "cluster"));
    if (cluster == NULL && ecs_ok(call))
        (void)ecs_fail(call->failure, ECS_CLUSTER_NOT_FOUND, "Cluster not found.");
    return ecs_ok(call) ? cluster : NULL;
}

struct ecs_task_definition *ecs_in_definition(const struct ecs_call *call)
{
    struct slice name = ecs_in_text(call, "taskDefinition");
    struct ecs_task_definition *definition =
        name.at == NULL ? NULL : ecs_engine_definition(call->engine, name);
    if (!ecs_ok(call) || (definition != NULL && definition->is_active))
        return definition;
    if (definition == NULL)
        (void)ecs_fail(call->failure, ECS_CLIENT,
                       name.at == NULL ? "TaskDefinition can not be blank."
                                       : "Unable to describe task definition.");
    else
        (void)ecs_fail(call->failure, ECS_CLIENT, "TaskDefinition is inactive");
    return NULL;
}

json_t *ecs_in_pick(const struct ecs_call *call, const char *const *keys)
{
    json_t *picked = json_object();
    for (; *keys != NULL; keys++)
        if (ecs_in_has(call, *keys))
            (void)json_object_set_new(picked, *keys, json_deep_copy(member(call, *keys)));
    return picked;
}

/* ---- pages ---- */

struct ecs_page ecs_page_start(const struct ecs_call *call, int64_t fallback)
{
    struct ecs_page page = {.max = ecs_in_int(call, "maxResults", 1, 100, fallback)};
    struct slice token = ecs_in_text(call, "nextToken");
    char *end = NULL;
    if (token.at == NULL)
        return page;
    page.after = strtoull(token.at, &end, 16);
    if ((token.len == 0 || *end != '\0') && ecs_ok(call))
        (void)ecs_fail(call->failure, ECS_INVALID_PARAMETER, "Invalid token in the request.");
    return page;
}

bool ecs_page_takes(struct ecs_page *page, uint64_t number)
{
    if (number <= page->after)
        return false;
    if (page->count == page->max) {
        page->more = true;
        return false;
    }
    page->count++;
    page->last = number;
    return true;
}

void ecs_page_end(const struct ecs_page *page, struct jsonw *w)
{
    char token[32];
    if (!page->more)
        return;
    (void)snprintf(token, sizeof token, "%016" PRIx64, page->last);
    jsonw_key_str(w, "nextToken", token);
}

/* ---- clusters ---- */

static void create_cluster(struct ecs_call *call)
{
    static const char *const KEPT[] = {
        "tags", "settings", "configuration", "capacityProviders", "defaultCapacityProviderStrategy", NULL};
    struct slice name = ecs_in_text(call, "clusterName");
    if (name.at == NULL)
        name = slice_of("default");
    if (!ecs_ok(call) || !ecs_in_name(call, "clusterName", name))
        return;
    json_t *extras = ecs_in_pick(call, KEPT);
    const struct ecs_cluster *cluster = ecs_engine_create_cluster(call->engine, name, extras);
    json_decref(extras);
    jsonw_key(&call->w, "cluster");
    ecs_write_cluster(&call->w, cluster);
}

static void describe_clusters(struct ecs_call *call)
{
    const json_t *names = ecs_in_texts(call, "clusters", 100);
    json_t *only_default = json_pack("[s]", "default");
    if (names == NULL || json_array_size(names) == 0)
        names = only_default;
    jsonw_key(&call->w, "clusters");
    jsonw_array(&call->w);
    for (size_t i = 0; ecs_ok(call) && i < json_array_size(names); i++) {
        const struct ecs_cluster *cluster =
            ecs_engine_cluster(call->engine, slice_of(json_string_value(json_array_get(names, i))));
        if (cluster != NULL)
            ecs_write_cluster(&call->w, cluster);
    }
    jsonw_end_array(&call->w);
    jsonw_key(&call->w, "failures");
    jsonw_array(&call->w);
    for (size_t i = 0; ecs_ok(call) && i < json_array_size(names); i++) {
        struct slice name = slice_of(json_string_value(json_array_get(names, i)));
        if (ecs_engine_cluster(call->engine, name) == NULL)
            ecs_write_missing(call->engine, &call->w, "cluster", name);
    }
    jsonw_end_array(&call->w);
    json_decref(only_default);
}

static void list_clusters(struct ecs_call *call)
{
    const struct ecs_cluster *cluster = NULL;
    struct ecs_page page = ecs_page_start(call, 100);
    uint64_t number = 0;
    jsonw_key(&call->w, "clusterArns");
    jsonw_array(&call->w);
    TAILQ_FOREACH(cluster, &call->engine->cluster_order, entry)
    {
        if (ecs_page_takes(&page, ++number))
            jsonw_str(&call->w, cluster->arn);
    }
    jsonw_end_array(&call->w);
    ecs_page_end(&page, &call->w);
}

/* ---- dispatch ---- */

static const struct {
    const char *name;
    void (*run)(struct ecs_call *call);
} OPS[] = {
    [ECS_CREATE_CLUSTER] = {"CreateCluster", create_cluster},
    [ECS_CREATE_SERVICE] = {"CreateService", ecs_op_create_service},
    [ECS_DELETE_SERVICE] = {"DeleteService", ecs_op_delete_service},
    [ECS_DEREGISTER_TASK_DEFINITION] = {"DeregisterTaskDefinition", ecs_op_deregister_task_definition},
    [ECS_DESCRIBE_CLUSTERS] = {"DescribeClusters", describe_clusters},
    [ECS_DESCRIBE_SERVICES] = {"DescribeServices", ecs_op_describe_services},
    [ECS_DESCRIBE_TASK_DEFINITION] = {"DescribeTaskDefinition", ecs_op_describe_task_definition},
    [ECS_DESCRIBE_TASKS] = {"DescribeTasks", ecs_op_describe_tasks},
    [ECS_GET_TASK_PROTECTION] = {"GetTaskProtection", ecs_op_get_task_protection},
    [ECS_LIST_CLUSTERS] = {"ListClusters", list_clusters},
    [ECS_LIST_SERVICES] = {"ListServices", ecs_op_list_services},
    [ECS_LIST_TASK_DEFINITIONS] = {"ListTaskDefinitions", ecs_op_list_task_definitions},
    [ECS_LIST_TASKS] = {"ListTasks", ecs_op_list_tasks},
    [ECS_REGISTER_TASK_DEFINITION] = {"RegisterTaskDefinition", ecs_op_register_task_definition},
    [ECS_RUN_TASK] = {"RunTask", ecs_op_run_task},
    [ECS_STOP_TASK] = {"StopTask", ecs_op_stop_task},
    [ECS_UPDATE_SERVICE] = {"UpdateService", ecs_op_update_service},
    [ECS_UPDATE_TASK_PROTECTION] = {"UpdateTaskProtection", ecs_op_update_task_protection},
    [ECS_DEREGISTER_SCALABLE_TARGET] = {"DeregisterScalableTarget", ecs_op_deregister_scalable_target},
    [ECS_DESCRIBE_SCALABLE_TARGETS] = {"DescribeScalableTargets", ecs_op_describe_scalable_targets},
    [ECS_REGISTER_SCALABLE_TARGET] = {"RegisterScalableTarget", ecs_op_register_scalable_target},
};

_Static_assert(sizeof OPS / sizeof *OPS == ECS_OP_MAX, "every operation has a row");

const char *ecs_op_name(enum ecs_op op)
{
    return OPS[op].name;
}

enum ecs_op ecs_op_find(struct slice name)
{
    int op = 0;
    while (op < ECS_OP_MAX && !slice_is(name, OPS[op].name))
        op++;
    return (enum ecs_op)op;
}

enum ecs_error ecs_ops_run(struct ecs_engine *engine, enum ecs_op op, const char *body, size_t len,
                           int64_t now_ms, struct strbuf *out, struct ecs_failure *failure)
{
    json_error_t error;
    json_t *in = len == 0 ? json_object() : json_loadb(body, len, JSON_REJECT_DUPLICATES, &error);
    struct ecs_call call = {
        .engine = engine, .in = in, .w = JSONW_INIT(out), .failure = failure, .now_ms = now_ms};
    failure->error = ECS_OK;
    if (!json_is_object(in)) {
        json_decref(in);
        return ecs_fail(failure, ECS_SERIALIZATION, "The request body is not a JSON object: %s",
                        in == NULL ? error.text : "it is of another type");
    }
    jsonw_object(&call.w);
    OPS[op].run(&call);
    jsonw_end_object(&call.w);
    json_decref(in);
    return failure->error;
}
