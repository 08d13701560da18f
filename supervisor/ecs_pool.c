/* Batches of looks and checks; see ecs_pool.h. */
#include "supervisor/ecs_pool.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/random.h"
#include "supervisor/api_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_MAX = AUTOSCALING_TARGETS_MAX,
    DENIED_FACTOR = 6,
    ALONE_LOOKS = 3, /* good ones in a row, then a member travels with others again */
};

/* Fleets that start one after another shall share calls. */
enum { GATHER_REAL_MS = 30 };

/* A timetable of one kind of call: when it is due, and whether one is under way. */
struct errand {
    bool wanted;
    int64_t due_ms;      /* product */
    struct batch *batch; /* under way; NULL: none */
};

enum errand_kind { ERRAND_LOOK, ERRAND_CHECK, ERRAND_MAX };

struct ecs_member {
    struct ecs_pool *pool;
    struct ecs_member_options options;
    char resource_id[544]; /* "service/CLUSTER/SERVICE" */
    struct errand errands[ERRAND_MAX];
    bool again; /* another look was asked for while one was under way */
    bool alone; /* shares no calls for a while: one that it shared was refused */
    int alone_looks;
    struct ecs_member *next;
};

struct batch {
    struct ecs_pool *pool;
    enum errand_kind kind;
    struct ecs_member *members[BATCH_MAX]; /* NULL: has left */
    size_t count;
    int64_t asked_ms;
    struct aws_call *call;
    struct batch *next;
};

TAILQ_HEAD(turn_list, ecs_turn);

/* Those who wait for a token of one group of calls. */
struct queue {
    struct ecs_pool *pool;
    struct turn_list turns;
    struct loop_timer timer;       /* there may be a token */
    const struct ecs_turn *served; /* the one whose fn is running */
};

struct ecs_pool {
    struct event_base *base;
    struct aws_client *client;
    uint64_t random;
    struct api_limit limits[ECS_API_MAX];
    struct queue queues[ECS_API_MAX];
    struct ecs_member *members;
    struct batch *batches; /* under way */
    struct loop_timer timer;
    bool gathering; /* it runs for newcomers */
};

/* Bursts and rates of AWS's buckets, of which we take half and four fifths: others in the account live, too.
 * That of Application Auto Scaling is not published. */
static const struct {
    const char *name;
    double burst, per_s;
} LIMITS[ECS_API_MAX] = {
    [ECS_API_SERVICE_READ] = {"service_read", 50, 16},   [ECS_API_SERVICE_MODIFY] = {"service_modify", 25, 4},
    [ECS_API_CLUSTER_READ] = {"cluster_read", 50, 16},   [ECS_API_AUTOSCALING] = {"autoscaling", 5, 1},
    [ECS_API_PROTECTION] = {"task_protection", 100, 64},
};

/* ---- turns ---- */

static int64_t token_wait_ms(struct queue *queue)
{
    return api_limit_wait_ms(&queue->pool->limits[queue - queue->pool->queues], clock_mono_ms());
}

static void on_turn(void *arg)
{
    struct queue *queue = arg;
    int64_t wait_ms = 0;
    while (!TAILQ_EMPTY(&queue->turns)) {
        struct ecs_turn *turn = TAILQ_FIRST(&queue->turns);
        wait_ms = token_wait_ms(queue);
        if (wait_ms > 0) {
            loop_timer_arm_real_ms(&queue->timer, wait_ms);
            return;
        }
        TAILQ_REMOVE(&queue->turns, turn, link);
        turn->waiting = false;
        queue->served = turn;
        turn->fn(turn->arg);
        queue->served = NULL;
    }
}

bool ecs_pool_take_in_turn(struct ecs_pool *pool, enum ecs_api api, struct ecs_turn *turn)
{
    struct queue *queue = &pool->queues[api];
    int64_t wait_ms = 0;
    bool is_first = queue->served == turn || (!turn->waiting && TAILQ_EMPTY(&queue->turns));
    if (is_first && ecs_pool_take(pool, api, &wait_ms))
        return true;
    if (turn->waiting)
        return false;
    if (TAILQ_EMPTY(&queue->turns))
        loop_timer_arm_real_ms(&queue->timer, wait_ms);
    turn->waiting = true;
    turn->api = api;
    TAILQ_INSERT_TAIL(&queue->turns, turn, link);
    return false;
}

