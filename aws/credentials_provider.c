/*
 * Providers of credentials; see credentials.h. A static one always gives its set. The default one holds at
 * most one set and at most one fetch, and a list of those who wait for it; when to fetch is decided in
 * credentials_refresh.c, what to ask in credentials_plan.c.
 */
#include "aws/credentials.h"
#include "aws/credentials_fetch.h"
#include "aws/credentials_plan.h"
#include "aws/credentials_refresh.h"
#include "aws/http.h"
#include "aws/profile.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/random.h"
#include "base/version.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_TIMEOUT_MS = 1000, CONNECTIONS_MAX = 2 };

struct waiter {
    aws_credentials_fn *fn;
    void *arg;
    STAILQ_ENTRY(waiter) link;
};

STAILQ_HEAD(waiter_list, waiter);

struct aws_credentials_provider {
    struct event_base *base;         /* NULL: a static one */
    struct aws_credentials *current; /* owned reference; NULL: none */

    /* of the default one alone */
    char *region;             /* owned; NULL: as usual */
    struct http_client *http; /* made when first needed */
    struct credentials_io io;
    struct credentials_refresh refresh;
    struct credentials_fetch *fetch; /* NULL: none under way */
    bool fetch_is_stable;            /* its source may be away now and then */
    struct waiter_list waiters;
    struct err last_error; /* of the last fetch, if it failed */
    uint64_t random;
};

/* ---- static ones ---- */

struct aws_credentials_provider *aws_credentials_provider_new_static(struct aws_credentials *credentials)
{
    struct aws_credentials_provider *provider = xcalloc(1, sizeof *provider);
    STAILQ_INIT(&provider->waiters);
    provider->current = aws_credentials_acquire(credentials);
    return provider;
}

struct aws_credentials_provider *aws_credentials_provider_new_anonymous(void)
{
    struct aws_credentials_provider *provider = xcalloc(1, sizeof *provider);
    STAILQ_INIT(&provider->waiters);
    provider->current = aws_credentials_new("", "", NULL, 0, "anonymous");
    return provider;
}

/* ---- the default one ---- */

struct aws_credentials_provider *aws_credentials_provider_new_default(struct event_base *base,
                                                                      const char *region)
{
    struct aws_credentials_provider *provider = xcalloc(1, sizeof *provider);
    STAILQ_INIT(&provider->waiters);
    provider->base = base;
    provider->region = region != NULL ? xstrdup(region) : NULL;
    provider->random = random_seed();
    return provider;
}

/* Tells everybody who waits; they may ask again at once, and wait in a new list then. */
static void answer_all(struct aws_credentials_provider *provider, struct aws_credentials *credentials,
                       const struct err *err)
{
    struct waiter_list waiters = STAILQ_HEAD_INITIALIZER(waiters);
    struct err copy = {""};
    if (err != NULL)
        copy = *err;
    if (credentials != NULL)
        aws_credentials_acquire(credentials);
    STAILQ_CONCAT(&waiters, &provider->waiters);
    while (!STAILQ_EMPTY(&waiters)) {
        struct waiter *waiter = STAILQ_FIRST(&waiters);
        STAILQ_REMOVE_HEAD(&waiters, link);
        waiter->fn(waiter->arg, credentials, credentials == NULL ? &copy : NULL);
        free(waiter);
    }
    aws_credentials_release(credentials);
}

/* The first set that had to be asked for, and the end of a row of failures. */
static void log_found(const struct aws_credentials_provider *provider, bool first, bool again)
{
    char until[25];
    int64_t expires_ms = aws_credentials_expires_ms(provider->current);
    LOG(again || (first && provider->http != NULL) ? LOG_INFO : LOG_DEBUG,
        again   ? "credentials are fresh again"
        : first ? "credentials found"
                : "credentials renewed",
        LOG_STR("source", aws_credentials_source(provider->current)),
        LOG_STR("expires", expires_ms != 0 ? clock_format_iso8601(expires_ms, until) : "never"));
}

/* Once for a row of failures: the first that leaves an old set in use. */
static void log_kept(const struct aws_credentials_provider *provider)
{
    char until[25];
    int64_t expires_ms = aws_credentials_expires_ms(provider->current);
    if (provider->refresh.failures == 1)
        LOG(LOG_WARNING, "credentials not renewed, the old ones stay in use",
            LOG_STR("source", aws_credentials_source(provider->current)),
            LOG_STR("expires", expires_ms != 0 ? clock_format_iso8601(expires_ms, until) : "never"),
            LOG_STR("error", provider->last_error.text));
}

static void take(struct aws_credentials_provider *provider, struct aws_credentials *found, bool stable)
{
    struct credentials_refresh *refresh = &provider->refresh;
    int64_t expires_ms = aws_credentials_expires_ms(found);
    bool first = provider->current == NULL;
    bool again = refresh->failures > 0 && !first;
    bool same = provider->current != NULL && aws_credentials_equal(provider->current, found);
    credentials_refresh_fetched(refresh, clock_wall_ms(), expires_ms, stable, same,
                                random_unit(&provider->random));
    /* The same set stays the same pointer: so a refusal of it is seen to stand. */
    if (!same || (aws_credentials_expires_ms(provider->current) != expires_ms && !refresh->forced)) {
        aws_credentials_release(provider->current);
        provider->current = aws_credentials_acquire(found);
    }
    log_found(provider, first, again);
}

