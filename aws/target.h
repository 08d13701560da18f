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
#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct aws_target {
    char *service; /* owned */
    char *origin;  /* owned: "https://host:port" of the queue URLs it is for, "": calls without one */
    struct aws_endpoint endpoint;

    struct aws_credentials *key_credentials; /* owned reference: what `key` was made of; NULL: no key yet */
    char key_day[8];                         /* UTC, "20150830" */
    uint8_t key[SIGV4_KEY_BYTES];

    LIST_ENTRY(aws_target) link;
};

LIST_HEAD(aws_target_list, aws_target);

/* The target of a call, made when it is new. Owned by the list. NULL with err when the endpoint cannot be
 * resolved. */
struct aws_target *aws_target_find(struct aws_target_list *list, const struct aws_endpoint_query *query,
                                   struct err *err);
void aws_targets_clean_up(struct aws_target_list *list);

/* Buffers that signatures use again and again; zero them at the start. */
struct aws_sign_scratch {
    struct strbuf canonical, signed_names, to_sign;
};
void aws_sign_scratch_clean_up(struct aws_sign_scratch *scratch);

struct aws_signing {
    const char *content_type;
    const char *operation; /* X-Amz-Target; NULL: a call of the Query protocol */
    bool query_mode;       /* X-Amzn-Query-Mode: true */
    const char *body;
    size_t body_len;
    struct aws_credentials *credentials;
    int64_t epoch_s; /* real time, corrected by the known skew */
};

/* Appends the header lines ("Name: value", a NUL behind each) of a signed POST of that body, unsigned when
 * the credentials are anonymous; returns how many. */
size_t aws_target_sign(struct aws_target *target, const struct aws_signing *signing,
                       struct aws_sign_scratch *scratch, struct strbuf *out);

#endif