void ecs_pool_leave_turn(struct ecs_pool *pool, struct ecs_turn *turn)
{
    if (turn->waiting)
        TAILQ_REMOVE(&pool->queues[turn->api].turns, turn, link);
    turn->waiting = false;
}

/* ---- life ---- */

static void on_timer(void *arg);

struct ecs_pool *ecs_pool_new(struct event_base *base, struct aws_client *client, uint64_t seed)
{
    struct ecs_pool *pool = xcalloc(1, sizeof *pool);
    pool->base = base;
    pool->client = client;
    pool->random = seed;
    for (int i = 0; i < ECS_API_MAX; i++) {
        struct queue *queue = &pool->queues[i];
        api_limit_init(&pool->limits[i], LIMITS[i].burst, LIMITS[i].per_s, clock_mono_ms());
        queue->pool = pool;
        TAILQ_INIT(&queue->turns);
        loop_timer_init(&queue->timer, base, on_turn, queue);
    }
    loop_timer_init(&pool->timer, base, on_timer, pool);
    return pool;
}

void ecs_pool_destroy(struct ecs_pool *pool)
{
    if (pool == NULL)
        return;
    while (pool->batches != NULL) {
        struct batch *batch = pool->batches;
        pool->batches = batch->next;
        aws_call_cancel(batch->call);
        free(batch);
    }
    for (int i = 0; i < ECS_API_MAX; i++)
        loop_timer_clean_up(&pool->queues[i].timer);
    loop_timer_clean_up(&pool->timer);
    free(pool);
}

struct aws_client *ecs_pool_client(const struct ecs_pool *pool)
{
    return pool->client;
}

bool ecs_pool_take(struct ecs_pool *pool, enum ecs_api api, int64_t *ret_wait_real_ms)
{
    return api_limit_take(&pool->limits[api], clock_mono_ms(), ret_wait_real_ms);
}

void ecs_pool_owe(struct ecs_pool *pool, enum ecs_api api)
{
    api_limit_owe(&pool->limits[api], clock_mono_ms());
}

void ecs_pool_tell(struct ecs_pool *pool, enum ecs_api api, const struct aws_result *result)
{
    api_limit_tell(&pool->limits[api], result->kind == AWS_KIND_THROTTLED, clock_mono_ms());
}

/* ---- the end of a call ---- */

/* Until then members that leave are struck off it. */
static void free_batch(struct batch *batch)
{
    struct batch **at = &batch->pool->batches;
    while (*at != batch)
        at = &(*at)->next;
    *at = batch->next;
    free(batch);
}

/* Whether a failure may be the fault of one of several services. A cluster they have in common. */
static bool may_be_one_of_many(const struct batch *batch, const struct aws_result *result)
{
    return batch->count > 1 && strcmp(result->code, "ClusterNotFoundException") != 0 &&
           (result->kind == AWS_KIND_DENIED || result->kind == AWS_KIND_REQUEST ||
            result->kind == AWS_KIND_NOT_FOUND);
}

/* Whoever was refused together with others and is not when alone shares calls again, or one denied service
 * would cost each of them a call of its own for ever. */
static void note_alone(struct ecs_member *member, const struct aws_result *result)
{
    member->alone_looks = result->kind == AWS_KIND_OK ? member->alone_looks + 1 : 0;
    if (member->alone_looks < ALONE_LOOKS)
        return;
    member->alone = false;
    member->alone_looks = 0;
}

static void plan_next(struct ecs_member *member, enum errand_kind kind, double jitter,
                      const struct aws_result *result)
{
    struct errand *errand = &member->errands[kind];
    int64_t interval_ms = member->options.interval_ms;
    errand->batch = NULL;
    errand->wanted = kind == ERRAND_LOOK;
    if (result->kind == AWS_KIND_DENIED && member->alone)
        interval_ms *= DENIED_FACTOR; /* an operator must act: no need to ask so often */
    errand->due_ms = clock_product_ms();
    if (kind != ERRAND_LOOK)
        return;
    if (!member->again)
        errand->due_ms += (int64_t)((double)interval_ms * (0.9 + 0.2 * jitter));
    member->again = false;
}

