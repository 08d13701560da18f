/*
 * Credentials: immutable, reference-counted snapshots, and the providers that find them. Today's default
 * chain is environment, then profile files; the interface is asynchronous so that providers which need the
 * network fit in. One provider belongs to one event-loop thread; a snapshot may be released from any thread.
 */
#ifndef SLUICE_AWS_CREDENTIALS_H
#define SLUICE_AWS_CREDENTIALS_H

#include "base/err.h"

#include <stdint.h>

struct aws_credentials; /* immutable */

/* session_token may be NULL; expires_ms is wall-clock epoch ms, 0 never; `source` names where they came from
 * in a few words without secrets ("environment", "profile prod in the credentials file"). Copies everything.
 */
struct aws_credentials *aws_credentials_new(const char *access_key_id, const char *secret,
                                            const char *session_token, int64_t expires_ms,
                                            const char *source);
struct aws_credentials *aws_credentials_acquire(struct aws_credentials *credentials);
/* Accepts NULL. Wipes the secret before the memory goes back. */
void aws_credentials_release(struct aws_credentials *credentials);

const char *aws_credentials_access_key_id(const struct aws_credentials *credentials);
const char *aws_credentials_secret(const struct aws_credentials *credentials);
const char *aws_credentials_session_token(const struct aws_credentials *credentials); /* NULL: none */
int64_t aws_credentials_expires_ms(const struct aws_credentials *credentials);
const char *aws_credentials_source(const struct aws_credentials *credentials);

struct aws_credentials_provider;

/* credentials is NULL with err when none were found; otherwise the callee acquires it if it keeps it. */
typedef void aws_credentials_fn(void *arg, struct aws_credentials *credentials, const struct err *err);

/* Always this set (acquires it). */
struct aws_credentials_provider *aws_credentials_provider_new_static(struct aws_credentials *credentials);
/* AWS_ACCESS_KEY_ID etc., then AWS_PROFILE in the config and credentials files. Reads nothing yet. */
struct aws_credentials_provider *aws_credentials_provider_new_default(void);
void aws_credentials_provider_destroy(struct aws_credentials_provider *provider);

/* Calls fn, now or later in the loop. A chain that found nothing says for each source why not. */
void aws_credentials_provider_get(struct aws_credentials_provider *provider, aws_credentials_fn *fn,
                                  void *arg);
/* The service refused the current set as expired: the next get looks again instead of answering from the
 * cache. */
void aws_credentials_provider_invalidate(struct aws_credentials_provider *provider);

#endif
