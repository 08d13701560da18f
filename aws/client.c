/*
 * Calls from start to end: queue, credentials, signature, exchange, judgement, retry, callback; see client.h.
 * All of a client runs in its loop's thread.
 *
 * A call is QUEUED until a connection and credentials are free, since nothing may be signed long before it is
 * sent; then ON_WIRE; then WAITING for its next attempt or for its end; ENDING while its callback runs.
 */
#include "aws/client.h"

#include "aws/endpoint.h"
#include "aws/error.h"
#include "aws/http.h"
#include "aws/operation_stats.h"
#include "aws/profile.h"
#include "aws/region.h"
#include "aws/retry.h"
#include "aws/target.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/random.h"
#include "base/version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECTIONS_DEFAULT = 50,
    CONNECT_TIMEOUT_DEFAULT_MS = 3100,
    REPLY_MARGIN_DEFAULT_MS = 10000,
    ATTEMPTS_MAX = 100,
    SKEW_SAMPLE_MAX_MS = 900 * 1000, /* replies that took longer say nothing about the clock */
    SKEW_CHANGE_MS = 240 * 1000,     /* services accept 5 minutes */
    DATE_STEP_MS = 1000,             /* what a Date header leaves open */
    DATE_LATE_MS = 1500,             /* a Date so old is no matter of its step and the network */
};

static const char USER_AGENT[] = "\r\nUser-Agent: sluice/" SLUICE_VERSION;

enum call_state { CALL_QUEUED, CALL_ON_WIRE, CALL_WAITING, CALL_ENDING };

struct aws_call {
    struct aws_client *client;
    enum call_state state;
    TAILQ_ENTRY(aws_call) link; /* in client->queued (QUEUED), client->spare (free), else client->started */

    struct aws_json_call request; /* its body is the next field */
    struct strbuf body;
    struct aws_target *target;
    struct aws_operation_stats *stats; /* of its operation */
    aws_json_fn *fn;
    void *arg;
    void (*free_arg)(void *arg);

    struct strbuf header_text; /* the signed lines of the attempt, and what else is ours */
    struct http_exchange *exchange;
    struct aws_credentials *credentials; /* owned reference: of the last attempt */
    int64_t signed_skew_ms;              /* clock offset in its signature */
    int64_t sent_product_ms;             /* when the last attempt began */

    struct retry_state retry;
    bool refreshed; /* went back to the queue for other credentials */
    bool resigned;  /* was sent again for "Signature expired" */

    struct loop_timer timer; /* made at its first use */
    bool end_after_wait;     /* else a new attempt */

    struct aws_result result;
};

TAILQ_HEAD(call_list, aws_call);

/* Outlives the client when the provider's answer is still to come. */
struct credentials_wait {
    struct aws_client *client; /* NULL: gone */
    bool pending;
};

struct aws_client {
    struct event_base *base;
    struct http_client *http;
    struct aws_profiles *profiles;
    char *region;
    char *endpoint_url; /* NULL: none given */
    struct aws_credentials_provider *provider;
    bool own_provider;
    struct credentials_wait *wait;

    int max_attempts;
    int max_connections;
    int64_t reply_margin_ms;
    bool (*may_write)(void *arg);
    void *may_write_arg;
    struct retry_quota quota;
    uint64_t random;

    struct call_list queued;
    struct call_list started;
    struct call_list spare;
    int on_wire;
    struct aws_target_list targets;

    bool skew_known;     /* a reply has told its date */
    int depth;           /* callbacks running */
    bool destroy_wanted; /* by one of them */

    struct aws_client_stats stats;
    struct aws_operation_stats *operations;
};

/* ---- names and texts ---- */

static const char *const KIND_NAMES[] = {
    [AWS_KIND_OK] = "ok",
    [AWS_KIND_THROTTLED] = "throttled",
    [AWS_KIND_TRANSIENT] = "transient",
    [AWS_KIND_CREDENTIALS] = "credentials",
    [AWS_KIND_DENIED] = "denied",
    [AWS_KIND_NOT_FOUND] = "not found",
    [AWS_KIND_REQUEST] = "bad request",
    [AWS_KIND_BAD_REPLY] = "bad reply",
};
_Static_assert(sizeof KIND_NAMES / sizeof KIND_NAMES[0] == AWS_KIND_MAX, "a name for each kind");

const char *aws_kind_name(enum aws_kind kind)
{
    return (unsigned)kind < AWS_KIND_MAX ? KIND_NAMES[kind] : "?";
}

