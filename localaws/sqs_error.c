/* Table of SQS's errors; see sqs_error.h. */
#include "localaws/sqs_error.h"

#include <stdarg.h>
#include <stdio.h>

static const struct sqs_error_info ERRORS[] = {
    [SQS_OK] = {"OK", "OK", 200, false, false},
    [SQS_QUEUE_DOES_NOT_EXIST] = {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400, false,
                                  true},
    [SQS_QUEUE_NAME_EXISTS] = {"QueueNameExists", "QueueAlreadyExists", 400, false, true},
    [SQS_QUEUE_DELETED_RECENTLY] = {"QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently",
                                    400, false, true},
    [SQS_PURGE_IN_PROGRESS] = {"PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", 403,
                               false, true},
    [SQS_OVER_LIMIT] = {"OverLimit", "OverLimit", 403, false, true},
    [SQS_RECEIPT_HANDLE_IS_INVALID] = {"ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404, false, true},
    [SQS_MESSAGE_NOT_INFLIGHT] = {"MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", 400,
                                  false, true},
    [SQS_INVALID_PARAMETER_VALUE] = {"InvalidParameterValueException", "InvalidParameterValue", 400, true,
                                     true},
    [SQS_RECEIPT_HANDLE_EXPIRED] = {"InvalidParameterValueException", "InvalidParameterValue", 400, true,
                                    true},
    [SQS_MISSING_PARAMETER] = {"MissingRequiredParameterException", "MissingParameter", 400, true, true},
    [SQS_INVALID_ATTRIBUTE_NAME] = {"InvalidAttributeName", "InvalidAttributeName", 400, false, true},
    [SQS_INVALID_ATTRIBUTE_VALUE] = {"InvalidAttributeValue", "InvalidAttributeValue", 400, false, true},
    [SQS_INVALID_MESSAGE_CONTENTS] = {"InvalidMessageContents", "InvalidMessageContents", 400, false, true},
    [SQS_UNSUPPORTED_OPERATION] = {"UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", 400,
                                   false, true},
    [SQS_EMPTY_BATCH] = {"EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", 400, false, true},
    [SQS_TOO_MANY_ENTRIES] = {"TooManyEntriesInBatchRequest",
                              "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400, false, true},
    [SQS_ENTRY_IDS_NOT_DISTINCT] = {"BatchEntryIdsNotDistinct",
                                    "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400, false, true},
    [SQS_INVALID_ENTRY_ID] = {"InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", 400, false,
                              true},
    [SQS_BATCH_TOO_LONG] = {"BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", 400, false,
                            true},
    [SQS_INVALID_ADDRESS] = {"InvalidAddress", "InvalidAddress", 404, false, true},
    [SQS_SERIALIZATION] = {"SerializationException", "MalformedInput", 400, true, true},
    [SQS_UNKNOWN_OPERATION] = {"UnknownOperationException", "InvalidAction", 400, true, true},
    [SQS_MISSING_TOKEN] = {"MissingAuthenticationTokenException", "MissingAuthenticationToken", 403, true,
                           true},
    [SQS_UNKNOWN_KEY] = {"UnrecognizedClientException", "InvalidClientTokenId", 403, true, true},
    [SQS_BAD_SIGNATURE] = {"InvalidSignatureException", "SignatureDoesNotMatch", 403, true, true},
    [SQS_INCOMPLETE_SIGNATURE] = {"IncompleteSignatureException", "IncompleteSignature", 403, true, true},
    [SQS_EXPIRED_SIGNATURE] = {"InvalidSignatureException", "SignatureDoesNotMatch", 403, true, true},
    [SQS_EXPIRED_TOKEN] = {"ExpiredTokenException", "ExpiredToken", 403, true, true},
    [SQS_THROTTLED] = {"RequestThrottled", "RequestThrottled", 403, false, true},
    [SQS_INTERNAL] = {"InternalFailure", "InternalFailure", 500, true, false},
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