/* Its members can travel again; on a failure that may be one's fault each goes alone. */
static void end_batch(struct batch *batch, const struct aws_result *result)
{
    double jitter = random_unit(&batch->pool->random); /* one for all, so that they stay together */
    bool split = may_be_one_of_many(batch, result);
    for (size_t i = 0; i < batch->count; i++) {
        struct ecs_member *member = batch->members[i];
        if (member == NULL)
            continue;
        if (split && batch->kind == ERRAND_LOOK)
            member->alone = member->again = true;
        else if (member->alone && batch->kind == ERRAND_LOOK)
            note_alone(member, result);
        plan_next(member, batch->kind, jitter, result);
    }
    loop_timer_arm_real_ms(&batch->pool->timer, 0);
}

static const struct ecs_service *find_service(const struct ecs_member *member,
                                              const struct ecs_service *services, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(services[i].name, member->options.service) == 0)
            return &services[i];
    return NULL;
}

/* Failures name an ARN: ...:service/CLUSTER/NAME, or the older ...:service/NAME. */
static const char *find_reason(const struct ecs_member *member, const struct ecs_failure *failures,
                               size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *slash = strrchr(failures[i].arn, '/');
        if (strcmp(slash != NULL ? slash + 1 : failures[i].arn, member->options.service) == 0)
            return failures[i].reason;
    }
    return "";
}

static void on_services(void *arg, const struct aws_result *result, const struct ecs_service *services,
                        size_t count, const struct ecs_failure *failures, size_t failure_count)
{
    struct batch *batch = arg;
    ecs_pool_tell(batch->pool, ECS_API_SERVICE_READ, result);
    end_batch(batch, result);
    for (size_t i = 0; i < batch->count; i++) {
        const struct ecs_member *member = batch->members[i];
        if (member != NULL)
            member->options.on_look(member->options.arg, result, find_service(member, services, count),
                                    find_reason(member, failures, failure_count), batch->asked_ms);
    }
    free_batch(batch);
}

static void on_targets(void *arg, const struct aws_result *result, const struct autoscaling_target *targets,
                       size_t count)
{
    struct batch *batch = arg;
    ecs_pool_tell(batch->pool, ECS_API_AUTOSCALING, result);
    end_batch(batch, result);
    for (size_t i = 0; i < batch->count; i++) {
        const struct ecs_member *member = batch->members[i];
        const struct autoscaling_target *found = NULL;
        for (size_t j = 0; member != NULL && j < count; j++)
            if (strcmp(targets[j].resource_id, member->resource_id) == 0)
                found = &targets[j];
        if (member != NULL)
            member->options.on_check(member->options.arg, result, found);
    }
    free_batch(batch);
}

/* ---- the start of a call ---- */

static bool is_waiting(const struct ecs_member *member, enum errand_kind kind)
{
    return member->errands[kind].wanted && member->errands[kind].batch == NULL;
}

/* The one that has waited longest, or will be due first; NULL when nobody waits. */
static struct ecs_member *find_first(const struct ecs_pool *pool, enum errand_kind kind)
{
    struct ecs_member *first = NULL;
    for (struct ecs_member *m = pool->members; m != NULL; m = m->next)
        if (is_waiting(m, kind) && (first == NULL || m->errands[kind].due_ms < first->errands[kind].due_ms))
            first = m;
    return first;
}

/* Whether a member may travel with the first one: the same cluster (a check names it in each resource), and
 * due within half an interval. */
static bool may_share(const struct ecs_member *first, const struct ecs_member *member, enum errand_kind kind,
                      int64_t now_ms)
{
    if (member == first || !is_waiting(member, kind) || first->alone || member->alone)
        return false;
    if (kind == ERRAND_LOOK && strcmp(first->options.cluster, member->options.cluster) != 0)
        return false;
    return member->errands[kind].due_ms <=
           now_ms + (kind == ERRAND_LOOK ? member->options.interval_ms / 2 : 0);
}

static void send_batch(struct ecs_pool *pool, struct ecs_member *first, enum errand_kind kind, int64_t now_ms)
{
    const char *names[BATCH_MAX];
    size_t room = kind == ERRAND_LOOK ? ECS_SERVICES_MAX : AUTOSCALING_TARGETS_MAX;
    struct batch *batch = xcalloc(1, sizeof *batch);
    batch->pool = pool;
    batch->kind = kind;
    batch->asked_ms = now_ms;
    batch->members[batch->count++] = first;
    for (struct ecs_member *m = pool->members; m != NULL && batch->count < room; m = m->next)
        if (may_share(first, m, kind, now_ms))
            batch->members[batch->count++] = m;
    for (size_t i = 0; i < batch->count; i++) {
        batch->members[i]->errands[kind].batch = batch;
        names[i] = kind == ERRAND_LOOK ? batch->members[i]->options.service : batch->members[i]->resource_id;
    }
    batch->next = pool->batches;
    pool->batches = batch;
    batch->call = kind == ERRAND_LOOK ? ecs_describe_services(pool->client, first->options.cluster, names,
                                                              batch->count, on_services, batch)
                                      : autoscaling_describe_ecs_targets(pool->client, names, batch->count,
                                                                         on_targets, batch);
}

