/*
 * Error replies of AWS services: what they say (JSON, XML and HTML forms) and what they mean. Pure.
 *
 * Sources: AWS JSON protocol 1.0 "operation error serialization" and the awsQueryCompatible trait (Smithy),
 * error lists of the SQS service model, retry lists of botocore and @smithy/core.
 */
#ifndef SLUICE_AWS_ERROR_H
#define SLUICE_AWS_ERROR_H

#include "aws/client.h"
#include "aws/retry.h"

#include <stdbool.h>
#include <stddef.h>

struct aws_error {
    char code[96];       /* shape name, or the HTTP status as text when the body tells none */
    char query_code[96]; /* the older name, or "" */
    char message[256];   /* one line */
    char request_id[64]; /* of an XML body, or "" */
};

/* Reads the reply to a failed call. The body is parsed in place (spoilt); query_error is the value of the
 * header x-amzn-query-error, "" when absent. */
void aws_error_parse(int http_status, char *body, size_t len, const char *query_error,
                     struct aws_error *ret_error);

struct aws_error_meaning {
    enum aws_kind kind;
    enum retry_class retry;
    bool may_be_skew;         /* a wrong clock gives this */
    bool expired_credentials; /* other credentials may help */
};

struct aws_error_meaning aws_error_judge(int http_status, const struct aws_error *error);

/* Whether a code (of a call or of a batch entry) is one of throttling. */
bool aws_error_is_throttling(const char *code);

#endif