char *aws_result_text(const struct aws_result *result, const char *operation, char *out, size_t size)
{
    char status[32] = "no reply";
    if (result->http_status != 0)
        (void)snprintf(status, sizeof status, "HTTP %d", result->http_status);
    (void)snprintf(out, size, "%s: %s%s%s%s%s (%s, %d attempt%s)", operation, aws_kind_name(result->kind),
                   result->code[0] != '\0' ? ": " : "", result->code, result->message[0] != '\0' ? ": " : "",
                   result->message, status, result->attempts, result->attempts == 1 ? "" : "s");
    return out;
}

static void set_result(struct aws_result *result, enum aws_kind kind, const char *code, const char *message)
{
    result->kind = kind;
    (void)snprintf(result->code, sizeof result->code, "%s", code);
    (void)snprintf(result->message, sizeof result->message, "%s", message);
    result->query_code[0] = '\0';
}

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

static struct aws_target *find_target(struct aws_client *client, const char *service, const char *queue_url,
                                      struct err *err)
{
    struct aws_endpoint_query query = endpoint_query(client, service, queue_url);
    return aws_target_find(&client->targets, &query, err);
}

/* ---- states ---- */

static void pump(struct aws_client *client);
static void client_free(struct aws_client *client);

static struct call_list *list_of(struct aws_client *client, enum call_state state)
{
    return state == CALL_QUEUED ? &client->queued : &client->started;
}

/* The one place where a call's state changes. */
static void set_state(struct aws_call *call, enum call_state state)
{
    struct aws_client *client = call->client;
    client->on_wire += (state == CALL_ON_WIRE) - (call->state == CALL_ON_WIRE);
    if (list_of(client, call->state) != list_of(client, state)) {
        TAILQ_REMOVE(list_of(client, call->state), call, link);
        TAILQ_INSERT_TAIL(list_of(client, state), call, link);
    }
    call->state = state;
}

/* Stops what a call has under way and puts it away for the next one; its argument is freed. */
static void recycle(struct aws_call *call)
{
    struct aws_client *client = call->client;
    if (call->state == CALL_ON_WIRE)
        http_cancel(call->exchange);
    loop_timer_cancel(&call->timer);
    set_state(call, CALL_ENDING);
    call->exchange = NULL;
    if (call->free_arg != NULL)
        call->free_arg(call->arg);
    aws_credentials_release(call->credentials);
    call->credentials = NULL;
    TAILQ_REMOVE(&client->started, call, link);
    TAILQ_INSERT_HEAD(&client->spare, call, link);
}

/* Ends a call with its result. Returns false when the callback destroyed the client. */
static bool end_call(struct aws_call *call, struct strbuf *reply)
{
    struct aws_client *client = call->client;
    struct strbuf empty = STRBUF_INIT;
    set_state(call, CALL_ENDING);
    if (call->result.kind != AWS_KIND_OK)
        client->stats.failed++;
    client->depth++;
    call->fn(call->arg, &call->result, reply != NULL ? reply : &empty);
    strbuf_clean_up(&empty);
    recycle(call);
    client->depth--;
    if (client->destroy_wanted && client->depth == 0) {
        client_free(client);
        return false;
    }
    return !client->destroy_wanted;
}

static void on_timer(void *arg)
{
    struct aws_call *call = arg;
    struct aws_client *client = call->client;
    if (call->end_after_wait) {
        if (!end_call(call, NULL))
            return;
    } else {
        set_state(call, CALL_QUEUED);
    }
    pump(client);
}

static void wait_ms(struct aws_call *call, int64_t delay_ms, bool then_end)
{
    if (call->timer.event == NULL)
        loop_timer_init(&call->timer, call->client->base, on_timer, call);
    set_state(call, CALL_WAITING);
    call->end_after_wait = then_end;
    loop_timer_arm_real_ms(&call->timer, delay_ms);
}

/* ---- replies ---- */

static void sample_skew(struct aws_client *client, const struct http_reply *reply)
{
    if (reply->status == 0 || reply->date_ms < 0 || reply->has_age || reply->elapsed_ms > SKEW_SAMPLE_MAX_MS)
        return;
    /* Against the clock at receipt: a long poll makes Date much later than the signature. */
    client->stats.skew_ms = reply->date_ms - reply->received_wall_ms;
    client->skew_known = true;
}

/* How old a reply is: what came late, or lay in the socket while this process stood still, was made earlier.
 * Product ms; to be asked before the reply changes the skew. */
