/* Rounds of GetMetricData for many queues; see cw_pool.h. */
#include "supervisor/cw_pool.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/random.h"
#include "policies/prices.h"
#include "supervisor/api_limit.h"

#include <stdlib.h>
#include <string.h>

enum {
    PAGES_MAX = 20,    /* of one round: more than any answer of ours can have */
    DENIED_FACTOR = 5, /* an operator must act: no need to ask so often */
    SKEW_LEAST_MS = 10000,
};

/* GetMetricData may be called 50 times a second in an account (CloudWatch quotas); others live there, too. */
static const double LIMIT_BURST = 10;
static const double LIMIT_PER_S = 5;

struct cw_member {
    struct cw_pool *pool;
    struct cw_member_options options;
    char *queue_name; /* owned */
    enum cw_want want;
    int64_t due_ms;      /* product */
    size_t asked;        /* metrics of the last round; due_ms is for as many */
    struct round *round; /* under way; NULL: none */
    struct cw_member *next;
};

/* One batch of members, from its first page to the last. */
struct round {
    struct cw_pool *pool;
    struct cw_member **members; /* owned list; an entry is NULL: has left */
    size_t *first_query;        /* owned: of each member; the one behind the last: the number of queries */
    size_t member_count;
    struct cloudwatch_query *queries; /* owned, as are the names in them */
    size_t query_count;
    int64_t period_ms, start_ms, end_ms; /* CloudWatch's time, as are the points */
    int64_t ahead_ms;                    /* of our product time */
    struct cloudwatch_point *newest;     /* owned, one a query */
    bool *has_newest, *forbidden;        /* owned, one a query */
    int pages;
    struct aws_call *call;
    struct round *next;
};

struct cw_pool {
    struct event_base *base;
    struct aws_client *client;
    uint64_t random;
    struct api_limit limit;
    struct cw_member *members;
    struct round *rounds; /* under way */
    struct loop_timer timer;
    double thousand_usd, hours_per_month;
    uint64_t rounds_sent, pages, failures, metrics;
};

/* How far CloudWatch's clock is ahead of product time: a host whose clock is minutes off would ask for
 * periods that have not been, or take an old depth for a new one. Seconds do not matter, and an emulator
 * whose time is scaled has ours. */
static int64_t ahead_of_us_ms(const struct cw_pool *pool)
{
    struct aws_client_stats stats;
    aws_client_get_stats(pool->client, &stats);
    int64_t ahead_ms = clock_wall_ms() + stats.skew_ms - clock_product_ms();
    return clock_scale() == 1 && llabs(ahead_ms) >= SKEW_LEAST_MS ? ahead_ms : 0;
}

static size_t metrics_of(enum cw_want want)
{
    return want == CW_WANT_ALL ? CW_METRIC_COUNT : want == CW_WANT_RATES ? CW_METRICS_WITHOUT_DEPTH : 0;
}

/* ---- the end of a round ---- */

static void free_round(struct round *round)
{
    for (size_t i = 0; i < round->query_count; i++)
        free((char *)(uintptr_t)round->queries[i].value);
    free(round->queries);
    free(round->members);
    free(round->first_query);
    free(round->newest);
    free(round->has_newest);
    free(round->forbidden);
    free(round);
}

static void unlink_round(struct round *round)
{
    struct round **at = &round->pool->rounds;
    while (*at != round)
        at = &(*at)->next;
    *at = round->next;
}

/* Its members can travel again, all at the same time so that they stay together. */
static void plan_next(struct round *round, const struct aws_result *result)
{
    double factor = 0.9 + 0.2 * random_unit(&round->pool->random);
    int64_t wait_ms = (int64_t)((double)round->period_ms * factor);
    if (result->kind == AWS_KIND_DENIED)
        wait_ms *= DENIED_FACTOR;
    for (size_t i = 0; i < round->member_count; i++) {
        struct cw_member *member = round->members[i];
        if (member == NULL)
            continue;
        member->asked = round->first_query[i + 1] - round->first_query[i];
        member->round = NULL;
        member->due_ms = clock_product_ms() + (metrics_of(member->want) > member->asked ? 0 : wait_ms);
    }
    loop_timer_arm_real_ms(&round->pool->timer, 0);
}

static void tell_member(const struct round *round, size_t index, const struct aws_result *result)
{
    const struct cw_member *member = round->members[index];
    struct cw_answer answer = {.forbidden = false};
    size_t first = round->first_query[index];
    size_t count = round->first_query[index + 1] - first;
    bool good = result->kind == AWS_KIND_OK;
    for (size_t i = 0; good && i < count; i++) {
        answer.forbidden |= round->forbidden[first + i];
        if (!round->has_newest[first + i])
            continue;
        answer.readings[i] = cw_reading((enum cw_metric)i, &round->newest[first + i], round->period_ms);
        answer.readings[i].at_ms -= round->ahead_ms;
    }
    member->options.on_answer(member->options.arg, result, good ? &answer : NULL, count);
}

