/* Operations of ECS from JSON to JSON: limits, errors, failures, pages, protection. */
#include "ecs_world.h"

static json_t *good(struct world *world, const char *name, const char *body)
{
    struct ecs_failure failure;
    json_t *reply = world_call(world, name, body, &failure);
    ck_assert_msg(reply != NULL, "%s %s: %s", name, body, failure.message);
    return reply;
}

static void bad(struct world *world, const char *name, const char *body, enum ecs_error error,
                const char *text)
{
    struct ecs_failure failure;
    const json_t *reply = world_call(world, name, body, &failure);
    ck_assert_msg(reply == NULL, "%s %s was taken", name, body);
    ck_assert_msg(failure.error == error && strstr(failure.message, text) != NULL, "%s %s: %s: %s", name,
                  body, ecs_error_code(failure.error), failure.message);
}

/* The text at members and indexes such as "services", "0", "status"; NULL-terminated. */
static const json_t *at(const json_t *value, const char *const *path)
{
    for (; *path != NULL; path++) {
        if (json_is_array(value))
            value = json_array_get(value, (size_t)atoi(*path));
        else
            value = json_object_get(value, *path);
    }
    return value;
}
#define AT(value, ...) at((value), (const char *const[]){__VA_ARGS__, NULL})

static void is_text(const json_t *value, const char *text)
{
    ck_assert_ptr_nonnull(json_string_value(value));
    ck_assert_str_eq(json_string_value(value), text);
}

