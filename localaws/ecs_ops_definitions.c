/* Operations on task definitions; see ecs_ops.h. */
#include "localaws/ecs_ops_parts.h"

#include <stdlib.h>

enum { STOP_TIMEOUT_MAX_S = 3600 };

static bool are_texts(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            return false;
    return list == NULL || json_is_array(list);
}

static bool are_pairs(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *pair = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(pair, "name"));
        if (name == NULL || name[0] == '\0' || strchr(name, '=') != NULL ||
            !json_is_string(json_object_get(pair, "value")))
            return false;
    }
    return list == NULL || json_is_array(list);
}

/* What is run must be as it is expected at the start; the rest is kept as it came. */
static void check_container(const struct ecs_call *call, const json_t *container)
{
    const char *name = json_string_value(json_object_get(container, "name"));
    const json_t *timeout = json_object_get(container, "stopTimeout");
    const char *problem = NULL;
    if (name == NULL || name[0] == '\0')
        problem = "Container.name should not be null or empty.";
    else if (!are_texts(json_object_get(container, "command")) ||
             !are_texts(json_object_get(container, "entryPoint")))
        problem = "command and entryPoint must be arrays of strings.";
    else if (!are_pairs(json_object_get(container, "environment")))
        problem = "environment must be an array of {name, value}, both strings, the name without '='.";
    else if (timeout != NULL && (!json_is_integer(timeout) || json_integer_value(timeout) < 0 ||
                                 json_integer_value(timeout) > STOP_TIMEOUT_MAX_S))
        problem = "stopTimeout must be a whole number of seconds, 0 to 3600.";
    if (problem != NULL)
        (void)ecs_fail(call->failure, ECS_CLIENT, "%s", problem);
}

static const json_t *only_container(const struct ecs_call *call)
{
    const json_t *containers = json_object_get(call->in, "containerDefinitions");
    if (!json_is_array(containers) || json_array_size(containers) == 0)
        (void)ecs_fail(call->failure, ECS_CLIENT, "Container list cannot be empty.");
    else if (json_array_size(containers) > 1)
        (void)ecs_fail(call->failure, ECS_UNSUPPORTED_FEATURE,
                       "sluice-localaws runs one container of a task: containerDefinitions has %zu.",
                       json_array_size(containers));
    else if (!json_is_object(json_array_get(containers, 0)))
        (void)ecs_fail(call->failure, ECS_SERIALIZATION, "containerDefinitions must hold objects");
    return ecs_ok(call) ? json_array_get(containers, 0) : NULL;
}

static void add_defaults(json_t *document)
{
    static const char *const LISTS[] = {"volumes", "placementConstraints", "compatibilities",
                                        "requiresAttributes"};
    json_t *container = json_array_get(json_object_get(document, "containerDefinitions"), 0);
    for (size_t i = 0; i < sizeof LISTS / sizeof *LISTS; i++)
        if (json_object_get(document, LISTS[i]) == NULL)
            (void)json_object_set_new(document, LISTS[i], json_array());
    if (json_object_get(container, "essential") == NULL)
        (void)json_object_set_new(container, "essential", json_true());
    if (json_object_get(container, "environment") == NULL)
        (void)json_object_set_new(container, "environment", json_array());
}

static void write_definition(struct ecs_call *call, const struct ecs_task_definition *definition)
{
    const json_t *tags = json_object_get(definition->document, "tags");
    jsonw_key(&call->w, "taskDefinition");
    jsonw_object(&call->w);
    ecs_write_members(&call->w, definition->document, "tags");
    jsonw_end_object(&call->w);
    if (tags != NULL) {
        jsonw_key(&call->w, "tags");
        ecs_write_json(&call->w, tags);
    }
}

void ecs_op_register_task_definition(struct ecs_call *call)
{
    struct slice family = ecs_in_text(call, "family");
    if (!ecs_ok(call) || !ecs_in_name(call, "family", family))
        return;
    const json_t *container = only_container(call);
    if (container == NULL)
        return;
    check_container(call, container);
    if (!ecs_ok(call))
        return;
    const json_t *timeout = json_object_get(container, "stopTimeout");
    int64_t timeout_ms = timeout == NULL ? ECS_STOP_TIMEOUT_MS : json_integer_value(timeout) * 1000;
    json_t *document = json_deep_copy(call->in);
    add_defaults(document);
    const struct ecs_task_definition *definition =
        ecs_engine_register(call->engine, family.at, document, timeout_ms, call->now_ms);
    json_decref(document);
    write_definition(call, definition);
}

static struct ecs_task_definition *find(const struct ecs_call *call)
{
    struct ecs_task_definition *definition =
        ecs_engine_definition(call->engine, ecs_in_text(call, "taskDefinition"));
    if (definition == NULL && ecs_ok(call))
        (void)ecs_fail(call->failure, ECS_CLIENT, "Unable to describe task definition.");
    return ecs_ok(call) ? definition : NULL;
}

void ecs_op_describe_task_definition(struct ecs_call *call)
{
    const struct ecs_task_definition *definition = find(call);
    if (definition != NULL)
        write_definition(call, definition);
}

void ecs_op_deregister_task_definition(struct ecs_call *call)
{
    struct ecs_task_definition *definition = find(call);
    if (definition == NULL)
        return;
    definition->is_active = false;
    (void)json_object_set_new(definition->document, "status", json_string("INACTIVE"));
    write_definition(call, definition);
}

void ecs_op_list_task_definitions(struct ecs_call *call)
{
    const struct ecs_task_definition *each = NULL;
    struct slice family = ecs_in_text(call, "familyPrefix");
    struct slice status = ecs_in_text(call, "status");
    bool active = !slice_is(status, "INACTIVE");
    struct ecs_page page = ecs_page_start(call, 100);
    uint64_t number = 0;
    jsonw_key(&call->w, "taskDefinitionArns");
    jsonw_array(&call->w);
    TAILQ_FOREACH(each, &call->engine->definition_order, entry)
    {
        number++;
        if (each->is_active == active && (family.at == NULL || slice_is(family, each->family)) &&
            ecs_page_takes(&page, number))
            jsonw_str(&call->w, each->arn);
    }
    jsonw_end_array(&call->w);
    ecs_page_end(&page, &call->w);
}