static int64_t reply_age_ms(const struct aws_call *call, const struct http_reply *reply)
{
    const struct aws_client *client = call->client;
    int64_t scale = clock_scale();
    int64_t age_ms = (reply->elapsed_ms - reply->first_byte_ms) * scale;
    int64_t since_poll_ms = clock_product_ms() - call->sent_product_ms - call->request.poll_product_ms;
    if (reply->status == 0)
        return 0;
    if (since_poll_ms > age_ms)
        age_ms = since_poll_ms;
    if (client->skew_known && reply->date_ms >= 0 && !reply->has_age) {
        int64_t late_ms = reply->received_wall_ms - (reply->date_ms - client->stats.skew_ms);
        if (late_ms > DATE_LATE_MS && (late_ms + DATE_STEP_MS) * scale > age_ms)
            age_ms = (late_ms + DATE_STEP_MS) * scale;
    }
    int64_t most_ms = clock_product_ms() - call->sent_product_ms;
    age_ms = age_ms < most_ms ? age_ms : most_ms; /* nothing is answered before it is asked */
    return age_ms > 0 ? age_ms : 0;
}

/* The result of a request without a complete reply; returns how it may be retried. */
static enum retry_class judge_failure(struct aws_call *call, const struct http_reply *reply)
{
    set_result(&call->result, AWS_KIND_TRANSIENT, reply->failure, reply->detail);
    if (reply->too_large) {
        (void)snprintf(call->result.message, sizeof call->result.message, "the reply is larger than %d bytes",
                       HTTP_REPLY_BYTES_MAX);
        call->result.kind = AWS_KIND_BAD_REPLY;
        return RETRY_NEVER;
    }
    if (strcmp(reply->failure, "BadUrl") == 0 || strcmp(reply->failure, HTTP_WRITE_REFUSED) == 0) {
        call->result.kind = AWS_KIND_REQUEST;
        return RETRY_NEVER;
    }
    return RETRY_TRANSIENT;
}

/* Whether a refused signature is worth another one: our clock turned out wrong since, or stood still before.
 */
static bool clock_explains(struct aws_call *call, const struct aws_error_meaning *meaning)
{
    int64_t change_ms = llabs(call->client->stats.skew_ms - call->signed_skew_ms);
    if (meaning->may_be_skew && change_ms >= SKEW_CHANGE_MS)
        return true;
    if (call->resigned || strstr(call->result.message, "Signature expired") == NULL)
        return false;
    call->resigned = true;
    return true;
}

/* Asks the provider for other credentials unless it has them already. True: try again. */
static bool refresh_credentials(struct aws_call *call)
{
    struct aws_client *client = call->client;
    if (call->refreshed)
        return false;
    call->refreshed = true;
    aws_credentials_provider_invalidate(client->provider, call->credentials);
    return true;
}

/* The result of an error reply; *ret_refresh says that other credentials shall be tried. */
static enum retry_class judge_error(struct aws_call *call, struct http_reply *reply, bool *ret_refresh)
{
    struct aws_error error;
    aws_error_parse(reply->status, reply->body.data, reply->body.len, reply->query_error, &error);
    struct aws_error_meaning meaning = aws_error_judge(reply->status, &error);
    set_result(&call->result, meaning.kind, error.code, error.message);
    memcpy(call->result.query_code, error.query_code, sizeof call->result.query_code);
    if (call->result.request_id[0] == '\0')
        memcpy(call->result.request_id, error.request_id, sizeof call->result.request_id);
    if (meaning.expired_credentials)
        *ret_refresh = refresh_credentials(call);
    if (meaning.retry == RETRY_NEVER && clock_explains(call, &meaning))
        return RETRY_TRANSIENT;
    return meaning.retry;
}

static void retry_or_end(struct aws_call *call, enum retry_class why, int64_t hint_ms)
{
    struct aws_client *client = call->client;
    struct retry_question question = {.why = why,
                                      .attempt = call->result.attempts,
                                      .max_attempts = client->max_attempts,
                                      .hint_ms = hint_ms,
                                      .long_poll = call->request.long_poll,
                                      .random = random_unit(&client->random)};
    struct retry_answer answer = retry_decide(&client->quota, &call->retry, &question);
    if (answer.retry || answer.delay_ms > 0) {
        wait_ms(call, answer.delay_ms, !answer.retry);
        pump(client);
    } else if (end_call(call, NULL)) {
        pump(client);
    }
}