START_TEST(bad_requests_are_refused_by_name)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 1);
    static const struct {
        const char *operation, *body;
        enum ecs_error error;
        const char *text;
    } CASES[] = {
        {"DescribeServices", "[]", ECS_SERIALIZATION, "not a JSON object"},
        {"DescribeServices", "{", ECS_SERIALIZATION, "not a JSON object"},
        {"DescribeServices", "{\"services\":\"a\"}", ECS_SERIALIZATION, "services must be an array"},
        {"DescribeServices", "{}", ECS_INVALID_PARAMETER, "cannot be empty"},
        {"DescribeServices",
         "{\"services\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\"]}",
         ECS_INVALID_PARAMETER, "more than 10"},
        {"DescribeServices", "{\"cluster\":\"none\",\"services\":[\"a\"]}", ECS_CLUSTER_NOT_FOUND, "Cluster"},
        {"UpdateService", "{\"service\":\"none\"}", ECS_SERVICE_NOT_FOUND, "Service not found"},
        {"UpdateService", "{\"service\":\"orders\",\"desiredCount\":-1}", ECS_INVALID_PARAMETER,
         "desiredCount is -1: want 0 to 5000"},
        {"UpdateService", "{\"service\":\"orders\",\"desiredCount\":\"2\"}", ECS_SERIALIZATION,
         "whole number"},
        {"UpdateService", "{\"service\":\"orders\",\"taskDefinition\":\"none\"}", ECS_CLIENT,
         "task definition"},
        {"DeleteService", "{\"service\":\"orders\"}", ECS_INVALID_PARAMETER, "scaled above 0"},
        {"CreateService", "{\"serviceName\":\"orders\",\"taskDefinition\":\"worker\"}", ECS_INVALID_PARAMETER,
         "not idempotent"},
        {"CreateService", "{\"serviceName\":\"a b\",\"taskDefinition\":\"worker\"}", ECS_INVALID_PARAMETER,
         "serviceName"},
        {"CreateService", "{\"serviceName\":\"a\"}", ECS_CLIENT, "blank"},
        {"CreateService",
         "{\"serviceName\":\"a\",\"taskDefinition\":\"worker\",\"deploymentConfiguration\":"
         "{\"strategy\":\"BLUE_GREEN\"}}",
         ECS_UNSUPPORTED_FEATURE, "ROLLING"},
        {"CreateService",
         "{\"serviceName\":\"a\",\"taskDefinition\":\"worker\",\"schedulingStrategy\":\"DAEMON\","
         "\"desiredCount\":2}",
         ECS_INVALID_PARAMETER, "daemon"},
        {"RegisterTaskDefinition", "{\"family\":\"f\",\"containerDefinitions\":[]}", ECS_CLIENT, "empty"},
        {"RegisterTaskDefinition", "{\"family\":\"f\",\"containerDefinitions\":[{},{}]}",
         ECS_UNSUPPORTED_FEATURE, "has 2"},
        {"RegisterTaskDefinition",
         "{\"family\":\"f\",\"containerDefinitions\":[{\"name\":\"n\",\"command\":\"x\"}]}", ECS_CLIENT,
         "arrays of strings"},
        {"RegisterTaskDefinition",
         "{\"family\":\"f\",\"containerDefinitions\":[{\"name\":\"n\",\"environment\":[{\"name\":\"A=B\","
         "\"value\":\"\"}]}]}",
         ECS_CLIENT, "environment"},
        {"RegisterTaskDefinition",
         "{\"family\":\"f\",\"containerDefinitions\":[{\"name\":\"n\",\"stopTimeout\":3601}]}", ECS_CLIENT,
         "0 to 3600"},
        {"ListTasks", "{\"maxResults\":101}", ECS_INVALID_PARAMETER, "1 to 100"},
        {"ListTasks", "{\"nextToken\":\"zz\"}", ECS_INVALID_PARAMETER, "token"},
        {"ListTasks", "{\"serviceName\":\"none\"}", ECS_SERVICE_NOT_FOUND, "Service not found"},
        {"ListTasks", "{\"desiredStatus\":\"ODD\"}", ECS_INVALID_PARAMETER, "desiredStatus"},
        {"StopTask", "{\"task\":\"none\"}", ECS_INVALID_PARAMETER, "not found"},
        {"DescribeTasks", "{}", ECS_INVALID_PARAMETER, "empty"},
        {"RunTask", "{\"taskDefinition\":\"worker\",\"count\":11}", ECS_INVALID_PARAMETER, "1 to 10"},
        {"UpdateTaskProtection", "{\"tasks\":[\"a\"]}", ECS_INVALID_PARAMETER, "protectionEnabled"},
        {"UpdateTaskProtection", "{\"tasks\":[\"a\"],\"protectionEnabled\":true,\"expiresInMinutes\":2881}",
         ECS_INVALID_PARAMETER, "1 to 2880"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        bad(&world, CASES[i].operation, CASES[i].body, CASES[i].error, CASES[i].text);
    ck_assert_int_eq(world_live(&world, false), 1);
    world_close(&world);
}
END_TEST

START_TEST(services_are_found_by_name_and_arn_and_others_are_missing)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 2);
    json_t *reply =
        good(&world, "DescribeServices",
             "{\"services\":[\"orders\",\"arn:aws:ecs:us-east-1:123456789012:service/default/orders\","
             "\"arn:aws:ecs:us-east-1:123456789012:service/other/orders\",\"none\"]}");
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "services")), 2);
    is_text(AT(reply, "services", "1", "status"), "ACTIVE");
    ck_assert_int_eq(json_integer_value(AT(reply, "services", "0", "runningCount")), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "failures")), 2);
    is_text(AT(reply, "failures", "1", "reason"), "MISSING");
    is_text(AT(reply, "failures", "1", "arn"), "arn:aws:ecs:us-east-1:123456789012:service/none");
    json_decref(reply);
    world_close(&world);
}
END_TEST

START_TEST(a_new_service_may_be_missing_for_a_while)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world.engine->settings.visible_after_ms = 20000;
    world_serve(&world, 0);
    json_t *reply = good(&world, "DescribeServices", "{\"services\":[\"orders\"]}");
    is_text(AT(reply, "failures", "0", "reason"), "MISSING");
    json_decref(reply);
    world_pass(&world, 15000);
    reply = good(&world, "DescribeServices", "{\"services\":[\"orders\"]}");
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "services")), 1);
    json_decref(reply);
    world_close(&world);
}
END_TEST

