/* ECS calls: what is sent and to whom the answer goes; see ecs.h. */
#include "aws/ecs.h"

#include "aws/ecs_internal.h"
#include "aws/json_reply.h"
#include "base/alloc.h"
#include "base/jsonw.h"

#include <stdlib.h>
#include <string.h>

#define TARGET "AmazonEC2ContainerServiceV20141113."

struct ecs_call {
    const char *member; /* that the reply must have */
    union {
        ecs_services_fn *services;
        ecs_list_fn *list;
        ecs_tasks_fn *tasks;
        ecs_protection_fn *protection;
    } fn;
    void *arg;
};

/* A request that is being written. */
struct request {
    struct strbuf body;
    struct jsonw w;
};

static void open_request(struct request *request, const char *cluster)
{
    request->body = (struct strbuf)STRBUF_INIT;
    request->w = (struct jsonw)JSONW_INIT(&request->body);
    jsonw_object(&request->w);
    if (cluster != NULL)
        jsonw_key_str(&request->w, "cluster", cluster);
}

static void write_names(struct request *request, const char *key, const char *const *names, size_t count)
{
    jsonw_key(&request->w, key);
    jsonw_array(&request->w);
    for (size_t i = 0; i < count; i++)
        jsonw_str(&request->w, names[i]);
    jsonw_end_array(&request->w);
}

static struct ecs_call *call_new(const char *member, void *arg)
{
    struct ecs_call *call = xcalloc(1, sizeof *call);
    call->member = member;
    call->arg = arg;
    return call;
}

static struct aws_call *send_any(struct aws_client *client, const char *target, bool is_write,
                                 struct request *request, aws_json_fn *fn, struct ecs_call *call)
{
    jsonw_end_object(&request->w);
    struct aws_json_call json = {.service = "ecs",
                                 .target = target,
                                 .content_type = "application/x-amz-json-1.1",
                                 .body = request->body.data,
                                 .body_len = request->body.len,
                                 .is_write = is_write};
    struct aws_call *handle = aws_client_call_json(client, &json, fn, call, free);
    strbuf_clean_up(&request->body);
    return handle;
}

static struct aws_call *send_request(struct aws_client *client, const char *target, struct request *request,
                                     aws_json_fn *fn, struct ecs_call *call)
{
    return send_any(client, target, false, request, fn, call);
}

static struct aws_call *send_write(struct aws_client *client, const char *target, struct request *request,
                                   aws_json_fn *fn, struct ecs_call *call)
{
    return send_any(client, target, true, request, fn, call);
}

/* Returns the reply, owned by the caller: empty when the call failed. *result becomes *bad when the body is
 * bad. */
static struct ecs_reply *read_reply(const struct ecs_call *call, const struct aws_result **result,
                                    struct strbuf *body, struct aws_result *bad)
{
    struct ecs_reply *reply = xcalloc(1, sizeof *reply);
    const char *problem = NULL;
    reply->next_token = "";
    if ((*result)->kind == AWS_KIND_OK && !ecs_reply_parse(body, call->member, reply, &problem)) {
        aws_bad_reply(*result, problem, bad);
        *result = bad;
        memset(reply, 0, sizeof *reply);
        reply->next_token = "";
    }
    return reply;
}

static void on_services(void *arg, const struct aws_result *result, struct strbuf *body)
{
    const struct ecs_call *call = arg;
    struct aws_result bad;
    struct ecs_reply *reply = read_reply(call, &result, body, &bad);
    call->fn.services(call->arg, result, reply->services, reply->service_count, reply->failures,
                      reply->failure_count);
    free(reply);
}

static void on_list(void *arg, const struct aws_result *result, struct strbuf *body)
{
    const struct ecs_call *call = arg;
    struct aws_result bad;
    struct ecs_reply *reply = read_reply(call, &result, body, &bad);
    call->fn.list(call->arg, result, reply->arns, reply->arn_count, reply->next_token);
    free(reply);
}

static void on_tasks(void *arg, const struct aws_result *result, struct strbuf *body)
{
    const struct ecs_call *call = arg;
    struct aws_result bad;
    struct ecs_reply *reply = read_reply(call, &result, body, &bad);
    call->fn.tasks(call->arg, result, reply->tasks, reply->task_count, reply->failures, reply->failure_count);
    free(reply);
}

