/*
 * Digests over OpenSSL, fetched once per process (OpenSSL 3 looks an algorithm up at every use otherwise,
 * which costs more than hashing a message). Thread-safe.
 */
#ifndef SLUICE_AWS_DIGEST_H
#define SLUICE_AWS_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AWS_DIGEST_SHA256_BYTES = 32, AWS_DIGEST_MD5_BYTES = 16, AWS_DIGEST_MD5_HEX_BYTES = 33 };

/* Aborts when OpenSSL cannot do SHA-256: nothing could be signed. */
void aws_digest_sha256(const void *bytes, size_t len, uint8_t out[static AWS_DIGEST_SHA256_BYTES]);

/* HMAC-SHA-256 (RFC 2104). */
void aws_digest_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                            uint8_t out[static AWS_DIGEST_SHA256_BYTES]);

/* False, out untouched, when this OpenSSL has no MD5 (FIPS mode). */
bool aws_digest_md5(const void *bytes, size_t len, uint8_t out[static AWS_DIGEST_MD5_BYTES]);

/* Lower-case hex with NUL: 2 * len + 1 bytes. */
void aws_digest_hex(const uint8_t *bytes, size_t len, char *out);

#endif
