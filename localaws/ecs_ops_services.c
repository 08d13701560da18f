/* Operations on services; see ecs_ops.h. */
#include "localaws/ecs_ops_parts.h"

/* What is given with a service, shown, and without effect here. */
static const char *const KEPT[] = {"launchType",
                                   "capacityProviderStrategy",
                                   "platformVersion",
                                   "loadBalancers",
                                   "serviceRegistries",
                                   "placementConstraints",
                                   "placementStrategy",
                                   "networkConfiguration",
                                   "healthCheckGracePeriodSeconds",
                                   "schedulingStrategy",
                                   "deploymentController",
                                   "enableECSManagedTags",
                                   "propagateTags",
                                   "enableExecuteCommand",
                                   "availabilityZoneRebalancing",
                                   "tags",
                                   NULL};

static bool is_daemon(const json_t *extras)
{
    const char *strategy = json_string_value(json_object_get(extras, "schedulingStrategy"));
    return strategy != NULL && strcmp(strategy, "DAEMON") == 0;
}

static void check_desired(const struct ecs_call *call, const json_t *extras, int64_t desired)
{
    if (!ecs_ok(call))
        return;
    if (is_daemon(extras) && ecs_in_has(call, "desiredCount"))
        (void)ecs_fail(call->failure, ECS_INVALID_PARAMETER,
                       "The daemon scheduling strategy does not support a desired count. Remove the desired"
                       " count value and try again.");
    else if (desired > 0 && !call->engine->settings.has_tasks)
        (void)ecs_fail(call->failure, ECS_UNSUPPORTED_FEATURE,
                       "This sluice-localaws runs no tasks: start it with --ecs-tasks run or pretend.");
}

/* Members of deploymentConfiguration, as far as they are known here. */
struct configuration {
    int64_t minimum, maximum;
    bool breaker, rollback;
};

static void read_configuration(const struct ecs_call *call, struct configuration *c)
{
    struct ecs_call inner = *call;
    inner.in = json_object_get(call->in, "deploymentConfiguration");
    if (inner.in == NULL || json_is_null(inner.in))
        return;
    c->minimum = ecs_in_int(&inner, "minimumHealthyPercent", 0, 100, c->minimum);
    c->maximum = ecs_in_int(&inner, "maximumPercent", 100, 1000, c->maximum);
    struct slice strategy = ecs_in_text(&inner, "strategy");
    if (strategy.at != NULL && !slice_is(strategy, "ROLLING") && ecs_ok(call))
        (void)ecs_fail(call->failure, ECS_UNSUPPORTED_FEATURE,
                       "sluice-localaws knows the deployment strategy ROLLING only, not %s.", strategy.at);
    inner.in = json_object_get(inner.in, "deploymentCircuitBreaker");
    if (inner.in == NULL || json_is_null(inner.in))
        return;
    c->breaker = ecs_in_bool(&inner, "enable", c->breaker);
    c->rollback = ecs_in_bool(&inner, "rollback", c->rollback);
    if (c->minimum == 100 && c->maximum == 100 && ecs_ok(call))
        (void)ecs_fail(call->failure, ECS_INVALID_PARAMETER,
                       "minimumHealthyPercent and maximumPercent cannot both be 100.");
}

static void configure(struct ecs_service *service, const struct configuration *c)
{
    service->minimum_percent = (int)c->minimum;
    service->maximum_percent = (int)c->maximum;
    service->breaker = c->breaker;
    service->rollback = c->rollback;
}

static void write_reply(struct ecs_call *call, struct ecs_service *service)
{
    ecs_engine_settle(call->engine, call->now_ms);
    jsonw_key(&call->w, "service");
    ecs_write_service(&call->w, service, true);
}

/* The same request again gives the service as it is; another one under its name is refused. */
static bool exists(struct ecs_call *call, const struct ecs_cluster *cluster, struct slice name)
{
    const struct ecs_service *service = ecs_cluster_service(cluster, name);
    if (service == NULL || service->status == ECS_SERVICE_INACTIVE)
        return false;
    if (service->status == ECS_SERVICE_DRAINING)
        (void)ecs_fail(call->failure, ECS_INVALID_PARAMETER,
                       "Unable to Start a service that is still Draining.");
    else
        (void)ecs_fail(call->failure, ECS_INVALID_PARAMETER, "Creation of service was not idempotent.");
    return true;
}

void ecs_op_create_service(struct ecs_call *call)
{
    struct slice name = ecs_in_text(call, "serviceName");
    struct configuration c = {.minimum = 100, .maximum = 200};
    int64_t desired = ecs_in_int(call, "desiredCount", 0, ECS_TASKS_MAX, 0);
    struct ecs_cluster *cluster = ecs_in_cluster(call);
    if (cluster == NULL || !ecs_in_name(call, "serviceName", name) || exists(call, cluster, name))
        return;
    read_configuration(call, &c);
    struct ecs_task_definition *definition = ecs_in_definition(call);
    if (definition == NULL || !ecs_ok(call))
        return;
    json_t *extras = ecs_in_pick(call, KEPT);
    if (is_daemon(extras) && !ecs_in_has(call, "desiredCount"))
        desired = 1; /* this machine is the only container instance */
    check_desired(call, extras, desired);
    if (!ecs_ok(call)) {
        json_decref(extras);
        return;
    }
    if (json_object_get(extras, "schedulingStrategy") == NULL)
        (void)json_object_set_new(extras, "schedulingStrategy", json_string("REPLICA"));
    struct ecs_service *service =
        ecs_service_create(call->engine, cluster, name, definition, (int)desired, call->now_ms);
    service->extras = extras;
    configure(service, &c);
    write_reply(call, service);
}

