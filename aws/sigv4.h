/*
 * AWS Signature Version 4 in stages, each callable alone, so that golden files can hold the bytes of each.
 * Pure but for OpenSSL's digests; thread-safe. Used by the client to sign and by localaws to verify.
 *
 * Source: AWS General Reference "Signature Version 4", awslabs/aws-c-auth's signing test suite.
 */
#ifndef SLUICE_AWS_SIGV4_H
#define SLUICE_AWS_SIGV4_H

#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIGV4_KEY_BYTES = 32, SIGV4_HEX_BYTES = 65, SIGV4_STAMP_BYTES = 17 };

struct sigv4_header {
    const char *name; /* any case; repeats allowed */
    const char *value;
};

struct sigv4_request {
    const char *method;
    const char *path;  /* as on the wire, without query; "" counts as "/" */
    const char *query; /* as on the wire, without '?'; NULL or "": none */
    const struct sigv4_header *headers;
    size_t header_count;
    const void *body;
    size_t body_len;
};

struct sigv4_scope {
    char stamp[SIGV4_STAMP_BYTES]; /* "20150830T123600Z" */
    const char *region;
    const char *service;
};

/* How a path is written; services other than S3 want both true, the published suite signs single-encoded
 * paths. */
struct sigv4_path_rule {
    bool normalize;    /* resolve ".", ".." and "//" */
    bool encode_twice; /* percent-encode the already encoded path once more */
};

/* Fills stamp with real time `epoch_s` in UTC. */
void sigv4_stamp(int64_t epoch_s, char stamp[static SIGV4_STAMP_BYTES]);

/* Lower-case hex SHA-256. */
void sigv4_sha256_hex(const void *bytes, size_t len, char hex[static SIGV4_HEX_BYTES]);

/* Stage 1: the canonical request, appended to out; the "a;b;c" list of signed headers appended to
 * signed_names. Signs every header given except those that must not be signed (connection, expect,
 * user-agent, authorization ...). */
void sigv4_canonical_request(const struct sigv4_request *request, struct sigv4_path_rule rule,
                             struct strbuf *out, struct strbuf *signed_names);

/* The same without its end, the hex SHA-256 of the body: for callers that keep what does not depend on a
 * body.
 */
void sigv4_canonical_head(const struct sigv4_request *request, struct sigv4_path_rule rule,
                          struct strbuf *out, struct strbuf *signed_names);

/* Stage 2: the string to sign. */
void sigv4_string_to_sign(const struct sigv4_scope *scope, const char *canonical, size_t len,
                          struct strbuf *out);

/* The same without its end, the hex SHA-256 of the canonical request. */
void sigv4_string_to_sign_head(const struct sigv4_scope *scope, struct strbuf *out);

/* Stage 3: the signing key; depends on secret, day, region and service only, so callers may cache it per UTC
 * day. */
void sigv4_signing_key(const char *secret, const struct sigv4_scope *scope,
                       uint8_t key[static SIGV4_KEY_BYTES]);

/* Stage 4: hex HMAC of the string to sign. */
void sigv4_signature(const uint8_t key[static SIGV4_KEY_BYTES], const char *string_to_sign, size_t len,
                     char hex[static SIGV4_HEX_BYTES]);

/* Stage 5: the value of the Authorization header. */
void sigv4_authorization(const struct sigv4_scope *scope, const char *access_key_id, const char *signed_names,
                         const char *signature, struct strbuf *out);

#endif
