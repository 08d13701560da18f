/* The table of calls, and the reading of their answers; see doctor_probes.h. */
#include "supervisor/doctor_probes.h"

#include "base/duration.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char JSON_1_0[] = "application/x-amz-json-1.0";
static const char JSON_1_1[] = "application/x-amz-json-1.1";

/* No task has it, and no queue gave it. */
static const char NO_TASK[] = "00000000000000000000000000000000";
static const char NO_HANDLE[] = "sluice-doctor";

/* ---- whom a probe concerns ---- */

static bool is_named_queue(const struct doctor_subject *subject)
{
    return subject->fleet != NULL && subject->fleet->queue.url == NULL;
}

static bool is_fleet(const struct doctor_subject *subject)
{
    return subject->fleet != NULL;
}

/* Forked workers have the supervisor's credentials; tasks have their own, which cannot be tried from here. */
static bool is_local(const struct doctor_subject *subject)
{
    return subject->fleet != NULL && subject->fleet->type == FLEET_LOCAL;
}

static bool is_ecs(const struct doctor_subject *subject)
{
    return subject->fleet != NULL && subject->fleet->type == FLEET_ECS;
}

static bool is_lease(const struct doctor_subject *subject)
{
    return subject->fleet == NULL && subject->config->ha.type == HA_DYNAMODB;
}

/* ---- bodies ---- */

static void write_queue_name(const struct doctor_subject *subject, struct jsonw *w)
{
    jsonw_key_str(w, "QueueName", subject->fleet->queue.name);
}

static void write_attributes(const struct doctor_subject *subject, struct jsonw *w)
{
    jsonw_key_str(w, "QueueUrl", subject->queue_url);
    jsonw_key(w, "AttributeNames");
    jsonw_array(w);
    jsonw_str(w, "ApproximateNumberOfMessages");
    jsonw_end_array(w);
}

static void write_handle(const struct doctor_subject *subject, struct jsonw *w)
{
    jsonw_key_str(w, "QueueUrl", subject->queue_url);
    jsonw_key_str(w, "ReceiptHandle", NO_HANDLE);
}

static void write_visibility(const struct doctor_subject *subject, struct jsonw *w)
{
    write_handle(subject, w);
    jsonw_key_int(w, "VisibilityTimeout", 30);
}

static void write_services(const struct doctor_subject *subject, struct jsonw *w)
{
    jsonw_key_str(w, "cluster", subject->fleet->ecs.cluster);
    jsonw_key(w, "services");
    jsonw_array(w);
    jsonw_str(w, subject->fleet->ecs.service);
    jsonw_end_array(w);
}

/* Without a change: a service is updated to what it is. */
static void write_service(const struct doctor_subject *subject, struct jsonw *w)
{
    jsonw_key_str(w, "cluster", subject->fleet->ecs.cluster);
    jsonw_key_str(w, "service", subject->fleet->ecs.service);
}

static void write_list(const struct doctor_subject *subject, struct jsonw *w)
{
    jsonw_key_str(w, "cluster", subject->fleet->ecs.cluster);
    jsonw_key_str(w, "serviceName", subject->fleet->ecs.service);
}

static void write_no_task(const struct doctor_subject *subject, struct jsonw *w)
{
    jsonw_key_str(w, "cluster", subject->fleet->ecs.cluster);
    jsonw_key(w, "tasks");
    jsonw_array(w);
    jsonw_str(w, NO_TASK);
    jsonw_end_array(w);
}

static void write_protection(const struct doctor_subject *subject, struct jsonw *w)
{
    write_no_task(subject, w);
    jsonw_key_bool(w, "protectionEnabled", false);
}

static void write_scalable_target(const struct doctor_subject *subject, struct jsonw *w)
{
    char id[544];
    (void)snprintf(id, sizeof id, "service/%s/%s", subject->fleet->ecs.cluster, subject->fleet->ecs.service);
    jsonw_key_str(w, "ServiceNamespace", "ecs");
    jsonw_key(w, "ResourceIds");
    jsonw_array(w);
    jsonw_str(w, id);
    jsonw_end_array(w);
}

static void write_lease_key(const struct doctor_subject *subject, struct jsonw *w)
{
    jsonw_key_str(w, "TableName", subject->config->ha.table);
    jsonw_key(w, "Key");
    jsonw_object(w);
    jsonw_key(w, "id");
    jsonw_object(w);
    jsonw_key_str(w, "S", subject->config->ha.key);
    jsonw_end_object(w);
    jsonw_end_object(w);
}

static void write_lease_update(const struct doctor_subject *subject, struct jsonw *w)
{
    write_lease_key(subject, w);
    jsonw_key_str(w, "UpdateExpression", "REMOVE sluice_doctor");
    jsonw_key_str(w, "ConditionExpression", "attribute_exists(sluice_doctor)");
}

/* ---- the table ---- */

