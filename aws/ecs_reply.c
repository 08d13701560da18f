/* Reading ECS replies in place, any member optional, unknown ones skipped (a service's events alone can be
 * tens of kilobytes); see ecs_internal.h. */
#include "aws/ecs_internal.h"

#include "aws/json_reply.h"

#include <math.h>
#include <string.h>

/* One row a member that is text or a whole number. */
enum field_type { FIELD_END, FIELD_TEXT, FIELD_COUNT, FIELD_TIME, FIELD_BOOL };
struct field {
    const char *name;
    enum field_type type;
    size_t offset;
};

static void take_text(struct jsonp *p, const char **to)
{
    const char *text = NULL;
    size_t len = 0;
    if (aws_take_text(p, &text, &len) && text != NULL)
        *to = text;
}

static void take_count(struct jsonp *p, int64_t *to)
{
    int64_t value = 0;
    if (jsonp_null(p) || !jsonp_int(p, &value))
        return;
    if (value < 0)
        (void)jsonp_refuse(p, "a count is negative");
    else
        *to = value;
}

/* Seconds since the epoch with a fraction. */
static void take_time(struct jsonp *p, int64_t *to)
{
    double seconds = 0;
    if (jsonp_null(p) || !jsonp_double(p, &seconds))
        return;
    if (seconds < 0 || seconds > 1e11)
        (void)jsonp_refuse(p, "a time is out of range");
    else
        *to = (int64_t)llround(seconds * 1000);
}

/* Whether the member is in the table; its value is then taken. */
static bool take_field(struct jsonp *p, const struct field *fields, const char *key, void *target)
{
    for (const struct field *field = fields; field->type != FIELD_END; field++) {
        void *to = (char *)target + field->offset;
        if (strcmp(field->name, key) != 0)
            continue;
        if (field->type == FIELD_TEXT)
            take_text(p, to);
        else if (field->type == FIELD_COUNT)
            take_count(p, to);
        else if (field->type == FIELD_TIME)
            take_time(p, to);
        else if (!jsonp_null(p))
            (void)jsonp_bool(p, to);
        return true;
    }
    return false;
}

/* Texts become "", numbers -1. */
static void clear_fields(const struct field *fields, void *target)
{
    for (const struct field *field = fields; field->type != FIELD_END; field++) {
        void *to = (char *)target + field->offset;
        if (field->type == FIELD_TEXT)
            *(const char **)to = "";
        else if (field->type != FIELD_BOOL)
            *(int64_t *)to = -1;
    }
}

/* An object whose members are all in the table. */
static void take_fields(struct jsonp *p, const struct field *fields, void *target)
{
    const char *key = NULL;
    clear_fields(fields, target);
    if (!aws_take_object(p))
        return;
    while (jsonp_next_key(p, &key))
        if (!take_field(p, fields, key, target))
            (void)jsonp_skip(p);
}

/* An array of such objects; those beyond `room` are left out. */
static void take_list(struct jsonp *p, const struct field *fields, void *list, size_t size, size_t room,
                      size_t *ret_count)
{
    if (!aws_take_array(p))
        return;
    while (jsonp_next_element(p)) {
        if (*ret_count == room)
            (void)jsonp_skip(p);
        else
            take_fields(p, fields, (char *)list + size * (*ret_count)++);
    }
}

static const struct field DEPLOYMENT_FIELDS[] = {
    {"id", FIELD_TEXT, offsetof(struct ecs_deployment, id)},
    {"status", FIELD_TEXT, offsetof(struct ecs_deployment, status)},
    {"desiredCount", FIELD_COUNT, offsetof(struct ecs_deployment, desired)},
    {"runningCount", FIELD_COUNT, offsetof(struct ecs_deployment, running)},
    {"pendingCount", FIELD_COUNT, offsetof(struct ecs_deployment, pending)},
    {"failedTasks", FIELD_COUNT, offsetof(struct ecs_deployment, failed_tasks)},
    {"rolloutState", FIELD_TEXT, offsetof(struct ecs_deployment, rollout_state)},
    {"rolloutStateReason", FIELD_TEXT, offsetof(struct ecs_deployment, rollout_reason)},
    {NULL, FIELD_END, 0},
};

static const struct field EVENT_FIELDS[] = {
    {"createdAt", FIELD_TIME, offsetof(struct ecs_event, created_ms)},
    {"message", FIELD_TEXT, offsetof(struct ecs_event, message)},
    {NULL, FIELD_END, 0},
};

static const struct field SERVICE_FIELDS[] = {
    {"serviceName", FIELD_TEXT, offsetof(struct ecs_service, name)},
    {"serviceArn", FIELD_TEXT, offsetof(struct ecs_service, arn)},
    {"status", FIELD_TEXT, offsetof(struct ecs_service, status)},
    {"desiredCount", FIELD_COUNT, offsetof(struct ecs_service, desired)},
    {"runningCount", FIELD_COUNT, offsetof(struct ecs_service, running)},
    {"pendingCount", FIELD_COUNT, offsetof(struct ecs_service, pending)},
    {"schedulingStrategy", FIELD_TEXT, offsetof(struct ecs_service, scheduling_strategy)},
    {"taskDefinition", FIELD_TEXT, offsetof(struct ecs_service, task_definition)},
    {NULL, FIELD_END, 0},
};

