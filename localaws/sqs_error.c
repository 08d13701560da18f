/* Table of SQS's errors; see sqs_error.h. */
#include "localaws/sqs_error.h"

#include <stdarg.h>
#include <stdio.h>

static const struct sqs_error_info ERRORS[] = {
    [SQS_OK] = {"OK", false, "OK", 200, false},
    [SQS_QUEUE_DOES_NOT_EXIST] = {"QueueDoesNotExist", false, "AWS.SimpleQueueService.NonExistentQueue", 400,
                                  true},
    [SQS_QUEUE_NAME_EXISTS] = {"QueueNameExists", false, "QueueAlreadyExists", 400, true},
    [SQS_QUEUE_DELETED_RECENTLY] = {"QueueDeletedRecently", false,
                                    "AWS.SimpleQueueService.QueueDeletedRecently", 400, true},
    [SQS_PURGE_IN_PROGRESS] = {"PurgeQueueInProgress", false, "AWS.SimpleQueueService.PurgeQueueInProgress",
                               403, true},
    [SQS_OVER_LIMIT] = {"OverLimit", false, "OverLimit", 403, true},
    [SQS_RECEIPT_HANDLE_IS_INVALID] = {"ReceiptHandleIsInvalid", false, "ReceiptHandleIsInvalid", 404, true},
    [SQS_MESSAGE_NOT_INFLIGHT] = {"MessageNotInflight", false, "AWS.SimpleQueueService.MessageNotInflight",
                                  400, true},
    [SQS_INVALID_PARAMETER_VALUE] = {"InvalidParameterValueException", true, "InvalidParameterValue", 400,
                                     true},
    [SQS_MISSING_PARAMETER] = {"MissingRequiredParameterException", true, "MissingParameter", 400, true},
    [SQS_INVALID_ATTRIBUTE_NAME] = {"InvalidAttributeName", false, "InvalidAttributeName", 400, true},
    [SQS_INVALID_ATTRIBUTE_VALUE] = {"InvalidAttributeValue", false, "InvalidAttributeValue", 400, true},
    [SQS_INVALID_MESSAGE_CONTENTS] = {"InvalidMessageContents", false, "InvalidMessageContents", 400, true},
    [SQS_UNSUPPORTED_OPERATION] = {"UnsupportedOperation", false,
                                   "AWS.SimpleQueueService.UnsupportedOperation", 400, true},
    [SQS_EMPTY_BATCH] = {"EmptyBatchRequest", false, "AWS.SimpleQueueService.EmptyBatchRequest", 400, true},
    [SQS_TOO_MANY_ENTRIES] = {"TooManyEntriesInBatchRequest", false,
                              "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400, true},
    [SQS_ENTRY_IDS_NOT_DISTINCT] = {"BatchEntryIdsNotDistinct", false,
                                    "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400, true},
    [SQS_INVALID_ENTRY_ID] = {"InvalidBatchEntryId", false, "AWS.SimpleQueueService.InvalidBatchEntryId", 400,
                              true},
    [SQS_BATCH_TOO_LONG] = {"BatchRequestTooLong", false, "AWS.SimpleQueueService.BatchRequestTooLong", 400,
                            true},
    [SQS_INVALID_ADDRESS] = {"InvalidAddress", false, "InvalidAddress", 404, true},
    [SQS_SERIALIZATION] = {"SerializationException", true, "MalformedInput", 400, true},
    [SQS_UNKNOWN_OPERATION] = {"UnknownOperationException", true, "InvalidAction", 400, true},
    [SQS_MISSING_TOKEN] = {"MissingAuthenticationTokenException", true, "MissingAuthenticationToken", 403,
                           true},
    [SQS_UNKNOWN_KEY] = {"UnrecognizedClientException", true, "InvalidClientTokenId", 403, true},
    [SQS_BAD_SIGNATURE] = {"InvalidSignatureException", true, "SignatureDoesNotMatch", 403, true},
    [SQS_INCOMPLETE_SIGNATURE] = {"IncompleteSignatureException", true, "IncompleteSignature", 403, true},
    [SQS_EXPIRED_SIGNATURE] = {"InvalidSignatureException", true, "SignatureDoesNotMatch", 403, true},
    [SQS_THROTTLED] = {"RequestThrottled", false, "RequestThrottled", 403, true},
    [SQS_INTERNAL] = {"InternalFailure", true, "InternalFailure", 500, false},
};

_Static_assert(sizeof ERRORS / sizeof *ERRORS == SQS_ERROR_MAX, "every error has a row");

const struct sqs_error_info *sqs_error_info(enum sqs_error error)
{
    return &ERRORS[error];
}

enum sqs_error sqs_error_find(struct slice name)
{
    for (int i = SQS_OK + 1; i < SQS_ERROR_MAX; i++)
        if (slice_is(name, ERRORS[i].shape) || slice_is(name, ERRORS[i].query))
            return (enum sqs_error)i;
    return SQS_OK;
}

enum sqs_error sqs_fail(struct sqs_failure *failure, enum sqs_error error, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    failure->error = error;
    (void)vsnprintf(failure->message, sizeof failure->message, fmt, args);
    va_end(args);
    return error;
}