const struct doctor_probe DOCTOR_PROBES[] = {
    {"sqs:GetQueueUrl", "sqs", "AmazonSQS.GetQueueUrl", JSON_1_0, "finds the queue by its name", NULL, false,
     false, is_named_queue, write_queue_name},
    {"sqs:GetQueueAttributes", "sqs", "AmazonSQS.GetQueueAttributes", JSON_1_0, "reads the queue's depth",
     NULL, false, true, is_fleet, write_attributes},
    {"sqs:DeleteMessage", "sqs", "AmazonSQS.DeleteMessage", JSON_1_0, "workers delete what is done",
     "ReceiptHandleIsInvalid InvalidParameterValue", false, true, is_local, write_handle},
    {"sqs:ChangeMessageVisibility", "sqs", "AmazonSQS.ChangeMessageVisibility", JSON_1_0,
     "workers extend what they work on", "ReceiptHandleIsInvalid InvalidParameterValue MessageNotInflight",
     false, true, is_local, write_visibility},
    {"ecs:DescribeServices", "ecs", "AmazonEC2ContainerServiceV20141113.DescribeServices", JSON_1_1,
     "sees the service", NULL, false, false, is_ecs, write_services},
    {"ecs:UpdateService", "ecs", "AmazonEC2ContainerServiceV20141113.UpdateService", JSON_1_1,
     "sets the desired count", NULL, false, false, is_ecs, write_service},
    {"ecs:ListTasks", "ecs", "AmazonEC2ContainerServiceV20141113.ListTasks", JSON_1_1,
     "finds tasks that stop or do not start", NULL, false, false, is_ecs, write_list},
    {"ecs:DescribeTasks", "ecs", "AmazonEC2ContainerServiceV20141113.DescribeTasks", JSON_1_1,
     "tells why tasks stopped", NULL, false, false, is_ecs, write_no_task},
    {"ecs:UpdateTaskProtection", "ecs", "AmazonEC2ContainerServiceV20141113.UpdateTaskProtection", JSON_1_1,
     "keeps busy tasks in a scale-in", "InvalidParameterException ResourceNotFoundException", true, false,
     is_ecs, write_protection},
    {"application-autoscaling:DescribeScalableTargets", "application-autoscaling",
     "AnyScaleFrontendService.DescribeScalableTargets", JSON_1_1, "sees whether somebody else scales", NULL,
     true, false, is_ecs, write_scalable_target},
    {"dynamodb:GetItem", "dynamodb", "DynamoDB_20120810.GetItem", JSON_1_0, "reads the lease", NULL, false,
     false, is_lease, write_lease_key},
    {"dynamodb:UpdateItem", "dynamodb", "DynamoDB_20120810.UpdateItem", JSON_1_0, "takes the lease",
     "ConditionalCheckFailedException", false, false, is_lease, write_lease_update},
};
const size_t DOCTOR_PROBE_COUNT = sizeof DOCTOR_PROBES / sizeof DOCTOR_PROBES[0];

/* ---- judging ---- */

const char *doctor_outcome_name(enum doctor_outcome outcome)
{
    static const char *const NAMES[] = {"ok", "warning", "failed", "skipped"};
    return NAMES[outcome];
}

static bool is_one_of(const char *word, const char *list)
{
    size_t len = strlen(word);
    for (const char *at = list; len > 0 && at != NULL && (at = strstr(at, word)) != NULL; at += len)
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

enum doctor_outcome doctor_judge(const struct doctor_probe *probe, const struct aws_result *result,
                                 char *text, size_t size)
{
    char why[640];
    bool proven =
        result->kind != AWS_KIND_DENIED && probe->proofs != NULL && is_one_of(result->code, probe->proofs);
    if (result->kind == AWS_KIND_OK || proven) {
        (void)snprintf(text, size, "allowed: %s", probe->purpose);
        return DOCTOR_OK;
    }
    (void)snprintf(why, sizeof why, "%s: %s", result->code[0] != '\0' ? result->code : "no answer",
                   result->message[0] != '\0' ? result->message : aws_kind_name(result->kind));
    if (result->kind == AWS_KIND_DENIED) {
        (void)snprintf(text, size, "denied, %s (%s)", probe->optional ? "done without" : probe->purpose, why);
        return probe->optional ? DOCTOR_WARNING : DOCTOR_FAILED;
    }
    (void)snprintf(text, size, "cannot be told: %s", why);
    return probe->optional ? DOCTOR_WARNING : DOCTOR_FAILED;
}

enum doctor_outcome doctor_judge_skew(int64_t skew_ms, char *text, size_t size)
{
    /* A Date header counts whole seconds. AWS refuses signatures that are more than five minutes off. */
    enum { EXACT_MS = 2000, REFUSED_MS = 300000 };
    char duration[48];
    int64_t off_ms = llabs(skew_ms);
    if (off_ms <= EXACT_MS) {
        (void)snprintf(text, size, "agrees with the servers'");
        return DOCTOR_OK;
    }
    (void)snprintf(text, size, "is %s %s the servers'%s", duration_format(off_ms, duration),
                   skew_ms > 0 ? "behind" : "ahead of",
                   off_ms < REFUSED_MS ? "; signatures are corrected by it"
                                       : ": AWS refuses such signatures, ours are corrected; set the clock");
    return DOCTOR_WARNING;
}
