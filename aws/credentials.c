/* Snapshots of credentials and the providers that find them; see credentials.h. */
#include "aws/credentials.h"

#include "aws/profile.h"
#include "base/alloc.h"
#include "base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- snapshots ---- */

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

/* ---- sources of the default chain: each gives a snapshot, or NULL with the reason why not ---- */

/* An environment variable; empty counts as unset. */
static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Keys with CR, LF or other controls would break out of a header or never sign right. */
static bool is_printable(const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        if ((unsigned char)*text < 0x21 || (unsigned char)*text > 0x7e)
            return false;
    return true;
}

static struct aws_credentials *make_checked(const char *id, const char *secret, const char *token,
                                            int64_t expires_ms, const char *source, struct err *why)
{
    if (!is_printable(id) || !is_printable(secret) || !is_printable(token)) {
        (void)err_set(why, "%s: the key, secret or token has a character that is not printable ASCII",
                      source);
        return NULL;
    }
    return aws_credentials_new(id, secret, token, expires_ms, source);
}

/* "2026-01-01T00:00:00Z" or with an offset; false when it is neither. */
static bool parse_expiration(const char *text, int64_t *ret_ms)
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

static struct aws_credentials *from_environment(struct err *why, bool *ret_stop)
{
    const char *id = env("AWS_ACCESS_KEY_ID");
    const char *secret = env("AWS_SECRET_ACCESS_KEY");
    const char *expiration = env("AWS_CREDENTIAL_EXPIRATION");
    int64_t expires_ms = 0;
    if (id == NULL) {
        (void)err_set(why, "environment: AWS_ACCESS_KEY_ID is not set%s",
                      secret != NULL ? " although AWS_SECRET_ACCESS_KEY is" : "");
        return NULL;
    }
    *ret_stop = true; /* half a setting is a mistake, not a reason to use other keys */
    if (secret == NULL) {
        (void)err_set(why, "environment: AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not");
        return NULL;
    }
    if (expiration != NULL && !parse_expiration(expiration, &expires_ms)) {
        (void)err_set(why,
                      "environment: AWS_CREDENTIAL_EXPIRATION=%s: want a time such as 2026-01-01T00:00:00Z",
                      expiration);
        return NULL;
    }
    return make_checked(id, secret, env("AWS_SESSION_TOKEN"), expires_ms, "environment", why);
}

/* Keys of ways to credentials that need more than the file. `first`: wins over static keys of the same
 * profile. */
static const struct {
    const char *key;
    bool first;
} UNSUPPORTED_KEYS[] = {{"role_arn", true},           {"source_profile", false},
                        {"credential_source", false}, {"web_identity_token_file", false},
                        {"sso_session", false},       {"sso_start_url", false},
                        {"sso_account_id", false},    {"sso_role_name", false},
                        {"login_session", false},     {"credential_process", false}};

/* The keys of that table which the profile has, "role_arn, source_profile"; returns whether one of them is
 * first. */
static bool list_unsupported(const struct aws_profiles *profiles, const char *name, char *out, size_t size)
{
    bool first = false;
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof UNSUPPORTED_KEYS / sizeof UNSUPPORTED_KEYS[0]; i++) {
        if (aws_profiles_get(profiles, name, UNSUPPORTED_KEYS[i].key) == NULL)
            continue;
        first = first || UNSUPPORTED_KEYS[i].first;
        int len = snprintf(out + used, size - used, "%s%s", used > 0 ? ", " : "", UNSUPPORTED_KEYS[i].key);
        if (len > 0 && used + (size_t)len < size)
            used += (size_t)len;
    }
    return first;
}