START_TEST(update_with_the_same_definition_starts_no_deployment_but_force_does)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 1);
    json_t *reply = good(&world, "UpdateService",
                         "{\"service\":\"orders\",\"taskDefinition\":\"worker:1\",\"desiredCount\":2}");
    ck_assert_uint_eq(json_array_size(AT(reply, "service", "deployments")), 1);
    is_text(AT(reply, "service", "deployments", "0", "rolloutState"), "COMPLETED");
    json_decref(reply);
    reply = good(&world, "UpdateService", "{\"service\":\"orders\",\"forceNewDeployment\":true}");
    ck_assert_uint_eq(json_array_size(AT(reply, "service", "deployments")), 2);
    is_text(AT(reply, "service", "deployments", "0", "rolloutState"), "IN_PROGRESS");
    is_text(AT(reply, "service", "deployments", "1", "status"), "ACTIVE");
    json_decref(reply);
    world_close(&world);
}
END_TEST

START_TEST(definitions_have_revisions)
{
    static struct world world;
    static const char BODY[] =
        "{\"family\":\"f\",\"containerDefinitions\":[{\"name\":\"n\"}],\"cpu\":\"256\"}";
    world_open(&world, ECS_VICTIMS_NEWEST);
    json_decref(good(&world, "RegisterTaskDefinition", BODY));
    json_decref(good(&world, "RegisterTaskDefinition", BODY));
    json_t *reply = good(&world, "DescribeTaskDefinition", "{\"taskDefinition\":\"f\"}");
    ck_assert_int_eq(json_integer_value(AT(reply, "taskDefinition", "revision")), 2);
    is_text(AT(reply, "taskDefinition", "cpu"), "256");
    json_decref(reply);
    json_decref(good(&world, "DeregisterTaskDefinition", "{\"taskDefinition\":\"f:2\"}"));
    reply = good(&world, "DescribeTaskDefinition", "{\"taskDefinition\":\"f\"}");
    ck_assert_int_eq(json_integer_value(AT(reply, "taskDefinition", "revision")), 1);
    json_decref(reply);
    bad(&world, "CreateService", "{\"serviceName\":\"s\",\"taskDefinition\":\"f:2\"}", ECS_CLIENT,
        "inactive");
    world_close(&world);
}
END_TEST

START_TEST(tasks_come_in_pages_without_gap_or_repeat)
{
    static struct world world;
    char body[128] = "{\"maxResults\":3}";
    char seen[7][80] = {""};
    size_t count = 0;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 7);
    for (int page = 0; page < 3; page++) {
        json_t *reply = good(&world, "ListTasks", body);
        const json_t *arns = json_object_get(reply, "taskArns");
        for (size_t i = 0; i < json_array_size(arns); i++) {
            ck_assert_uint_lt(count, 7);
            (void)snprintf(seen[count++], sizeof seen[0], "%s", json_string_value(json_array_get(arns, i)));
        }
        const char *token = json_string_value(json_object_get(reply, "nextToken"));
        ck_assert_int_eq(token != NULL, page < 2);
        (void)snprintf(body, sizeof body, "{\"maxResults\":3,\"nextToken\":\"%s\"}",
                       token != NULL ? token : "");
        json_decref(reply);
    }
    ck_assert_uint_eq(count, 7);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(seen[i], seen[j]);
    json_t *reply = good(&world, "ListTasks", "{\"desiredStatus\":\"PENDING\"}");
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "taskArns")), 0);
    json_decref(reply);
    world_close(&world);
}
END_TEST

