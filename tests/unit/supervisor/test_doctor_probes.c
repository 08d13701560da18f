/* What answers to the doctor's calls say. */
#include "tests/unit/unit.h"

#include "supervisor/doctor_probes.h"

#include <stdio.h>
#include <string.h>

static const struct doctor_probe *probe_of(const char *action)
{
    for (size_t i = 0; i < DOCTOR_PROBE_COUNT; i++)
        if (strcmp(DOCTOR_PROBES[i].action, action) == 0)
            return &DOCTOR_PROBES[i];
    ck_abort_msg("no probe of %s", action);
    return NULL;
}

static enum doctor_outcome judge(const char *action, enum aws_kind kind, const char *code, char *text,
                                 size_t size)
{
    struct aws_result result = {
        .kind = kind, .http_status = kind == AWS_KIND_OK ? 200 : 400, .message = "words"};
    (void)snprintf(result.code, sizeof result.code, "%s", code);
    return doctor_judge(probe_of(action), &result, text, size);
}

START_TEST(only_an_answer_that_comes_to_those_who_may_shows_a_permission)
{
    static const struct {
        const char *action;
        enum aws_kind kind;
        const char *code;
        enum doctor_outcome outcome;
        const char *words;
    } CASES[] = {
        {"sqs:GetQueueAttributes", AWS_KIND_OK, "", DOCTOR_OK, "allowed: reads the queue's depth"},
        {"sqs:GetQueueAttributes", AWS_KIND_DENIED, "AccessDenied", DOCTOR_FAILED,
         "denied, reads the queue's depth"},
        {"sqs:GetQueueAttributes", AWS_KIND_NOT_FOUND, "QueueDoesNotExist", DOCTOR_FAILED,
         "cannot be told: QueueDoesNotExist"},
        {"sqs:DeleteMessage", AWS_KIND_REQUEST, "ReceiptHandleIsInvalid", DOCTOR_OK, "allowed"},
        {"sqs:DeleteMessage", AWS_KIND_NOT_FOUND, "QueueDoesNotExist", DOCTOR_FAILED, "cannot be told"},
        {"sqs:DeleteMessage", AWS_KIND_REQUEST, "ReceiptHandle", DOCTOR_FAILED, "cannot be told"},
        {"sqs:DeleteMessage", AWS_KIND_REQUEST, "", DOCTOR_FAILED, "no answer"},
        /* A code among the proofs is none when the answer is a denial. */
        {"sqs:DeleteMessage", AWS_KIND_DENIED, "ReceiptHandleIsInvalid", DOCTOR_FAILED, "denied"},
        {"sqs:ChangeMessageVisibility", AWS_KIND_REQUEST, "InvalidParameterValue", DOCTOR_OK, "allowed"},
        {"ecs:UpdateService", AWS_KIND_REQUEST, "InvalidParameterException", DOCTOR_FAILED, "cannot be told"},
        {"application-autoscaling:DescribeScalableTargets", AWS_KIND_DENIED, "AccessDeniedException",
         DOCTOR_WARNING, "done without"},
        {"dynamodb:UpdateItem", AWS_KIND_REQUEST, "ConditionalCheckFailedException", DOCTOR_OK, "allowed"},
        {"dynamodb:UpdateItem", AWS_KIND_TRANSIENT, "Timeout", DOCTOR_FAILED, "cannot be told: Timeout"},
    };
    char text[800];
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        enum doctor_outcome outcome = judge(CASES[i].action, CASES[i].kind, CASES[i].code, text, sizeof text);
        ck_assert_msg(outcome == CASES[i].outcome, "%s %s: %s, %s", CASES[i].action, CASES[i].code,
                      doctor_outcome_name(outcome), text);
        ck_assert_msg(strstr(text, CASES[i].words) != NULL, "%s %s: %s", CASES[i].action, CASES[i].code,
                      text);
    }
}
END_TEST

START_TEST(a_clock_that_is_off_is_told_with_its_direction)
{
    char text[160];
    ck_assert_int_eq(doctor_judge_skew(0, text, sizeof text), DOCTOR_OK);
    ck_assert_int_eq(doctor_judge_skew(-2000, text, sizeof text), DOCTOR_OK);
    ck_assert_int_eq(doctor_judge_skew(2001, text, sizeof text), DOCTOR_WARNING);
    ck_assert_ptr_nonnull(strstr(text, "behind"));
    ck_assert_ptr_null(strstr(text, "refuses"));
    ck_assert_int_eq(doctor_judge_skew(-300000, text, sizeof text), DOCTOR_WARNING);
    ck_assert_ptr_nonnull(strstr(text, "ahead of"));
    ck_assert_ptr_nonnull(strstr(text, "refuses"));
}
END_TEST

UNIT_MAIN("doctor_probes", only_an_answer_that_comes_to_those_who_may_shows_a_permission,
          a_clock_that_is_off_is_told_with_its_direction)