static struct aws_credentials *from_profile(const struct aws_profiles *profiles, const char *name,
                                            struct err *why)
{
    char keys[256];
    char source[160];
    const char *id = aws_profiles_get(profiles, name, "aws_access_key_id");
    const char *secret = aws_profiles_get(profiles, name, "aws_secret_access_key");
    bool first = list_unsupported(profiles, name, keys, sizeof keys);
    (void)snprintf(source, sizeof source, "profile %s", name);
    if (!aws_profiles_has(profiles, name))
        (void)err_set(why, "%s: in neither the config nor the credentials file", source);
    else if (first || (id == NULL && keys[0] != '\0'))
        (void)err_set(why,
                      "%s: gets its credentials by %s, which is not supported; give it aws_access_key_id and "
                      "aws_secret_access_key",
                      source, keys);
    else if (id == NULL)
        (void)err_set(why, "%s: has no aws_access_key_id", source);
    else if (secret == NULL)
        (void)err_set(why, "%s: has aws_access_key_id but no aws_secret_access_key", source);
    else
        return make_checked(id, secret, aws_profiles_get(profiles, name, "aws_session_token"), 0, source,
                            why);
    return NULL;
}

static struct aws_credentials *from_profile_files(struct err *why)
{
    struct aws_profiles *profiles = aws_profiles_load(why);
    if (profiles == NULL)
        return NULL;
    struct aws_credentials *found = from_profile(profiles, aws_profiles_current_name(), why);
    aws_profiles_destroy(profiles);
    return found;
}

static struct aws_credentials *from_default_chain(struct err *err)
{
    struct err environment = {""};
    struct err profile = {""};
    bool stop = false;
    struct aws_credentials *found = from_environment(&environment, &stop);
    if (found == NULL && !stop)
        found = from_profile_files(&profile);
    if (found == NULL)
        (void)err_set(err, "no AWS credentials: %s%s%s", environment.text,
                      profile.text[0] != '\0' ? "; " : "", profile.text);
    return found;
}

/* ---- providers ---- */

/* What a kind of provider does; those that ask the network will answer later. */
struct provider_kind {
    void (*get)(struct aws_credentials_provider *provider, aws_credentials_fn *fn, void *arg);
    void (*invalidate)(struct aws_credentials_provider *provider);
};

struct aws_credentials_provider {
    const struct provider_kind *kind;
    struct aws_credentials *current; /* owned reference; NULL: look for it at the next get */
};

static void static_get(struct aws_credentials_provider *provider, aws_credentials_fn *fn, void *arg)
{
    fn(arg, provider->current, NULL);
}

static void static_invalidate(struct aws_credentials_provider *provider)
{
    (void)provider; /* there is nothing else to find */
}

static void default_get(struct aws_credentials_provider *provider, aws_credentials_fn *fn, void *arg)
{
    struct err err = {""};
    struct aws_credentials *current = provider->current;
    if (current != NULL && current->expires_ms != 0 && current->expires_ms <= clock_wall_ms()) {
        provider->current = NULL;
        aws_credentials_release(current);
    }
    if (provider->current == NULL)
        provider->current = from_default_chain(&err);
    fn(arg, provider->current, provider->current == NULL ? &err : NULL);
}

static void default_invalidate(struct aws_credentials_provider *provider)
{
    aws_credentials_release(provider->current);
    provider->current = NULL;
}

static const struct provider_kind STATIC_KIND = {static_get, static_invalidate};
static const struct provider_kind DEFAULT_KIND = {default_get, default_invalidate};

struct aws_credentials_provider *aws_credentials_provider_new_static(struct aws_credentials *credentials)
{
    struct aws_credentials_provider *provider = xcalloc(1, sizeof *provider);
    provider->kind = &STATIC_KIND;
    provider->current = aws_credentials_acquire(credentials);
    return provider;
}

struct aws_credentials_provider *aws_credentials_provider_new_default(void)
{
    struct aws_credentials_provider *provider = xcalloc(1, sizeof *provider);
    provider->kind = &DEFAULT_KIND;
    return provider;
}

void aws_credentials_provider_destroy(struct aws_credentials_provider *provider)
{
    if (provider == NULL)
        return;
    aws_credentials_release(provider->current);
    free(provider);
}

void aws_credentials_provider_get(struct aws_credentials_provider *provider, aws_credentials_fn *fn,
                                  void *arg)
{
    provider->kind->get(provider, fn, arg);
}

void aws_credentials_provider_invalidate(struct aws_credentials_provider *provider)
{
    provider->kind->invalidate(provider);
}
