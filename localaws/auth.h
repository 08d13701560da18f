/* Verification of request signatures (AWS Signature Version 4, in the Authorization header). One thread. */
#ifndef SLUICE_LOCALAWS_AUTH_H
#define SLUICE_LOCALAWS_AUTH_H

#include "aws/sigv4.h"
#include "localaws/http_request.h"
#include "localaws/sessions.h"
#include "localaws/sqs_error.h"

enum { AUTH_SKEW_MAX_MS = 15 * 60 * 1000, AUTH_KEYS_KEPT = 4 };

/* The signing key of a day and a service. */
struct auth_key {
    uint64_t session; /* 0: of our own key */
    char day[9];      /* "20150830"; "": none */
    char service[32];
    uint8_t key[SIGV4_KEY_BYTES];
};

/* The identity that we were given, those handed out here, and signing keys made so far. */
struct auth {
    const char *access_key, *secret_key; /* not owned */
    const char *region;                  /* not owned */
    struct sessions sessions;
    struct auth_key keys[AUTH_KEYS_KEPT]; /* the oldest is replaced */
    size_t key_next;
};

/* Checks that `request` is signed with our key for `service` (at most 31 characters), not more than
 * AUTH_SKEW_MAX_MS away from wall_ms (real time). The body must be complete and unchanged. */
enum sqs_error auth_check(struct auth *auth, const struct http_request *request, const char *service,
                          int64_t wall_ms, struct sqs_failure *failure);

/* Who has signed a request that was checked; NULL: our own key, or nobody. */
const struct session *auth_caller(const struct auth *auth, const struct http_request *request);

#endif