static void end_round(struct round *round, const struct aws_result *result)
{
    round->pool->failures += result->kind != AWS_KIND_OK;
    plan_next(round, result);
    for (size_t i = 0; i < round->member_count; i++)
        if (round->members[i] != NULL)
            tell_member(round, i, result);
    unlink_round(round);
    free_round(round);
}

static void send_page(struct round *round, const char *next_token);

/* Keeps the newest whole period of each query over all pages. */
static void take_series(struct round *round, const struct cloudwatch_series *series)
{
    size_t query = series->query;
    struct cloudwatch_point point = {.at_ms = 0};
    round->forbidden[query] |= series->status == CLOUDWATCH_FORBIDDEN;
    if (!cw_newest(series->points, series->point_count, round->start_ms, round->end_ms, round->period_ms,
                   &point) ||
        (round->has_newest[query] && point.at_ms <= round->newest[query].at_ms))
        return;
    round->newest[query] = point;
    round->has_newest[query] = true;
}

static void on_page(void *arg, const struct aws_result *result, const struct cloudwatch_series *series,
                    size_t count, const char *next_token)
{
    struct round *round = arg;
    round->call = NULL;
    api_limit_tell(&round->pool->limit, result->kind == AWS_KIND_THROTTLED, clock_mono_ms());
    for (size_t i = 0; i < count; i++)
        take_series(round, &series[i]);
    if (result->kind == AWS_KIND_OK && next_token[0] != '\0' && round->pages < PAGES_MAX)
        send_page(round, next_token);
    else
        end_round(round, result);
}

/* ---- the start of a round ---- */

/* The first page waited for its token; further ones follow at once, and who comes next waits for them. */
static void send_page(struct round *round, const char *next_token)
{
    struct cw_pool *pool = round->pool;
    if (round->pages++ > 0)
        api_limit_owe(&pool->limit, clock_mono_ms());
    pool->pages++;
    pool->metrics += round->query_count;
    round->call = cloudwatch_get_metric_data(pool->client, round->queries, round->query_count,
                                             round->start_ms, round->end_ms, next_token, on_page, round);
}

static bool is_waiting(const struct cw_member *member)
{
    return member->want != CW_WANT_NOTHING && member->round == NULL;
}

/* The one that has waited longest, or will be due first; NULL when nobody waits. */
static struct cw_member *find_first(const struct cw_pool *pool)
{
    struct cw_member *first = NULL;
    for (struct cw_member *m = pool->members; m != NULL; m = m->next)
        if (is_waiting(m) && (first == NULL || m->due_ms < first->due_ms))
            first = m;
    return first;
}

/* Whether a member may travel with the first one: the same periods, and due within half of one. */
static bool may_share(const struct cw_member *first, const struct cw_member *member, int64_t now_ms)
{
    return is_waiting(member) && member->options.period_ms == first->options.period_ms &&
           member->options.windows == first->options.windows &&
           (member == first || member->due_ms <= now_ms + member->options.period_ms / 2);
}

static void add_member(struct round *round, struct cw_member *member)
{
    size_t count = metrics_of(member->want);
    member->round = round;
    round->members[round->member_count] = member;
    for (size_t i = 0; i < count; i++)
        round->queries[round->query_count++] =
            cw_query((enum cw_metric)i, xstrdup(member->queue_name), round->period_ms);
    round->first_query[++round->member_count] = round->query_count;
}

static void send_round(struct cw_pool *pool, struct cw_member *first, int64_t now_ms)
{
    struct round *round = xcalloc(1, sizeof *round);
    round->pool = pool;
    round->period_ms = first->options.period_ms;
    round->members = xcalloc(CLOUDWATCH_QUERIES_MAX, sizeof(struct cw_member *));
    round->first_query = xcalloc(CLOUDWATCH_QUERIES_MAX + 1, sizeof *round->first_query);
    round->queries = xcalloc(CLOUDWATCH_QUERIES_MAX, sizeof *round->queries);
    round->ahead_ms = ahead_of_us_ms(pool);
    cw_window(now_ms + round->ahead_ms, round->period_ms, first->options.windows, &round->start_ms,
              &round->end_ms);
    add_member(round, first);
    for (struct cw_member *m = pool->members; m != NULL; m = m->next)
        if (may_share(first, m, now_ms) && round->query_count + metrics_of(m->want) <= CLOUDWATCH_QUERIES_MAX)
            add_member(round, m);
    round->newest = xcalloc(round->query_count, sizeof *round->newest);
    round->has_newest = xcalloc(round->query_count, sizeof *round->has_newest);
    round->forbidden = xcalloc(round->query_count, sizeof *round->forbidden);
    round->next = pool->rounds;
    pool->rounds = round;
    pool->rounds_sent++;
    send_page(round, NULL);
}

