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
static pthread_key_t g_contexts;

static void free_context(void *context)
{
    EVP_MD_CTX_free(context);
}

static void fetch(void)
{
    if (pthread_key_create(&g_contexts, free_context) != 0)
        abort();
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

/* Each thread keeps one: with one made for every digest OpenSSL spends more on a short text than its hash
 * takes.
 */
static EVP_MD_CTX *own_context(void)
{
    EVP_MD_CTX *context = pthread_getspecific(g_contexts);
    if (context == NULL) {
        context = EVP_MD_CTX_new();
        if (context == NULL || pthread_setspecific(g_contexts, context) != 0)
            abort();
    }
    return context;
}

static bool digest(const EVP_MD *type, const void *bytes, size_t len, uint8_t *out)
{
    EVP_MD_CTX *context = own_context();
    return EVP_DigestInit_ex(context, type, NULL) == 1 && EVP_DigestUpdate(context, bytes, len) == 1 &&
           EVP_DigestFinal_ex(context, out, NULL) == 1;
}

void aws_digest_sha256(const void *bytes, size_t len, uint8_t out[static AWS_DIGEST_SHA256_BYTES])
{
    (void)pthread_once(&g_once, fetch);
    if (g_sha256 == NULL || !digest(g_sha256, bytes, len, out))
        die();
}

bool aws_digest_md5(const void *bytes, size_t len, uint8_t out[static AWS_DIGEST_MD5_BYTES])
{
    (void)pthread_once(&g_once, fetch);
    return g_md5 != NULL && digest(g_md5, bytes, len, out);
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
    if (g_sha256 == NULL)
        die();
    EVP_MD_CTX *ctx = own_context();
    uint8_t inner[AWS_DIGEST_SHA256_BYTES];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= 0x36;
    hash_padded(ctx, block, bytes, len, inner);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= 0x36 ^ 0x5c;
    hash_padded(ctx, block, inner, sizeof inner, out);
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
