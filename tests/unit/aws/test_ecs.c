/* ECS and Application Auto Scaling against a scripted server: the bytes of requests, every form of reply,
 * what errors mean. */
#include "aws/autoscaling.h"
#include "aws/ecs.h"

#include "tests/unit/aws/operation_fixture.h"

static void tell_failures(const struct ecs_failure *failures, size_t count)
{
    for (size_t i = 0; i < count; i++)
        strbuf_appendf(&g_told, "failure %s %s [%s];", failures[i].arn, failures[i].reason,
                       failures[i].detail);
}

static void on_services(void *arg, const struct aws_result *result, const struct ecs_service *services,
                        size_t count, const struct ecs_failure *failures, size_t failure_count)
{
    (void)arg;
    told(result);
    for (size_t i = 0; i < count; i++) {
        const struct ecs_service *s = &services[i];
        strbuf_appendf(&g_told, "%s %s %d/%d/%d [%s] [%s];", s->name, s->status, (int)s->desired,
                       (int)s->running, (int)s->pending, s->scheduling_strategy, s->deployment_controller);
        for (size_t j = 0; j < s->deployment_count; j++) {
            const struct ecs_deployment *d = &s->deployments[j];
            strbuf_appendf(&g_told, " %s %s %d/%d/%d %d %s [%s];", d->id, d->status, (int)d->desired,
                           (int)d->running, (int)d->pending, (int)d->failed_tasks, d->rollout_state,
                           d->rollout_reason);
        }
        for (size_t j = 0; j < s->event_count; j++)
            strbuf_appendf(&g_told, " %lld %s;", (long long)s->events[j].created_ms, s->events[j].message);
    }
    tell_failures(failures, failure_count);
}

static void on_list(void *arg, const struct aws_result *result, const char *const *arns, size_t count,
                    const char *next_token)
{
    (void)arg;
    told(result);
    for (size_t i = 0; i < count; i++)
        strbuf_appendf(&g_told, "%s;", arns[i]);
    strbuf_appendf(&g_told, "next [%s]", next_token);
}

static void on_tasks(void *arg, const struct aws_result *result, const struct ecs_task *tasks, size_t count,
                     const struct ecs_failure *failures, size_t failure_count)
{
    (void)arg;
    told(result);
    for (size_t i = 0; i < count; i++)
        strbuf_appendf(&g_told, "%s %s %s %s [%s] %lld;", tasks[i].arn, tasks[i].last_status,
                       tasks[i].desired_status, tasks[i].stop_code, tasks[i].stopped_reason,
                       (long long)tasks[i].stopping_ms);
    tell_failures(failures, failure_count);
}

static void on_protection(void *arg, const struct aws_result *result, const struct ecs_protected_task *tasks,
                          size_t count, const struct ecs_failure *failures, size_t failure_count)
{
    (void)arg;
    told(result);
    for (size_t i = 0; i < count; i++)
        strbuf_appendf(&g_told, "%s %d %lld;", tasks[i].arn, tasks[i].is_protected,
                       (long long)tasks[i].expires_ms);
    tell_failures(failures, failure_count);
}

static void on_targets(void *arg, const struct aws_result *result, const struct autoscaling_target *targets,
                       size_t count)
{
    (void)arg;
    told(result);
    for (size_t i = 0; i < count; i++)
        strbuf_appendf(&g_told, "%s %d-%d %s;", targets[i].resource_id, (int)targets[i].min_capacity,
                       (int)targets[i].max_capacity,
                       autoscaling_target_is_suspended(&targets[i]) ? "suspended" : "acts");
}

/* Waits for the callback of the call just started; `want` is the body that must have been sent. */
static void finish(const char *target, const char *want)
{
    wait_for_reply();
    ck_assert_str_eq(fake_header(&g_server, 0, "X-Amz-Target"), target);
    ck_assert_str_eq(fake_header(&g_server, 0, "Content-Type"), "application/x-amz-json-1.1");
    ck_assert_str_eq(g_server.requests[0].body, want);
}

