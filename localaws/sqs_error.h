/* SQS's errors: one row an error, with what both protocols say of it. */
#ifndef SLUICE_LOCALAWS_SQS_ERROR_H
#define SLUICE_LOCALAWS_SQS_ERROR_H

#include "localaws/slice.h"

#include <stdbool.h>

enum sqs_error {
    SQS_OK,
    SQS_QUEUE_DOES_NOT_EXIST,
    SQS_QUEUE_NAME_EXISTS,
    SQS_QUEUE_DELETED_RECENTLY,
    SQS_PURGE_IN_PROGRESS,
    SQS_OVER_LIMIT,
    SQS_RECEIPT_HANDLE_IS_INVALID,
    SQS_MESSAGE_NOT_INFLIGHT,
    SQS_INVALID_PARAMETER_VALUE,
    SQS_RECEIPT_HANDLE_EXPIRED, /* looks like the one above; in a batch like ReceiptHandleIsInvalid */
    SQS_MISSING_PARAMETER,
    SQS_INVALID_ATTRIBUTE_NAME,
    SQS_INVALID_ATTRIBUTE_VALUE,
    SQS_INVALID_MESSAGE_CONTENTS,
    SQS_UNSUPPORTED_OPERATION,
    SQS_EMPTY_BATCH,
    SQS_TOO_MANY_ENTRIES,
    SQS_ENTRY_IDS_NOT_DISTINCT,
    SQS_INVALID_ENTRY_ID,
    SQS_BATCH_TOO_LONG,
    SQS_INVALID_ADDRESS,
    SQS_SERIALIZATION,
    SQS_UNKNOWN_OPERATION,
    SQS_MISSING_TOKEN,
    SQS_UNKNOWN_KEY,
    SQS_BAD_SIGNATURE,
    SQS_INCOMPLETE_SIGNATURE,
    SQS_EXPIRED_SIGNATURE,
    SQS_EXPIRED_TOKEN,
    SQS_THROTTLED,
    SQS_INTERNAL,
    SQS_ERROR_MAX,
};

/* How an error looks on the wire. Sources: the awsQueryError and httpError traits of the SQS service model;
 * rows of the frontend ("coral") as recorded replies show them. */
struct sqs_error_info {
    const char *shape; /* the part of __type behind the '#' */
    const char *query; /* code of the Query protocol, of x-amzn-query-error and of failed batch entries */
    int status;        /* HTTP */
    bool is_coral;     /* com.amazon.coral.service rather than com.amazonaws.sqs */
    bool sender_fault;
};

/* An error with its text. */
struct sqs_failure {
    enum sqs_error error;
    char message[384];
};

const struct sqs_error_info *sqs_error_info(enum sqs_error error);

/* The row whose shape or Query code is `name`; SQS_OK when there is none. */
enum sqs_error sqs_error_find(struct slice name);

/* Fills failure and returns error. */
enum sqs_error sqs_fail(struct sqs_failure *failure, enum sqs_error error, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
