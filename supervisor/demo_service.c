/* The demo's ECS service, from its creation to its end; see demo_service.h. */
#include "supervisor/demo_service.h"

#include "base/alloc.h"
#include "base/jsonw.h"
#include "base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TARGET "AmazonEC2ContainerServiceV20141113."
#define FAMILY "order-processor"

/* Most tasks that are looked at for having exited: stopped ones stay listed for an hour of product time. */
enum { LIST_PAGES_MAX = 20 };

void demo_service_init(struct demo_service *service, struct aws_client *client)
{
    *service = (struct demo_service){.client = client};
}

void demo_service_cancel(struct demo_service *service)
{
    aws_call_cancel(service->call);
    service->call = NULL;
}

void demo_service_clean_up(struct demo_service *service)
{
    demo_service_cancel(service);
    free(service->definition);
    *service = (struct demo_service){.client = NULL};
}

/* ---- jobs ---- */

static void begin(struct demo_service *service, void (*done)(void *arg, const struct err *err), void *arg)
{
    demo_service_cancel(service);
    service->done = done;
    service->arg = arg;
}

/* Ends the job when the call failed; returns whether it did. */
static bool failed(struct demo_service *service, const struct aws_result *result, const char *operation)
{
    struct err err = {.text = ""};
    char text[400];

    service->call = NULL;
    if (result->kind == AWS_KIND_OK)
        return false;
    (void)err_set(&err, "%s", aws_result_text(result, operation, text, sizeof text));
    service->done(service->arg, &err);
    return true;
}

static void send_json(struct demo_service *service, const char *target, const char *body, aws_json_fn *fn)
{
    const struct aws_json_call call = {.service = "ecs",
                                       .target = target,
                                       .content_type = "application/x-amz-json-1.1",
                                       .body = body,
                                       .body_len = strlen(body)};
    service->call = aws_client_call_json(service->client, &call, fn, service, NULL);
}

/* ---- creating ---- */

static void on_created(void *arg, const struct aws_result *result, struct strbuf *reply)
{
    struct demo_service *service = arg;

    (void)reply;
    if (!failed(service, result, "CreateService"))
        service->done(service->arg, NULL);
}

static void on_registered(void *arg, const struct aws_result *result, struct strbuf *reply)
{
    struct demo_service *service = arg;
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);

    (void)reply;
    if (failed(service, result, "RegisterTaskDefinition"))
        return;
    jsonw_object(&w);
    jsonw_key_str(&w, "cluster", DEMO_SERVICE_CLUSTER);
    jsonw_key_str(&w, "serviceName", DEMO_SERVICE_NAME);
    jsonw_key_str(&w, "taskDefinition", FAMILY);
    jsonw_key_int(&w, "desiredCount", service->tasks);
    jsonw_end_object(&w);
    service->exists = true; /* an answer may be lost, too */
    send_json(service, TARGET "CreateService", strbuf_str(&body), on_created);
    strbuf_clean_up(&body);
}

static void on_cluster(void *arg, const struct aws_result *result, struct strbuf *reply)
{
    struct demo_service *service = arg;

    (void)reply;
    if (!failed(service, result, "CreateCluster"))
        send_json(service, TARGET "RegisterTaskDefinition", service->definition, on_registered);
}

