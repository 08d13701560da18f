/*
 * Security Token Service: the three calls that credentials need. Query protocol, version 2011-06-15, XML
 * replies. Callbacks come from the loop, once, unless the call was cancelled or the client destroyed.
 *
 * Source: AWS Security Token Service API Reference.
 */
#ifndef SLUICE_AWS_STS_H
#define SLUICE_AWS_STS_H

#include "aws/client.h"
#include "aws/credentials.h"
#include "base/err.h"

#include <stddef.h>

enum { STS_WEB_TOKEN_BYTES_MAX = 20000 };

struct sts_assume_role {
    const char *role_arn;
    const char *session_name; /* 2..64 of [\w+=,.@-]; NULL: "sluice-<wall clock, s>" */
    const char *external_id;  /* NULL: none */
    int duration_s;           /* 900..43200; 0: STS's own, 3600 */
    const char *source;       /* name of the set that comes of it */
};

/* credentials is NULL unless result->kind is AWS_KIND_OK; the callee acquires it if it keeps it. A 2xx reply
 * that cannot be understood is AWS_KIND_BAD_REPLY. */
typedef void sts_credentials_fn(void *arg, const struct aws_result *result,
                                struct aws_credentials *credentials);

/* Signed by the client's credentials. All texts are copied. */
struct aws_call *sts_assume_role(struct aws_client *client, const struct sts_assume_role *role,
                                 sts_credentials_fn *fn, void *arg);
/* For a client whose credentials are anonymous. `token` is the identity provider's, 4..20,000 bytes. */
struct aws_call *sts_assume_role_with_web_identity(struct aws_client *client,
                                                   const struct sts_assume_role *role, const char *token,
                                                   sts_credentials_fn *fn, void *arg);

struct sts_identity {
    char account[32];
    char arn[256];
    char user_id[160];
};

/* identity is NULL unless result->kind is AWS_KIND_OK. */
typedef void sts_identity_fn(void *arg, const struct aws_result *result, const struct sts_identity *identity);

/* Who the client's credentials are; needs no permission. */
struct aws_call *sts_get_caller_identity(struct aws_client *client, sts_identity_fn *fn, void *arg);

/* Reads a reply to one of the two calls; for the calls above and for tests. Changes the text. NULL with err,
 * which quotes nothing. Pure. */
struct aws_credentials *sts_parse_credentials(char *text, size_t len, const char *source, struct err *err);

#endif