static void count_attempt(const struct aws_call *call, const struct http_reply *reply, enum retry_class why)
{
    enum aws_outcome outcome = why == RETRY_THROTTLED   ? AWS_OUTCOME_throttled
                               : why == RETRY_TRANSIENT ? AWS_OUTCOME_transient
                                                        : AWS_OUTCOME_failed;
    if (reply->status >= 200 && reply->status < 300)
        outcome = AWS_OUTCOME_ok;
    aws_operation_stats_record(call->stats, outcome, reply->status != 0 ? reply->elapsed_ms : -1);
}

static void on_reply(void *arg, struct http_reply *reply)
{
    struct aws_call *call = arg;
    struct aws_client *client = call->client;
    struct aws_result *result = &call->result;
    bool refresh = false;
    enum retry_class why = RETRY_NEVER;
    set_state(call, CALL_WAITING);
    call->exchange = NULL;
    result->reply_age_product_ms = reply_age_ms(call, reply);
    sample_skew(client, reply);
    result->http_status = reply->status;
    result->sends += reply->sends;
    result->latency_ms = reply->elapsed_ms;
    memcpy(result->request_id, reply->request_id, sizeof result->request_id);
    if (reply->status >= 200 && reply->status < 300) {
        retry_succeeded(&client->quota, &call->retry);
        count_attempt(call, reply, RETRY_NEVER);
        set_result(result, AWS_KIND_OK, "", "");
        if (end_call(call, &reply->body))
            pump(client);
        return;
    }
    if (reply->status == 0)
        why = judge_failure(call, reply);
    else
        why = judge_error(call, reply, &refresh);
    count_attempt(call, reply, why);
    client->stats.throttled += why == RETRY_THROTTLED;
    client->stats.transient += why == RETRY_TRANSIENT;
    if (refresh) {
        set_state(call, CALL_QUEUED);
        pump(client);
        return;
    }
    retry_or_end(call, why, reply->retry_after_ms);
}

/* ---- attempts ---- */

/* Writes the header lines of an attempt into call->header_text. */
static void write_headers(struct aws_call *call)
{
    struct aws_client *client = call->client;
    struct aws_signing signing = {.content_type = call->request.content_type,
                                  .operation = call->request.target,
                                  .query_mode = call->request.query_mode,
                                  .body = call->body.data,
                                  .body_len = call->body.len,
                                  .credentials = call->credentials,
                                  .epoch_s = (clock_wall_ms() + client->stats.skew_ms) / 1000};
    call->signed_skew_ms = client->stats.skew_ms;
    strbuf_clear(&call->header_text);
    aws_target_sign(call->target, &signing, &call->header_text);
    strbuf_append_str(&call->header_text, USER_AGENT);
}

static void start_attempt(struct aws_call *call, struct aws_credentials *credentials)
{
    struct aws_client *client = call->client;
    /* Host is in the text. */
    const char *headers[] = {NULL, "Host:", "Accept:", "Expect:"};
    if (call->credentials != credentials) {
        aws_credentials_release(call->credentials);
        call->credentials = aws_credentials_acquire(credentials);
    }
    write_headers(call);
    headers[0] = call->header_text.data;
    call->result.attempts++;
    client->stats.attempts++;
    int64_t poll_us = clock_real_us_of_product_ms(call->request.poll_product_ms);
    struct http_call post = {.url = call->target->endpoint.url,
                             .headers = headers,
                             .header_count = sizeof headers / sizeof headers[0],
                             .body = call->body.data,
                             .body_len = call->body.len,
                             .timeout_ms = poll_us / 1000 + client->reply_margin_ms,
                             .may_send = call->request.is_write ? client->may_write : NULL,
                             .may_send_arg = client->may_write_arg};
    call->sent_product_ms = clock_product_ms();
    call->exchange = http_start(client->http, &post, on_reply, call);
    set_state(call, CALL_ON_WIRE);
}

/* Deals with the first queued call now that the provider has answered. */
static void serve_queued(struct aws_call *call, struct aws_credentials *credentials, const struct err *err)
{
    const struct aws_client *client = call->client;
    if (credentials == NULL) {
        set_result(&call->result, AWS_KIND_CREDENTIALS, "NoCredentials", err != NULL ? err->text : "");
        wait_ms(call, 0, true);
    } else if (call->request.is_write && client->may_write != NULL &&
               !client->may_write(client->may_write_arg)) {
        set_result(&call->result, AWS_KIND_REQUEST, HTTP_WRITE_REFUSED, "another one leads now");
        wait_ms(call, 0, true);
    } else if (call->refreshed && call->credentials == credentials) {
        wait_ms(call, 0, true); /* no others to be had: the refusal stands */
    } else {
        start_attempt(call, credentials);
    }
}