#define ECS "AmazonEC2ContainerServiceV20141113."

static void describe(int status, const char *reply)
{
    static const char *const NAMES[] = {"workers", "other"};
    reply_with(status, reply);
    (void)ecs_describe_services(g_client, "sale", NAMES, 2, on_services, NULL);
    finish(ECS "DescribeServices", "{\"cluster\":\"sale\",\"services\":[\"workers\",\"other\"]}");
}

static const char SERVICES[] =
    "{\"services\":[{\"serviceArn\":\"arn:w\",\"serviceName\":\"workers\",\"status\":\"ACTIVE\","
    "\"desiredCount\":25,\"runningCount\":20,\"pendingCount\":5,\"schedulingStrategy\":\"REPLICA\","
    "\"deploymentController\":{\"type\":\"ECS\",\"later\":[1]},\"loadBalancers\":[{\"a\":{\"b\":null}}],"
    "\"deployments\":[{\"id\":\"ecs-svc/1\",\"status\":\"PRIMARY\",\"desiredCount\":25,\"runningCount\":20,"
    "\"pendingCount\":5,\"failedTasks\":3,\"createdAt\":1.6E9,\"rolloutState\":\"IN_PROGRESS\","
    "\"rolloutStateReason\":\"on its way\"},{\"id\":\"ecs-svc/0\",\"status\":\"ACTIVE\"}],"
    "\"events\":[{\"id\":\"e\",\"createdAt\":1700000000.125,\"message\":\"(service workers) was unable\"}]},"
    "{\"serviceName\":\"other\",\"status\":null}],"
    "\"failures\":[{\"arn\":\"arn:x\",\"reason\":\"MISSING\",\"detail\":null}]}";

START_TEST(services_are_described_with_all_their_parts)
{
    set_up();
    describe(200, SERVICES);
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    ck_assert_str_eq(
        strbuf_str(&g_told),
        "workers ACTIVE 25/20/5 [REPLICA] [ECS]; ecs-svc/1 PRIMARY 25/20/5 3 IN_PROGRESS [on its "
        "way]; ecs-svc/0 ACTIVE -1/-1/-1 -1  []; 1700000000125 (service workers) was unable;"
        "other  -1/-1/-1 [] [];failure arn:x MISSING [];");
    ck_assert_ptr_nonnull(strstr(fake_header(&g_server, 0, "Authorization"), "/us-west-2/ecs/aws4_request"));
    tear_down();
}
END_TEST

START_TEST(a_reply_cut_at_any_byte_tells_nothing)
{
    set_up();
    for (size_t len = 0; len + 1 < sizeof SERVICES; len++) {
        char *cut = strndup(SERVICES, len);
        describe(200, cut);
        ck_assert_int_eq(g_result.kind, AWS_KIND_BAD_REPLY);
        ck_assert_str_eq(strbuf_str(&g_told), "");
        free(cut);
    }
    tear_down();
}
END_TEST

START_TEST(replies_that_make_no_sense_are_told)
{
    static const char *const BAD[] = {
        "{}",
        "{\"failures\":[]}",
        "{\"services\":[{\"desiredCount\":-1}]}",
        "{\"services\":[{\"desiredCount\":\"5\"}]}",
        "{\"services\":[{\"desiredCount\":1.5}]}",
        "{\"services\":[{\"serviceName\":5}]}",
        "{\"services\":[{\"events\":[{\"createdAt\":-5}]}]}",
        "{\"services\":[],\"services\":[]}",
        "{\"services\":[{},{},{},{},{},{},{},{},{},{},{}]}",
    };
    set_up();
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        describe(200, BAD[i]);
        ck_assert_msg(g_result.kind == AWS_KIND_BAD_REPLY, "%s", BAD[i]);
        ck_assert_str_eq(strbuf_str(&g_told), "");
    }
    tear_down();
}
END_TEST

