/*
 * Targets of calls: an endpoint for one service and queue host, with the signing key for there, and the
 * signed headers of a request to it. A list belongs to one client and its thread.
 */
#ifndef SLUICE_AWS_TARGET_H
#define SLUICE_AWS_TARGET_H

#include "aws/credentials.h"
#include "aws/endpoint.h"
#include "aws/sigv4.h"
#include "base/err.h"
#include "base/list.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What requests of one operation within one second have in common: all but the hashes of their bodies. */
struct aws_prepared {
    const char *operation, *content_type; /* those of struct aws_signing; compared by address */
    bool query_mode;
    int64_t epoch_s;         /* 0: nothing is prepared */
    struct strbuf lines;     /* up to "Signature=" */
    struct strbuf canonical; /* up to the hash of the body */
    struct strbuf to_sign;   /* up to the hash of the canonical request */
    size_t canonical_len;    /* of these parts; what follows is of the last request */
    size_t to_sign_len;
};

struct aws_target {
    char *service; /* owned */
    char *origin;  /* owned: "https://host:port" of the queue URLs it is for, "": calls without one */
    struct aws_endpoint endpoint;

    struct aws_credentials *key_credentials; /* owned reference: what `key` was made of; NULL: no key yet */
    char key_day[8];                         /* UTC, "20150830" */
    uint8_t key[SIGV4_KEY_BYTES];
    struct aws_prepared prepared; /* signed with key_credentials */

    LIST_ENTRY(aws_target) link;
};

LIST_HEAD(aws_target_list, aws_target);

/* The target of a call, made when it is new. Owned by the list. NULL with err when the endpoint cannot be
 * resolved. */
struct aws_target *aws_target_find(struct aws_target_list *list, const struct aws_endpoint_query *query,
                                   struct err *err);
void aws_targets_clean_up(struct aws_target_list *list);

struct aws_signing {
    const char *content_type; /* this text and the next live as long as the target: constants */
    const char *operation;    /* X-Amz-Target; NULL: a call of the Query protocol */
    bool query_mode;          /* X-Amzn-Query-Mode: true */
    const char *body;
    size_t body_len;
    struct aws_credentials *credentials;
    int64_t epoch_s; /* real time, corrected by the known skew */
};

/* Appends the header lines of a signed POST of that body, unsigned when the credentials are anonymous:
 * "Content-Type: ..." comes first, CR LF stands between lines, none behind the last one. */
void aws_target_sign(struct aws_target *target, const struct aws_signing *signing, struct strbuf *out);

#endif