static void on_timer(void *arg)
{
    struct cw_pool *pool = arg;
    struct cw_member *first = NULL;
    int64_t wait_ms = 0;
    while ((first = find_first(pool)) != NULL) {
        int64_t now_ms = clock_product_ms();
        int64_t left_ms = first->due_ms - now_ms;
        if (left_ms > 0) {
            loop_timer_arm_product_ms(&pool->timer, left_ms);
            return;
        }
        if (!api_limit_take(&pool->limit, clock_mono_ms(), &wait_ms)) {
            loop_timer_arm_real_ms(&pool->timer, wait_ms);
            return;
        }
        send_round(pool, first, now_ms);
    }
}

/* ---- life ---- */

struct cw_pool *cw_pool_new(struct event_base *base, struct aws_client *client, uint64_t seed)
{
    struct cw_pool *pool = xcalloc(1, sizeof *pool);
    struct prices prices = {.as_of = NULL};
    options_set_defaults(PRICES_ROWS, &prices);
    pool->thousand_usd = prices.cloudwatch_thousand_metrics_usd;
    pool->hours_per_month = prices.hours_per_month;
    options_clean_up(PRICES_ROWS, &prices);
    pool->base = base;
    pool->client = client;
    pool->random = seed;
    api_limit_init(&pool->limit, LIMIT_BURST, LIMIT_PER_S, clock_mono_ms());
    loop_timer_init(&pool->timer, base, on_timer, pool);
    return pool;
}

void cw_pool_destroy(struct cw_pool *pool)
{
    if (pool == NULL)
        return;
    while (pool->rounds != NULL) {
        struct round *round = pool->rounds;
        pool->rounds = round->next;
        aws_call_cancel(round->call);
        free_round(round);
    }
    loop_timer_clean_up(&pool->timer);
    free(pool);
}

struct cw_member *cw_pool_join(struct cw_pool *pool, const struct cw_member_options *options)
{
    struct cw_member *member = xcalloc(1, sizeof *member);
    member->pool = pool;
    member->options = *options;
    member->queue_name = xstrdup(options->queue_name);
    member->options.queue_name = member->queue_name;
    member->next = pool->members;
    pool->members = member;
    return member;
}

void cw_member_leave(struct cw_member *member)
{
    if (member == NULL)
        return;
    struct cw_member **at = &member->pool->members;
    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    for (struct round *round = member->pool->rounds; round != NULL; round = round->next)
        for (size_t i = 0; i < round->member_count; i++)
            if (round->members[i] == member)
                round->members[i] = NULL;
    free(member->queue_name);
    free(member);
}

void cw_member_want(struct cw_member *member, enum cw_want want)
{
    bool is_more = want > member->want;
    member->want = want;
    if (!is_more || member->round != NULL)
        return; /* the end of a round looks again */
    if (metrics_of(want) > member->asked)
        member->due_ms = clock_product_ms();
    loop_timer_arm_real_ms(&member->pool->timer, 0);
}

double cw_member_month_usd(const struct cw_member *member)
{
    const struct prices prices = {.hours_per_month = member->pool->hours_per_month,
                                  .cloudwatch_thousand_metrics_usd = member->pool->thousand_usd};
    return prices_cloudwatch_month_usd(&prices, (double)metrics_of(member->want),
                                       (double)member->options.period_ms / 1000);
}

void cw_pool_write_status(const struct cw_pool *pool, struct jsonw *w)
{
    double month_usd = 0;
    int64_t queues = 0;
    for (const struct cw_member *m = pool->members; m != NULL; m = m->next) {
        month_usd += cw_member_month_usd(m);
        queues += m->want != CW_WANT_NOTHING;
    }
    jsonw_object(w);
    jsonw_key_int(w, "queues_asked_for", queues);
    jsonw_key_int(w, "rounds", (int64_t)pool->rounds_sent);
    jsonw_key_int(w, "calls", (int64_t)pool->pages);
    jsonw_key_int(w, "failures", (int64_t)pool->failures);
    jsonw_key_int(w, "throttled", (int64_t)pool->limit.throttled);
    jsonw_key_double(w, "calls_per_s_allowed", pool->limit.per_s);
    jsonw_key_int(w, "metrics_asked_for", (int64_t)pool->metrics);
    jsonw_key_double(w, "usd_so_far", (double)pool->metrics / 1000 * pool->thousand_usd);
    jsonw_key_double(w, "usd_per_month", month_usd);
    jsonw_end_object(w);
}