START_TEST(lists_longer_than_what_is_kept_are_read_to_their_end)
{
    struct strbuf reply = STRBUF_INIT;
    set_up();
    strbuf_append_str(&reply, "{\"services\":[{\"serviceName\":\"w\",\"events\":[");
    for (int i = 0; i < 100; i++)
        strbuf_appendf(&reply, "%s{\"createdAt\":%d,\"message\":\"m%d\"}", i > 0 ? "," : "", i, i);
    strbuf_append_str(&reply, "],\"deployments\":[");
    for (int i = 0; i < 30; i++)
        strbuf_appendf(&reply, "%s{\"id\":\"d%d\"}", i > 0 ? "," : "", i);
    strbuf_append_str(&reply, "],\"desiredCount\":7}]}");
    describe(200, strbuf_str(&reply));
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    ck_assert_ptr_nonnull(strstr(strbuf_str(&g_told), "w  7/-1/-1"));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&g_told), " 19000 m19;"));
    ck_assert_ptr_null(strstr(strbuf_str(&g_told), "m20"));
    strbuf_clean_up(&reply);
    tear_down();
}
END_TEST

START_TEST(an_update_sends_the_desired_count_and_nothing_else)
{
    set_up();
    reply_with(200, "{\"service\":{\"serviceName\":\"w\",\"status\":\"ACTIVE\",\"desiredCount\":7}}");
    (void)ecs_update_desired(g_client, "sale", "w", 7, on_services, NULL);
    finish(ECS "UpdateService", "{\"cluster\":\"sale\",\"service\":\"w\",\"desiredCount\":7}");
    ck_assert_str_eq(strbuf_str(&g_told), "w ACTIVE 7/-1/-1 [] [];");
    reply_with(200, "{}");
    (void)ecs_update_desired(g_client, NULL, "w", 0, on_services, NULL);
    finish(ECS "UpdateService", "{\"service\":\"w\",\"desiredCount\":0}");
    ck_assert_int_eq(g_result.kind, AWS_KIND_BAD_REPLY);
    tear_down();
}
END_TEST

START_TEST(tasks_are_listed_page_by_page_and_described)
{
    static const char *const TASKS[] = {"t/1", "t/2"};
    set_up();
    reply_with(200, "{\"taskArns\":[\"t/1\",\"t/2\"],\"nextToken\":\"more\"}");
    (void)ecs_list_tasks(g_client, "sale", "w", ECS_TASKS_STOPPED, NULL, on_list, NULL);
    finish(ECS "ListTasks",
           "{\"cluster\":\"sale\",\"serviceName\":\"w\",\"desiredStatus\":\"STOPPED\",\"maxResults\":100}");
    ck_assert_str_eq(strbuf_str(&g_told), "t/1;t/2;next [more]");
    reply_with(200, "{\"taskArns\":[]}");
    (void)ecs_list_tasks(g_client, "sale", "w", ECS_TASKS_RUNNING, "more", on_list, NULL);
    finish(ECS "ListTasks", "{\"cluster\":\"sale\",\"serviceName\":\"w\",\"desiredStatus\":\"RUNNING\","
                            "\"maxResults\":100,\"nextToken\":\"more\"}");
    ck_assert_str_eq(strbuf_str(&g_told), "next []");
    reply_with(200,
               "{\"tasks\":[{\"taskArn\":\"t/1\",\"lastStatus\":\"STOPPING\",\"desiredStatus\":\"STOPPED\","
               "\"stopCode\":\"ServiceSchedulerInitiated\",\"stoppedReason\":\"Scaling activity\","
               "\"stoppingAt\":1700000000.5,\"containers\":[{\"x\":1}]}],"
               "\"failures\":[{\"arn\":\"t/2\",\"reason\":\"MISSING\"}]}");
    (void)ecs_describe_tasks(g_client, "sale", TASKS, 2, on_tasks, NULL);
    finish(ECS "DescribeTasks", "{\"cluster\":\"sale\",\"tasks\":[\"t/1\",\"t/2\"]}");
    ck_assert_str_eq(strbuf_str(&g_told), "t/1 STOPPING STOPPED ServiceSchedulerInitiated [Scaling activity] "
                                          "1700000000500;failure t/2 MISSING [];");
    tear_down();
}
END_TEST

