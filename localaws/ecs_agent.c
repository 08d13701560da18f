/* The agent endpoint of a task; see ecs_agent.h. */
#include "localaws/ecs_agent.h"

#include "base/clock.h"
#include "localaws/ecs_ops_parts.h"

#include <stdio.h>

static const char STATE_PATH[] = "/task-protection/v1/state";

bool ecs_agent_has(struct slice path)
{
    return slice_starts_with(path, "/api/") || slice_starts_with(path, "/v4/");
}

/* What stands behind "/api/ID" or "/v4/ID". */
static struct slice rest_of(struct slice path, struct slice *ret_id)
{
    size_t start = slice_starts_with(path, "/api/") ? 5 : 4;
    size_t end = start;
    while (end < path.len && path.at[end] != '/')
        end++;
    *ret_id = (struct slice){path.at + start, end - start};
    return (struct slice){path.at + end, path.len - end};
}

struct ecs_task *ecs_agent_task(const struct ecs_engine *engine, struct slice path)
{
    struct slice id;
    (void)rest_of(path, &id);
    return strmap_get(&engine->tasks, id);
}

enum ecs_op ecs_agent_op(const struct http_request *request)
{
    struct slice id;
    if (!slice_starts_with(request->path, "/api/") || !slice_is(rest_of(request->path, &id), STATE_PATH))
        return ECS_OP_MAX;
    if (slice_is(request->method, "PUT"))
        return ECS_UPDATE_TASK_PROTECTION;
    return slice_is(request->method, "GET") ? ECS_GET_TASK_PROTECTION : ECS_OP_MAX;
}

void ecs_agent_write_error(const struct ecs_task *task, const char *code, const char *message,
                           struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);
    jsonw_object(&w);
    jsonw_key_str(&w, "requestID", "");
    jsonw_key(&w, "error");
    jsonw_object(&w);
    if (task != NULL)
        jsonw_key_str(&w, "Arn", task->arn);
    jsonw_key_str(&w, "Code", code);
    jsonw_key_str(&w, "Message", message);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
}

/* ---- task protection ---- */

static void write_protection(const struct ecs_task *task, int64_t now_ms, struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);
    char date[25];
    bool is_protected = ecs_task_is_protected(task, now_ms);
    jsonw_object(&w);
    jsonw_key(&w, "protection");
    jsonw_object(&w);
    jsonw_key(&w, "ExpirationDate");
    if (is_protected) {
        (void)clock_format_iso8601(task->protected_until_ms, date);
        memcpy(date + 19, "Z", 2); /* the agent shows whole seconds */
        jsonw_str(&w, date);
    } else {
        jsonw_null(&w);
    }
    jsonw_key_bool(&w, "ProtectionEnabled", is_protected);
    jsonw_key_str(&w, "TaskArn", task->arn);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
}

static void write_refusal(const struct ecs_task *task, const char *reason, const char *detail,
                          struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);
    jsonw_object(&w);
    jsonw_key(&w, "failure");
    jsonw_object(&w);
    jsonw_key_str(&w, "Arn", task->arn);
    jsonw_key_str(&w, "Detail", detail);
    jsonw_key_str(&w, "Reason", reason);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
}

/* The body of a PUT; NULL when it is good, else what is wrong with it. Unknown members are refused. */
static const char *read_put(const json_t *in, bool *ret_enabled, int64_t *ret_minutes)
{
    const char *key = NULL;
    json_t *value = NULL;
    const json_t *enabled = json_object_get(in, "ProtectionEnabled");
    if (!json_is_object(in))
        return "UpdateTaskProtection: failed to decode request";
    json_object_foreach((json_t *)(uintptr_t)in, key, value)
    {
        if (strcmp(key, "ExpiresInMinutes") == 0 && json_is_integer(value))
            *ret_minutes = json_integer_value(value);
        else if (strcmp(key, "ExpiresInMinutes") == 0 && !json_is_null(value))
            return "UpdateTaskProtection: ExpiresInMinutes must be a whole number";
        else if (strcmp(key, "ExpiresInMinutes") != 0 && strcmp(key, "ProtectionEnabled") != 0)
            return "UpdateTaskProtection: failed to decode request: unknown field";
    }
    if (!json_is_boolean(enabled))
        return "Invalid request: does not contain 'ProtectionEnabled' field";
    *ret_enabled = json_is_true(enabled);
    if (*ret_minutes < 1 || *ret_minutes > ECS_PROTECTION_MAX_MIN)
        return "expiresInMinutes must be 1 to 2880";
    return NULL;
}

