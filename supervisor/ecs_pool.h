/*
 * The looks of many ECS fleets at their services, of one AWS client (a region and endpoint): DescribeServices
 * for up to ten services of a cluster in one call, with jitter, under one limiter for each group of API
 * calls; and the check for Application Auto Scaling, fifty services a call. Belongs to the loop's thread.
 *
 * A call for several services that fails because of one of them (denied, a bad name) is split: each of them
 * then has calls of its own, until it has seen that it is not the one.
 */
#ifndef SLUICE_SUPERVISOR_ECS_POOL_H
#define SLUICE_SUPERVISOR_ECS_POOL_H

#include "aws/autoscaling.h"
#include "aws/ecs.h"
#include "base/jsonw.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct ecs_pool;
struct ecs_member;

/* Groups of calls that share one of AWS's token buckets. */
enum ecs_api {
    ECS_API_SERVICE_READ,
    ECS_API_SERVICE_MODIFY,
    ECS_API_CLUSTER_READ,
    ECS_API_AUTOSCALING,
    ECS_API_PROTECTION,
    ECS_API_MAX
};

struct ecs_pool *ecs_pool_new(struct event_base *base, struct aws_client *client, uint64_t seed);
/* Ends all calls without their callbacks; members must have left. Accepts NULL. */
void ecs_pool_destroy(struct ecs_pool *pool);

struct aws_client *ecs_pool_client(const struct ecs_pool *pool);

struct ecs_member_options {
    const char *cluster; /* as are the next: outlive the member */
    const char *service;
    int64_t interval_ms; /* product: between two looks, a tenth more or less */
    /* A look's end. result is that of the call; service is what it told, NULL when it failed or told nothing
     * of this one, with ECS's reason then ("MISSING"), "" when there is none. asked_ms: product time at which
     * it went out. */
    void (*on_look)(void *arg, const struct aws_result *result, const struct ecs_service *service,
                    const char *reason, int64_t asked_ms);
    /* The check's end: target is NULL when nobody scales the service or the call failed. */
    void (*on_check)(void *arg, const struct aws_result *result, const struct autoscaling_target *target);
    void *arg;
};

/* Joins and begins to look, with others that join within some ms. */
struct ecs_member *ecs_pool_join(struct ecs_pool *pool, const struct ecs_member_options *options);
void ecs_member_leave(struct ecs_member *member); /* accepts NULL */

/* A look out of turn, as soon as the limiter lets it; one that is under way does not count. */
void ecs_member_look(struct ecs_member *member);
/* Asks once whether Application Auto Scaling scales the service, after delay_ms of product time. */
void ecs_member_check(struct ecs_member *member, int64_t delay_ms);

/* One who waits for its turn to make a call. Memory of the one who waits, zeroed but for fn and arg. */
struct ecs_turn {
    void (*fn)(void *arg); /* it is your turn: take it now, or it is the next one's */
    void *arg;
    bool waiting;
    enum ecs_api api;
    TAILQ_ENTRY(ecs_turn) link;
};

/* Takes a token of a group of calls. False: there is none, or others came before; fn comes from the loop
 * then. Who waits is served in the order of coming, so that one of a thousand fleets does not wait for ever.
 */
bool ecs_pool_take_in_turn(struct ecs_pool *pool, enum ecs_api api, struct ecs_turn *turn);
void ecs_pool_leave_turn(struct ecs_pool *pool, struct ecs_turn *turn); /* also when it does not wait */

/* For calls that fleets make themselves: as api_limit_take(), api_limit_owe() and api_limit_tell(). */
bool ecs_pool_take(struct ecs_pool *pool, enum ecs_api api, int64_t *ret_wait_real_ms);
void ecs_pool_owe(struct ecs_pool *pool, enum ecs_api api);
void ecs_pool_tell(struct ecs_pool *pool, enum ecs_api api, const struct aws_result *result);

/* Writes one object: calls and rate of each group. */
void ecs_pool_write_status(const struct ecs_pool *pool, struct jsonw *w);

#endif