START_TEST(protection_tells_which_tasks_are_not_protected)
{
    static const char *const TASKS[] = {"t/1", "t/2"};
    set_up();
    reply_with(200, "{\"protectedTasks\":[{\"taskArn\":\"t/1\",\"protectionEnabled\":true,"
                    "\"expirationDate\":1700000000}],"
                    "\"failures\":[{\"arn\":\"t/2\",\"reason\":\"DEPLOYMENT_BLOCKED\",\"detail\":\"d\"}]}");
    (void)ecs_update_task_protection(g_client, "sale", TASKS, 2, true, 60, on_protection, NULL);
    finish(ECS "UpdateTaskProtection", "{\"cluster\":\"sale\",\"tasks\":[\"t/1\",\"t/2\"],"
                                       "\"protectionEnabled\":true,\"expiresInMinutes\":60}");
    ck_assert_str_eq(strbuf_str(&g_told), "t/1 1 1700000000000;failure t/2 DEPLOYMENT_BLOCKED [d];");
    reply_with(200, "{\"protectedTasks\":[{\"taskArn\":\"t/1\",\"protectionEnabled\":false}]}");
    (void)ecs_update_task_protection(g_client, "sale", TASKS, 1, false, 60, on_protection, NULL);
    finish(ECS "UpdateTaskProtection",
           "{\"cluster\":\"sale\",\"tasks\":[\"t/1\"],\"protectionEnabled\":false}");
    ck_assert_str_eq(strbuf_str(&g_told), "t/1 0 -1;");
    tear_down();
}
END_TEST

START_TEST(scalable_targets_are_found_and_suspended_ones_told_apart)
{
    static const char *const IDS[] = {"service/sale/w"};
    static const char WANT[] =
        "{\"ServiceNamespace\":\"ecs\",\"ScalableDimension\":\"ecs:service:DesiredCount\","
        "\"ResourceIds\":[\"service/sale/w\"]}";
    static const char TARGET[] = "AnyScaleFrontendService.DescribeScalableTargets";
    set_up();
    reply_with(200,
               "{\"ScalableTargets\":[{\"ResourceId\":\"service/sale/w\",\"MinCapacity\":1,\"MaxCapacity\":9,"
               "\"SuspendedState\":{\"DynamicScalingInSuspended\":true,\"DynamicScalingOutSuspended\":true,"
               "\"ScheduledScalingSuspended\":false}},{\"ResourceId\":\"service/sale/v\",\"SuspendedState\":"
               "{\"DynamicScalingInSuspended\":true,\"DynamicScalingOutSuspended\":true,"
               "\"ScheduledScalingSuspended\":true}}]}");
    (void)autoscaling_describe_ecs_targets(g_client, IDS, 1, on_targets, NULL);
    finish(TARGET, WANT);
    ck_assert_str_eq(strbuf_str(&g_told), "service/sale/w 1-9 acts;service/sale/v -1--1 suspended;");
    ck_assert_ptr_nonnull(
        strstr(fake_header(&g_server, 0, "Authorization"), "/application-autoscaling/aws4_"));
    reply_with(200, "{}");
    (void)autoscaling_describe_ecs_targets(g_client, IDS, 1, on_targets, NULL);
    finish(TARGET, WANT);
    ck_assert_int_eq(g_result.kind, AWS_KIND_OK);
    reply_with(200, "{\"ScalableTargets\":{}}");
    (void)autoscaling_describe_ecs_targets(g_client, IDS, 1, on_targets, NULL);
    finish(TARGET, WANT);
    ck_assert_int_eq(g_result.kind, AWS_KIND_BAD_REPLY);
    tear_down();
}
END_TEST

