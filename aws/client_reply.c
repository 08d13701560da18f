/* What a reply means for its call: the result, the clock's skew, the age, whether to try again; and how a
 * result is told. See client_internal.h. */
#include "aws/client_internal.h"

#include "aws/error.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SKEW_SAMPLE_MAX_MS = 900 * 1000, /* replies that took longer say nothing about the clock */
    SKEW_CHANGE_MS = 240 * 1000,     /* services accept 5 minutes */
    DATE_STEP_MS = 1000,             /* what a Date header leaves open */
    DATE_LATE_MS = 1500,             /* a Date so old is no matter of its step and the network */
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

void aws_result_set(struct aws_result *result, enum aws_kind kind, const char *code, const char *message)
{
    result->kind = kind;
    (void)snprintf(result->code, sizeof result->code, "%s", code);
    (void)snprintf(result->message, sizeof result->message, "%s", message);
    result->query_code[0] = '\0';
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
    aws_result_set(&call->result, AWS_KIND_TRANSIENT, reply->failure, reply->detail);
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
    aws_result_set(&call->result, meaning.kind, error.code, error.message);
    memcpy(call->result.query_code, error.query_code, sizeof call->result.query_code);
    if (call->result.request_id[0] == '\0')
        memcpy(call->result.request_id, error.request_id, sizeof call->result.request_id);
    if (meaning.expired_credentials)
        *ret_refresh = refresh_credentials(call);
    if (meaning.retry == RETRY_NEVER && clock_explains(call, &meaning))
        return RETRY_TRANSIENT;
    return meaning.retry;
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

enum retry_class aws_call_judge(struct aws_call *call, struct http_reply *reply, bool *ret_refresh)
{
    struct aws_client *client = call->client;
    struct aws_result *result = &call->result;
    enum retry_class why = RETRY_NEVER;
    result->reply_age_product_ms = reply_age_ms(call, reply);
    sample_skew(client, reply);
    result->http_status = reply->status;
    result->sends += reply->sends;
    result->latency_ms = reply->elapsed_ms;
    memcpy(result->request_id, reply->request_id, sizeof result->request_id);
    if (reply->status >= 200 && reply->status < 300)
        aws_result_set(result, AWS_KIND_OK, "", "");
    else if (reply->status == 0)
        why = judge_failure(call, reply);
    else
        why = judge_error(call, reply, ret_refresh);
    count_attempt(call, reply, why);
    client->stats.throttled += why == RETRY_THROTTLED;
    client->stats.transient += why == RETRY_TRANSIENT;
    return why;
}