/* Sends what is due; returns real ms until there is more to do, -1: nothing waits. */
static int64_t send_due(struct ecs_pool *pool, enum errand_kind kind, enum ecs_api api)
{
    struct ecs_member *first = NULL;
    int64_t wait_ms = 0;
    while ((first = find_first(pool, kind)) != NULL) {
        int64_t now_ms = clock_product_ms();
        int64_t left_ms = first->errands[kind].due_ms - now_ms;
        if (left_ms > 0)
            return left_ms / clock_scale() + 1;
        if (!ecs_pool_take(pool, api, &wait_ms))
            return wait_ms;
        send_batch(pool, first, kind, now_ms);
    }
    return -1;
}

static void on_timer(void *arg)
{
    struct ecs_pool *pool = arg;
    pool->gathering = false;
    int64_t looks_ms = send_due(pool, ERRAND_LOOK, ECS_API_SERVICE_READ);
    int64_t checks_ms = send_due(pool, ERRAND_CHECK, ECS_API_AUTOSCALING);
    int64_t wait_ms = looks_ms < 0 || (checks_ms >= 0 && checks_ms < looks_ms) ? checks_ms : looks_ms;
    if (wait_ms >= 0)
        loop_timer_arm_real_ms(&pool->timer, wait_ms);
}

/* ---- members ---- */

static void gather(struct ecs_pool *pool)
{
    if (pool->gathering)
        return;
    pool->gathering = true;
    loop_timer_arm_real_ms(&pool->timer, GATHER_REAL_MS);
}

struct ecs_member *ecs_pool_join(struct ecs_pool *pool, const struct ecs_member_options *options)
{
    struct ecs_member *member = xcalloc(1, sizeof *member);
    member->pool = pool;
    member->options = *options;
    (void)snprintf(member->resource_id, sizeof member->resource_id, "service/%s/%s", options->cluster,
                   options->service);
    member->errands[ERRAND_LOOK] = (struct errand){.wanted = true, .due_ms = clock_product_ms()};
    member->next = pool->members;
    pool->members = member;
    gather(pool);
    return member;
}

void ecs_member_leave(struct ecs_member *member)
{
    if (member == NULL)
        return;
    struct ecs_member **at = &member->pool->members;
    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    for (struct batch *batch = member->pool->batches; batch != NULL; batch = batch->next)
        for (size_t i = 0; i < batch->count; i++)
            if (batch->members[i] == member)
                batch->members[i] = NULL;
    free(member);
}

void ecs_member_look(struct ecs_member *member)
{
    struct errand *errand = &member->errands[ERRAND_LOOK];
    int64_t now_ms = clock_product_ms();
    if (errand->batch != NULL) {
        member->again = true;
        return;
    }
    if (errand->due_ms > now_ms)
        errand->due_ms = now_ms;
    loop_timer_arm_real_ms(&member->pool->timer, 0);
}

void ecs_member_check(struct ecs_member *member, int64_t delay_ms)
{
    struct errand *errand = &member->errands[ERRAND_CHECK];
    errand->wanted = true;
    errand->due_ms = clock_product_ms() + delay_ms;
    gather(member->pool);
}

void ecs_pool_write_status(const struct ecs_pool *pool, struct jsonw *w)
{
    jsonw_object(w);
    for (int i = 0; i < ECS_API_MAX; i++) {
        const struct api_limit *limit = &pool->limits[i];
        jsonw_key(w, LIMITS[i].name);
        jsonw_object(w);
        jsonw_key_int(w, "calls", (int64_t)limit->taken);
        jsonw_key_int(w, "throttled", (int64_t)limit->throttled);
        jsonw_key_double(w, "calls_per_s_allowed", limit->per_s);
        jsonw_end_object(w);
    }
    jsonw_end_object(w);
}
