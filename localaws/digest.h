/* MD5 as SQS uses it (an integrity check) and the keyed hash that guards receipt handles. One thread. */
#ifndef SLUICE_LOCALAWS_DIGEST_H
#define SLUICE_LOCALAWS_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_MD5_BYTES = 16 };

/* MD5 of `bytes`. OpenSSL without MD5 (FIPS mode) is refused at start by digest_check(). */
void digest_md5(const void *bytes, size_t len, uint8_t out[static DIGEST_MD5_BYTES]);

/* 0, or -1 when the crypto library refuses MD5. */
int digest_check(void);

/* Lower-case hex, NUL-terminated; `out` has 2 * len + 1 bytes. */
void digest_hex(const uint8_t *bytes, size_t len, char *out);

/* SipHash-2-4 (Aumasson, Bernstein 2012). */
uint64_t digest_siphash(const uint64_t key[static 2], const void *bytes, size_t len);

#endif