static const struct field TASK_FIELDS[] = {
    {"taskArn", FIELD_TEXT, offsetof(struct ecs_task, arn)},
    {"lastStatus", FIELD_TEXT, offsetof(struct ecs_task, last_status)},
    {"desiredStatus", FIELD_TEXT, offsetof(struct ecs_task, desired_status)},
    {"stopCode", FIELD_TEXT, offsetof(struct ecs_task, stop_code)},
    {"stoppedReason", FIELD_TEXT, offsetof(struct ecs_task, stopped_reason)},
    {"startedBy", FIELD_TEXT, offsetof(struct ecs_task, started_by)},
    {"startedAt", FIELD_TIME, offsetof(struct ecs_task, started_ms)},
    {"stoppingAt", FIELD_TIME, offsetof(struct ecs_task, stopping_ms)},
    {"stoppedAt", FIELD_TIME, offsetof(struct ecs_task, stopped_ms)},
    {NULL, FIELD_END, 0},
};

static const struct field PROTECTION_FIELDS[] = {
    {"taskArn", FIELD_TEXT, offsetof(struct ecs_protected_task, arn)},
    {"protectionEnabled", FIELD_BOOL, offsetof(struct ecs_protected_task, is_protected)},
    {"expirationDate", FIELD_TIME, offsetof(struct ecs_protected_task, expires_ms)},
    {NULL, FIELD_END, 0},
};

static const struct field FAILURE_FIELDS[] = {
    {"arn", FIELD_TEXT, offsetof(struct ecs_failure, arn)},
    {"reason", FIELD_TEXT, offsetof(struct ecs_failure, reason)},
    {"detail", FIELD_TEXT, offsetof(struct ecs_failure, detail)},
    {NULL, FIELD_END, 0},
};

/* {"type":"ECS"} */
static void take_controller(struct jsonp *p, struct ecs_service *service)
{
    const char *key = NULL;
    if (!aws_take_object(p))
        return;
    while (jsonp_next_key(p, &key)) {
        if (strcmp(key, "type") == 0)
            take_text(p, &service->deployment_controller);
        else
            (void)jsonp_skip(p);
    }
}

static void take_service(struct jsonp *p, struct ecs_service *service)
{
    const char *key = NULL;
    clear_fields(SERVICE_FIELDS, service);
    service->deployment_controller = "";
    if (!aws_take_object(p))
        return;
    while (jsonp_next_key(p, &key)) {
        if (take_field(p, SERVICE_FIELDS, key, service))
            continue;
        if (strcmp(key, "deployments") == 0)
            take_list(p, DEPLOYMENT_FIELDS, service->deployments, sizeof service->deployments[0],
                      ECS_DEPLOYMENTS_KEPT, &service->deployment_count);
        else if (strcmp(key, "events") == 0)
            take_list(p, EVENT_FIELDS, service->events, sizeof service->events[0], ECS_EVENTS_KEPT,
                      &service->event_count);
        else if (strcmp(key, "deploymentController") == 0)
            take_controller(p, service);
        else
            (void)jsonp_skip(p);
    }
}

static void take_services(struct jsonp *p, struct ecs_reply *reply)
{
    if (!aws_take_array(p))
        return;
    while (jsonp_next_element(p)) {
        if (reply->service_count == ECS_SERVICES_MAX)
            (void)jsonp_refuse(p, "more services than a call may ask for");
        else
            take_service(p, &reply->services[reply->service_count++]);
    }
}

static void take_arns(struct jsonp *p, struct ecs_reply *reply)
{
    if (!aws_take_array(p))
        return;
    while (jsonp_next_element(p)) {
        if (reply->arn_count == ECS_TASKS_MAX)
            (void)jsonp_refuse(p, "more tasks than a call may ask for");
        else
            take_text(p, &reply->arns[reply->arn_count++]);
    }
}

static void take_member(struct jsonp *p, const char *key, struct ecs_reply *reply)
{
    if (strcmp(key, "services") == 0)
        take_services(p, reply);
    else if (strcmp(key, "service") == 0)
        take_service(p, &reply->services[reply->service_count++]);
    else if (strcmp(key, "tasks") == 0)
        take_list(p, TASK_FIELDS, reply->tasks, sizeof reply->tasks[0], ECS_TASKS_MAX, &reply->task_count);
    else if (strcmp(key, "taskArns") == 0)
        take_arns(p, reply);
    else if (strcmp(key, "nextToken") == 0)
        take_text(p, &reply->next_token);
    else if (strcmp(key, "protectedTasks") == 0)
        take_list(p, PROTECTION_FIELDS, reply->protections, sizeof reply->protections[0], ECS_PROTECT_MAX,
                  &reply->protection_count);
    else if (strcmp(key, "failures") == 0)
        take_list(p, FAILURE_FIELDS, reply->failures, sizeof reply->failures[0], ECS_TASKS_MAX,
                  &reply->failure_count);
    else
        (void)jsonp_skip(p);
}

bool ecs_reply_parse(struct strbuf *body, const char *member, struct ecs_reply *reply,
                     const char **ret_problem)
{
    struct jsonp p = jsonp_start(body->data, body->len);
    const char *key = NULL;
    size_t offset = 0;
    reply->next_token = "";
    (void)jsonp_object(&p);
    while (jsonp_next_key(&p, &key)) {
        bool is_answer = strcmp(key, member) == 0;
        if (is_answer && reply->has_answer)
            (void)jsonp_refuse(&p, "the answer stands there twice");
        reply->has_answer |= is_answer;
        if (is_answer || strcmp(key, "failures") == 0 || strcmp(key, "nextToken") == 0)
            take_member(&p, key, reply);
        else
            (void)jsonp_skip(&p);
    }
    bool good = jsonp_finish(&p);
    *ret_problem = good ? "the reply lacks what was asked for" : jsonp_problem(&p, &offset);
    return good && reply->has_answer;
}
