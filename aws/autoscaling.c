/* DescribeScalableTargets; see autoscaling.h. */
#include "aws/autoscaling.h"

#include "aws/json_reply.h"
#include "base/alloc.h"
#include "base/jsonw.h"

#include <stdlib.h>
#include <string.h>

struct targets_call {
    autoscaling_targets_fn *fn;
    void *arg;
};

struct targets {
    struct autoscaling_target list[AUTOSCALING_TARGETS_MAX];
    size_t count;
};

bool autoscaling_target_is_suspended(const struct autoscaling_target *target)
{
    return target->in_suspended && target->out_suspended && target->scheduled_suspended;
}

static void take_suspended(struct jsonp *p, struct autoscaling_target *target)
{
    const char *key = NULL;
    if (!aws_take_object(p))
        return;
    while (jsonp_next_key(p, &key)) {
        bool *to = strcmp(key, "DynamicScalingInSuspended") == 0    ? &target->in_suspended
                   : strcmp(key, "DynamicScalingOutSuspended") == 0 ? &target->out_suspended
                   : strcmp(key, "ScheduledScalingSuspended") == 0  ? &target->scheduled_suspended
                                                                    : NULL;
        if (to == NULL)
            (void)jsonp_skip(p);
        else if (!jsonp_null(p))
            (void)jsonp_bool(p, to);
    }
}

static void take_target(struct jsonp *p, struct autoscaling_target *target)
{
    const char *key = NULL;
    const char *text = NULL;
    size_t len = 0;
    *target = (struct autoscaling_target){.resource_id = "", .min_capacity = -1, .max_capacity = -1};
    if (!aws_take_object(p))
        return;
    while (jsonp_next_key(p, &key)) {
        if (strcmp(key, "ResourceId") == 0) {
            if (aws_take_text(p, &text, &len) && text != NULL)
                target->resource_id = text;
        } else if (strcmp(key, "MinCapacity") == 0) {
            (void)(jsonp_null(p) || jsonp_int(p, &target->min_capacity));
        } else if (strcmp(key, "MaxCapacity") == 0) {
            (void)(jsonp_null(p) || jsonp_int(p, &target->max_capacity));
        } else if (strcmp(key, "SuspendedState") == 0) {
            take_suspended(p, target);
        } else {
            (void)jsonp_skip(p);
        }
    }
}

/* The list may be absent when there is none. */
static bool parse_targets(struct strbuf *body, struct targets *targets, const char **ret_problem)
{
    struct jsonp p = jsonp_start(body->data, body->len);
    const char *key = NULL;
    size_t offset = 0;
    (void)jsonp_object(&p);
    while (jsonp_next_key(&p, &key)) {
        if (strcmp(key, "ScalableTargets") != 0)
            (void)jsonp_skip(&p);
        else if (aws_take_array(&p))
            while (jsonp_next_element(&p)) {
                if (targets->count == AUTOSCALING_TARGETS_MAX)
                    (void)jsonp_refuse(&p, "more targets than were asked for");
                else
                    take_target(&p, &targets->list[targets->count++]);
            }
    }
    bool good = jsonp_finish(&p);
    *ret_problem = jsonp_problem(&p, &offset);
    return good;
}

static void on_targets(void *arg, const struct aws_result *result, struct strbuf *body)
{
    const struct targets_call *call = arg;
    struct targets *targets = xcalloc(1, sizeof *targets);
    struct aws_result bad;
    const char *problem = NULL;
    if (result->kind == AWS_KIND_OK && !parse_targets(body, targets, &problem)) {
        aws_bad_reply(result, problem, &bad);
        result = &bad;
        targets->count = 0;
    }
    call->fn(call->arg, result, targets->list, targets->count);
    free(targets);
}

struct aws_call *autoscaling_describe_ecs_targets(struct aws_client *client, const char *const *resource_ids,
                                                  size_t count, autoscaling_targets_fn *fn, void *arg)
{
    struct targets_call *call = xmalloc(sizeof *call);
    *call = (struct targets_call){fn, arg};
    if (count < 1 || count > AUTOSCALING_TARGETS_MAX)
        return aws_client_refuse(client, "DescribeScalableTargets takes 1 to 50 resources", on_targets, call,
                                 free);
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    jsonw_object(&w);
    jsonw_key_str(&w, "ServiceNamespace", "ecs");
    jsonw_key_str(&w, "ScalableDimension", "ecs:service:DesiredCount");
    jsonw_key(&w, "ResourceIds");
    jsonw_array(&w);
    for (size_t i = 0; i < count; i++)
        jsonw_str(&w, resource_ids[i]);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    struct aws_json_call json = {.service = "application-autoscaling",
                                 .target = "AnyScaleFrontendService.DescribeScalableTargets",
                                 .content_type = "application/x-amz-json-1.1",
                                 .body = body.data,
                                 .body_len = body.len};
    struct aws_call *handle = aws_client_call_json(client, &json, on_targets, call, free);
    strbuf_clean_up(&body);
    return handle;
}
