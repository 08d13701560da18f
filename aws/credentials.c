/* Snapshots of credentials; see credentials.h. The providers are in credentials_provider.c. */
#include "aws/credentials.h"

#include "base/alloc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct aws_credentials {
    atomic_int references;
    char *access_key_id; /* owned, as the following */
    char *secret;
    char *session_token; /* NULL: none */
    char *source;
    int64_t expires_ms;
};

struct aws_credentials *aws_credentials_new(const char *access_key_id, const char *secret,
                                            const char *session_token, int64_t expires_ms, const char *source)
{
    struct aws_credentials *c = xcalloc(1, sizeof *c);
    atomic_init(&c->references, 1);
    c->access_key_id = xstrdup(access_key_id);
    c->secret = xstrdup(secret);
    c->session_token = session_token != NULL && session_token[0] != '\0' ? xstrdup(session_token) : NULL;
    c->source = xstrdup(source);
    c->expires_ms = expires_ms;
    return c;
}

struct aws_credentials *aws_credentials_acquire(struct aws_credentials *credentials)
{
    (void)atomic_fetch_add_explicit(&credentials->references, 1, memory_order_relaxed);
    return credentials;
}

static void wipe_and_free(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

void aws_credentials_release(struct aws_credentials *credentials)
{
    if (credentials == NULL ||
        atomic_fetch_sub_explicit(&credentials->references, 1, memory_order_acq_rel) != 1)
        return;
    wipe_and_free(credentials->secret);
    wipe_and_free(credentials->session_token);
    free(credentials->access_key_id);
    free(credentials->source);
    free(credentials);
}

const char *aws_credentials_access_key_id(const struct aws_credentials *credentials)
{
    return credentials->access_key_id;
}

const char *aws_credentials_secret(const struct aws_credentials *credentials)
{
    return credentials->secret;
}

const char *aws_credentials_session_token(const struct aws_credentials *credentials)
{
    return credentials->session_token;
}

int64_t aws_credentials_expires_ms(const struct aws_credentials *credentials)
{
    return credentials->expires_ms;
}

const char *aws_credentials_source(const struct aws_credentials *credentials)
{
    return credentials->source;
}

bool aws_credentials_equal(const struct aws_credentials *a, const struct aws_credentials *b)
{
    const char *left = a->session_token != NULL ? a->session_token : "";
    const char *right = b->session_token != NULL ? b->session_token : "";
    return strcmp(a->access_key_id, b->access_key_id) == 0 && strcmp(a->secret, b->secret) == 0 &&
           strcmp(left, right) == 0;
}

/* ---- what sources share ---- */

static bool is_printable(const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        if ((unsigned char)*text < 0x21 || (unsigned char)*text > 0x7e)
            return false;
    return true;
}

struct aws_credentials *aws_credentials_new_checked(const char *access_key_id, const char *secret,
                                                    const char *session_token, int64_t expires_ms,
                                                    const char *source, struct err *err)
{
    const char *missing = access_key_id == NULL || access_key_id[0] == '\0' ? "key id"
                          : secret == NULL || secret[0] == '\0'             ? "secret"
                                                                            : NULL;
    if (missing != NULL)
        (void)err_set(err, "%s: there is no %s", source, missing);
    else if (!is_printable(access_key_id) || !is_printable(secret) || !is_printable(session_token))
        (void)err_set(err, "%s: the key, secret or token has a character that is not printable ASCII",
                      source);
    else
        return aws_credentials_new(access_key_id, secret, session_token, expires_ms, source);
    return NULL;
}

bool aws_credentials_parse_expiration(const char *text, int64_t *ret_ms)
{
    struct tm parts = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == NULL)
        return false;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    long offset_s = 0;
    if (*rest == '+' || *rest == '-') {
        struct tm zone = {0};
        const char *end = strptime(rest + 1, "%H:%M", &zone);
        if (end == NULL || *end != '\0')
            return false;
        offset_s = (zone.tm_hour * 3600L + zone.tm_min * 60L) * (*rest == '-' ? -1 : 1);
    } else if (strcmp(rest, "Z") != 0) {
        return false;
    }
    *ret_ms = ((int64_t)timegm(&parts) - offset_s) * 1000;
    return true;
}