static void on_credentials(void *arg, struct aws_credentials *credentials, const struct err *err)
{
    struct credentials_wait *wait = arg;
    struct aws_client *client = wait->client;
    wait->pending = false;
    if (client == NULL) {
        free(wait);
        return;
    }
    while (!TAILQ_EMPTY(&client->queued) && client->on_wire < client->max_connections)
        serve_queued(TAILQ_FIRST(&client->queued), credentials, err);
}

/* Starts what can be started. Runs no callback of a call. */
static void pump(struct aws_client *client)
{
    if (TAILQ_EMPTY(&client->queued) || client->on_wire >= client->max_connections || client->wait->pending ||
        client->destroy_wanted)
        return;
    client->wait->pending = true;
    aws_credentials_provider_get(client->provider, on_credentials, client->wait);
}

/* ---- calls ---- */

static struct aws_call *take_call(struct aws_client *client, aws_json_fn *fn, void *arg,
                                  void (*free_arg)(void *arg))
{
    struct aws_call *call = TAILQ_FIRST(&client->spare);
    if (call == NULL) {
        call = xcalloc(1, sizeof *call);
        call->client = client;
    } else {
        TAILQ_REMOVE(&client->spare, call, link);
    }
    call->state = CALL_QUEUED;
    TAILQ_INSERT_TAIL(&client->queued, call, link);
    call->fn = fn;
    call->arg = arg;
    call->free_arg = free_arg;
    call->retry = (struct retry_state){0};
    call->refreshed = false;
    call->resigned = false;
    set_result(&call->result, AWS_KIND_OK, "", "");
    call->result.http_status = 0;
    call->result.request_id[0] = '\0';
    call->result.attempts = 0;
    call->result.sends = 0;
    call->result.latency_ms = 0;
    call->result.reply_age_product_ms = 0;
    client->stats.calls++;
    return call;
}

struct aws_call *aws_client_refuse(struct aws_client *client, const char *message, aws_json_fn *fn, void *arg,
                                   void (*free_arg)(void *arg))
{
    struct aws_call *call = take_call(client, fn, arg, free_arg);
    set_result(&call->result, AWS_KIND_REQUEST, "InvalidArgument", message);
    wait_ms(call, 0, true);
    return call;
}

struct aws_call *aws_client_call_json(struct aws_client *client, const struct aws_json_call *request,
                                      aws_json_fn *fn, void *arg, void (*free_arg)(void *arg))
{
    struct err err = {""};
    struct aws_target *target = find_target(client, request->service, request->queue_url, &err);
    if (target == NULL)
        return aws_client_refuse(client, err.text, fn, arg, free_arg);
    struct aws_call *call = take_call(client, fn, arg, free_arg);
    call->request = *request;
    call->target = target;
    strbuf_clear(&call->body);
    strbuf_append(&call->body, request->body, request->body_len);
    call->stats = aws_operation_stats_get(&client->operations, request->service, request->target,
                                          strbuf_str(&call->body));
    pump(client);
    return call;
}

void aws_call_cancel(struct aws_call *call)
{
    if (call == NULL || call->state == CALL_ENDING)
        return;
    struct aws_client *client = call->client;
    recycle(call);
    pump(client);
}

/* ---- clients ---- */

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
    return find_target(client, "sqs", NULL, err) != NULL ? 0 : -1;
}

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
        client_free(client);
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

/* Tokens are in both: that of a web identity in a form of STS's, that of a session in the lines. */
static void wipe(struct strbuf *text)
{
    if (text->data != NULL)
        explicit_bzero(text->data, text->capacity);
    strbuf_clean_up(text);
}

static void call_free(struct aws_call *call)
{
    loop_timer_clean_up(&call->timer);
    wipe(&call->body);
    wipe(&call->header_text);
    free(call);
}

/* Also for a half-made client; no call is left but spare ones. */
static void client_free(struct aws_client *client)
{
    while (!TAILQ_EMPTY(&client->spare)) {
        struct aws_call *call = TAILQ_FIRST(&client->spare);
        TAILQ_REMOVE(&client->spare, call, link);
        call_free(call);
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
        recycle(TAILQ_FIRST(&client->queued));
    struct aws_call *call = TAILQ_FIRST(&client->started);
    while (call != NULL) {
        struct aws_call *next = TAILQ_NEXT(call, link);
        if (call->state != CALL_ENDING) /* those end when their callbacks return */
            recycle(call);
        call = next;
    }
    if (client->depth == 0)
        client_free(client);
}

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
