/* Calls from start to end: queue, credentials, signature, exchange, retry, callback; see client_internal.h.
 */
#include "aws/client_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/version.h"

#include <stdlib.h>
#include <string.h>

static const char USER_AGENT[] = "\r\nUser-Agent: sluice/" SLUICE_VERSION;

/* ---- states ---- */

static void pump(struct aws_client *client);

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

void aws_call_recycle(struct aws_call *call)
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
    aws_call_recycle(call);
    client->depth--;
    if (client->destroy_wanted && client->depth == 0) {
        aws_client_free(client);
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

/* ---- the end of an attempt ---- */

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

static void on_reply(void *arg, struct http_reply *reply)
{
    struct aws_call *call = arg;
    struct aws_client *client = call->client;
    bool refresh = false;
    set_state(call, CALL_WAITING);
    call->exchange = NULL;
    enum retry_class why = aws_call_judge(call, reply, &refresh);
    if (call->result.kind == AWS_KIND_OK) {
        retry_succeeded(&client->quota, &call->retry);
        if (end_call(call, &reply->body))
            pump(client);
    } else if (refresh) {
        set_state(call, CALL_QUEUED);
        pump(client);
    } else {
        retry_or_end(call, why, reply->retry_after_ms);
    }
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
        aws_result_set(&call->result, AWS_KIND_CREDENTIALS, "NoCredentials", err != NULL ? err->text : "");
        wait_ms(call, 0, true);
    } else if (call->request.is_write && client->may_write != NULL &&
               !client->may_write(client->may_write_arg)) {
        aws_result_set(&call->result, AWS_KIND_REQUEST, HTTP_WRITE_REFUSED, "another one leads now");
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
    aws_result_set(&call->result, AWS_KIND_OK, "", "");
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
    aws_result_set(&call->result, AWS_KIND_REQUEST, "InvalidArgument", message);
    wait_ms(call, 0, true);
    return call;
}

struct aws_call *aws_client_call_json(struct aws_client *client, const struct aws_json_call *request,
                                      aws_json_fn *fn, void *arg, void (*free_arg)(void *arg))
{
    struct err err = {""};
    struct aws_target *target = aws_client_find_target(client, request->service, request->queue_url, &err);
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
    aws_call_recycle(call);
    pump(client);
}

/* Tokens are in both: that of a web identity in a form of STS's, that of a session in the lines. */
static void wipe(struct strbuf *text)
{
    if (text->data != NULL)
        explicit_bzero(text->data, text->capacity);
    strbuf_clean_up(text);
}

void aws_call_free(struct aws_call *call)
{
    loop_timer_clean_up(&call->timer);
    wipe(&call->body);
    wipe(&call->header_text);
    free(call);
}
