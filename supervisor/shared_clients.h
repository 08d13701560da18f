/*
 * The AWS clients of all fleets. Fleets of the same region and endpoint share one, and so its connections,
 * its retry quota, the gate that deals the connections out fairly, and the pools that ask for many fleets at
 * once. All clients share one source of credentials: one fetch for all of them.
 *
 * Belongs to the loop's thread.
 */
#ifndef SLUICE_SUPERVISOR_SHARED_CLIENTS_H
#define SLUICE_SUPERVISOR_SHARED_CLIENTS_H

#include "base/err.h"
#include "base/jsonw.h"
#include "supervisor/config.h"

#include <stdbool.h>
#include <stdint.h>

struct aws_client;
struct aws_credentials_provider;
struct aws_operation_stats;
struct call_gate;
struct cw_pool;
struct ecs_pool;
struct event_base;

struct shared_client {
    const char *region;
    const char *endpoint_url;
    struct aws_client *client;
    struct ecs_pool *pool;   /* NULL until an ECS fleet needs it */
    struct cw_pool *cw_pool; /* NULL until a fleet that asks CloudWatch does */
    struct call_gate *gate;
    struct shared_client *next;
};

/* Zeroed: none, which may be cleaned up. */
struct shared_clients {
    struct event_base *base;
    const struct config *config;
    bool (*may_write)(void *arg);
    void *may_write_arg;
    struct aws_credentials_provider *credentials; /* owned; NULL: not asked for yet */
    struct shared_client *first;                  /* owned */
};

/* config outlives it; may_write is asked before each attempt of a call that changes something
 * (aws_client_options.may_write). */
void shared_clients_init(struct shared_clients *clients, struct event_base *base, const struct config *config,
                         bool (*may_write)(void *arg), void *arg);
/* When nobody uses a client any more. */
void shared_clients_clean_up(struct shared_clients *clients);

/* The credentials of all clients, made at the first call; region (NULL: not configured) is that for STS. */
struct aws_credentials_provider *shared_clients_credentials(struct shared_clients *clients,
                                                            const char *region);

/* The client for a fleet's region and endpoint, made if there is none yet; the pools may be NULL. Lives until
 * the clean-up. NULL with err when the settings are wrong (aws_client_new()). */
struct shared_client *shared_clients_get(struct shared_clients *clients, const struct config_fleet *fleet,
                                         struct err *err);

/* Makes the pools that a fleet of this client needs; seed is for their jitter. */
void shared_clients_make_pools(const struct shared_clients *clients, struct shared_client *shared,
                               const struct config_fleet *fleet, uint64_t seed);

/* Adds what all clients' requests came to to a list of sums (aws_operation_stats_merge()). */
void shared_clients_merge_operations(const struct shared_clients *clients, struct aws_operation_stats **sums);

/* Writes "aws" of GET /v1/status into the open object. */
void shared_clients_write_status(const struct shared_clients *clients, struct jsonw *w);

#endif