/* Protection of the task that was started as number i; returns the reason of the failure, "" when done. */
static const char *protect(struct world *world, int i, bool enabled)
{
    static char reason[64];
    char body[256];
    (void)snprintf(body, sizeof body, "{\"tasks\":[\"%s\"],\"protectionEnabled\":%s}",
                   world->fakes[i].task->id, enabled ? "true" : "false");
    json_t *reply = good(world, "UpdateTaskProtection", body);
    const char *text = json_string_value(AT(reply, "failures", "0", "reason"));
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "protectedTasks")), text == NULL ? 1 : 0);
    (void)snprintf(reason, sizeof reason, "%s", text != NULL ? text : "");
    json_decref(reply);
    return reason;
}

START_TEST(no_more_tasks_are_protected_than_desired)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_OLDEST);
    world_serve(&world, 3);
    ck_assert_str_eq(protect(&world, 0, true), "");
    ck_assert_str_eq(protect(&world, 1, true), "");
    world.ignores_term = true;
    json_decref(good(&world, "UpdateService", "{\"service\":\"orders\",\"desiredCount\":2}"));
    ck_assert_str_eq(protect(&world, 2, true), "TASK_NOT_VALID"); /* told to stop */
    json_decref(good(&world, "UpdateService", "{\"service\":\"orders\",\"desiredCount\":1}"));
    ck_assert_str_eq(protect(&world, 0, true), ""); /* a renewal */
    ck_assert_str_eq(protect(&world, 0, false), "");
    ck_assert_int_eq(world.fakes[0].terms, 1); /* given back, it goes at once */
    json_decref(good(&world, "UpdateService", "{\"service\":\"orders\",\"desiredCount\":2}"));
    world_pass(&world, WORLD_LATENCY_MS);
    ck_assert_str_eq(protect(&world, 3, true), "");
    json_decref(good(&world, "UpdateService", "{\"service\":\"orders\",\"desiredCount\":3}"));
    world_pass(&world, WORLD_LATENCY_MS);
    ck_assert_str_eq(protect(&world, 4, true), "");
    ck_assert_int_eq(world_live(&world, true), 3);
    world_close(&world);
}
END_TEST

START_TEST(a_task_beyond_desired_cannot_be_protected_while_others_are)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    world_serve(&world, 2);
    ck_assert_str_eq(protect(&world, 0, true), "");
    struct ecs_task_definition *next = world_register(&world);
    ecs_service_deploy(world.service, next, world.now_ms);
    world.service->minimum_percent = 100;
    world_pass(&world, 4500); /* new ones start beside the two old ones */
    world.service->desired = 1;
    ck_assert_str_eq(protect(&world, 2, true), "DEPLOYMENT_BLOCKED");
    world_close(&world);
}
END_TEST

START_TEST(run_task_starts_tasks_of_no_service)
{
    static struct world world;
    world_open(&world, ECS_VICTIMS_NEWEST);
    json_t *reply =
        good(&world, "RunTask", "{\"taskDefinition\":\"worker\",\"count\":2,\"startedBy\":\"me\"}");
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "tasks")), 2);
    is_text(AT(reply, "tasks", "0", "lastStatus"), "PROVISIONING");
    json_decref(reply);
    world_pass(&world, WORLD_LATENCY_MS);
    ck_assert_int_eq(world.starts, 2);
    ck_assert_str_eq(protect(&world, 0, true), "TASK_NOT_VALID");
    world_exit(&world, 0, 5);
    world_pass(&world, WORLD_LATENCY_MS);
    ck_assert_int_eq(world.starts, 2); /* nobody replaces it */
    reply = good(&world, "ListTasks", "{\"startedBy\":\"me\"}");
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "taskArns")), 1);
    json_decref(reply);
    world_close(&world);
}
END_TEST

UNIT_MAIN("ecs_ops", bad_requests_are_refused_by_name,
          services_are_found_by_name_and_arn_and_others_are_missing, a_new_service_may_be_missing_for_a_while,
          update_with_the_same_definition_starts_no_deployment_but_force_does, definitions_have_revisions,
          tasks_come_in_pages_without_gap_or_repeat, no_more_tasks_are_protected_than_desired,
          a_task_beyond_desired_cannot_be_protected_while_others_are, run_task_starts_tasks_of_no_service)