/* The service that the request names, or NULL with the failure. */
static struct ecs_service *in_service(const struct ecs_call *call)
{
    struct slice name = ecs_in_text(call, "service");
    const struct ecs_cluster *cluster = ecs_in_cluster(call);
    if (cluster == NULL)
        return NULL;
    struct ecs_service *service = name.at == NULL ? NULL : ecs_cluster_service(cluster, name);
    if (service == NULL)
        (void)ecs_fail(call->failure, ECS_SERVICE_NOT_FOUND, "Service not found.");
    else if (service->status != ECS_SERVICE_ACTIVE)
        (void)ecs_fail(call->failure, ECS_SERVICE_NOT_ACTIVE, "Service was not ACTIVE.");
    return ecs_ok(call) ? service : NULL;
}

void ecs_op_update_service(struct ecs_call *call)
{
    struct ecs_service *service = in_service(call);
    if (service == NULL)
        return;
    struct ecs_task_definition *current = TAILQ_FIRST(&service->deployments)->definition;
    struct ecs_task_definition *definition =
        ecs_in_has(call, "taskDefinition") ? ecs_in_definition(call) : current;
    struct configuration c = {.minimum = service->minimum_percent,
                              .maximum = service->maximum_percent,
                              .breaker = service->breaker,
                              .rollback = service->rollback};
    int64_t desired = ecs_in_int(call, "desiredCount", 0, ECS_TASKS_MAX, service->desired);
    bool is_forced = ecs_in_bool(call, "forceNewDeployment", false);
    read_configuration(call, &c);
    check_desired(call, service->extras, desired);
    if (!ecs_ok(call))
        return;
    json_t *changes = ecs_in_pick(call, KEPT);
    (void)json_object_update(service->extras, changes);
    json_decref(changes);
    configure(service, &c);
    ecs_service_forget_failures(service);
    if (desired != service->desired)
        ecs_service_set_desired(service, (int)desired, call->now_ms);
    if (definition != current || is_forced)
        ecs_service_deploy(service, definition, call->now_ms);
    write_reply(call, service);
}

void ecs_op_delete_service(struct ecs_call *call)
{
    struct ecs_service *service = in_service(call);
    bool is_forced = ecs_in_bool(call, "force", false);
    if (service == NULL || !ecs_ok(call))
        return;
    if (service->desired > 0 && !is_forced && !is_daemon(service->extras)) {
        (void)ecs_fail(call->failure, ECS_INVALID_PARAMETER,
                       "The service cannot be stopped while it is scaled above 0.");
        return;
    }
    ecs_service_delete(service);
    write_reply(call, service);
}

/* What DescribeServices finds; NULL: MISSING, as it may be for a while after CreateService. */
static struct ecs_service *described(const struct ecs_call *call, const struct ecs_cluster *cluster,
                                     const json_t *name)
{
    struct ecs_service *service = ecs_cluster_service(cluster, slice_of(json_string_value(name)));
    if (service == NULL || call->now_ms < service->created_ms + call->engine->settings.visible_after_ms)
        return NULL;
    return service;
}

void ecs_op_describe_services(struct ecs_call *call)
{
    const json_t *names = ecs_in_texts(call, "services", 10);
    const json_t *include = ecs_in_texts(call, "include", 10);
    const struct ecs_cluster *cluster = ecs_in_cluster(call);
    bool with_tags = false;
    if (cluster == NULL)
        return;
    if (json_array_size(names) == 0) {
        (void)ecs_fail(call->failure, ECS_INVALID_PARAMETER, "Services cannot be empty.");
        return;
    }
    for (size_t i = 0; i < json_array_size(include); i++)
        with_tags = with_tags || strcmp(json_string_value(json_array_get(include, i)), "TAGS") == 0;
    jsonw_key(&call->w, "services");
    jsonw_array(&call->w);
    for (size_t i = 0; i < json_array_size(names); i++) {
        struct ecs_service *service = described(call, cluster, json_array_get(names, i));
        if (service != NULL)
            ecs_write_service(&call->w, service, with_tags);
    }
    jsonw_end_array(&call->w);
    jsonw_key(&call->w, "failures");
    jsonw_array(&call->w);
    for (size_t i = 0; i < json_array_size(names); i++)
        if (described(call, cluster, json_array_get(names, i)) == NULL)
            ecs_write_missing(call->engine, &call->w, "service",
                              slice_of(json_string_value(json_array_get(names, i))));
    jsonw_end_array(&call->w);
}

void ecs_op_list_services(struct ecs_call *call)
{
    const struct ecs_cluster *cluster = ecs_in_cluster(call);
    const struct ecs_service *service = NULL;
    struct ecs_page page = ecs_page_start(call, 10);
    if (cluster == NULL)
        return;
    jsonw_key(&call->w, "serviceArns");
    jsonw_array(&call->w);
    TAILQ_FOREACH(service, &cluster->service_order, entry)
    {
        if (service->status != ECS_SERVICE_INACTIVE && ecs_page_takes(&page, service->number))
            jsonw_str(&call->w, service->arn);
    }
    jsonw_end_array(&call->w);
    ecs_page_end(&page, &call->w);
}
