/*
 * Inside of an AWS client, shared by client.c (its settings and life), client_call.c (calls from start to
 * end) and client_reply.c (what a reply means). All of it runs in the thread of the client's loop.
 */
#ifndef SLUICE_AWS_CLIENT_INTERNAL_H
#define SLUICE_AWS_CLIENT_INTERNAL_H

#include "aws/client.h"
#include "aws/endpoint.h"
#include "aws/http.h"
#include "aws/operation_stats.h"
#include "aws/profile.h"
#include "aws/retry.h"
#include "aws/target.h"
#include "base/list.h"
#include "base/loop.h"

/* A call is QUEUED until a connection and credentials are free, since nothing may be signed long before it is
 * sent; then ON_WIRE; then WAITING for its next attempt or for its end; ENDING while its callback runs. */
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

/* ---- client.c ---- */

/* The target for a service and, unless NULL, a queue; owned by the client. NULL with err. */
struct aws_target *aws_client_find_target(struct aws_client *client, const char *service,
                                          const char *queue_url, struct err *err);
/* Also for a half-made client; no call is left but spare ones. */
void aws_client_free(struct aws_client *client);

/* ---- client_call.c ---- */

/* Stops what a call has under way and puts it away for the next one; its argument is freed. */
void aws_call_recycle(struct aws_call *call);
/* Frees a call that is in no list. */
void aws_call_free(struct aws_call *call);

/* ---- client_reply.c ---- */

/* code and message are copied, as far as they fit. */
void aws_result_set(struct aws_result *result, enum aws_kind kind, const char *code, const char *message);
/* Fills in the result of an attempt, corrects the clock's skew, and counts. Returns how the call may be
 * retried if the result is not AWS_KIND_OK; *ret_refresh says that other credentials shall be tried at once.
 */
enum retry_class aws_call_judge(struct aws_call *call, struct http_reply *reply, bool *ret_refresh);

#endif
