/* Clients: their settings, their life, what they tell of themselves; see client.h. */
#include "aws/client_internal.h"

#include "aws/region.h"
#include "base/alloc.h"
#include "base/random.h"

#include <errno.h>
#include <stdlib.h>

enum {
    CONNECTIONS_DEFAULT = 50,
    CONNECT_TIMEOUT_DEFAULT_MS = 3100,
    REPLY_MARGIN_DEFAULT_MS = 10000,
    ATTEMPTS_MAX = 100,
};

/* ---- targets ---- */

static struct aws_endpoint_query endpoint_query(const struct aws_client *client, const char *service,
                                                const char *queue_url)
{
    return (struct aws_endpoint_query){.service = service,
                                       .region = client->region,
                                       .endpoint_url = client->endpoint_url,
                                       .profiles = client->profiles,
                                       .queue_url = queue_url};
}

struct aws_target *aws_client_find_target(struct aws_client *client, const char *service,
                                          const char *queue_url, struct err *err)
{
    struct aws_endpoint_query query = endpoint_query(client, service, queue_url);
    return aws_target_find(&client->targets, &query, err);
}

/* ---- settings ---- */

/* "AWS_MAX_ATTEMPTS", then the profile's max_attempts. Returns -1 with err when it is no number in range. */
static int find_max_attempts(const struct aws_profiles *profiles, int *ret_attempts, struct err *err)
{
    const char *text = getenv("AWS_MAX_ATTEMPTS");
    const char *name = "AWS_MAX_ATTEMPTS";
    if (text == NULL || text[0] == '\0') {
        text = aws_profiles_get(profiles, aws_profiles_current_name(), "max_attempts");
        name = "max_attempts of the profile";
    }
    *ret_attempts = RETRY_ATTEMPTS_DEFAULT;
    if (text == NULL)
        return 0;
    char *end = NULL;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 1 || value > ATTEMPTS_MAX)
        return err_set(err, "%s=%s: want a number from 1 to %d", name, text, ATTEMPTS_MAX);
    *ret_attempts = (int)value;
    return 0;
}

static int check_options(struct aws_client *client, const struct aws_client_options *options, struct err *err)
{
    char from_metadata[AWS_REGION_BYTES];
    const char *region = options->region != NULL ? options->region : aws_region_find(client->profiles);
    if (region == NULL && aws_region_ask_metadata(client->profiles, from_metadata, err) != 0)
        return err_prefix(err, "no AWS region: set AWS_REGION, or region in the profile \"%s\"",
                          aws_profiles_current_name());
    if (region == NULL)
        region = from_metadata;
    if (aws_region_check(region, err) != 0 ||
        (options->max_attempts == 0 && find_max_attempts(client->profiles, &client->max_attempts, err) != 0))
        return -1;
    client->region = xstrdup(region);
    client->endpoint_url = options->endpoint_url != NULL ? xstrdup(options->endpoint_url) : NULL;
    /* Bad endpoint settings shall be told at the start, not by the first call. */
    return aws_client_find_target(client, "sqs", NULL, err) != NULL ? 0 : -1;
}

/* ---- life ---- */

struct aws_client *aws_client_new(const struct aws_client_options *options, struct err *err)
{
    struct aws_client *client = xcalloc(1, sizeof *client);
    client->base = options->base;
    client->max_attempts = options->max_attempts;
    client->max_connections = options->max_connections > 0 ? options->max_connections : CONNECTIONS_DEFAULT;
    client->reply_margin_ms =
        options->reply_margin_ms > 0 ? options->reply_margin_ms : REPLY_MARGIN_DEFAULT_MS;
    client->may_write = options->may_write;
    client->may_write_arg = options->may_write_arg;
    client->quota.tokens = RETRY_QUOTA_FULL;
    client->random = options->seed != 0 ? options->seed : random_seed();
    TAILQ_INIT(&client->queued);
    TAILQ_INIT(&client->started);
    TAILQ_INIT(&client->spare);
    LIST_INIT(&client->targets);
    client->profiles = aws_profiles_load(err);
    if (client->profiles == NULL || check_options(client, options, err) != 0) {
        aws_client_free(client);
        return NULL;
    }
    client->own_provider = options->credentials == NULL;
    client->provider = client->own_provider
                           ? aws_credentials_provider_new_default(options->base, client->region)
                           : options->credentials;
    client->wait = xcalloc(1, sizeof *client->wait);
    client->wait->client = client;
    int64_t connect_ms =
        options->connect_timeout_ms > 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_DEFAULT_MS;
    client->http = http_client_new(&(struct http_client_options){
        .base = options->base, .max_connections = client->max_connections, .connect_timeout_ms = connect_ms});
    return client;
}

void aws_client_free(struct aws_client *client)
{
    while (!TAILQ_EMPTY(&client->spare)) {
        struct aws_call *call = TAILQ_FIRST(&client->spare);
        TAILQ_REMOVE(&client->spare, call, link);
        aws_call_free(call);
    }
    aws_targets_clean_up(&client->targets);
    aws_operation_stats_free(client->operations);
    http_client_destroy(client->http);
    if (client->wait != NULL && client->wait->pending)
        client->wait->client = NULL; /* freed by the answer that is still to come */
    else
        free(client->wait);
    if (client->own_provider)
        aws_credentials_provider_destroy(client->provider);
    aws_profiles_destroy(client->profiles);
    free(client->region);
    free(client->endpoint_url);
    free(client);
}

void aws_client_destroy(struct aws_client *client)
{
    if (client == NULL)
        return;
    client->destroy_wanted = true;
    while (!TAILQ_EMPTY(&client->queued))
        aws_call_recycle(TAILQ_FIRST(&client->queued));
    struct aws_call *call = TAILQ_FIRST(&client->started);
    while (call != NULL) {
        struct aws_call *next = TAILQ_NEXT(call, link);
        if (call->state != CALL_ENDING) /* those end when their callbacks return */
            aws_call_recycle(call);
        call = next;
    }
    if (client->depth == 0)
        aws_client_free(client);
}

/* ---- questions ---- */

const char *aws_client_region(const struct aws_client *client)
{
    return client->region;
}

int aws_client_endpoint(const struct aws_client *client, const char *service, const char *queue_url,
                        struct strbuf *out, struct err *err)
{
    struct aws_endpoint endpoint;
    struct aws_endpoint_query query = endpoint_query(client, service, queue_url);
    if (aws_endpoint_resolve(&query, &endpoint, err) != 0)
        return -1;
    strbuf_append_str(out, endpoint.url);
    aws_endpoint_clean_up(&endpoint);
    return 0;
}

const struct aws_operation_stats *aws_client_operations(const struct aws_client *client)
{
    return client->operations;
}

void aws_client_get_stats(const struct aws_client *client, struct aws_client_stats *ret_stats)
{
    *ret_stats = client->stats;
}