static void write_variables(const struct demo_task_plan *plan, struct jsonw *w)
{
    jsonw_key(w, "environment");
    jsonw_array(w);
    for (size_t i = 0; i < plan->variable_count; i++) {
        jsonw_object(w);
        jsonw_key_str(w, "name", plan->variables[i].name);
        jsonw_key_str(w, "value", plan->variables[i].value);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

/* Sizes are those of the shop: 256 CPU units and 512 MB a task. */
static char *definition_text(const struct demo_task_plan *plan)
{
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);

    jsonw_object(&w);
    jsonw_key_str(&w, "family", FAMILY);
    jsonw_key_str(&w, "cpu", "256");
    jsonw_key_str(&w, "memory", "512");
    jsonw_key(&w, "containerDefinitions");
    jsonw_array(&w);
    jsonw_object(&w);
    jsonw_key_str(&w, "name", "worker");
    jsonw_key_str(&w, "image", "sluice-worker");
    jsonw_key_bool(&w, "essential", true);
    jsonw_key_int(&w, "stopTimeout", DEMO_SERVICE_STOP_TIMEOUT_S);
    jsonw_key(&w, "command");
    jsonw_array(&w);
    for (const char *const *at = plan->command; *at != NULL; at++)
        jsonw_str(&w, *at);
    jsonw_end_array(&w);
    write_variables(plan, &w);
    jsonw_end_object(&w);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    return strbuf_take(&body);
}

void demo_service_create(struct demo_service *service, const struct demo_task_plan *plan, int64_t tasks,
                         void (*done)(void *arg, const struct err *err), void *arg)
{
    begin(service, done, arg);
    service->tasks = tasks;
    free(service->definition);
    service->definition = definition_text(plan);
    send_json(service, TARGET "CreateCluster", "{\"clusterName\":\"" DEMO_SERVICE_CLUSTER "\"}", on_cluster);
}

/* ---- looking ---- */

static void take_facts(struct demo_service_facts *facts, const struct ecs_service *found)
{
    *facts = (struct demo_service_facts){
        .desired = found->desired, .running = found->running, .pending = found->pending, .failed_tasks = -1};
    if (found->deployment_count > 0)
        facts->failed_tasks = found->deployments[0].failed_tasks;
    if (found->event_count > 0)
        (void)snprintf(facts->event, sizeof facts->event, "%s", found->events[0].message);
}

static void on_described(void *arg, const struct aws_result *result, const struct ecs_service *services,
                         size_t count, const struct ecs_failure *failures, size_t failure_count)
{
    struct demo_service *service = arg;
    struct err err = {.text = ""};

    if (failed(service, result, "DescribeServices"))
        return;
    if (count == 1 && services[0].desired >= 0 && services[0].running >= 0 && services[0].pending >= 0) {
        take_facts(&service->facts, &services[0]);
        service->done(service->arg, NULL);
        return;
    }
    (void)err_set(&err, "DescribeServices: %s",
                  failure_count > 0 ? failures[0].reason : "the counts of the service are not in the answer");
    service->done(service->arg, &err);
}

void demo_service_look(struct demo_service *service, void (*done)(void *arg, const struct err *err),
                       void *arg)
{
    static const char *const NAMES[] = {DEMO_SERVICE_NAME};

    begin(service, done, arg);
    service->call =
        ecs_describe_services(service->client, DEMO_SERVICE_CLUSTER, NAMES, 1, on_described, service);
}

/* ---- removing ---- */

static void on_deleted(void *arg, const struct aws_result *result, struct strbuf *reply)
{
    struct demo_service *service = arg;

    (void)reply;
    if (failed(service, result, "DeleteService"))
        return;
    service->removed = true;
    service->done(service->arg, NULL);
}

static void on_zero(void *arg, const struct aws_result *result, const struct ecs_service *services,
                    size_t count, const struct ecs_failure *failures, size_t failure_count)
{
    struct demo_service *service = arg;

    (void)services;
    (void)count;
    (void)failures;
    (void)failure_count;
    if (!failed(service, result, "UpdateService"))
        send_json(service, TARGET "DeleteService",
                  "{\"cluster\":\"" DEMO_SERVICE_CLUSTER "\",\"service\":\"" DEMO_SERVICE_NAME
                  "\",\"force\":true}",
                  on_deleted);
}

static void set_to_zero(struct demo_service *service)
{
    service->call =
        ecs_update_desired(service->client, DEMO_SERVICE_CLUSTER, DEMO_SERVICE_NAME, 0, on_zero, service);
}

/* ---- who ended by itself ---- */

static void on_stopped_tasks(void *arg, const struct aws_result *result, const struct ecs_task *tasks,
                             size_t count, const struct ecs_failure *failures, size_t failure_count);

static void on_stopped_list(void *arg, const struct aws_result *result, const char *const *arns, size_t count,
                            const char *next_token)
{
    struct demo_service *service = arg;

    service->call = NULL;
    (void)snprintf(service->token, sizeof service->token, "%s",
                   strlen(next_token) < sizeof service->token ? next_token : "");
    if (result->kind != AWS_KIND_OK || count == 0) /* a count that fails must not keep the tasks */
        set_to_zero(service);
    else
        service->call =
            ecs_describe_tasks(service->client, DEMO_SERVICE_CLUSTER, arns, count, on_stopped_tasks, service);
}

static void list_stopped(struct demo_service *service)
{
    service->call =
        ecs_list_tasks(service->client, DEMO_SERVICE_CLUSTER, DEMO_SERVICE_NAME, ECS_TASKS_STOPPED,
                       service->token[0] != '\0' ? service->token : NULL, on_stopped_list, service);
}

static void on_stopped_tasks(void *arg, const struct aws_result *result, const struct ecs_task *tasks,
                             size_t count, const struct ecs_failure *failures, size_t failure_count)
{
    struct demo_service *service = arg;

    (void)result;
    (void)failures; /* gone since they were listed */
    (void)failure_count;
    service->call = NULL;
    for (size_t i = 0; i < count; i++)
        service->exited += strcmp(tasks[i].stop_code, "EssentialContainerExited") == 0;
    if (service->token[0] != '\0' && ++service->pages < LIST_PAGES_MAX)
        list_stopped(service);
    else
        set_to_zero(service);
}

void demo_service_remove(struct demo_service *service, void (*done)(void *arg, const struct err *err),
                         void *arg)
{
    begin(service, done, arg);
    service->exited = 0;
    service->pages = 0;
    service->token[0] = '\0';
    list_stopped(service);
}
