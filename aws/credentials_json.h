/*
 * The JSON in which sources hand out credentials: the container endpoint, the instance metadata service, and
 * programs named by credential_process. Pure.
 *
 * Source: AWS SDKs and Tools Reference Guide, "Container credential provider", "IMDS credential provider",
 * "Process credential provider".
 */
#ifndef SLUICE_AWS_CREDENTIALS_JSON_H
#define SLUICE_AWS_CREDENTIALS_JSON_H

#include "aws/credentials.h"
#include "base/err.h"

#include <stddef.h>

enum credentials_form {
    CREDENTIALS_FORM_ENDPOINT, /* AccessKeyId, SecretAccessKey, Token, Expiration; Code "Success" or absent */
    CREDENTIALS_FORM_PROCESS,  /* Version 1, AccessKeyId, SecretAccessKey; SessionToken, Expiration if any */
};

enum { CREDENTIALS_JSON_BYTES_MAX = 64 << 10 };

/* Reads a set, named `source`. Changes the text. NULL with err, which never quotes what was read but a Code
 * and a Message. */
struct aws_credentials *credentials_json_parse(char *text, size_t len, enum credentials_form form,
                                               const char *source, struct err *err);

#endif
