/* Asking an ECS service what "sluice check" judges; see ecs_check.h. */
#include "supervisor/ecs_check.h"

#include "aws/autoscaling.h"
#include "aws/ecs.h"
#include "base/loop.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* One question and its answer, on a loop that runs until it is there. */
struct asking {
    struct event_base *base;
    struct aws_result result;
    struct ecs_check *check;
    bool incomplete; /* the service came without its counts */
    char reason[64]; /* of ECS's failure */
    bool is_suspended;
};

static void on_services(void *arg, const struct aws_result *result, const struct ecs_service *services,
                        size_t count, const struct ecs_failure *failures, size_t failure_count)
{
    struct asking *asking = arg;
    asking->result = *result;
    if (count > 0) {
        asking->check->described = ecs_facts_of(&services[0], &asking->check->facts);
        asking->incomplete = !asking->check->described;
    }
    if (failure_count > 0)
        (void)snprintf(asking->reason, sizeof asking->reason, "%s", failures[0].reason);
    (void)event_base_loopbreak(asking->base);
}

static void on_targets(void *arg, const struct aws_result *result, const struct autoscaling_target *targets,
                       size_t count)
{
    struct asking *asking = arg;
    asking->result = *result;
    asking->check->has_target = count > 0;
    asking->is_suspended = count > 0 && autoscaling_target_is_suspended(&targets[0]);
    (void)event_base_loopbreak(asking->base);
}

static void judge_service(const struct config_fleet *fleet, const struct asking *asking,
                          struct warnings *warnings, struct warnings *refusals)
{
    char text[512];
    const struct ecs_facts *facts = &asking->check->facts;
    if (asking->result.kind != AWS_KIND_OK) {
        warnings_add(warnings, "ecs_service", fleet->name, "the ECS service cannot be asked: %s",
                     aws_result_text(&asking->result, "DescribeServices", text, sizeof text));
        return;
    }
    if (!asking->check->described) {
        warnings_add(warnings, "ecs_service", fleet->name,
                     "ECS does not tell about service %s in cluster %s: %s", fleet->ecs.service,
                     fleet->ecs.cluster,
                     asking->incomplete          ? "the answer lacks its counts"
                     : asking->reason[0] != '\0' ? asking->reason
                                                 : "no reason given");
        return;
    }
    ecs_facts_refusal(facts, text, sizeof text);
    if (text[0] != '\0')
        warnings_add(refusals, "ecs_service", fleet->name, "service %s cannot be scaled: %s",
                     fleet->ecs.service, text);
    if (facts->desired > fleet->controller.capacity.max)
        warnings_add(warnings, "ecs_over_max", fleet->name,
                     "the service's desired count is %" PRId64 ", above max %" PRId64
                     ": it is left so until the policy shrinks",
                     facts->desired, fleet->controller.capacity.max);
    if (facts->rollout)
        warnings_add(warnings, "ecs_rollout", fleet->name,
                     "a rollout is in progress: nothing is taken away until it has ended");
}

static void judge_target(const struct config_fleet *fleet, const struct asking *asking,
                         struct warnings *warnings, struct warnings *refusals)
{
    static const char WORDS[] = "Application Auto Scaling scales service %s, too";
    char text[512];
    if (asking->result.kind != AWS_KIND_OK)
        warnings_add(warnings, "ecs_autoscaling", fleet->name,
                     "cannot tell whether Application Auto Scaling scales the service, too: %s",
                     aws_result_text(&asking->result, "DescribeScalableTargets", text, sizeof text));
    else if (asking->check->has_target && !asking->is_suspended && !fleet->ecs.allow_autoscaling)
        warnings_add(
            refusals, "ecs_autoscaling", fleet->name,
            "Application Auto Scaling scales service %s, too: remove or suspend its scalable target, or "
            "set \"allow_autoscaling\": true",
            fleet->ecs.service);
    else if (asking->check->has_target && !asking->is_suspended)
        warnings_add(warnings, "ecs_autoscaling", fleet->name, WORDS, fleet->ecs.service);
}

void ecs_check_service(const struct config *config, const struct config_fleet *fleet,
                       struct ecs_check *ret_check, struct warnings *warnings, struct warnings *refusals)
{
    struct asking asking = {.base = loop_base_new(), .check = ret_check};
    struct err err = {.text = ""};
    char resource_id[544];
    const char *ids[] = {resource_id};
    const char *services[] = {fleet->ecs.service};
    struct aws_client_options options = {.base = asking.base,
                                         .region = config_fleet_region(config, fleet),
                                         .endpoint_url = config_fleet_endpoint(config, fleet)};
    struct aws_client *client = aws_client_new(&options, &err);
    *ret_check = (struct ecs_check){.described = false};
    if (client == NULL) {
        warnings_add(warnings, "ecs_service", fleet->name, "the ECS service cannot be asked: %s", err.text);
    } else {
        (void)snprintf(resource_id, sizeof resource_id, "service/%s/%s", fleet->ecs.cluster,
                       fleet->ecs.service);
        (void)ecs_describe_services(client, fleet->ecs.cluster, services, 1, on_services, &asking);
        (void)event_base_dispatch(asking.base);
        judge_service(fleet, &asking, warnings, refusals);
        (void)autoscaling_describe_ecs_targets(client, ids, 1, on_targets, &asking);
        (void)event_base_dispatch(asking.base);
        judge_target(fleet, &asking, warnings, refusals);
    }
    aws_client_destroy(client);
    event_base_free(asking.base);
}
