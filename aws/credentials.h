/*
 * Credentials: immutable, reference-counted snapshots, and the providers that find them. One provider belongs
 * to one event-loop thread; a snapshot may be released from any thread.
 *
 * The default provider walks the chain of docs/credentials.md (aws/credentials_plan.h decides which source it
 * is, aws/credentials_fetch.h asks it) and keeps what it found fresh (aws/credentials_refresh.h decides
 * when): one fetch at a time, however many ask.
 */
#ifndef SLUICE_AWS_CREDENTIALS_H
#define SLUICE_AWS_CREDENTIALS_H

#include "base/err.h"

#include <stdbool.h>
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

/* Whether key, secret and session token are the same. */
bool aws_credentials_equal(const struct aws_credentials *a, const struct aws_credentials *b);

/* As aws_credentials_new(), but NULL with err when a part is missing (NULL or "") or has a character that is
 * not printable ASCII: it would break out of a header, or never sign right. session_token may be NULL. */
struct aws_credentials *aws_credentials_new_checked(const char *access_key_id, const char *secret,
                                                    const char *session_token, int64_t expires_ms,
                                                    const char *source, struct err *err);

/* "2026-01-01T00:00:00Z", with a fraction of a second or an offset, as epoch ms; false when it is neither. */
bool aws_credentials_parse_expiration(const char *text, int64_t *ret_ms);

struct aws_credentials_provider;
struct event_base;

/* credentials is NULL with err when none were found; otherwise the callee acquires it if it keeps it. Must
 * not destroy the provider. */
typedef void aws_credentials_fn(void *arg, struct aws_credentials *credentials, const struct err *err);

/* Always this set (acquires it). */
struct aws_credentials_provider *aws_credentials_provider_new_static(struct aws_credentials *credentials);
/* Always an empty key: requests go out unsigned (AssumeRoleWithWebIdentity). */
struct aws_credentials_provider *aws_credentials_provider_new_anonymous(void);
/* The default chain. Reads, asks and allocates next to nothing before the first get. `region` is that of STS
 * calls; NULL: AWS_REGION, AWS_DEFAULT_REGION, profile (copied). */
struct aws_credentials_provider *aws_credentials_provider_new_default(struct event_base *base,
                                                                      const char *region);
/* Whoever still waits for an answer gets one now: none. Accepts NULL. */
void aws_credentials_provider_destroy(struct aws_credentials_provider *provider);

/* Calls fn exactly once, now or later in the loop. A chain that found nothing says for each source why not.
 * While a set is in hand and not close to its end the answer comes at once, also when it is being renewed. */
void aws_credentials_provider_get(struct aws_credentials_provider *provider, aws_credentials_fn *fn,
                                  void *arg);
/* The service refused this set as expired or unknown. If it is still the current one, the next get looks for
 * another and waits for it: once, then not again before a pause. The very same set may come back, as the same
 * pointer. */
void aws_credentials_provider_invalidate(struct aws_credentials_provider *provider,
                                         const struct aws_credentials *refused);

#endif
