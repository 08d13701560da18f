/* Digests over OpenSSL; see digest.h. */
#include "aws/digest.h"

#include <openssl/evp.h>
#include <openssl/opensslv.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHA256_BLOCK_BYTES = 64 };

/* Written once under g_once; kept until the process ends. */
static pthread_once_t g_once = PTHREAD_ONCE_INIT;
static const EVP_MD *g_sha256;
static const EVP_MD *g_md5; /* NULL: this OpenSSL has none */

static void fetch(void)
{
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    g_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    g_md5 = EVP_MD_fetch(NULL, "MD5", NULL);
#else
    g_sha256 = EVP_sha256();
    g_md5 = EVP_md5();
#endif
}

static void die(void)
{
    (void)fputs("OpenSSL cannot compute SHA-256\n", stderr);
    abort();
}

void aws_digest_sha256(const void *bytes, size_t len, uint8_t out[static AWS_DIGEST_SHA256_BYTES])
{
    (void)pthread_once(&g_once, fetch);
    if (g_sha256 == NULL || EVP_Digest(bytes, len, out, NULL, g_sha256, NULL) != 1)
        die();
}

bool aws_digest_md5(const void *bytes, size_t len, uint8_t out[static AWS_DIGEST_MD5_BYTES])
{
    (void)pthread_once(&g_once, fetch);
    return g_md5 != NULL && EVP_Digest(bytes, len, out, NULL, g_md5, NULL) == 1;
}

static void hash_padded(EVP_MD_CTX *ctx, const uint8_t pad[static SHA256_BLOCK_BYTES], const void *bytes,
                        size_t len, uint8_t *out)
{
    if (EVP_DigestInit_ex(ctx, g_sha256, NULL) != 1 || EVP_DigestUpdate(ctx, pad, SHA256_BLOCK_BYTES) != 1 ||
        EVP_DigestUpdate(ctx, bytes, len) != 1 || EVP_DigestFinal_ex(ctx, out, NULL) != 1)
        die();
}

void aws_digest_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                            uint8_t out[static AWS_DIGEST_SHA256_BYTES])
{
    uint8_t block[SHA256_BLOCK_BYTES] = {0};
    if (key_len > sizeof block)
        aws_digest_sha256(key, key_len, block);
    else if (key_len > 0)
        memcpy(block, key, key_len);
    (void)pthread_once(&g_once, fetch);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || g_sha256 == NULL)
        die();
    uint8_t inner[AWS_DIGEST_SHA256_BYTES];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= 0x36;
    hash_padded(ctx, block, bytes, len, inner);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= 0x36 ^ 0x5c;
    hash_padded(ctx, block, inner, sizeof inner, out);
    EVP_MD_CTX_free(ctx);
    explicit_bzero(block, sizeof block);
}

void aws_digest_hex(const uint8_t *bytes, size_t len, char *out)
{
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = DIGITS[bytes[i] >> 4];
        out[2 * i + 1] = DIGITS[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}
