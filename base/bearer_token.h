/*
 * A shared secret that travels in "Authorization: Bearer ..." (RFC 6750, section 2.1): read from a file or a
 * variable. Never in an error text or a log. Compared by status_token_matches().
 */
#ifndef SLUICE_BASE_BEARER_TOKEN_H
#define SLUICE_BASE_BEARER_TOKEN_H

#include "base/err.h"

#include <stddef.h>

enum { BEARER_TOKEN_MIN = 16, BEARER_TOKEN_MAX = 512 };

struct bearer_token {
    size_t len; /* 0: none */
    char text[BEARER_TOKEN_MAX + 1];
};

/* Takes a token of 16 to 512 printable ASCII characters without spaces, line breaks at its end left out.
 * Returns 0, or -1 with err that begins with `name` ("SLUICE_TELEMETRY_TOKEN"); *ret is untouched then. */
int bearer_token_set(const char *name, const char *text, size_t len, struct bearer_token *ret,
                     struct err *err) __attribute__((warn_unused_result));
/* The same with what a file holds. */
int bearer_token_read(const char *name, const char *path, struct bearer_token *ret, struct err *err)
    __attribute__((warn_unused_result));

/* Overwrites it. */
void bearer_token_wipe(struct bearer_token *token);

#endif