static void on_protection(void *arg, const struct aws_result *result, struct strbuf *body)
{
    const struct ecs_call *call = arg;
    struct aws_result bad;
    struct ecs_reply *reply = read_reply(call, &result, body, &bad);
    call->fn.protection(call->arg, result, reply->protections, reply->protection_count, reply->failures,
                        reply->failure_count);
    free(reply);
}

struct aws_call *ecs_describe_services(struct aws_client *client, const char *cluster,
                                       const char *const *services, size_t count, ecs_services_fn *fn,
                                       void *arg)
{
    struct ecs_call *call = call_new("services", arg);
    struct request request;
    call->fn.services = fn;
    if (count < 1 || count > ECS_SERVICES_MAX)
        return aws_client_refuse(client, "DescribeServices takes 1 to 10 services", on_services, call, free);
    open_request(&request, cluster);
    write_names(&request, "services", services, count);
    return send_request(client, TARGET "DescribeServices", &request, on_services, call);
}

struct aws_call *ecs_update_desired(struct aws_client *client, const char *cluster, const char *service,
                                    int64_t desired, ecs_services_fn *fn, void *arg)
{
    struct ecs_call *call = call_new("service", arg);
    struct request request;
    call->fn.services = fn;
    if (desired < 0 || desired > ECS_DESIRED_MAX)
        return aws_client_refuse(client, "desiredCount must be 0 to 1000000", on_services, call, free);
    open_request(&request, cluster);
    jsonw_key_str(&request.w, "service", service);
    jsonw_key_int(&request.w, "desiredCount", desired);
    return send_write(client, TARGET "UpdateService", &request, on_services, call);
}

struct aws_call *ecs_list_tasks(struct aws_client *client, const char *cluster, const char *service,
                                enum ecs_task_wish wish, const char *next_token, ecs_list_fn *fn, void *arg)
{
    struct ecs_call *call = call_new("taskArns", arg);
    struct request request;
    call->fn.list = fn;
    open_request(&request, cluster);
    jsonw_key_str(&request.w, "serviceName", service);
    jsonw_key_str(&request.w, "desiredStatus", wish == ECS_TASKS_STOPPED ? "STOPPED" : "RUNNING");
    jsonw_key_int(&request.w, "maxResults", ECS_TASKS_MAX);
    if (next_token != NULL)
        jsonw_key_str(&request.w, "nextToken", next_token);
    return send_request(client, TARGET "ListTasks", &request, on_list, call);
}

struct aws_call *ecs_describe_tasks(struct aws_client *client, const char *cluster, const char *const *tasks,
                                    size_t count, ecs_tasks_fn *fn, void *arg)
{
    struct ecs_call *call = call_new("tasks", arg);
    struct request request;
    call->fn.tasks = fn;
    if (count < 1 || count > ECS_TASKS_MAX)
        return aws_client_refuse(client, "DescribeTasks takes 1 to 100 tasks", on_tasks, call, free);
    open_request(&request, cluster);
    write_names(&request, "tasks", tasks, count);
    return send_request(client, TARGET "DescribeTasks", &request, on_tasks, call);
}

struct aws_call *ecs_update_task_protection(struct aws_client *client, const char *cluster,
                                            const char *const *tasks, size_t count, bool enabled,
                                            int expires_min, ecs_protection_fn *fn, void *arg)
{
    struct ecs_call *call = call_new("protectedTasks", arg);
    struct request request;
    call->fn.protection = fn;
    if (count < 1 || count > ECS_PROTECT_MAX || expires_min < 0 || expires_min > 2880)
        return aws_client_refuse(client, "UpdateTaskProtection takes 1 to 10 tasks and 1 to 2880 minutes",
                                 on_protection, call, free);
    open_request(&request, cluster);
    write_names(&request, "tasks", tasks, count);
    jsonw_key_bool(&request.w, "protectionEnabled", enabled);
    if (enabled && expires_min > 0)
        jsonw_key_int(&request.w, "expiresInMinutes", expires_min);
    return send_write(client, TARGET "UpdateTaskProtection", &request, on_protection, call);
}
