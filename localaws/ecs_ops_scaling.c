/*
 * Application Auto Scaling, as far as it is about who else scales a service: targets can be registered,
 * listed and taken away. They scale nothing. Source: the Application Auto Scaling service model.
 */
#include "localaws/ecs_ops_parts.h"

#include "base/strbuf.h"

static const char NAMESPACE[] = "ecs";
static const char DIMENSION[] = "ecs:service:DesiredCount";
enum { CAPACITY_MAX = 1000000 };

static void refuse(const struct ecs_call *call, const char *text)
{
    if (ecs_ok(call))
        (void)ecs_fail(call->failure, ECS_VALIDATION, "%s", text);
}

static void check_namespace(const struct ecs_call *call)
{
    if (!slice_is(ecs_in_text(call, "ServiceNamespace"), NAMESPACE))
        refuse(call, "ServiceNamespace must be ecs: sluice-localaws has no other services that scale.");
}

/* ResourceId of a request about one target; absent with an objection. */
static struct slice in_resource(const struct ecs_call *call)
{
    struct slice id = ecs_in_text(call, "ResourceId");
    check_namespace(call);
    if (!slice_is(ecs_in_text(call, "ScalableDimension"), DIMENSION))
        refuse(call, "ScalableDimension must be ecs:service:DesiredCount.");
    if (!slice_starts_with(id, "service/"))
        refuse(call, "ResourceId must be service/CLUSTER/SERVICE.");
    return id;
}

static json_t *suspended_of(const struct ecs_call *call)
{
    static const char *const NAMES[] = {"DynamicScalingInSuspended", "DynamicScalingOutSuspended",
                                        "ScheduledScalingSuspended"};
    const json_t *given = json_object_get(call->in, "SuspendedState");
    json_t *state = json_object();
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        (void)json_object_set_new(state, NAMES[i],
                                  json_boolean(json_is_true(json_object_get(given, NAMES[i]))));
    return state;
}

void ecs_op_register_scalable_target(struct ecs_call *call)
{
    struct slice id = in_resource(call);
    const json_t *before = ecs_ok(call) ? json_object_get(call->engine->scaling, id.at) : NULL;
    int64_t old_min = json_integer_value(json_object_get(before, "MinCapacity"));
    int64_t old_max = json_integer_value(json_object_get(before, "MaxCapacity"));
    int64_t min = ecs_in_int(call, "MinCapacity", 0, CAPACITY_MAX, before != NULL ? old_min : -1);
    int64_t max = ecs_in_int(call, "MaxCapacity", 0, CAPACITY_MAX, before != NULL ? old_max : -1);
    if (min < 0 || max < min)
        refuse(call, "MinCapacity and MaxCapacity must be given for a new target, and Min <= Max.");
    if (!ecs_ok(call))
        return;
    json_t *target = json_pack("{s:s, s:s, s:s, s:I, s:I, s:f, s:o}", "ServiceNamespace", NAMESPACE,
                               "ResourceId", id.at, "ScalableDimension", DIMENSION, "MinCapacity",
                               (json_int_t)min, "MaxCapacity", (json_int_t)max, "CreationTime",
                               (double)call->now_ms / 1000.0, "SuspendedState", suspended_of(call));
    (void)json_object_set_new(call->engine->scaling, id.at, target);
}

void ecs_op_deregister_scalable_target(struct ecs_call *call)
{
    struct slice id = in_resource(call);
    if (ecs_ok(call) && json_object_del(call->engine->scaling, id.at) != 0)
        (void)ecs_fail(
            call->failure, ECS_OBJECT_NOT_FOUND,
            "No scalable target found for service namespace: ecs, resource ID: %s, scalable dimension: %s",
            id.at, DIMENSION);
}

static bool is_asked_for(const json_t *ids, const char *id)
{
    for (size_t i = 0; i < json_array_size(ids); i++)
        if (strcmp(json_string_value(json_array_get(ids, i)), id) == 0)
            return true;
    return ids == NULL || json_array_size(ids) == 0;
}

void ecs_op_describe_scalable_targets(struct ecs_call *call)
{
    const json_t *ids = ecs_in_texts(call, "ResourceIds", 50);
    const char *id = NULL;
    json_t *target = NULL;
    check_namespace(call);
    if (!ecs_ok(call))
        return;
    jsonw_key(&call->w, "ScalableTargets");
    jsonw_array(&call->w);
    json_object_foreach(call->engine->scaling, id, target)
    {
        if (is_asked_for(ids, id))
            ecs_write_json(&call->w, target);
    }
    jsonw_end_array(&call->w);
}
