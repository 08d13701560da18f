/* AWS clients that fleets share; see shared_clients.h. */
#include "supervisor/shared_clients.h"

#include "aws/client.h"
#include "aws/operation_stats.h"
#include "base/alloc.h"
#include "supervisor/call_gate.h"
#include "supervisor/cw_pool.h"
#include "supervisor/ecs_pool.h"

#include <stdlib.h>
#include <string.h>

void shared_clients_init(struct shared_clients *clients, struct event_base *base, const struct config *config,
                         bool (*may_write)(void *arg), void *arg)
{
    *clients =
        (struct shared_clients){.base = base, .config = config, .may_write = may_write, .may_write_arg = arg};
}

void shared_clients_clean_up(struct shared_clients *clients)
{
    while (clients->first != NULL) {
        struct shared_client *shared = clients->first;
        clients->first = shared->next;
        ecs_pool_destroy(shared->pool);
        call_gate_destroy(shared->gate);
        cw_pool_destroy(shared->cw_pool);
        aws_client_destroy(shared->client);
        free(shared);
    }
    aws_credentials_provider_destroy(clients->credentials);
    clients->credentials = NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

struct aws_credentials_provider *shared_clients_credentials(struct shared_clients *clients,
                                                            const char *region)
{
    if (clients->credentials == NULL)
        clients->credentials = aws_credentials_provider_new_default(clients->base, region);
    return clients->credentials;
}

struct shared_client *shared_clients_get(struct shared_clients *clients, const struct config_fleet *fleet,
                                         struct err *err)
{
    const char *region = config_fleet_region(clients->config, fleet);
    const char *endpoint_url = config_fleet_endpoint(clients->config, fleet);
    for (struct shared_client *shared = clients->first; shared != NULL; shared = shared->next)
        if (same_text(shared->region, region) && same_text(shared->endpoint_url, endpoint_url))
            return shared;
    struct aws_client_options options = {.base = clients->base,
                                         .region = region,
                                         .endpoint_url = endpoint_url,
                                         .credentials = shared_clients_credentials(clients, region),
                                         .max_connections = CALL_GATE_CONNECTIONS,
                                         .may_write = clients->may_write,
                                         .may_write_arg = clients->may_write_arg};
    struct aws_client *client = aws_client_new(&options, err);
    if (client == NULL)
        return NULL;
    struct shared_client *shared = xcalloc(1, sizeof *shared);
    *shared =
        (struct shared_client){.region = region,
                               .endpoint_url = endpoint_url,
                               .client = client,
                               .gate = call_gate_new(&(struct call_gate_options){.base = clients->base}),
                               .next = clients->first};
    clients->first = shared;
    return shared;
}

void shared_clients_make_pools(const struct shared_clients *clients, struct shared_client *shared,
                               const struct config_fleet *fleet, uint64_t seed)
{
    if (fleet->type == FLEET_ECS && shared->pool == NULL)
        shared->pool = ecs_pool_new(clients->base, shared->client, seed);
    if (fleet->queue.cloudwatch.mode != CLOUDWATCH_OFF && shared->cw_pool == NULL)
        shared->cw_pool = cw_pool_new(clients->base, shared->client, seed);
}

void shared_clients_merge_operations(const struct shared_clients *clients, struct aws_operation_stats **sums)
{
    for (const struct shared_client *shared = clients->first; shared != NULL; shared = shared->next)
        aws_operation_stats_merge(sums, aws_client_operations(shared->client));
}

static void write_counts(const struct shared_clients *clients, struct jsonw *w)
{
    struct aws_client_stats sum = {.calls = 0};
    for (const struct shared_client *shared = clients->first; shared != NULL; shared = shared->next) {
        struct aws_client_stats stats;
        aws_client_get_stats(shared->client, &stats);
        sum.calls += stats.calls;
        sum.attempts += stats.attempts;
        sum.throttled += stats.throttled;
        sum.transient += stats.transient;
        sum.failed += stats.failed;
    }
    jsonw_key_int(w, "calls", (int64_t)sum.calls);
    jsonw_key_int(w, "attempts", (int64_t)sum.attempts);
    jsonw_key_int(w, "throttled", (int64_t)sum.throttled);
    jsonw_key_int(w, "transient", (int64_t)sum.transient);
    jsonw_key_int(w, "failed", (int64_t)sum.failed);
}

void shared_clients_write_status(const struct shared_clients *clients, struct jsonw *w)
{
    jsonw_key(w, "aws");
    jsonw_object(w);
    write_counts(clients, w);
    jsonw_key(w, "ecs");
    jsonw_array(w);
    for (const struct shared_client *shared = clients->first; shared != NULL; shared = shared->next)
        if (shared->pool != NULL)
            ecs_pool_write_status(shared->pool, w);
    jsonw_end_array(w);
    jsonw_key(w, "gates");
    jsonw_array(w);
    for (const struct shared_client *shared = clients->first; shared != NULL; shared = shared->next)
        call_gate_write_status(shared->gate, w);
    jsonw_end_array(w);
    jsonw_key(w, "cloudwatch");
    jsonw_array(w);
    for (const struct shared_client *shared = clients->first; shared != NULL; shared = shared->next)
        if (shared->cw_pool != NULL)
            cw_pool_write_status(shared->cw_pool, w);
    jsonw_end_array(w);
    jsonw_end_object(w);
}
