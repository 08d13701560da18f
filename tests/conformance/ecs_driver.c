/* Runs operations of aws/ecs.h and aws/autoscaling.h for a test; see driver.h. */
#include "aws/autoscaling.h"
#include "aws/ecs.h"
#include "tests/conformance/driver.h"

static void write_failures(struct driver *d, const struct ecs_failure *failures, size_t count)
{
    jsonw_key(&d->w, "failures");
    jsonw_array(&d->w);
    for (size_t i = 0; i < count; i++) {
        jsonw_object(&d->w);
        jsonw_key_str(&d->w, "arn", failures[i].arn);
        jsonw_key_str(&d->w, "reason", failures[i].reason);
        jsonw_end_object(&d->w);
    }
    jsonw_end_array(&d->w);
}

static void on_services(void *arg, const struct aws_result *result, const struct ecs_service *services,
                        size_t count, const struct ecs_failure *failures, size_t failure_count)
{
    struct driver *d = arg;
    open_answer(d, result);
    jsonw_key(&d->w, "services");
    jsonw_array(&d->w);
    for (size_t i = 0; i < count; i++) {
        jsonw_object(&d->w);
        jsonw_key_str(&d->w, "name", services[i].name);
        jsonw_key_str(&d->w, "arn", services[i].arn);
        jsonw_key_str(&d->w, "status", services[i].status);
        jsonw_key_int(&d->w, "desired", services[i].desired);
        jsonw_key_int(&d->w, "running", services[i].running);
        jsonw_key_int(&d->w, "pending", services[i].pending);
        jsonw_key_str(&d->w, "strategy", services[i].scheduling_strategy);
        jsonw_key_str(&d->w, "controller", services[i].deployment_controller);
        jsonw_key_int(&d->w, "deployments", (int64_t)services[i].deployment_count);
        jsonw_end_object(&d->w);
    }
    jsonw_end_array(&d->w);
    write_failures(d, failures, failure_count);
    close_answer(d);
}

static void on_list(void *arg, const struct aws_result *result, const char *const *arns, size_t count,
                    const char *next_token)
{
    struct driver *d = arg;
    open_answer(d, result);
    jsonw_key(&d->w, "arns");
    jsonw_array(&d->w);
    for (size_t i = 0; i < count; i++)
        jsonw_str(&d->w, arns[i]);
    jsonw_end_array(&d->w);
    jsonw_key_str(&d->w, "next_token", next_token);
    close_answer(d);
}

static void on_tasks(void *arg, const struct aws_result *result, const struct ecs_task *tasks, size_t count,
                     const struct ecs_failure *failures, size_t failure_count)
{
    struct driver *d = arg;
    open_answer(d, result);
    jsonw_key(&d->w, "tasks");
    jsonw_array(&d->w);
    for (size_t i = 0; i < count; i++) {
        jsonw_object(&d->w);
        jsonw_key_str(&d->w, "arn", tasks[i].arn);
        jsonw_key_str(&d->w, "last_status", tasks[i].last_status);
        jsonw_key_str(&d->w, "desired_status", tasks[i].desired_status);
        jsonw_end_object(&d->w);
    }
    jsonw_end_array(&d->w);
    write_failures(d, failures, failure_count);
    close_answer(d);
}

static void on_targets(void *arg, const struct aws_result *result, const struct autoscaling_target *targets,
                       size_t count)
{
    struct driver *d = arg;
    open_answer(d, result);
    jsonw_key(&d->w, "targets");
    jsonw_array(&d->w);
    for (size_t i = 0; i < count; i++) {
        jsonw_object(&d->w);
        jsonw_key_str(&d->w, "id", targets[i].resource_id);
        jsonw_key_int(&d->w, "min", targets[i].min_capacity);
        jsonw_key_int(&d->w, "max", targets[i].max_capacity);
        jsonw_key_bool(&d->w, "suspended", autoscaling_target_is_suspended(&targets[i]));
        jsonw_end_object(&d->w);
    }
    jsonw_end_array(&d->w);
    close_answer(d);
}

static const char *cluster_of(const struct driver *d)
{
    return json_string_value(json_object_get(d->line, "cluster"));
}

/* Texts of an array of the line; returns how many. */
static size_t names_of(const struct driver *d, const char *key, const char *names[ECS_TASKS_MAX])
{
    json_t *list = json_object_get(d->line, key);
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count && i < ECS_TASKS_MAX; i++)
        names[i] = json_string_value(json_array_get(list, i));
    return count;
}

static void do_describe_services(struct driver *d)
{
    const char *names[ECS_TASKS_MAX];
    size_t count = names_of(d, "services", names);
    (void)ecs_describe_services(d->client, cluster_of(d), names, count, on_services, d);
}

static void do_update(struct driver *d)
{
    (void)ecs_update_desired(d->client, cluster_of(d), text_of(d, "service"), int_of(d, "desired", -1),
                             on_services, d);
}

static void do_list(struct driver *d)
{
    (void)ecs_list_tasks(d->client, cluster_of(d), text_of(d, "service"),
                         json_is_true(json_object_get(d->line, "stopped")) ? ECS_TASKS_STOPPED
                                                                           : ECS_TASKS_RUNNING,
                         json_string_value(json_object_get(d->line, "next_token")), on_list, d);
}

static void do_describe_tasks(struct driver *d)
{
    const char *names[ECS_TASKS_MAX];
    size_t count = names_of(d, "tasks", names);
    (void)ecs_describe_tasks(d->client, cluster_of(d), names, count, on_tasks, d);
}

static void do_targets(struct driver *d)
{
    const char *names[ECS_TASKS_MAX];
    size_t count = names_of(d, "ids", names);
    (void)autoscaling_describe_ecs_targets(d->client, names, count, on_targets, d);
}

static const struct driver_operation OPERATIONS[] = {
    {"DescribeServices", do_describe_services},
    {"UpdateService", do_update},
    {"ListTasks", do_list},
    {"DescribeTasks", do_describe_tasks},
    {"DescribeScalableTargets", do_targets},
    {NULL, NULL},
};

int main(void)
{
    return driver_main("ecs_driver", OPERATIONS);
}
