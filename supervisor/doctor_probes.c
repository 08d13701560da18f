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

static bool is_metered(const struct doctor_subject *subject)
{
    return subject->fleet != NULL && subject->fleet->queue.cloudwatch.mode != CLOUDWATCH_OFF;
}

static bool is_publisher(const struct doctor_subject *subject)
{
    return subject->fleet == NULL && subject->config->metrics[METRICS_CLOUDWATCH].enabled;
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

static void write_metric(const struct doctor_subject *subject, struct jsonw *w)
{
    enum { WINDOW_MS = 180000 };
    const char *slash = subject->queue_url != NULL ? strrchr(subject->queue_url, '/') : NULL;
    jsonw_key_int(w, "StartTime", (subject->now_ms - WINDOW_MS) / 1000);
    jsonw_key_int(w, "EndTime", subject->now_ms / 1000);
    jsonw_key(w, "MetricDataQueries");
    jsonw_array(w);
    jsonw_object(w);
    jsonw_key_str(w, "Id", "sent");
    jsonw_key(w, "MetricStat");
    jsonw_object(w);
    jsonw_key_str(w, "Stat", "Sum");
    jsonw_key_int(w, "Period", 60);
    jsonw_key(w, "Metric");
    jsonw_object(w);
    jsonw_key_str(w, "Namespace", "AWS/SQS");
    jsonw_key_str(w, "MetricName", "NumberOfMessagesSent");
    jsonw_key(w, "Dimensions");
    jsonw_array(w);
    jsonw_object(w);
    jsonw_key_str(w, "Name", "QueueName");
    jsonw_key_str(w, "Value", slash != NULL ? slash + 1 : "none");
    jsonw_end_object(w);
    jsonw_end_array(w);
    jsonw_end_object(w);
    jsonw_end_object(w);
    jsonw_end_object(w);
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

#define ECS_CALL(name)                                                                                       \
    .action = "ecs:" name, .service = "ecs", .content_type = JSON_1_1,                                       \
    .target = "AmazonEC2ContainerServiceV20141113." name
#define SQS_CALL(name)                                                                                       \
    .action = "sqs:" name, .service = "sqs", .content_type = JSON_1_0, .target = "AmazonSQS." name
#define DYNAMODB_CALL(name)                                                                                  \
    .action = "dynamodb:" name, .service = "dynamodb", .content_type = JSON_1_0,                             \
    .target = "DynamoDB_20120810." name
#define CLOUDWATCH_CALL(name)                                                                                \
    .action = "cloudwatch:" name, .service = "monitoring", .content_type = JSON_1_0,                         \
    .target = "GraniteServiceVersion20100801." name

const struct doctor_probe DOCTOR_PROBES[] = {
    {SQS_CALL("GetQueueUrl"), .purpose = "finds the queue by its name", .applies = is_named_queue,
     .write_body = write_queue_name},
    {SQS_CALL("GetQueueAttributes"), .purpose = "reads the queue's depth", .on_queue = true,
     .applies = is_fleet, .write_body = write_attributes},
    {SQS_CALL("ReceiveMessage"), .untried = "it would take a message from the workers", .applies = is_local},
    {SQS_CALL("DeleteMessage"), .purpose = "workers delete what is done",
     .proofs = "ReceiptHandleIsInvalid InvalidParameterValue", .on_queue = true, .applies = is_local,
     .write_body = write_handle},
    {SQS_CALL("ChangeMessageVisibility"), .purpose = "workers extend what they work on",
     .proofs = "ReceiptHandleIsInvalid InvalidParameterValue MessageNotInflight", .on_queue = true,
     .applies = is_local, .write_body = write_visibility},
    {ECS_CALL("DescribeServices"), .purpose = "sees the service", .applies = is_ecs,
     .write_body = write_services},
    {ECS_CALL("UpdateService"), .purpose = "sets the desired count", .applies = is_ecs,
     .write_body = write_service},
    {ECS_CALL("ListTasks"), .purpose = "finds tasks that stop or do not start", .applies = is_ecs,
     .write_body = write_list},
    {ECS_CALL("DescribeTasks"), .purpose = "tells why tasks stopped", .applies = is_ecs,
     .write_body = write_no_task},
    {ECS_CALL("UpdateTaskProtection"), .purpose = "keeps busy tasks in a scale-in",
     .proofs = "InvalidParameterException ResourceNotFoundException", .optional = true, .applies = is_ecs,
     .write_body = write_protection},
    {.action = "application-autoscaling:DescribeScalableTargets",
     .service = "application-autoscaling",
     .target = "AnyScaleFrontendService.DescribeScalableTargets",
     .content_type = JSON_1_1,
     .purpose = "sees whether somebody else scales",
     .optional = true,
     .applies = is_ecs,
     .write_body = write_scalable_target},
    {CLOUDWATCH_CALL("GetMetricData"), .purpose = "reads rates, age, and depth in SQS's absence",
     .applies = is_metered, .write_body = write_metric},
    {CLOUDWATCH_CALL("PutMetricData"), .untried = "it would publish a metric", .applies = is_publisher},
    {DYNAMODB_CALL("GetItem"), .purpose = "reads the lease", .applies = is_lease,
     .write_body = write_lease_key},
    {DYNAMODB_CALL("UpdateItem"), .purpose = "takes the lease", .proofs = "ConditionalCheckFailedException",
     .applies = is_lease, .write_body = write_lease_update},
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