START_TEST(errors_are_judged_by_their_code)
{
    static const struct {
        int status;
        const char *code;
        enum aws_kind kind;
    } CASES[] = {
        {400, "ThrottlingException", AWS_KIND_THROTTLED},
        {500, "ServerException", AWS_KIND_TRANSIENT},
        {400, "ServerException", AWS_KIND_TRANSIENT},
        {400, "ClusterNotFoundException", AWS_KIND_NOT_FOUND},
        {400, "ServiceNotFoundException", AWS_KIND_NOT_FOUND},
        {400, "ServiceNotActiveException", AWS_KIND_NOT_FOUND},
        {400, "AccessDeniedException", AWS_KIND_DENIED},
        {400, "BlockedException", AWS_KIND_DENIED},
        {400, "ClientException", AWS_KIND_REQUEST},
        {400, "InvalidParameterException", AWS_KIND_REQUEST},
        {400, "UpdateInProgressException", AWS_KIND_TRANSIENT},
        {400, "ConcurrentUpdateException", AWS_KIND_TRANSIENT},
        {400, "ExpiredTokenException", AWS_KIND_CREDENTIALS},
    };
    set_up();
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char body[128];
        (void)snprintf(body, sizeof body, "{\"__type\":\"%s\",\"message\":\"Rate exceeded\"}", CASES[i].code);
        describe(CASES[i].status, body);
        ck_assert_msg(g_result.kind == CASES[i].kind, "%s: %s", CASES[i].code, aws_kind_name(g_result.kind));
        ck_assert_str_eq(g_result.code, CASES[i].code);
        ck_assert_str_eq(strbuf_str(&g_told), "");
    }
    tear_down();
}
END_TEST

/* A refused call tells so in the loop; nothing goes out. */
static void finish_refused(void)
{
    wait_for_reply();
    ck_assert_int_eq(g_result.kind, AWS_KIND_REQUEST);
    ck_assert_int_eq(g_server.request_count, 0);
    g_calls = 0;
}

START_TEST(calls_that_ecs_would_refuse_are_not_sent)
{
    static const char *const NAMES[ECS_TASKS_MAX + 1];
    set_up();
    reply_with(200, "{}");
    (void)ecs_describe_services(g_client, "sale", NAMES, ECS_SERVICES_MAX + 1, on_services, NULL);
    finish_refused();
    (void)ecs_describe_services(g_client, "sale", NAMES, 0, on_services, NULL);
    finish_refused();
    (void)ecs_update_desired(g_client, "sale", "w", -1, on_services, NULL);
    finish_refused();
    (void)ecs_describe_tasks(g_client, "sale", NAMES, ECS_TASKS_MAX + 1, on_tasks, NULL);
    finish_refused();
    (void)ecs_update_task_protection(g_client, "sale", NAMES, ECS_PROTECT_MAX + 1, true, 60, on_protection,
                                     NULL);
    finish_refused();
    (void)ecs_update_task_protection(g_client, "sale", NAMES, 1, true, 2881, on_protection, NULL);
    finish_refused();
    (void)autoscaling_describe_ecs_targets(g_client, NAMES, AUTOSCALING_TARGETS_MAX + 1, on_targets, NULL);
    finish_refused();
    tear_down();
}
END_TEST

UNIT_MAIN("ecs", services_are_described_with_all_their_parts, a_reply_cut_at_any_byte_tells_nothing,
          replies_that_make_no_sense_are_told, lists_longer_than_what_is_kept_are_read_to_their_end,
          an_update_sends_the_desired_count_and_nothing_else, tasks_are_listed_page_by_page_and_described,
          protection_tells_which_tasks_are_not_protected,
          scalable_targets_are_found_and_suspended_ones_told_apart, errors_are_judged_by_their_code,
          calls_that_ecs_would_refuse_are_not_sent)
