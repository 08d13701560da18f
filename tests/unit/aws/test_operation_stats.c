/* Requests by operation and outcome. */
#include "aws/operation_stats.h"

#include "../unit.h"

START_TEST(an_operation_is_found_by_its_target_or_its_form)
{
    struct aws_operation_stats *list = NULL;
    struct aws_operation_stats *receive =
        aws_operation_stats_get(&list, "sqs", "AmazonSQS.ReceiveMessage", "{}");
    ck_assert_str_eq(receive->operation, "ReceiveMessage");
    ck_assert_ptr_eq(aws_operation_stats_get(&list, "sqs", "AmazonSQS.ReceiveMessage", ""), receive);
    ck_assert_ptr_ne(aws_operation_stats_get(&list, "ecs", "X_1.ReceiveMessage", ""), receive);
    ck_assert_ptr_ne(aws_operation_stats_get(&list, "sqs", "AmazonSQS.ReceiveMessages", ""), receive);
    ck_assert_str_eq(aws_operation_stats_get(&list, "sts", NULL, "Action=AssumeRole&Version=1")->operation,
                     "AssumeRole");
    ck_assert_str_eq(aws_operation_stats_get(&list, "sts", NULL, "Version=1")->operation, "unknown");
    char target[200];
    memset(target, 'x', sizeof target - 1);
    target[sizeof target - 1] = '\0';
    ck_assert_uint_eq(strlen(aws_operation_stats_get(&list, "sqs", target, "")->operation), 63);
    aws_operation_stats_free(list);
}
END_TEST

START_TEST(sums_are_over_all_clients)
{
    struct aws_operation_stats *a = NULL;
    struct aws_operation_stats *b = NULL;
    struct aws_operation_stats *sums = NULL;
    aws_operation_stats_record(aws_operation_stats_get(&a, "sqs", "S.Get", ""), AWS_OUTCOME_ok, 5);
    aws_operation_stats_record(aws_operation_stats_get(&b, "sqs", "S.Get", ""), AWS_OUTCOME_ok, 7);
    aws_operation_stats_record(aws_operation_stats_get(&b, "sqs", "S.Get", ""), AWS_OUTCOME_transient, -1);
    aws_operation_stats_record(aws_operation_stats_get(&b, "ecs", "E.Get", ""), AWS_OUTCOME_failed, 1);
    aws_operation_stats_merge(&sums, a);
    aws_operation_stats_merge(&sums, b);
    const struct aws_operation_stats *get = aws_operation_stats_get(&sums, "sqs", "S.Get", "");
    ck_assert_uint_eq(get->outcomes[AWS_OUTCOME_ok], 2);
    ck_assert_uint_eq(get->outcomes[AWS_OUTCOME_transient], 1);
    ck_assert_int_eq(get->latency_ms.count, 2);
    ck_assert_int_eq(get->latency_ms.sum, 12);
    ck_assert_str_eq(get->next->service, "ecs");
    ck_assert_ptr_null(get->next->next);
    aws_operation_stats_free(a);
    aws_operation_stats_free(b);
    aws_operation_stats_free(sums);
}
END_TEST

UNIT_MAIN("operation_stats", an_operation_is_found_by_its_target_or_its_form, sums_are_over_all_clients)