static int put_state(struct ecs_task *task, const struct http_request *request, int64_t now_ms,
                     struct strbuf *out)
{
    bool enabled = false;
    int64_t minutes = ECS_PROTECTION_DEFAULT_MIN;
    const char *detail = NULL;
    json_t *in = json_loadb(request->body_len > 0 ? request->body : "", request->body_len,
                            JSON_REJECT_DUPLICATES, NULL);
    const char *problem = read_put(in, &enabled, &minutes);
    json_decref(in);
    if (problem != NULL) {
        ecs_agent_write_error(task, "InvalidParameterException", problem, out);
        return 400;
    }
    const char *reason = ecs_protect(task, enabled, minutes, now_ms, &detail);
    if (reason != NULL)
        write_refusal(task, reason, detail, out);
    else
        write_protection(task, now_ms, out);
    return 200;
}

static int get_state(const struct ecs_task *task, int64_t now_ms, struct strbuf *out)
{
    if (task->service == NULL)
        write_refusal(task, "TASK_NOT_VALID", "The task is not part of a service.", out);
    else
        write_protection(task, now_ms, out);
    return 200;
}

/* ---- metadata ---- */

static void write_container(struct jsonw *w, const struct ecs_task *task)
{
    const json_t *container =
        json_array_get(json_object_get(task->definition->document, "containerDefinitions"), 0);
    jsonw_object(w);
    jsonw_key_str(w, "DockerId", task->id);
    jsonw_key_str(w, "Name", json_string_value(json_object_get(container, "name")));
    jsonw_key_str(w, "DesiredStatus", task->wants_stop ? "STOPPED" : "RUNNING");
    jsonw_key_str(w, "KnownStatus", task->status < ECS_RUNNING ? "PENDING" : "RUNNING");
    jsonw_end_object(w);
}

static void write_metadata(const struct ecs_task *task, bool of_task, struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);
    char revision[16];
    if (!of_task) {
        write_container(&w, task);
        return;
    }
    (void)snprintf(revision, sizeof revision, "%d", task->definition->revision);
    jsonw_object(&w);
    jsonw_key_str(&w, "Cluster", task->cluster->arn);
    jsonw_key_str(&w, "TaskARN", task->arn);
    jsonw_key_str(&w, "Family", task->definition->family);
    jsonw_key_str(&w, "Revision", revision);
    if (task->service != NULL)
        jsonw_key_str(&w, "ServiceName", task->service->name);
    jsonw_key_str(&w, "DesiredStatus", task->wants_stop ? "STOPPED" : "RUNNING");
    jsonw_key_str(&w, "KnownStatus", ecs_status_name(task->status));
    jsonw_key_str(&w, "LaunchType", "EC2");
    jsonw_key(&w, "Containers");
    jsonw_array(&w);
    write_container(&w, task);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
}

/* ---- requests ---- */

int ecs_agent_run(struct ecs_engine *engine, const struct http_request *request, int64_t now_ms,
                  struct strbuf *out)
{
    struct slice id;
    struct slice rest = rest_of(request->path, &id);
    struct ecs_task *task = ecs_agent_task(engine, request->path);
    enum ecs_op op = ecs_agent_op(request);
    bool reads = slice_is(request->method, "GET");
    if (task != NULL && op == ECS_UPDATE_TASK_PROTECTION)
        return put_state(task, request, now_ms, out);
    if (task != NULL && op == ECS_GET_TASK_PROTECTION)
        return get_state(task, now_ms, out);
    if (task != NULL && reads && slice_starts_with(request->path, "/v4/") &&
        (rest.len == 0 || slice_is(rest, "/task"))) {
        write_metadata(task, rest.len > 0, out);
        return 200;
    }
    ecs_agent_write_error(task, "ResourceNotFoundException",
                          task == NULL ? "There is no such task."
                                       : "There are GET and PUT /task-protection/v1/state of ECS_AGENT_URI,"
                                         " and GET of ECS_CONTAINER_METADATA_URI_V4 with or without /task.",
                          out);
    return 404;
}