/* `asked`: somebody else, who is to be spared for a while; looking at our own settings costs nothing. */
static void note_failure(struct aws_credentials_provider *provider, const struct err *err, bool asked)
{
    bool usable = credentials_refresh_usable(&provider->refresh, clock_wall_ms());
    provider->last_error = *err;
    if (asked || usable)
        credentials_refresh_failed(&provider->refresh, clock_wall_ms(), random_unit(&provider->random));
    if (usable)
        log_kept(provider);
}

/* What those who waited for a fetch get now that it is over. */
static void settle(struct aws_credentials_provider *provider)
{
    bool usable = credentials_refresh_usable(&provider->refresh, clock_wall_ms());
    answer_all(provider, usable ? provider->current : NULL, &provider->last_error);
}

static void on_fetched(void *arg, struct aws_credentials *found, const struct err *err)
{
    struct aws_credentials_provider *provider = arg;
    provider->fetch = NULL;
    if (found != NULL)
        take(provider, found, provider->fetch_is_stable);
    else
        note_failure(provider, err, true);
    settle(provider);
}

static const struct credentials_io *get_io(struct aws_credentials_provider *provider)
{
    if (provider->http == NULL)
        provider->http =
            http_client_new(&(struct http_client_options){.base = provider->base,
                                                          .max_connections = CONNECTIONS_MAX,
                                                          .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                                          .user_agent = "sluice/" SLUICE_VERSION});
    provider->io = (struct credentials_io){provider->base, provider->http, provider->region};
    return &provider->io;
}

/* Starts a fetch, or is through with it already: then provider->fetch stays NULL. */
static void start_fetch(struct aws_credentials_provider *provider)
{
    struct err err = {""};
    struct credentials_plan plan = {.base = CREDENTIALS_BASE_KEYS};
    struct aws_profiles *profiles = aws_profiles_load(&err);
    if (profiles == NULL) {
        (void)err_prefix(&err, "no AWS credentials");
        note_failure(provider, &err, false);
        return;
    }
    if (credentials_plan_make(profiles, &plan, &err) != 0) {
        note_failure(provider, &err, false);
    } else if (plan.base == CREDENTIALS_BASE_KEYS && plan.role_count == 0) {
        take(provider, plan.keys, false);
    } else {
        provider->fetch_is_stable = plan.role_count == 0 && (plan.base == CREDENTIALS_BASE_CONTAINER ||
                                                             plan.base == CREDENTIALS_BASE_INSTANCE);
        provider->fetch =
            credentials_fetch_start(get_io(provider), profiles, &plan, on_fetched, provider, &err);
        if (provider->fetch == NULL)
            note_failure(provider, &err, false);
    }
    credentials_plan_clean_up(&plan);
    aws_profiles_destroy(profiles);
}

static void add_waiter(struct aws_credentials_provider *provider, aws_credentials_fn *fn, void *arg)
{
    struct waiter *waiter = xcalloc(1, sizeof *waiter);
    waiter->fn = fn;
    waiter->arg = arg;
    STAILQ_INSERT_TAIL(&provider->waiters, waiter, link);
}

static void get(struct aws_credentials_provider *provider, aws_credentials_fn *fn, void *arg)
{
    enum credentials_verdict verdict = credentials_refresh_ask(&provider->refresh, clock_wall_ms());
    bool due = verdict == CREDENTIALS_WAIT || verdict == CREDENTIALS_USE_AND_FETCH;
    if (due && provider->fetch == NULL)
        start_fetch(provider);
    if (provider->fetch != NULL && verdict != CREDENTIALS_USE && verdict != CREDENTIALS_USE_AND_FETCH) {
        add_waiter(provider, fn, arg);
        return;
    }
    bool usable = credentials_refresh_usable(&provider->refresh, clock_wall_ms());
    fn(arg, usable ? provider->current : NULL, usable ? NULL : &provider->last_error);
}

void aws_credentials_provider_get(struct aws_credentials_provider *provider, aws_credentials_fn *fn,
                                  void *arg)
{
    if (provider->base != NULL)
        get(provider, fn, arg);
    else
        fn(arg, provider->current, NULL);
}

void aws_credentials_provider_invalidate(struct aws_credentials_provider *provider,
                                         const struct aws_credentials *refused)
{
    if (provider->base != NULL && provider->current == refused)
        credentials_refresh_refused(&provider->refresh, clock_wall_ms());
}

void aws_credentials_provider_destroy(struct aws_credentials_provider *provider)
{
    struct err gone;
    if (provider == NULL)
        return;
    (void)err_set(&gone, "the program is ending");
    credentials_fetch_cancel(provider->fetch);
    answer_all(provider, NULL, &gone);
    http_client_destroy(provider->http);
    aws_credentials_release(provider->current);
    free(provider->region);
    free(provider);
}
